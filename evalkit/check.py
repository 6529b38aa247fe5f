"""Is this model folder still read as its prompt lock says? No model is run.

`check_model` holds a folder's tokenizer, chat template, end tokens and template against its lock;
`require_same` is the comparison itself, for `score` and the trainer, which made the new lock anyway.
The rows of a parquet are checked in `evalkit.check_rows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.lock_diff import explain, right_command
from prompts.errors import Mismatch, UserError
from prompts.lock import Difference, Lock, compare, make_lock, read_lock
from prompts.registry import Template, find_template, load_templates
from prompts.tokens import load_tokenizer, resolve_stop_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TEMPLATE_KEYS = ("template.", "system", "chat_template.kwargs", "scorer.rule", "probe.")
"""Keys of `reading` that follow from the template, and so may differ on another task than the lock's."""


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

    `what` names the thing whose lock is held against (a checkpoint, a parquet), `model` stands in
    the command. With `other_task` only what does not follow from the template must be equal.
    """
    found = differences(locked, now, sections=sections, other_task=other_task)
    if found:
        raise mismatch(locked, now, found, what=what, model=model, tokenizer=tokenizer)


def differences(
    locked: Lock, now: Lock, *, sections: Sequence[str] = ("reading",), other_task: bool = False
) -> list[Difference]:
    """As `prompts.lock.compare`, without what may differ on another task."""
    found = compare(locked, now, sections)
    if not other_task:
        return found
    return [entry for entry in found if entry.section != "reading" or not entry.key.startswith(TEMPLATE_KEYS)]


def mismatch(
    locked: Lock,
    now: Lock,
    found: Sequence[Difference],
    *,
    what: str,
    model: str,
    tokenizer: PreTrainedTokenizerFast | None = None,
) -> Mismatch:
    """The error for differences that were found."""
    keys = list(dict.fromkeys(entry.key.split(".")[0].replace("_", " ") for entry in found))
    parts = [key for key in keys if key != "probe"] or keys
    return Mismatch(
        f"{what} was locked with {locked.template} (fingerprint {locked.fingerprint}), and these differ now: "
        f"{', '.join(parts)}; {right_command(locked, found, model)}",
        explain(locked, now, found, tokenizer),
    )


def check_model(
    folder: Path,
    *,
    name: str | None = None,
    prompt: str | None = None,
    extra: Sequence[Path] = (),
    trust_remote_code: bool = False,
) -> Lock:
    """Hold a model folder against its own lock, under its template or the one named `prompt`.

    Returns the lock. Raises UserError where there is none, Mismatch where anything differs, also
    where a released template was edited.
    """
    name = name or str(folder)
    locked = read_lock(folder)
    if locked is None:
        raise UserError(
            f"{name} has no prompt lock, so there is nothing to hold it against; write one: "
            f"evalkit prompts adopt {name} --prompt NAME (or --data train.parquet)"
        )
    tokenizer = load_tokenizer(folder, trust_remote_code)
    template, broken = _template(prompt or locked.template, extra)
    now = lock_like(locked, template, tokenizer, folder)
    found = differences(locked, now)
    if found:
        raise mismatch(locked, now, found, what=name, model=name, tokenizer=tokenizer)
    if broken is not None:
        raise broken
    return locked


def lock_like(locked: Lock, template: Template, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Lock:
    """The lock that rendering now would give: data, budget and the version of the rule as in `locked`.

    A released version of a rule stays callable, so a newer one in this evalkit is no difference.
    """
    now = make_lock(
        template=template,
        tokenizer=tokenizer,
        stop_ids=resolve_stop_ids(tokenizer, folder),
        task=None,
        split=None,
        prompts=[],
        sampling={},
        scorer=_scorer(locked.reading["scorer"], template),
    )
    return Lock(reading=now.reading, data=locked.data, budget=locked.budget)


def scorer_entry(rule: str) -> dict[str, Any]:
    """The `scorer` entry of a lock made now: the newest version of a rule, and of the scorer."""
    from evalkit.extract import RULES, SCORER_VERSION

    return {"rule": f"{rule}@{RULES[rule]}", "version": SCORER_VERSION}


def _scorer(locked: Mapping[str, Any], template: Template) -> dict[str, Any]:
    rule, _, version = str(locked["rule"]).partition("@")
    return {**locked, "rule": f"{template.rule}@{version}" if template.rule == rule else template.rule}


def _template(ref: str, extra: Sequence[Path]) -> tuple[Template, Mismatch | None]:
    """A template, also one that was edited after its release: its lock can show what was edited."""
    try:
        return find_template(ref, load_templates(extra)), None
    except Mismatch as error:
        return find_template(ref, load_templates(extra, verify=False)), error
