"""A grader of one's own: what its function returned, as a judgement.

`grade(completion, gold, row)` returns an outcome, an outcome with a reason, or an answer, which is
then compared with the gold as any other. What fails, or returns anything else, is `unscored` with
the reason: it is never a zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import orjson

from evalkit.grade.function_pool import FunctionPool, Returned
from evalkit.grade.grade import grade
from evalkit.records import Extraction, Grade, Outcome, Row

ALLOWED = "correct, wrong, no_answer, unscored, True, False, None, or an answer as text"
_VERDICTS = frozenset(
    {"correct", "wrong", "noanswer", "unscored", "true", "false", "none", "yes", "no", "right", "incorrect"}
    | {"pass", "passed", "fail", "failed", "error", "ok", "unanswered", "invalid", "valid"}
)
"""Words that are meant as a verdict: one that is no outcome must not be taken for an answer."""
_TRUTH: dict[bool | None, Outcome] = {True: "correct", False: "wrong", None: "no_answer"}


def row_for_grader(row: Row) -> dict[str, Any]:
    """What a grader sees of a row beside its gold: id, question, and the fields of its source."""
    return {"id": row.id, "question": row.question, "fields": plain_fields(row.fields)}


def plain_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as JSON values; what has no JSON form (a date, bytes) as text."""
    plain: dict[str, Any] = orjson.loads(
        orjson.dumps(dict(fields), default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    )
    return plain


def ask(
    pool: FunctionPool, completion: str, gold: str | None, row: Mapping[str, Any]
) -> tuple[Extraction, Grade]:
    """Let the grader judge one completion."""
    rule = pool.function.name
    if gold is None or not gold.strip():
        return Extraction(None, rule), Grade("unscored", "no gold")
    return interpret(pool.call(completion, gold, dict(row)), rule, gold)


def interpret(returned: Returned, rule: str, gold: str) -> tuple[Extraction, Grade]:
    """What a call came to, as an extraction and its grade."""
    nothing = Extraction(None, rule)
    if returned.failure is not None:
        said = (
            f"; it printed: {' '.join(returned.printed.split())[-200:]}" if returned.printed.strip() else ""
        )
        return nothing, Grade("unscored", f"the grader failed: {returned.failure}{said}")
    value, reason = returned.value, "so says the grader"
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], str):  # JSON knows no tuples
        value, reason = value[0], value[1][:500] or reason
        if value not in get_args(Outcome):
            return nothing, _unusable(returned.value)
    if value is None or isinstance(value, bool):
        return nothing, Grade(_TRUTH[value], reason)
    if not isinstance(value, str):
        return nothing, _unusable(value)
    for outcome in get_args(Outcome):
        if value == outcome:
            return nothing, Grade(outcome, reason)
    word = "".join(filter(str.isalpha, value)).casefold()
    if word in _VERDICTS and word != "".join(filter(str.isalpha, gold)).casefold():
        return nothing, _unusable(value)
    if not value.strip():
        return nothing, Grade("no_answer", "the grader returned an empty answer")
    answer = Extraction(value.strip(), rule)
    return answer, grade(answer, gold)


def _unusable(value: Any) -> Grade:
    return Grade(
        "unscored", f"the grader returned {str(value)[:60]!r} ({type(value).__name__}); allowed: {ALLOWED}"
    )
