"""The figures of one run: what summary.json and the manifest's counts hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from evalkit.records import OUTCOMES, Record
from evalkit.runs.manifest import Manifest, Summary
from evalkit.stats.pairs import Interval, wilson
from evalkit.stats.samples import around, clustered_se
from prompts.reading.thinking import UNREAD


def counted(manifest: Manifest, records: Sequence[Record]) -> Manifest:
    """The manifest with the completions per outcome, and how many were cut off."""
    found = Counter(record.outcome for record in records)
    return manifest.changed(
        counts={outcome: found[outcome] for outcome in OUTCOMES},
        truncated=sum(record.truncated for record in records),
    )


def summarize(records: Sequence[Record], tokens_per_second: float | None) -> Summary:
    """The summary of a run's records.

    `n` is the number of questions with a scored completion. Accuracy is the share of correct ones
    among the completions that could be scored; the other shares are of all completions.
    `unscored_reasons` says how many were left out of the accuracy and why. The mean length is None
    where no record counts tokens, and `truncated` where none says how it ended (imported runs).
    """
    total = max(1, len(records))
    scored = [record for record in records if record.outcome != "unscored"]
    generated = [record.completion_tokens for record in records if record.completion_tokens]
    ends_known = not records or any(record.finish_reason != "unknown" for record in records)
    accuracy, ci = _share(scored, "outcome")
    lenient, lenient_ci = _share(scored, "lenient_outcome")
    reasons = Counter(record.reason for record in records if record.outcome == "unscored")
    return Summary(
        n=len({record.id for record in scored}),
        accuracy=accuracy,
        ci=(ci.low, ci.high),
        lenient_accuracy=lenient,
        lenient_ci=(lenient_ci.low, lenient_ci.high),
        no_answer=sum(record.outcome == "no_answer" for record in records) / total,
        truncated=sum(record.truncated for record in records) / total if ends_known else None,
        unscored=(len(records) - len(scored)) / total,
        unscored_reasons=dict(reasons.most_common()),
        mean_completion_tokens=sum(generated) / len(generated) if generated else None,
        tokens_per_second=tokens_per_second,
        **_thinking(records),
    )


def _thinking(records: Sequence[Record]) -> dict[str, Any]:
    """The share of completions whose thinking was cut off, and tokens before and after its end.

    Of records without thinking that others of the run have, all tokens are the answer's. Empty where
    no record shows any thinking.
    """
    counted = [record for record in records if record.completion_tokens]
    if all(record.thinking_tokens is None for record in counted):
        return {}
    thinking = sum(record.thinking_tokens or 0 for record in counted) / len(counted)
    whole = sum(record.completion_tokens for record in counted) / len(counted)
    unfinished = sum(record.reason in UNREAD for record in records) / len(records)
    return {
        "unfinished_thinking": unfinished,
        "mean_thinking_tokens": thinking,
        "mean_answer_tokens": whole - thinking,
    }


def _share(scored: Sequence[Record], key: Literal["outcome", "lenient_outcome"]) -> tuple[float, Interval]:
    """The share of correct completions with its 95 % interval: Wilson's, or clustered by question."""
    right = np.array([getattr(record, key) == "correct" for record in scored], dtype=np.float64)
    if len(right) == 0:
        return 0.0, wilson(0, 0)
    _, question = np.unique([record.id for record in scored], return_inverse=True)
    value, questions = float(right.mean()), int(question.max()) + 1
    if questions == len(right):
        return value, wilson(int(right.sum()), len(right))
    return value, around(value, clustered_se(right, question), questions, 0, 1)
