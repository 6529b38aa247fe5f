"""What differs between two prompt locks, so that a person sees it: keys, text, first token, fix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from evalkit.models.computation import BESIDE, computation_differences
from prompts.errors import Mismatch
from prompts.lock import Difference, Lock, difference_of_locks
from prompts.same_reading import same_text
from prompts.text_diff import line_diff

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_FILES = ("reading.tokenizer", "reading.chat_template", "reading.stop_ids")
"""Keys that come from the files of a model folder."""
TEMPLATE_KEYS = ("template.", "system", "scorer.rule", "probe.")
"""Keys of `reading` that follow from the template, and so may differ on another task than the lock's."""
WITH_COMPUTATION = ("reading", "computation")
"""What a model's own files are held against: how it is read, and what config.json makes it compute."""
SCORER_KEY = "scorer.version"
"""Alone it locks no checkpoint out; results are brought to today's version by `evalkit rescore`."""
NEIGHBOURS = 4
"""Tokens shown on each side of the first one that differs."""
ROWS_SHOWN = 3
SHOWN = 60
"""Characters shown of a value."""


def require_same(
    locked: Lock,
    now: Lock,
    *,
    what: str,
    model: str,
    sections: Sequence[str] = ("reading",),
    other_task: bool = False,
    tokenizer: PreTrainedTokenizerFast | None = None,
) -> None:
    """Raise Mismatch, with a readable diff and the right command, where two locks differ.

    `what` names the thing whose lock is compared (a checkpoint, a parquet), `model` stands in
    the command. With `other_task` only what does not follow from the template must be equal.
    """
    found = reading_differences(locked, now, sections=sections, other_task=other_task)
    if found:
        raise mismatch(locked, now, found, what=what, model=model, tokenizer=tokenizer)


def rescore_command(*folders: Path) -> str:
    """What to do about runs that another version of the scorer graded, with the command."""
    commands = " && ".join(f"evalkit rescore {quote(str(folder))}" for folder in folders)
    return f"grade with today's scorer: {commands}"


def reading_differences(
    locked: Lock, now: Lock, *, sections: Sequence[str] = ("reading",), other_task: bool = False
) -> list[Difference]:
    """As `prompts.lock.difference_of_locks`, without what may differ on another task.

    Nor does the scorer's version count: a better scorer must not lock an old checkpoint out (two
    results with different ones are still told apart by `evalkit diff`).
    """
    of_locks = [section for section in sections if section != "computation"]
    every = difference_of_locks(locked, now, of_locks)
    found = [entry for entry in every if not f".{entry.key}".endswith(f".{SCORER_KEY}")]
    if "computation" in sections:
        pair = (locked.carries.get("computation"), now.carries.get("computation"))
        found += [Difference("config.json", *entry) for entry in computation_differences(*pair)]
    if not other_task:
        return found
    if None in (locked.reading["chat_template"], now.reading["chat_template"]):  # one of them is raw text
        found = [entry for entry in found if entry.key != "chat_template"]
    return [entry for entry in found if entry.section != "reading" or not entry.key.startswith(TEMPLATE_KEYS)]


def mismatch(
    locked: Lock,
    now: Lock,
    found: Sequence[Difference],
    *,
    what: str,
    model: str,
    tokenizer: PreTrainedTokenizerFast | None = None,
    fix: str | None = None,
) -> Mismatch:
    """The error for differences that were found. `fix` replaces the command for a checkpoint."""
    keys = list(dict.fromkeys(_part(entry) for entry in found))
    parts = [key for key in keys if key != "probe"] or keys
    return Mismatch(
        f"{what} was locked with {locked.template} (fingerprint {locked.fingerprint}), and these differ now: "
        f"{', '.join(parts)}; {fix or right_command(locked, found, model, now)}",
        explain(locked, now, found, tokenizer),
    )


def _part(entry: Difference) -> str:
    """The part of a lock that an entry belongs to, in words."""
    if entry.section == "config.json":
        return entry.key if entry.key in BESIDE else f"config.json ({entry.key})"
    return entry.key.split(".")[0].replace("_", " ")


def explain(
    locked: Lock, now: Lock, found: Sequence[Difference], tokenizer: PreTrainedTokenizerFast | None = None
) -> str:
    """The differing keys with both values, a diff of a prompt's text, and the first differing token.

    `tokenizer` decodes the neighbours of that token; without one only ids are shown.
    """
    parts = [describe([entry for entry in found if not entry.key.startswith("probe.")])]
    parts += [_row_ids(entry) for entry in found if entry.section == "data" and isinstance(entry.left, list)]
    before, after = locked.reading["probe"], now.reading["probe"]
    shared = sorted(set(before) & set(after))
    for number in shared:
        if before[number]["text"] != after[number]["text"]:
            parts.append(text_diff(before[number]["text"], after[number]["text"]))
            break
    for number in shared:
        if before[number]["ids"] != after[number]["ids"]:
            words = tokenizer if _same_vocabulary(locked, now) else None  # else its ids mean other texts
            parts.append(token_diff(_ids(before[number]), _ids(after[number]), tokenizer, words))
            break
    return "\n".join(part for part in parts if part)


def _same_vocabulary(locked: Lock, now: Lock) -> bool:
    """Whether an id is the same text in both; a token that was added changes no other."""
    return len({lock.reading["tokenizer"].get("vocabulary") for lock in (locked, now)}) == 1


def renamed(left: Lock, right: Lock) -> str | None:
    """A sentence where two locks name one text differently; None where they do not."""
    if not same_text(left.reading, right.reading) or left.template == right.template:
        return None
    return f"{left.template} and {right.template} are the same text under two names"


def describe(found: Sequence[Difference]) -> str:
    """One line a key, with both values; long texts from a little before the first place that differs."""
    return "\n".join(f"  {d.section}.{d.key}: {_values(d)}" for d in found)


def _values(d: Difference) -> str:
    if d.section == "data" and isinstance(d.left, list) and isinstance(d.right, list):
        return f"{len(d.left):,} | {len(d.right):,} rows"
    left, right = (v if isinstance(v, str) else repr(v) for v in (d.left, d.right))
    start = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), 0)
    return f"{_excerpt(left, start)} | {_excerpt(right, start)}"


def _excerpt(text: str, start: int) -> str:
    if len(text) <= SHOWN:
        return text.replace("\n", "\\n")
    begin = max(0, start - SHOWN // 3)
    part = text[begin : begin + SHOWN].replace("\n", "\\n")
    return f"{'…' if begin else ''}{part}{'…' if begin + SHOWN < len(text) else ''}"


def text_diff(locked: str, now: str) -> str:
    """A line diff of two prompts."""
    return line_diff(locked, now, ("prompt text, as locked", "prompt text, now"))


def token_diff(
    locked: Sequence[int],
    now: Sequence[int],
    tokenizer: PreTrainedTokenizerFast | None = None,
    words: PreTrainedTokenizerFast | None = None,
) -> str:
    """The first token in which two prompts differ, between its neighbours; empty where none does.

    `tokenizer` decodes those of now, `words` those as locked; without one ids are shown.
    """
    if list(locked) == list(now):
        return ""
    pairs = zip(locked, now, strict=False)
    first = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(locked), len(now)))
    return "\n".join(
        (
            f"  first differing token: number {first + 1} (of {len(locked)} as locked, {len(now)} now)",
            f"    as locked: {_around(locked, first, words)}",
            f"    now:       {_around(now, first, tokenizer)}",
        )
    )


def _around(ids: Sequence[int], first: int, tokenizer: PreTrainedTokenizerFast | None) -> str:
    """Tokens around a position, the one there in brackets with its id."""
    from prompts.tokens import decode_verbatim

    start = max(0, first - NEIGHBOURS)
    shown = []
    for at in range(start, min(len(ids), first + NEIGHBOURS + 1)):
        token = repr(decode_verbatim(tokenizer, [ids[at]])) if tokenizer is not None else str(ids[at])
        shown.append(f"[{token} = {ids[at]}]" if at == first else token)
    if first >= len(ids):
        shown.append("[end]")
    return " ".join(("…", *shown) if start else shown)


def _ids(probe: dict[str, Any]) -> list[int]:
    return [int(token) for token in probe["ids"].split()]


def _row_ids(entry: Difference) -> str:
    ids = entry.left or entry.right
    more = f" and {len(ids) - ROWS_SHOWN:,} more" if len(ids) > ROWS_SHOWN else ""
    return f"    {entry.key}: {', '.join(ids[:ROWS_SHOWN])}{more}"


def right_command(locked: Lock, found: Sequence[Difference], model: str, now: Lock | None = None) -> str:
    """What to do about the differences: the command that is right for the checkpoint of `locked`.

    `now` names the task that was to be scored, if it is another one.
    """
    model, task = quote(model), (now or locked).data.get("task") or locked.data.get("task")
    keys = {f"{entry.section}.{entry.key}" for entry in found}
    if any(key.startswith("data.") for key in keys):
        return "these are not the rows it was trained on; give its own parquet to --data"
    if "reading.template.ref" in keys:
        scored = f" --task {quote(str(task))}" if task else " --task TASK"
        return f"leave --prompt out, or: evalkit score --model {model}{scored} --prompt {locked.template}"
    if any(key.startswith("reading.template.") for key in keys):
        name = locked.template.partition("@")[0]
        return (
            f"undo the edit of {locked.template}, or make a new version: evalkit prompts new {name} "
            "(with --prompts DIR, where it lies in a folder of yours)"
        )
    if any(key.startswith(_FILES) for key in keys):
        return (
            "bring back the tokenizer files and generation_config.json that it was made with; if the new "
            f"ones are meant: evalkit prompts adopt {model} --prompt {locked.template} --force"
        )
    if any(key.startswith("config.json.") for key in keys):
        return (
            "bring back the config.json that it was made with, and what lay beside it; if this is meant: "
            f"evalkit prompts adopt {model} --prompt {locked.template} --force"
        )
    if any(key.startswith("reading.scorer") for key in keys):
        return f"read stored completions under another rule: evalkit rescore RUN --rule {locked.rule}"
    return f"write a new lock on purpose: evalkit prompts adopt {model} --prompt {locked.template} --force"
