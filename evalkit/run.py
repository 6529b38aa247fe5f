"""The pipeline: rows, prompts, completions, answers, outcomes, records, summary.

`score_model` is the whole of it. What the user may have got wrong is found in `evalkit.plan`; from
here on each completion is on disk as soon as it is there, so a killed run goes on where it was.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from evalkit.engines import Engine, Request, check_engine, make_engine
from evalkit.judge import judge, make_record, unscored
from evalkit.plan import Plan
from evalkit.progress import RunProgress
from evalkit.provenance import git_state, gpu_name, packages, portable
from evalkit.records import Completion, Outcome, Row
from evalkit.results import SCHEMA, Run, RunWriter, read_run
from evalkit.run_folder import default_folder, model_slug, open_folder
from evalkit.summary import count, summarize
from prompts.tokens import decode

Load = Callable[[Plan], Engine]


def score_model(
    plan: Plan, *, command: str, results: Path, output: Path | None = None, load: Load | None = None
) -> Run:
    """Score a plan into `output` (by default a folder of `results` named after the run), and read it back.

    A complete run of the same plan is returned as it is, without an engine; an unfinished one goes on.
    `load` hands in an engine that is loaded already; it is not closed.

    Raises UserError where the folder holds another run, Failed where the engine fails.
    """
    folder = output or default_folder(plan, results)
    existing = open_folder(folder, plan)
    if existing is not None and existing.complete:
        print(f"{folder} is complete already; nothing was run", file=sys.stderr)
        return existing
    if load is None:
        check_engine(plan.engine, plan.options)
    manifest = existing.manifest if existing else new_manifest(plan, command)
    writer = RunWriter(folder, manifest, plan.lock.as_dict())
    try:
        times, tokens = _fill(plan, writer, load)
        manifest = {**writer.manifest, "times": times}
    except BaseException:
        writer.close()
        raise
    records = read_run(folder).records
    rate = tokens / times["generate"] if tokens else None
    writer.finish({**manifest, **count(records)}, summarize(records, rate))
    return read_run(folder)


def _fill(plan: Plan, writer: RunWriter, load: Load | None) -> tuple[dict[str, float], int]:
    """Write every record that is missing. Returns seconds per phase, and the tokens generated."""
    wanted = []
    for index, (row, ids) in enumerate(zip(plan.task.rows, plan.prompts, strict=True)):
        for sample in range(plan.sampling.samples):
            if (row.id, sample) in writer.done:
                continue
            reason = row.problem or ("prompt too long" if plan.too_long(ids) else None)
            request = Request(index=index, sample=sample, prompt_ids=ids, seed=seed_of(plan, row, sample))
            if reason is None:
                wanted.append(request)
            else:
                verdict = unscored(plan.lock.rule, reason)
                writer.append(make_record(row, len(ids), "", None, verdict, sample=sample, seed=request.seed))
    start = time.monotonic()
    if not wanted:
        return {"load": 0.0, "generate": 0.0, "score": 0.0}, 0
    engine = load(plan) if load else _load(plan, writer.folder)
    writer.note(engine={**writer.manifest["engine"], "version": engine.version}, gpu=gpu_name())
    loaded = time.monotonic()
    try:
        scoring, tokens = _generate(plan, writer, engine, wanted)
        done = time.monotonic()
    finally:
        if load is None:
            engine.close()
    return {"load": loaded - start, "generate": done - loaded, "score": scoring}, tokens


def _generate(plan: Plan, writer: RunWriter, engine: Engine, wanted: list[Request]) -> tuple[float, int]:
    """Take completions as they finish: decode, read, score, write. Returns seconds of that, and tokens.

    One thread does that work, so that the engine's next step does not wait for it. Whatever ends the
    generation, what was handed to the thread is written first.
    """
    seeds = {(request.index, request.sample): request.seed for request in wanted}
    total = len(plan.task.rows) * plan.sampling.samples
    scoring, tokens = 0.0, 0
    label = f"{model_slug(plan.model.name)} {plan.task.name} {plan.template.ref}"
    queue: deque[tuple[Future[tuple[Outcome, float]], int]] = deque()
    with RunProgress(label, total, total - len(wanted)) as progress, ThreadPoolExecutor(1) as thread:
        for completion in chain(engine.generate(wanted, plan.sampling, plan.stop_ids), [None]):
            if completion is not None:
                seed = seeds[completion.index, completion.sample]
                queue.append(
                    (thread.submit(_write, plan, writer, completion, seed), len(completion.token_ids))
                )
            while queue and (completion is None or queue[0][0].done()):
                written, length = queue.popleft()
                outcome, seconds = written.result()
                scoring, tokens = scoring + seconds, tokens + length
                progress.add(outcome, length)
    return scoring, tokens


def _write(plan: Plan, writer: RunWriter, completion: Completion, seed: int) -> tuple[Outcome, float]:
    """One completion to one record; returns its outcome and the seconds that it took."""
    start = time.monotonic()
    row = plan.task.rows[completion.index]
    text = decode(plan.tokenizer, completion.token_ids)
    if completion.finish_reason == "error":
        verdict = unscored(plan.lock.rule, completion.error or "engine error")
    else:
        verdict = judge(text, row.gold, plan.lock.rule)
    prompt_tokens = len(plan.prompts[completion.index])
    record = make_record(row, prompt_tokens, text, completion, verdict, sample=completion.sample, seed=seed)
    writer.append(record)
    return record.outcome, time.monotonic() - start


def seed_of(plan: Plan, row: Row, sample: int) -> int:
    """The seed of one completion: from the run's seed, the row and the sample, so that subsets agree."""
    text = f"{plan.sampling.seed} {row.id} {sample}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def _load(plan: Plan, folder: Path) -> Engine:
    if plan.warning:
        print(f"warning: {plan.warning}", file=sys.stderr)
    print(f"loading {plan.model.name} into {plan.engine} (log: {folder}/engine.log)", file=sys.stderr)
    options = replace(plan.options, max_model_len=plan.needed, log=folder / "engine.log")
    return make_engine(plan.engine, plan.model, options)


def new_manifest(plan: Plan, command: str) -> dict[str, Any]:
    """What is known before the first completion; counts, times and the engine's version follow."""
    model = plan.model
    local = Path(model.name).expanduser().is_dir()
    return {
        "schema": SCHEMA,
        "status": "running",
        "command": command,
        "model": {
            "name": portable(Path(model.name)) if local else model.name,
            "path": portable(model.folder) if local else None,
            "weights_sha256": model.weights_sha256,
            "revision": model.revision,
        },
        "task": plan.task.name,
        "split": plan.task.split,
        "template": plan.template.ref,
        "fingerprint": plan.lock.fingerprint,
        "sampling": asdict(plan.sampling),
        "engine": {
            "name": plan.engine,
            "version": None,
            "batch_invariant": plan.options.batch_invariant,
            "dtype": plan.options.dtype,
            "tp": plan.options.tp,
            "max_model_len": plan.options.max_model_len,
        },
        "packages": packages(),
        "git": git_state(),
        "gpu": None,
        "rows": len(plan.task.rows),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "marks": list(plan.marks),
        "source": None,
        "noise": None,
    }
