"""What training changed: the validations of a run as result folders, and their paired comparison.

verl validated the same rows greedily, under the same prompts, before the first step and later on;
the rollout log holds every completion. So base, best and last step can be compared question by
question without running a model again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import msgspec

from evalkit.compare.diff import Diff, diff_runs
from evalkit.compare.table import ONLY_SHAPING, as_json, render_diff
from evalkit.grade.judge import Judgement, judge
from evalkit.grade.user_function import is_function
from evalkit.locks.parts import lock_of, lock_parts
from evalkit.records import Extraction, Grade, Record, Sampling
from evalkit.runs.folder import Run, RunWriter, read_run
from evalkit.runs.manifest import EngineFacts, Manifest, ModelFacts, Times, new_manifest
from evalkit.runs.section import PaidReward
from evalkit.runs.summary import counted, summarize
from evalkit.score.provenance import git_state, packages, reward_in_words
from prompts.errors import UserError
from prompts.files import write_json
from prompts.lock import Lock, read_lock
from prompts.render import from_messages
from prompts.tokens import encode, load_tokenizer
from trainkit.data.parquet import VALIDATION_FILE
from trainkit.runs.folder import TrainingRun
from trainkit.runs.job import read_job
from trainkit.runs.rollout import Rollout, read_rollouts

FOLDER = "validation"
"""Below the run's folder: one result folder a validated step, `step_0` being the base."""
COMPARISON = "comparison.json"


def compare_ends(folder: Path) -> str:
    """Compare the last validated step, and the best one where it is another, with the base.

    Writes the result folders and comparison.json, and returns the tables. Raises UserError where
    fewer than two steps were validated.
    """
    run = TrainingRun(folder)
    rollouts = validation_rollouts(folder)
    if len(rollouts) < 2:
        raise UserError(f"{folder.name} was validated {len(rollouts)} times; two are needed to compare")
    steps = sorted(rollouts)
    accuracy = {step: mean_accuracy(rollouts[step]) for step in steps}
    best = max(steps, key=lambda step: (accuracy[step], -step))
    wanted = [steps[-1], *([best] if best not in (steps[0], steps[-1]) else [])]
    diffs = []
    for source in sorted({line.source or "" for line in rollouts[steps[0]]}):
        written = {
            step: write_validation(run, step, [r for r in rollouts[step] if (r.source or "") == source])
            for step in (steps[0], *wanted)
        }
        diffs += [diff_runs(written[steps[0]], written[step]) for step in wanted]
    write_json(folder / COMPARISON, {"comparisons": [as_json(diff) for diff in diffs]})
    said = tables(diffs, chosen=len(wanted) > 1)
    if run.job.reward:
        said += "\n\n" + paid_and_scored(rollouts[steps[0]], rollouts[steps[-1]])
    return said


def paid_and_scored(before: Sequence[Rollout], after: Sequence[Rollout]) -> str:
    """A shaped reward beside the score, in both validations."""
    reward = [fmean(line.reward for line in lines) for lines in (before, after)]
    score = [fmean(line.correct for line in lines) for lines in (before, after)]
    said = f"reward {reward[0]:.3f} to {reward[1]:.3f}, score {score[0]:.3f} to {score[1]:.3f} (greedy)"
    if reward[1] > reward[0] and score[1] <= score[0]:
        said += f": {ONLY_SHAPING}"
    return said


def mean_accuracy(rollouts: Sequence[Rollout]) -> float:
    """The accuracy of a validation; of several sets the mean over sets, so that none counts by its size."""
    sets: dict[str, list[bool]] = {}
    for line in rollouts:
        sets.setdefault(line.source or "", []).append(line.correct)
    return fmean(fmean(right) for right in sets.values())


def tables(diffs: Sequence[Diff], chosen: bool) -> str:
    """The comparisons as text; that of the best step says that it was `chosen` among several."""
    parts = [render_diff(diff, "table") for diff in diffs]
    if chosen:
        parts.append(
            "The best step was chosen by these very rows, so its gain is biased upward: score it on others."
        )
    return "\n\n".join(parts)


def validation_rollouts(folder: Path) -> dict[int, list[Rollout]]:
    """The completions of every validation by step."""
    steps: dict[int, list[Rollout]] = {}
    for line in read_rollouts(folder):
        if line.validate:
            steps.setdefault(line.step, []).append(line)
    return steps


def write_validation(run: TrainingRun, step: int, rollouts: Sequence[Rollout]) -> Run:
    """One set of a validation as a complete result folder; one that is there already is read back.

    Of several sets each has a folder `step_N-SET`.
    """
    lock = read_lock(run.folder / VALIDATION_FILE)
    if lock is None:
        raise UserError(f"{run.folder.name}/{VALIDATION_FILE} holds no prompt lock")
    source = rollouts[0].source or str(lock.data["task"])
    several = len(lock_parts(lock)) > 1
    slug = re.sub(r"[^\w.+-]+", "_", source)
    name = f"step_{step}-{slug}" if several else f"step_{step}"
    folder = run.folder / FOLDER / name
    if (folder / "summary.json").exists():
        return read_run(folder)
    lock = lock_of(lock, source)
    lengths = prompt_lengths(run)
    records = [as_record(line, lock, lengths[source, line.id], run.options.seed) for line in rollouts]
    writer = RunWriter(folder, manifest(run, step, lock, rollouts), lock)
    for record in records:
        if (record.id, record.sample) not in writer.done:
            writer.append(record)
    writer.finish(counted(writer.manifest, records), summarize(records, None))
    return read_run(folder)


def paid_for(run: TrainingRun, rollouts: Sequence[Rollout]) -> PaidReward | None:
    """What the shaped reward gave to these answers; None where the reward is the score."""
    if not run.job.reward:
        return None
    terms = reward_in_words(msgspec.to_builtins(run.job.reward))
    return PaidReward(mean=fmean(line.reward for line in rollouts), of="validation", terms=terms)


def prompt_lengths(run: TrainingRun) -> dict[tuple[str, str], int]:
    """Tokens of each validation row's prompt, by source and row id."""
    import pyarrow.parquet

    job = read_job(run.folder)
    tokenizer = load_tokenizer(job.model_folder, job.trust_remote_code)
    lengths = {}
    for row in pyarrow.parquet.read_table(run.folder / VALIDATION_FILE).to_pylist():
        part = job.part(row["data_source"])
        rendered = from_messages(row["prompt"], part.raw_prompts)
        ids = encode(tokenizer, rendered, part.chat_template_kwargs)
        lengths[row["data_source"], str(row["extra_info"]["id"])] = len(ids)
    return lengths


def as_record(line: Rollout, lock: Lock, prompt_tokens: int, seed: int) -> Record:
    """A rollout as a record; its text is read again, since the log keeps outcomes but not spans.

    Not so under a grader of the user's, which said its word when the rollout was made.
    """
    if is_function(lock.rule):
        nothing = Extraction(None, lock.rule)
        verdict = Grade(line.outcome, line.reason)
        judgement = Judgement(nothing, verdict, nothing, line.lenient_outcome)
    else:
        judgement = judge(
            line.text,
            line.gold,
            lock.rule,
            lock.reading.get("thinking"),
            line.markers or (),
            line.thinking_tokens,
            version=lock.scorer_version,
            question=line.question,
            truncated=line.truncated,
        )
    return Record(
        id=line.id,
        sample=0,
        question=line.question,
        gold=line.gold,
        prompt_tokens=prompt_tokens,
        completion_tokens=line.completion_tokens,
        text=line.text,
        finish_reason="length" if line.truncated else "stop",
        truncated=line.truncated,
        extraction=judgement.extraction,
        outcome=judgement.grade.outcome,
        reason=judgement.grade.reason,
        lenient=judgement.lenient,
        lenient_outcome=judgement.lenient_outcome,
        seed=seed,
        thinking_tokens=line.thinking_tokens,
        markers=line.markers,
    )


def manifest(run: TrainingRun, step: int, lock: Lock, rollouts: Sequence[Rollout]) -> Manifest:
    """The manifest of a validation: what verl ran, under the lock of the validation rows."""
    job = run.job
    base = job.base if step == 0 else None
    return new_manifest(
        command=f"trainkit {run.options.algorithm} ({run.folder.name})",
        lock=lock,
        model=ModelFacts(
            name=f"{run.folder.name}:step_{step}",
            weights_sha256=base.weights_sha256 if base else None,
            revision=base.revision if base else None,
        ),
        sampling=Sampling(max_tokens=job.response_length, seed=run.options.seed),
        engine=EngineFacts(name="vllm", version=job.packages.get("vllm"), batch_invariant=False),
        packages={**packages(), **job.packages},
        git=git_state(),
        rows=len(rollouts),
        marks=job.marks,
        source=run.folder.name,
        times=Times(load=0.0, generate=0.0, score=0.0),
        reward=paid_for(run, rollouts),
    )
