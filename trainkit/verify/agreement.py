"""Do verl's validation and `evalkit score` agree, question by question, about the same weights?

verl's side is read from the run's rollouts; evalkit scores the same rows of the same checkpoint again.
What differs beyond the engine's noise would be a difference in prompts, sampling or scoring.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from evalkit.engines.base import EngineOptions
from evalkit.grade.user_function import is_function
from evalkit.models.resolve import find_model_files, resolve_model
from evalkit.records import Record, Sampling
from evalkit.runs.folder import Run
from evalkit.score.pipeline import score_model
from evalkit.score.plan import plan_run, select
from evalkit.settings import settings
from prompts.errors import UserError
from trainkit.data.inputs import Part, find_inputs
from trainkit.options import Options
from trainkit.runs.job import Job, read_job
from trainkit.runs.lines import existing
from trainkit.runs.origin import require_own_code
from trainkit.runs.rollout import FILE_NAME, Rollout, read_rollouts


@dataclass(frozen=True)
class AgreedRow:
    """One question, as both saw it."""

    id: str
    verl_outcome: str
    evalkit_outcome: str
    same_text: bool


@dataclass(frozen=True)
class Agreement:
    """The paired comparison of one set; `pairs` holds each of its validation rows once."""

    step: int
    source: str
    pairs: tuple[AgreedRow, ...]

    @property
    def verl_accuracy(self) -> float:
        return sum(pair.verl_outcome == "correct" for pair in self.pairs) / len(self.pairs)

    @property
    def evalkit_accuracy(self) -> float:
        return sum(pair.evalkit_outcome == "correct" for pair in self.pairs) / len(self.pairs)

    @property
    def differing(self) -> tuple[AgreedRow, ...]:
        return tuple(pair for pair in self.pairs if pair.verl_outcome != pair.evalkit_outcome)

    @property
    def same_text(self) -> int:
        return sum(pair.same_text for pair in self.pairs)


def agreements(folder: Path, step: int, *, gpu_memory: float) -> list[Agreement]:
    """Score the validation rows of a step with evalkit, and pair them with verl's own outcomes, by set.

    Scores are compared, not rewards: a shaped reward is no score.

    Raises UserError where the step was not validated, its checkpoint is not there, or code that the folder
    names would run and the run was not begun here.
    """
    job = read_job(folder)
    if existing(folder / FILE_NAME) is None:
        raise UserError(f"{folder} has no {FILE_NAME}, so there is nothing to compare with")
    validated = [line for line in read_rollouts(folder) if line.validate and line.step == step]
    if not validated:
        raise UserError(f"{folder.name} was not validated at step {step}; step 0 and the last one are")
    sets: dict[str, list[Rollout]] = {}
    for line in validated:
        sets.setdefault(line.source or "", []).append(line)
    return [
        Agreement(step, source, tuple(pair_up(lines, _score(folder, job, step, lines, gpu_memory).records)))
        for source, lines in sets.items()
    ]


def pair_up(validated: Iterable[Rollout], records: Iterable[Record]) -> Iterable[AgreedRow]:
    """Pair verl's rollouts and evalkit's records by question id; KeyError where one is missing."""
    ours = {record.id: record for record in records}
    for line in sorted(validated, key=lambda line: line.id):
        record = ours[line.id]
        yield AgreedRow(line.id, line.outcome, record.outcome, line.text == record.text)


def _score(folder: Path, job: Job, step: int, validated: list[Rollout], gpu_memory: float) -> Run:
    """`evalkit score` of the same rows: the base model at step 0, else the step's checkpoint."""
    source = validated[0].source or ""
    model = str(folder / f"global_step_{step}") if step else job.model_folder
    part = find_part(job.options, folder, source)
    if job.trust_remote_code or is_function(part.template.rule):
        require_own_code(folder)
    plan = plan_run(
        resolve_model(model, trust_remote_code=job.trust_remote_code),
        select(part.task, None, [line.id for line in validated]),
        prompt=part.template.ref,
        folders=[*settings().prompts, *(Path(entry) for entry in job.options.prompts)],
        sampling=Sampling(max_tokens=job.response_length),
        options=EngineOptions(gpu_memory=gpu_memory, trust_remote_code=job.trust_remote_code),
        thinking_tokens=job.options.thinking_tokens,
    )
    return score_model(
        plan, command=f"trainkit agree {folder.name} --step {step}", results=settings().results
    )


def find_part(options: Options, folder: Path, source: str) -> Part:
    """The rows that a validation set was taken from, found as they were for training."""
    inputs = find_inputs(options, find_model_files(options.model), folder)
    kept_out = inputs.train if inputs.keep_out else ()
    parts = {part.source: part for part in (*inputs.validation, *kept_out)}
    return parts.get(source) or next(iter(parts.values()))
