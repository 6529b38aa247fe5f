"""lm-evaluation-harness's sample logs as result folders, so that `diff` and `report` take them.

Verdicts are the log's own (its filter, its metric). What the log does not say is named in the lock
under `unknown`: two imported runs are compared by what is known of both, and an imported run and
one of ours never pass for read alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.exchange.imported import ImportedRun, read_leniently, run_name
from evalkit.exchange.lm_eval import METRIC, NO_ANSWER
from evalkit.exchange.lm_eval_in.facts import lock_of, manifest_of_log, prompt_of
from evalkit.exchange.lm_eval_in.log import SampleLog, read_sample_log
from evalkit.records import Extraction, Outcome, Record, Row
from evalkit.tasks.rows import Item, final_answer, make_rows
from prompts.errors import UserError

QUESTION_FIELDS = ("question", "problem", "input")


def read_log(path: Path, filter: str | None = None) -> ImportedRun:
    """Read one sample log, and the results file beside it where there is one.

    Raises UserError where it is no log of generated answers with one verdict, right or wrong, each.
    """
    log = read_sample_log(path, filter)
    rows = make_rows(Item(question=_question(line), gold=_gold(line)) for line in log.lines)
    records = [_record(log, row, line) for row, line in zip(rows, log.lines, strict=True)]
    lock = lock_of(log, rows)
    notes = [f"{log.replaced} lines held invalid text, it now reads U+FFFD"] if log.replaced else []
    notes.append(f"verdicts of filter {log.filter}; not known: {', '.join(lock.reading['unknown'])}")
    if others := [name for name in log.metrics if name != log.metric]:
        notes.append(f"right and wrong by the metric {log.metric}; left out: {', '.join(others)}")
    manifest = manifest_of_log(log, lock, records)
    model = manifest.model.name.rstrip("/").split("/")[-1]
    return ImportedRun(
        name=run_name(model, log.task, log.filter, f"{log.date:%Y%m%d-%H%M%S}"),
        path=path,
        lock=lock,
        manifest=manifest,
        records=records,
        notes=notes,
    )


def _question(line: Mapping[str, Any]) -> str:
    """The question of the document; where no field is known to hold it, the whole prompt."""
    doc = line["doc"] if isinstance(line["doc"], dict) else {}
    return str(
        next((doc[name] for name in QUESTION_FIELDS if isinstance(doc.get(name), str)), prompt_of(line))
    )


def _gold(line: Mapping[str, Any]) -> Any:
    gold = final_answer(line["target"])
    return gold.strip() if isinstance(gold, str) else gold


def _record(log: SampleLog, row: Row, line: Mapping[str, Any]) -> Record:
    text = _response(log, line)
    answer = line["filtered_resps"][0] if line["filtered_resps"] else NO_ANSWER
    found = Extraction(None if answer in (NO_ANSWER, "") else str(answer), f"lm-eval:{log.filter}")
    outcome, reason = _verdict(log, line, found)
    lenient, lenient_outcome = read_leniently(found, outcome, text, row.gold)
    return Record(
        id=row.id,
        sample=0,
        question=row.question,
        gold=row.gold,
        prompt_tokens=0,
        completion_tokens=0,
        text=text,
        finish_reason="unknown",
        truncated=False,
        extraction=found,
        outcome=outcome,
        reason=reason,
        lenient=lenient,
        lenient_outcome=lenient_outcome,
        seed=0,
    )


def _response(log: SampleLog, line: Mapping[str, Any]) -> str:
    responses = line["resps"]
    if (
        len(responses) != 1
        or not isinstance(responses[0], list)
        or not all(isinstance(r, str) for r in responses[0])
    ):
        raise UserError(
            f"{log.path.name}: doc {line['doc_id']} holds no generated text; "
            "only generate_until tasks can be imported"
        )
    if len(responses[0]) != 1:
        raise UserError(
            f"{log.path.name}: doc {line['doc_id']} has {len(responses[0])} responses; "
            "only logs with one a question can be imported"
        )
    return str(responses[0][0])


def _verdict(log: SampleLog, line: Mapping[str, Any], found: Extraction) -> tuple[Outcome, str]:
    """The log's own verdict: its metric is 1 or 0. Unscored where the line has none."""
    if not line.get("metrics", [METRIC]):
        return "unscored", "the log holds no metric"
    metric = log.metric
    value = line.get(metric)
    if value not in (0, 1):
        raise UserError(
            f"{log.path.name}: {metric} of doc {line['doc_id']} is {value!r}; only 0 or 1 can be imported"
        )
    if value == 1:
        return "correct", f"{metric} in the log"
    if found.answer is None:
        return "no_answer", f"filter {log.filter} found none"
    return "wrong", f"{metric} in the log"
