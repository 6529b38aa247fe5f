"""The pipeline: rows, prompts, completions, answers, outcomes, records, summary.

`score_model` is the whole of it. What the user may have got wrong is found in `evalkit.plan`; from
here on each completion is on disk as soon as it is there, so a killed run resumes where it was.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import msgspec

from evalkit.engines.base import Engine, Request
from evalkit.engines.load import check_engine, make_engine
from evalkit.grade.grader import plain_fields, row_for_grader
from evalkit.grade.judge import Judgement, make_record, unscored
from evalkit.grade.judges import Judges
from evalkit.grade.user_function import is_function
from evalkit.portable import portable
from evalkit.records import Completion, Outcome, Row
from evalkit.runs.folder import Run, RunWriter, read_run
from evalkit.runs.manifest import EngineFacts, Manifest, ModelFacts, new_manifest
from evalkit.runs.summary import counted, summarize
from evalkit.score.plan import RunPlan
from evalkit.score.progress import RunProgress
from evalkit.score.provenance import git_state, gpu_name, packages, paid_reward
from evalkit.score.resume import carry_marks, default_folder, model_slug, open_folder
from evalkit.score.timing import Timing
from prompts.errors import UserError
from prompts.reading.completion import Decoded, decode_completion

Load = Callable[[RunPlan], Engine]
UNWRITTEN = 4096
"""Completions that may wait to be scored; an engine that is quicker than that waits for them."""


def score_model(
    plan: RunPlan, *, command: str, results: Path, output: Path | None = None, load: Load | None = None
) -> Run:
    """Score a plan into `output` (by default a folder of `results` named after the run), and read it back.

    A complete run of the same plan is returned without an engine, an unfinished one is resumed, one that was
    decided early is filled up; each gets the plan's marks.
    `load` hands in an engine that is loaded already; it is not closed.

    Raises UserError where the folder holds another run, Failed where the engine fails.
    """
    folder = output or default_folder(plan, results)
    existing = open_folder(folder, plan)
    if existing is not None:
        existing = carry_marks(existing, plan.marks)
    if existing is not None and existing.complete:
        print(f"{folder} is complete already; nothing was run", file=sys.stderr)
        return existing
    if load is None:
        check_engine(plan.engine, plan.options)
    if plan.model.lock is None:
        print(f"{plan.model.name}: {plan.prompt_from}", file=sys.stderr)
    manifest = existing.manifest.changed(status="running") if existing else manifest_of_plan(plan, command)
    writer = RunWriter(folder, manifest, existing.lock if existing else plan.lock)
    spent = Timing.before(manifest)
    try:
        fill(plan, writer, spent, load)
    except BaseException:
        with suppress(UserError):  # a full disk has been said already
            writer.note(**spent.as_manifest())
        writer.close()
        raise
    records = read_run(folder).bare_records()
    manifest = counted(writer.manifest.changed(**spent.as_manifest()), records)
    summary = summarize(records, spent.tokens_per_second)
    writer.finish(manifest, msgspec.structs.replace(summary, prompt_from=plan.prompt_from))
    return read_run(folder)


def fill(
    plan: RunPlan, writer: RunWriter, spent: Timing, load: Load | None, part: Collection[str] | None = None
) -> None:
    """Write every record that is missing, of all rows or of those with an id in `part`, and add to `spent`
    what that took. `load` is as in `score_model`.
    """
    wanted = []
    for index, (row, ids) in enumerate(zip(plan.task.rows, plan.prompts, strict=True)):
        if part is not None and row.id not in part:
            continue
        for sample in range(plan.sampling.samples):
            if (row.id, sample) in writer.done:
                continue
            reason = row.problem or ("prompt too long" if plan.too_long(ids) else None)
            request = Request(index=index, sample=sample, prompt_ids=ids, seed=seed_of(plan, row, sample))
            if reason is None:
                wanted.append(request)
            else:
                judgement = unscored(plan.rule_of(index), reason)
                writer.append(
                    make_record(row, len(ids), Decoded(""), None, judgement, sample=sample, seed=request.seed)
                )
    if not wanted:
        return
    with closing(Judges(plan.lock.reading, plan.readings, plan.graders)) as judges:
        _run_engine(plan, writer, spent, wanted, judges, load)


def _run_engine(
    plan: RunPlan, writer: RunWriter, spent: Timing, wanted: list[Request], judges: Judges, load: Load | None
) -> None:
    """Load the engine, or take the one handed in, and generate."""
    spent.lap()
    engine = load(plan) if load else load_engine(plan, writer.folder)
    found = msgspec.structs.replace(
        writer.manifest.engine,
        version=engine.version,
        computes_in=engine.dtype,
        copies=engine.copies,
        swapped=engine.swapped,
    )
    marks = tuple(dict.fromkeys((*writer.manifest.marks, *engine.marks)))
    writer.note(engine=found, gpu=gpu_name(), marks=marks)
    spent.load += spent.lap()
    try:
        _generate(plan, writer, spent, engine, wanted, judges)
    finally:
        spent.generate += spent.lap()
        about = writer.manifest.engine
        ran = engine.fast_decode or bool(about.fast_decode)
        with suppress(UserError):  # a full disk has been said already
            writer.note(engine=msgspec.structs.replace(about, fast_decode=ran))
        if load is None:
            engine.close()


def _generate(
    plan: RunPlan, writer: RunWriter, spent: Timing, engine: Engine, wanted: list[Request], judges: Judges
) -> None:
    """Take completions as they finish: decode, read, score, write.

    One thread does that work, so that the engine's next step does not wait for it; a grader's calls
    have threads of their own, as many as it has processes. Whatever ends the generation, what was
    handed to the thread is written first.
    """
    seeds = {(request.index, request.sample): request.seed for request in wanted}
    total = len(plan.task.rows) * plan.sampling.samples
    label = f"{model_slug(plan.model.name)} {plan.task.name} {plan.template.ref}"
    queue: deque[tuple[Future[Outcome], int]] = deque()
    with (
        RunProgress(label, total, len(writer.done)) as progress,
        ThreadPoolExecutor(judges.workers) as calls,
        ThreadPoolExecutor(1) as thread,
    ):
        for completion in chain(engine.generate(wanted, plan.sampling, plan.stop_ids), [None]):
            if completion is not None:
                seed = seeds[completion.index, completion.sample]
                judged = partial(_judge, plan, judges, completion)
                verdict = calls.submit(judged).result if plan.graders else judged
                written = thread.submit(_write, plan, writer, spent, completion, seed, verdict)
                queue.append((written, len(completion.token_ids)))
            while queue and (completion is None or len(queue) > UNWRITTEN or queue[0][0].done()):
                written, length = queue.popleft()
                progress.add(written.result(), length)


def _judge(plan: RunPlan, judges: Judges, completion: Completion) -> tuple[Decoded, Judgement]:
    """A completion as text, and how it was judged."""
    thinking = plan.thinking_of(completion.index)
    decoded = decode_completion(plan.tokenizer, completion.token_ids, thinking)
    if completion.finish_reason == "error":
        return decoded, unscored(plan.rule_of(completion.index), completion.error or "engine error")
    row = plan.task.rows[completion.index]
    judge = judges.of(row.id)
    about = row_for_grader(row) if judge.pool else {"question": row.question}
    truncated = completion.finish_reason == "length"
    return decoded, judge(decoded.text, row.gold, about, decoded.markers, decoded.thinking_tokens, truncated)


def _write(
    plan: RunPlan,
    writer: RunWriter,
    spent: Timing,
    completion: Completion,
    seed: int,
    judged: Callable[[], tuple[Decoded, Judgement]],
) -> Outcome:
    """One completion to one record; returns its outcome."""
    start = time.monotonic()
    row = plan.task.rows[completion.index]
    decoded, judgement = judged()
    prompt_tokens = len(plan.prompts[completion.index])
    record = make_record(
        row,
        prompt_tokens,
        decoded,
        completion,
        judgement,
        sample=completion.sample,
        seed=seed,
        fields=plain_fields(row.fields) if is_function(plan.rule_of(completion.index)) else None,
    )
    writer.append(record)
    spent.tokens += len(completion.token_ids)
    spent.score += time.monotonic() - start
    spent.generate += spent.lap()
    if spent.due():
        writer.note(**spent.as_manifest())
    return record.outcome


def seed_of(plan: RunPlan, row: Row, sample: int) -> int:
    """The seed of one completion: from the run's seed, the row and the sample, so that subsets agree."""
    text = f"{plan.sampling.seed} {row.id} {sample}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def load_engine(plan: RunPlan, folder: Path) -> Engine:
    """The plan's engine, loaded; its own output goes to engine.log in the folder."""
    if plan.warning:
        print(f"warning: {plan.warning}", file=sys.stderr)
    where = plan.options.base_url or f"log: {folder}/engine.log"
    print(f"loading {plan.model.name} into {plan.engine} ({where})", file=sys.stderr)
    options = replace(
        plan.options,
        max_model_len=plan.needed,
        log=folder / "engine.log",
        completions=len(plan.task.rows) * plan.sampling.samples,
    )
    return make_engine(plan.engine, plan.model, options)


def manifest_of_plan(plan: RunPlan, command: str) -> Manifest:
    """What is known before the first completion; counts, times and the engine's version follow."""
    model, options = plan.model, plan.options
    local = Path(model.name).expanduser().is_dir()
    return new_manifest(
        command=command,
        lock=plan.lock,
        model=ModelFacts(
            name=portable(Path(model.name)) if local else model.name,
            path=portable(model.folder) if local else None,
            weights_sha256=model.weights_sha256,
            revision=model.revision,
        ),
        sampling=plan.sampling,
        engine=EngineFacts(
            name=plan.engine,
            batch_invariant=options.batch_invariant,
            dtype=options.dtype,
            tp=options.tp,
            max_model_len=options.max_model_len,
            limit=plan.limit,
            server=options.base_url,
        ),
        packages=packages(),
        git=git_state(),
        rows=len(plan.task.rows),
        marks=plan.marks,
        prompt_from=plan.prompt_from,
        reward=paid_reward(model.name),
    )
