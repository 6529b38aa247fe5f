"""Score until it is decided: questions in a random order, in chunks, with a valid look after each.

The order follows from the run's seed and the row ids alone, and a decision from the records alone: a run
that was killed and is resumed decides the same.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from evalkit.compare.align import align
from evalkit.compare.columns import load_columns
from evalkit.engines.base import Engine
from evalkit.engines.load import check_engine
from evalkit.locks.difference import describe
from evalkit.records import Record
from evalkit.runs.folder import Run, RunWriter, read_run
from evalkit.runs.section import Sequential
from evalkit.runs.summary import counted, summarize
from evalkit.score.pipeline import Load, fill, load_engine, manifest_of_plan
from evalkit.score.plan import RunPlan
from evalkit.score.resume import carry_marks, default_folder, open_folder
from evalkit.score.timing import Timing
from evalkit.stats.sequential import ALPHA, Decision, decide, default_chunk, looks
from prompts.errors import Mismatch, UserError
from prompts.lock import difference_of_locks


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is to be decided: better or worse than a complete run, or equal within `margin` (a share), with
    the error shared over so many `comparisons`.
    """

    base: Run
    margin: float
    comparisons: int = 1

    def begin(self, plan: RunPlan) -> Sequential:
        """The section of the manifest before anything was asked."""
        return Sequential(
            against=self.base.name,
            seed=plan.sampling.seed,
            chunk=default_chunk(len(plan.task.rows)),
            margin=self.margin,
            alpha=ALPHA / self.comparisons,
        )


def score_until_decided(
    plan: RunPlan,
    comparison: Comparison,
    *,
    command: str,
    results: Path,
    output: Path | None = None,
    load: Load | None = None,
) -> Run:
    """Score a plan, chunk by chunk, until it is decided against the base or all questions were asked.

    A run that was decided gets the status "decided": readers do not take it for a complete one. Where all
    questions were asked it is complete. `load` is as in `score_model`.

    Raises UserError where the folder holds another run, one without this comparison, or one under way;
    Mismatch where base and plan differ in what must be equal; Failed where the engine fails.
    """
    _check_base(plan, comparison.base)
    folder = output or default_folder(plan, results)
    existing = open_folder(folder, plan)
    wanted = comparison.begin(plan)
    if existing is not None:
        existing = carry_marks(existing, plan.marks)
        _check_same(existing, wanted)
        if existing.manifest.status != "running":
            print(f"{folder} is {existing.manifest.status} already; nothing was run", file=sys.stderr)
            return existing
    if load is None:
        check_engine(plan.engine, plan.options)
    manifest = existing.manifest if existing else manifest_of_plan(plan, command).changed(sequential=wanted)
    writer = RunWriter(folder, manifest, existing.lock if existing else plan.lock)
    spent = Timing.before(manifest)
    try:
        with ExitStack() as stack:
            found = _ask(plan, comparison, wanted, writer, spent, load or _once(stack, writer))
    except BaseException:
        with suppress(UserError):  # a full disk has been said already
            writer.note(**spent.as_manifest())
        writer.close()
        raise
    return _finish(plan, writer, spent, found)


def order_of(ids: Sequence[str], seed: int) -> list[str]:
    """Row ids in the order in which they are asked: random, and the same for the same seed and ids."""
    return sorted(ids, key=lambda row_id: hashlib.sha256(f"{seed} {row_id}".encode()).digest())


@dataclass
class _Answers:
    """The shares of right samples of each question, read from records.jsonl as it grows."""

    writer: RunWriter
    offset: int = 0
    outcomes: dict[str, list[str]] = field(default_factory=dict)

    def read(self) -> None:
        decode = msgspec.json.Decoder(Record).decode
        with (self.writer.folder / "records.jsonl").open("rb") as file:
            file.seek(self.offset)
            for line in file:
                record = decode(line)
                self.outcomes.setdefault(record.id, []).append(record.outcome)
            self.offset = file.tell()

    def share(self, row_id: str) -> float | None:
        """None where no sample could be scored."""
        scored = [outcome for outcome in self.outcomes[row_id] if outcome != "unscored"]
        return scored.count("correct") / len(scored) if scored else None


def _ask(
    plan: RunPlan, comparison: Comparison, section: Sequential, writer: RunWriter, spent: Timing, load: Load
) -> Sequential:
    """Ask chunk after chunk until it is decided; the section of the manifest with the decision."""
    order = order_of([row.id for row in plan.task.rows], section.seed)
    base = _base_shares(comparison.base)
    answers = _Answers(writer)
    ends = looks(len(order), section.chunk)
    for start, end in zip([0, *ends], ends, strict=False):
        fill(plan, writer, spent, load, frozenset(order[start:end]))
        answers.read()
        pairs = [(answers.share(row_id), base.get(row_id)) for row_id in order[:end]]
        differences = np.array([a - b for a, b in pairs if a is not None and b is not None])
        n = len(differences) if end == len(order) else len(order)
        decision = decide(differences, n, section.chunk, section.margin, section.alpha)
        print(f"{end:,} of {len(order):,} asked: {_so_far(decision)}", file=sys.stderr)
        if decision.verdict != "undecided":
            break
    return msgspec.structs.replace(
        section,
        asked=end,
        verdict=decision.verdict,
        delta=decision.delta,
        ci=(decision.ci.low, decision.ci.high),
    )


def _so_far(decision: Decision) -> str:
    low, high = 100 * decision.ci.low, 100 * decision.ci.high
    return f"{100 * decision.delta:+.1f} points ({low:.1f} to {high:.1f}), {decision.verdict}"


def _base_shares(base: Run) -> dict[str, float]:
    questions = align([load_columns(base)]).runs[0]
    shares: NDArray[np.float64] = questions.correct / questions.samples
    return {row_id.decode(): float(share) for row_id, share in zip(questions.ids, shares, strict=True)}


def _finish(plan: RunPlan, writer: RunWriter, spent: Timing, found: Sequential) -> Run:
    whole = found.asked == len(plan.task.rows)
    records = read_run(writer.folder).bare_records()
    status = "running" if whole else "decided"
    manifest = writer.manifest.changed(status=status, sequential=found, **spent.as_manifest())
    manifest = counted(manifest, records)
    summary = summarize(records, spent.tokens_per_second)
    writer.finish(manifest, msgspec.structs.replace(summary, prompt_from=plan.prompt_from))
    return read_run(writer.folder)


def _once(stack: ExitStack, writer: RunWriter) -> Callable[[RunPlan], Engine]:
    """Loads the engine when it is first needed, and closes it with the stack."""
    engines: list[Engine] = []

    def load(plan: RunPlan) -> Engine:
        if not engines:
            engines.append(stack.enter_context(closing(load_engine(plan, writer.folder))))
        return engines[0]

    return load


def _check_base(plan: RunPlan, base: Run) -> None:
    differing = [d for d in difference_of_locks(base.lock, plan.lock) if d.key.split(".")[-1] != "seed"]
    if differing:
        raise Mismatch(
            f"{base.name} cannot be compared with what is to be scored: {len(differing)} keys differ; "
            "score both the same way",
            describe(differing),
        )


def _check_same(run: Run, wanted: Sequential) -> None:
    held = run.manifest.sequential
    if run.complete and held is None:
        raise UserError(
            f"{run.folder} is complete already; compare it: evalkit diff {wanted.against} {run.name}"
        )
    if held is None:
        raise UserError(
            f"{run.folder} was begun without --until decided; resume it as it was: {run.manifest.command}"
        )
    keys = ("against", "seed", "chunk", "margin", "alpha")
    if differing := [key for key in keys if getattr(held, key) != getattr(wanted, key)]:
        raise UserError(
            f"{run.folder} was decided otherwise, it differs in {', '.join(differing)}; "
            f"fill it up and compare it: {run.manifest.fill_up}"
        )
