"""What training changed: the validations of a run as result folders, and their paired comparison.

verl validated the same rows greedily, under the same prompts, before the first step and later on;
the rollout log holds every completion. So base, best and last step can be compared question by
question without running a model again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalkit.compare.diff import Diff, diff_runs
from evalkit.compare.table import as_json, render_diff
from evalkit.grade.judge import judge
from evalkit.records import Record, Sampling
from evalkit.runs.folder import Run, RunWriter, read_run
from evalkit.runs.manifest import EngineFacts, Manifest, ModelFacts, Times, new_manifest
from evalkit.runs.summary import count, summarize
from evalkit.score.provenance import git_state, packages
from prompts.errors import UserError
from prompts.files import write_json
from prompts.lock import Lock, read_lock
from prompts.render import Message, Rendered
from prompts.tokens import encode, load_tokenizer
from trainkit.data.dataset import VALIDATION_FILE
from trainkit.runs.folder import GrowingLines, Line, TrainingRun

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
    right = {step: sum(line["outcome"] == "correct" for line in rollouts[step]) for step in steps}
    best = max(steps, key=lambda step: (right[step], -step))
    wanted = [steps[-1], *([best] if best not in (steps[0], steps[-1]) else [])]
    base = write_validation(run, steps[0], rollouts[steps[0]])
    diffs = [diff_runs(base, write_validation(run, step, rollouts[step])) for step in wanted]
    write_json(folder / COMPARISON, {"comparisons": [as_json(diff) for diff in diffs]})
    return tables(diffs)


def tables(diffs: Sequence[Diff]) -> str:
    """The comparisons as text; that of the best step says that it was chosen among several."""
    parts = [render_diff(diff, "table") for diff in diffs]
    if len(parts) > 1:
        parts.append(
            "The best step was chosen by these very rows, so its gain is biased upward: score it on others."
        )
    return "\n\n".join(parts)


def validation_rollouts(folder: Path) -> dict[int, list[Line]]:
    """The completions of every validation by step."""
    steps: dict[int, list[Line]] = {}
    for line in GrowingLines(folder / "rollouts.jsonl").new():
        if line["validate"]:
            steps.setdefault(line["step"], []).append(line)
    return steps


def write_validation(run: TrainingRun, step: int, rollouts: Sequence[Line]) -> Run:
    """One validation as a complete result folder; one that is there already is read back."""
    folder = run.folder / FOLDER / f"step_{step}"
    if (folder / "summary.json").exists():
        return read_run(folder)
    lock = read_lock(run.folder / VALIDATION_FILE)
    if lock is None:
        raise UserError(f"{run.folder.name}/{VALIDATION_FILE} holds no prompt lock")
    lengths = prompt_lengths(run)
    records = [
        as_record(line, run.job["rule"], lengths[line["id"]], run.options["seed"]) for line in rollouts
    ]
    writer = RunWriter(folder, manifest(run, step, lock, len(rollouts)), lock)
    for record in records:
        if (record.id, record.sample) not in writer.done:
            writer.append(record)
    writer.finish(writer.manifest.changed(**count(records)), summarize(records, None))
    return read_run(folder)


def prompt_lengths(run: TrainingRun) -> dict[str, int]:
    """Tokens of each validation row's prompt, by row id."""
    import pyarrow.parquet

    job = run.job
    tokenizer = load_tokenizer(job["model_folder"], job["trust_remote_code"])
    lengths = {}
    for row in pyarrow.parquet.read_table(run.folder / VALIDATION_FILE).to_pylist():
        messages = [Message(role=m["role"], content=m["content"]) for m in row["prompt"]]
        rendered: Rendered = messages[0]["content"] if job["raw_prompts"] else messages
        ids = encode(tokenizer, rendered, job["chat_template_kwargs"])
        lengths[str(row["extra_info"]["id"])] = len(ids)
    return lengths


def as_record(line: Line, rule: str, prompt_tokens: int, seed: int) -> Record:
    """A rollout as a record; its text is read again, since the log keeps outcomes but not spans."""
    judgement = judge(line["text"], line["gold"], rule)
    return Record(
        id=line["id"],
        sample=0,
        question=line["question"],
        gold=line["gold"],
        prompt_tokens=prompt_tokens,
        completion_tokens=line["completion_tokens"],
        text=line["text"],
        finish_reason="length" if line["truncated"] else "stop",
        truncated=line["truncated"],
        extraction=judgement.extraction,
        outcome=judgement.grade.outcome,
        reason=judgement.grade.reason,
        lenient=judgement.lenient,
        lenient_outcome=judgement.lenient_outcome,
        seed=seed,
    )


def manifest(run: TrainingRun, step: int, lock: Lock, rows: int) -> Manifest:
    """The manifest of a validation: what verl ran, under the lock of the validation rows."""
    job = run.job
    base = job["base"] if step == 0 else {}
    return new_manifest(
        command=f"trainkit {run.options['algorithm']} ({run.folder.name})",
        lock=lock,
        model=ModelFacts(
            name=f"{run.folder.name}:step_{step}",
            weights_sha256=base.get("weights_sha256"),
            revision=base.get("revision"),
        ),
        sampling=Sampling(max_tokens=job["response_length"], seed=run.options["seed"]),
        engine=EngineFacts(name="vllm", version=job["packages"].get("vllm"), batch_invariant=False),
        packages={**packages(), **job["packages"]},
        git=git_state(),
        rows=rows,
        marks=job["marks"],
        source=run.folder.name,
        times=Times(load=0.0, generate=0.0, score=0.0),
    )
