"""Records as a pandas DataFrame: one row a completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.records import OUTCOMES, Record

if TYPE_CHECKING:
    import pandas


def frame_of(records: Sequence[Record]) -> pandas.DataFrame:
    """One row a record, in the order given; the columns are those of records.jsonl.

    Of the two extractions there are the columns answer, rule, start and end (characters; missing where no
    answer was found), and lenient_answer and lenient_rule. Outcomes are categories.
    """
    import pandas

    frame = pandas.DataFrame(
        {
            "id": [record.id for record in records],
            "sample": [record.sample for record in records],
            "question": [record.question for record in records],
            "gold": [record.gold for record in records],
            "text": [record.text for record in records],
            "outcome": pandas.Categorical([record.outcome for record in records], categories=OUTCOMES),
            "reason": [record.reason for record in records],
            "answer": [record.extraction.answer for record in records],
            "rule": [record.extraction.rule for record in records],
            "start": [record.extraction.span[0] if record.extraction.span else None for record in records],
            "end": [record.extraction.span[1] if record.extraction.span else None for record in records],
            "lenient_outcome": pandas.Categorical(
                [record.lenient_outcome for record in records], categories=OUTCOMES
            ),
            "lenient_answer": [record.lenient.answer for record in records],
            "lenient_rule": [record.lenient.rule for record in records],
            "prompt_tokens": [record.prompt_tokens for record in records],
            "completion_tokens": [record.completion_tokens for record in records],
            "truncated": [record.truncated for record in records],
            "finish_reason": [record.finish_reason for record in records],
            "seed": [record.seed for record in records],
            "own_id": [record.own_id for record in records],
        }
    )
    return frame.astype({"start": "Int64", "end": "Int64"})
