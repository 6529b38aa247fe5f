"""The nouns of an evaluation: row, sampling, completion, extraction, score, record.

Everything that crosses a module boundary is one of these; each is frozen and plain. What stands in a
file is a msgspec struct, so that reading it checks every type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]

Outcome = Literal["correct", "wrong", "no_answer", "unscored"]
UNANSWERED = ("none", "error")
"""Finish reasons of rows that no engine answered: there is nothing to read, under any rule."""
OUTCOMES: tuple[Outcome, ...] = ("correct", "wrong", "no_answer", "unscored")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One question of a task.

    `id` is a hash of the content, so that order and file layout do not matter. `gold` is the text
    of the reference answer, None where the source row has none that can be used (`problem` says
    why, and the row is scored `unscored`). `messages` is set only for rows of a parquet made for
    verl: the very messages it holds, which are then sent as they are.
    """

    id: str
    question: str
    gold: str | None
    fields: dict[str, Any] = field(default_factory=dict)
    messages: tuple[dict[str, str], ...] | None = None
    problem: str | None = None

    @property
    def own_id(self) -> str | None:
        """The `id` that the row's source gives it; None where it gives none."""
        value = self.fields.get("id")
        return str(value) if isinstance(value, str | int) and str(value) != self.id else None


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How completions are drawn. Every field is sent to the engine, so that no file can change one."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    samples: int = 1
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What an engine made of one prompt: the ids it sampled, decoded by nobody yet.

    `index` is the position in the list of prompts handed in, `sample` counts from 0.
    `finish_reason` is "stop" (a stop id came), "length" (the limit was reached) or "error"
    (the engine failed on this prompt; `error` says how).
    """

    index: int
    sample: int
    token_ids: tuple[int, ...]
    finish_reason: Literal["stop", "length", "error"]
    error: str | None = None


class Extraction(msgspec.Struct, frozen=True, gc=False):
    """The answer that a rule read from a text.

    `answer` is the text of the answer, None where the rule found none. `rule` names the rule that
    fired (of a cascade: the member), with its version, as in "boxed@1". `span` gives the start and
    end of the answer in the text (characters). `alternatives` are other answers that the rule
    saw and did not take, in the order of the text.
    """

    answer: str | None
    rule: str
    span: tuple[int, int] | None = None
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grade:
    """The verdict on one extraction: an outcome and, in a few words, why."""

    outcome: Outcome
    reason: str


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line of records.jsonl: one completion of one question, read and scored.

    A field that is added later has the default None: older records read as "not recorded".
    """

    id: str
    sample: Count
    question: str
    gold: str | None
    prompt_tokens: Count
    completion_tokens: Count
    text: str
    finish_reason: str
    truncated: bool
    extraction: Extraction
    outcome: Outcome
    reason: str
    lenient: Extraction
    lenient_outcome: Outcome
    seed: int
    thinking_tokens: Count | None = None
    """Tokens up to the end of the last thinking block, part of `completion_tokens`; None: no sign of any."""
    markers: tuple[tuple[Count, str], ...] | None = None
    """Special tokens with their places in `text`, where the lock reads thinking by them."""
    fields: dict[str, Any] | None = None
    """The fields of the row's source, which a grader of the user's was given; None under a rule of ours."""

    own_id: str | None = None
    """The `id` of the row's source, where that gives one."""

    @property
    def name(self) -> str:
        """The row's ids for people: its source's own, and ours, by which runs are compared."""
        return f"{self.own_id} ({self.id})" if self.own_id else self.id

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, in the order of the file."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain
