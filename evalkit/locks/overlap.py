"""The train-on-test guard: which of the questions to be scored was the checkpoint trained on?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from evalkit.grade.same_question import normal_text, older_normal_text
from prompts.errors import Mismatch
from prompts.lock import Lock, ids_sha256
from prompts.template import Template

SHOWN = 3


class Question(Protocol):
    """What the guard reads of a row; `evalkit.records.Row` is one."""

    @property
    def id(self) -> str: ...
    @property
    def question(self) -> str: ...


class WithFields(Question, Protocol):
    """A row whose fields may fill a template too."""

    @property
    def fields(self) -> Mapping[str, Any]: ...


def locked_overlap(
    lock: Lock, prompts: Iterable[tuple[str, Sequence[int]]], texts: Mapping[str, str] = {}
) -> list[str]:
    """Ids of the rows that stand in a lock's training data.

    `prompts` are (row id, prompt token ids) of the rows to be scored, `texts` their questions by id
    (`row_text`). A row counts where its id, its whole prompt or its question is the same, so that another
    gold, another file name, another prompt or a space more hides nothing. Locks from before carry no
    questions, or hashes of their older normal form.
    """
    trained = set(lock.data["prompts"])
    hashes = set(lock.data["prompts"].values())
    questions = set(lock.carries.get("questions") or ())
    return [
        row_id
        for row_id, ids in prompts
        if row_id in trained
        or ids_sha256(ids) in hashes
        or (
            questions
            and row_id in texts
            and any(_hash(form(texts[row_id])) in questions for form in (normal_text, older_normal_text))
        )
    ]


def with_questions(lock: Lock, texts: Iterable[str]) -> Lock:
    """The lock of training data with hashes of its questions (`row_text`), for `locked_overlap`."""
    return replace(
        lock, carries={**lock.carries, "questions": sorted({_hash(normal_text(text)) for text in texts})}
    )


def row_text(row: WithFields, template: Template) -> str:
    """What a row asks: its question, with the fields that its template shows."""
    return "\n".join([row.question, *(str(row.fields.get(name)) for name in template.fields)])


def _hash(normal: str) -> str:
    return hashlib.sha256(normal.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def question_overlap(training: Iterable[str], rows: Iterable[Question]) -> list[str]:
    """Ids of the rows whose question is among the training questions (`normal_text`)."""
    trained = {normal_text(question) for question in training}
    return [row.id for row in rows if normal_text(row.question) in trained]


def refuse_overlap(shared: Sequence[str], total: int, *, what: str, scored: str) -> None:
    """Raise Mismatch where rows are shared; `what` was trained on `scored`'s rows."""
    if shared:
        more = f" and {len(shared) - SHOWN:,} more" if len(shared) > SHOWN else ""
        raise Mismatch(
            f"{what} was trained on {len(shared):,} of the {total:,} questions of {scored} "
            f"({', '.join(shared[:SHOWN])}{more}), so its score would be too good; score another split, "
            "or continue with --allow-overlap (the result is marked)"
        )
