"""The prompt lock: what decides the text that the model reads and how its answer is read.

Three sections, because different questions need different equality: `reading` (template, chat
template, tokenizer, stop ids, decoding, rule, and a probe), `data` (task, split, a hash of each
prompt's ids), `budget` (response limit, sampling). Written once by whoever renders; it lies beside
results and checkpoints as `prompt.lock.json`, and in a parquet's schema metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import orjson

from prompts.errors import Mismatch, UserError
from prompts.files import read_plain, require_plain, write_whole
from prompts.install import UPGRADE
from prompts.reading.shape import check_shape
from prompts.same_reading import without_names

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from prompts.template import Template

FILE_NAME = "prompt.lock.json"
PARQUET_KEY = b"prompt_lock"
SCHEMA = 1
SECTIONS = ("reading", "data", "budget")
FIRST_KEYS = frozenset(
    {
        *("template", "system", "chat_template", "tokenizer", "stop_ids", "decode", "scorer", "probe"),
        *(f"template.{name}" for name in ("ref", "kind", "sha256", "turns_sha256")),
        *(f"chat_template.{name}" for name in ("sha256", "kwargs", "add_generation_prompt", "frozen_date")),
        *("scorer.rule", "scorer.version", "task", "split"),
        *("temperature", "top_p", "max_tokens", "samples", "seed"),
    }
)
"""Keys that every lock has. Any other key was added later (or is only known of some imported runs): a lock
that lacks it did not record it, which is no difference. So a key that is added needs no line here."""
FREE_KEYS = ("chat_template.kwargs.", "tokenizer.", "decode.", "probe.")
"""Objects whose keys are data, not names of the format: a key that one side lacks is a difference."""
_LAYOUT = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


@dataclass(frozen=True)
class Lock:
    """The three sections, as plain JSON values. `reading` decides the fingerprint."""

    reading: dict[str, Any]
    data: dict[str, Any]
    budget: dict[str, Any]
    carries: dict[str, Any] = field(default_factory=dict, compare=False)
    """What travels with the lock beside its sections: `template` (the whole template, so that no
    --prompts is needed elsewhere) and `computation` (what of config.json decides the numbers). Locks
    from before carry nothing: that is "not recorded", never a difference."""

    @cached_property
    def fingerprint(self) -> str:
        """First 12 hex digits of the sha256 of `reading`: shown beside every number."""
        return _sha256(self.reading)[:12]

    @property
    def template(self) -> str:
        """The ref of the template, as in gsm8k-boxed@1. Raises UserError where the lock names none."""
        return self._named("template", "ref")

    @property
    def rule(self) -> str:
        """The extraction rule with its version, as in boxed@1. Raises UserError where the lock names none."""
        return self._named("scorer", "rule")

    def _named(self, section: str, key: str) -> str:
        entry = self.reading.get(section)
        name = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise UserError(f"the prompt lock {self.fingerprint} names no {section}; write a new one")
        return name

    @property
    def scorer_version(self) -> int:
        """The version of the scorer that compares the answers; 1 where none is recorded."""
        return int(self.reading["scorer"].get("version") or 1)

    @property
    def thinking_budget(self) -> int | None:
        """The tokens that thinking may take; None where the lock sets no budget."""
        budget = (self.reading.get("thinking") or {}).get("budget")
        return int(budget) if budget else None

    def as_dict(self) -> dict[str, Any]:
        """The content of prompt.lock.json: the sections, and what they hash to."""
        sections = {"reading": self.reading, "data": self.data, "budget": self.budget}
        whole = {"schema": SCHEMA, "fingerprint": self.fingerprint, "sha256": _sha256(sections), **sections}
        if self.carries:
            whole |= {"carries_sha256": _sha256(self.carries), "carries": self.carries}
        return whole

    @classmethod
    def from_dict(cls, value: Any, source: str = "the prompt lock") -> Lock:
        """Read what `as_dict` wrote.

        Raises UserError where it is no lock or one of a newer schema, Mismatch where the content
        does not hash to what the lock itself says: somebody edited it.
        """
        if not isinstance(value, dict) or not all(isinstance(value.get(name), dict) for name in SECTIONS):
            raise UserError(f"{source} is no prompt lock: it needs the sections {', '.join(SECTIONS)}")
        schema, carries = value.get("schema", 0), value.get("carries") or {}
        if type(schema) is not int or not isinstance(carries, dict):
            raise UserError(f"{source} is no prompt lock: its schema or what it carries cannot be read")
        if schema > SCHEMA:
            raise UserError(f"{source} has schema {schema}, this evalkit reads up to {SCHEMA}; {UPGRADE}")
        lock = cls(**{name: value[name] for name in SECTIONS}, carries=carries)
        whole = (
            {"carries_sha256": _sha256({}), **lock.as_dict()} if "carries_sha256" in value else lock.as_dict()
        )
        for key, expected in whole.items():
            if key in ("fingerprint", "sha256", "carries_sha256") and value.get(key) != expected:
                raise Mismatch(
                    f"{source} was edited: its content has {key} {expected[:12]}, it says "
                    f"{str(value.get(key))[:12]}; restore it, or write a new one: evalkit prompts adopt"
                )
        check_shape(value, source)
        return lock


@dataclass(frozen=True)
class Difference:
    """One key in which two locks differ. `key` is dotted, as in `chat_template.sha256`."""

    section: str
    key: str
    left: Any
    right: Any


def make_lock(
    *,
    template: Template,
    tokenizer: PreTrainedTokenizerFast,
    stop_ids: Sequence[int],
    task: str | None,
    split: str | None,
    prompts: Sequence[tuple[str, Sequence[int]]],
    sampling: Mapping[str, Any],
    scorer: Mapping[str, Any],
    computation: Mapping[str, Any] | None = None,
    thinking_tokens: int | None = None,
    like: Mapping[str, Any] | None = None,
) -> Lock:
    """The lock of prompts that were just rendered.

    `prompts` holds (row id, token ids), `sampling` the fields of a Sampling, `scorer` at least
    `rule` with its version, `computation` what `evalkit.models.computation` found,
    `thinking_tokens` the budget of thinking. For a checkpoint whose data is unknown task and split are None.
    Thinking is read in the version of `like`, the `reading` that the new one is to agree with.
    """
    from prompts.lock_reading import reading_of  # reading a lock needs no tokenizer
    from prompts.template import template_values

    hashes = {row_id: ids_sha256(ids) for row_id, ids in prompts}
    sections = {
        "reading": reading_of(template, tokenizer, stop_ids, scorer, thinking_tokens, like),
        "data": {"task": task, "split": split, "rows": len(prompts)},
        "budget": dict(sampling),
        "carries": {"template": template_values(template), "computation": computation},
    }
    lock = Lock(**orjson.loads(orjson.dumps(sections)))  # what a reader of the file will see
    lock.data["prompts"] = dict(sorted(hashes.items()))
    return lock


def carried_template(lock: Lock) -> Template | None:
    """The template that a lock carries, None in locks from before they did.

    Raises Mismatch where its text is not the one that the lock's own hash is of.
    """
    from prompts.template import template_of

    values = lock.carries.get("template")
    if not isinstance(values, dict):
        return None
    template = template_of(values, "the template in the prompt lock")
    if (template.ref, template.text_sha256) != (lock.template, lock.reading["template"]["sha256"]):
        raise Mismatch(f"the prompt lock carries another text of {lock.template} than its hash is of")
    return template


def ids_sha256(ids: Sequence[int]) -> str:
    """The first 16 hex digits of the sha256 of token ids (as decimal text): enough to tell prompts apart."""
    text = orjson.dumps(list(ids), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].replace(b",", b" ")
    return hashlib.sha256(text).hexdigest()[:16]


def difference_of_locks(left: Lock, right: Lock, sections: Sequence[str] = SECTIONS) -> list[Difference]:
    """Every key in which two locks differ, section by section; rows are summed up in three keys."""
    found: list[Difference] = []
    for section in sections:
        first, second = getattr(left, section), getattr(right, section)
        if section == "data":
            found += _compare_rows(first.get("prompts", {}), second.get("prompts", {}))
            first, second = _without_rows(first), _without_rows(second)
        if section == "reading":
            first, second = without_names(first, second)
        found += [Difference(section, *entry) for entry in _walk("", first, second)]
    return found


def _walk(prefix: str, left: Any, right: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({*left, *right}):
            name = f"{prefix}.{key}" if prefix else key
            if (key in left) == (key in right) or name in FIRST_KEYS or name.startswith(FREE_KEYS):
                yield from _walk(name, left.get(key), right.get(key))
    elif left != right:
        yield prefix, left, right


def _without_rows(data: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in data.items() if key not in ("prompts", "rows")}
    if "parts" in data:  # of a mixture (evalkit.locks.parts)
        kept["parts"] = {
            part["task"]: {"split": part["split"], "weight": part.get("weight", 1)} for part in data["parts"]
        }
    return kept


def _compare_rows(left: Mapping[str, str], right: Mapping[str, str]) -> Iterator[Difference]:
    """Rows by id: those of one side only, and those whose prompt differs."""
    if gone := sorted(set(left) - set(right)):
        yield Difference("data", "rows missing", gone, [])
    if added := sorted(set(right) - set(left)):
        yield Difference("data", "rows added", [], added)
    if changed := [row_id for row_id in sorted(set(left) & set(right)) if left[row_id] != right[row_id]]:
        yield Difference("data", "prompts changed", changed, changed)


_VERIFIED: WeakValueDictionary[bytes, Lock] = WeakValueDictionary()
"""Locks in use by the sha256 of their files: that of a million rows is parsed and verified once."""


def read_lock(path: Path | str) -> Lock | None:
    """The lock of a folder, a prompt.lock.json or a parquet; None where there is none.

    Raises UserError where the path does not exist, Mismatch where the lock was edited.
    """
    path = Path(path)
    if path.is_dir():
        path = path / FILE_NAME
        if path.is_symlink() and not path.exists():
            raise UserError(f"{path} is a link to nothing; bring back the lock that it led to")
        if not path.exists():
            return None
    if not path.exists():
        raise UserError(f"{path} does not exist")
    if path.suffix == ".parquet":
        import pyarrow.parquet

        require_plain(path)
        try:
            content = (pyarrow.parquet.read_schema(path).metadata or {}).get(PARQUET_KEY)
        except (OSError, pyarrow.ArrowException) as error:
            raise UserError(f"{path} is no parquet file: {error}") from None
        if content is None:
            return None
    else:
        try:
            content = read_plain(path)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from None
    digest = hashlib.sha256(content).digest()
    if (known := _VERIFIED.get(digest)) is not None:
        return known
    try:
        lock = Lock.from_dict(orjson.loads(content), str(path))
    except orjson.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON: {error}") from None
    _VERIFIED[digest] = lock
    return lock


def write_lock(lock: Lock, folder: Path | str) -> Path:
    """Write prompt.lock.json into a folder, whole or not at all."""
    path = Path(folder) / FILE_NAME
    write_whole(path, orjson.dumps(lock.as_dict(), option=_LAYOUT))
    return path


def _sha256(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
