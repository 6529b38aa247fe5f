"""All that is decided about a run before an engine is loaded: rows, prompts, lock, guards.

Every mistake of the user is found here, in seconds, and nothing has been written yet.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.engines.base import EngineOptions
from evalkit.grade.grade import gold_problem
from evalkit.grade.lock_entry import grader_of, scorer_like, template_entry
from evalkit.grade.user_function import UserFunction
from evalkit.locks.check import verified_template
from evalkit.locks.difference import WITH_COMPUTATION, renamed, require_same
from evalkit.locks.notes import reading_warnings
from evalkit.locks.overlap import locked_overlap, refuse_overlap, row_text
from evalkit.locks.parts import is_other_task, lock_of, lock_parts
from evalkit.models.computation import computation_of
from evalkit.models.resolve import Model
from evalkit.records import Sampling
from evalkit.tasks.rows import rows_under
from evalkit.tasks.task import Task
from prompts.errors import Mismatch, UserError
from prompts.lock import Lock, make_lock
from prompts.render import render
from prompts.template import Template
from prompts.tokens import encode_all, load_tokenizer, resolve_stop_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


SERVER, SERVER_MARK = "openai", "server"
"""The engine whose weights are not ours to look at, and the mark of its results."""
STEP = 512
"""Positions that an engine is set up for come in multiples of this."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """One run, ready for an engine. `prompts` holds the token ids of each row, in the rows' order."""

    model: Model
    tokenizer: PreTrainedTokenizerFast
    task: Task
    template: Template
    prompts: tuple[tuple[int, ...], ...]
    stop_ids: tuple[int, ...]
    lock: Lock
    sampling: Sampling
    engine: str
    options: EngineOptions
    marks: tuple[str, ...]
    rules: tuple[str, ...] = ()
    """The rule of each row, where several tasks are scored at once; else the lock's is that of all."""
    graders: tuple[UserFunction, ...] = ()
    """The functions of `python:` rules."""
    prompt_from: str = "lock"
    """Where the prompt comes from, in words: the model's lock, or, without one, the task or --prompt."""

    @property
    def thinking(self) -> Mapping[str, Any] | None:
        """What the lock says of thinking; None where the prompt opens none and no special token marks it."""
        return self.lock.reading.get("thinking")

    @property
    def limit(self) -> int | None:
        """Positions that prompt and completion have together; None where the model does not say."""
        return self.options.max_model_len or self.model.max_length

    @property
    def needed(self) -> int:
        """Positions that the longest prompt takes with a full completion, within `limit`.

        Rounded up, so that like runs find vLLM's compiled code of the last one.
        """
        longest = max((len(ids) for ids in self.prompts if not self.too_long(ids)), default=1)
        needed = -(-(longest + self.sampling.max_tokens) // STEP) * STEP
        return min(needed, self.limit) if self.limit else needed

    @property
    def warning(self) -> str | None:
        """What will probably go wrong though it can be run, as a sentence; None where all is well."""
        found = reading_warnings(self.template, self.tokenizer, self.model.folder, self.stop_ids)
        return "; ".join(found) or None

    def rule_of(self, index: int) -> str:
        """The rule that reads the answers to a row."""
        return self.rules[index] if self.rules else self.lock.rule

    def thinking_of(self, index: int) -> Mapping[str, Any] | None:
        """As `thinking`, of the task that a row belongs to."""
        reading = self.readings.get(self.task.rows[index].id, self.lock.reading)
        return reading.get("thinking")

    @cached_property
    def readings(self) -> dict[str, dict[str, Any]]:
        """The readings of the rows of a mixture, whose tasks may have different prompts."""
        return {row_id: part.reading for part in lock_parts(self.lock) if part.ids for row_id in part.ids}

    def too_long(self, ids: Sequence[int]) -> bool:
        """Whether a prompt leaves no room for a single token."""
        return self.limit is not None and len(ids) >= self.limit


def plan_run(
    model: Model,
    task: Task,
    *,
    prompt: str | None = None,
    folders: Sequence[Path] = (),
    sampling: Sampling | None = None,
    engine: str = "vllm",
    options: EngineOptions | None = None,
    allow_mismatch: bool = False,
    allow_overlap: bool = False,
    thinking_tokens: int | None = None,
) -> RunPlan:
    """Render, encode and lock every row under the right template, and compare it with the model's lock.

    Without `prompt` the template is the one that the model is locked to, else the task's. `folders`
    hold templates of the user's. Without `sampling`: greedy, with the task's response limit.

    Raises UserError for unknown templates, golds that the rule cannot read and impossible sampling,
    Mismatch where the model was locked to other prompts or was trained on these rows.
    """
    options = options or EngineOptions()
    sampling = sampling or Sampling(max_tokens=task.max_tokens)
    check_sampling(sampling, options, model)
    other_task = model.lock is not None and is_other_task(model.lock, task)
    locked = lock_of(model.lock, task.name) if model.lock and not other_task else None
    ref = prompt or (locked.template if locked else task.template)
    places = [model.folder, *([task.source] if task.source else [])]
    template = verified_template(ref, folders, places, model.folder, options.trust_remote_code)
    if other_task and model.lock is not None:
        template = with_kwargs_of(template, model.lock)
    task = rows_under(task, template)
    tokenizer = load_tokenizer(model.folder, options.trust_remote_code)
    stop_ids = resolve_stop_ids(tokenizer, model.folder)
    rendered = (render(template, row) for row in task.rows)
    prompts = tuple(encode_all(tokenizer, rendered, template.chat_template_kwargs))
    lock = make_lock(
        template=template,
        tokenizer=tokenizer,
        stop_ids=stop_ids,
        task=task.name,
        split=task.split,
        prompts=[(row.id, ids) for row, ids in zip(task.rows, prompts, strict=True)],
        sampling=asdict(sampling),
        scorer=scorer_like(locked.reading["scorer"], template) if locked else template_entry(template),
        computation=computation_of(model.folder),
        thinking_tokens=thinking_tokens or (locked.thinking_budget if locked else None),
        like=locked.reading if locked else None,
    )
    grader = grader_of(template, lock.reading["scorer"])
    plan = RunPlan(
        model=model,
        tokenizer=tokenizer,
        task=task,
        template=template,
        prompts=prompts,
        stop_ids=stop_ids,
        lock=lock,
        sampling=sampling,
        engine=engine,
        options=options,
        marks=(),
        graders=(grader,) if grader else (),
        prompt_from=_prompt_from(model, prompt, task),
    )
    _check_golds(plan)
    marks = _guard(plan, other_task, allow_mismatch, allow_overlap)
    if engine == SERVER:
        marks = (*marks, SERVER_MARK)
    return replace(plan, marks=marks)


def _prompt_from(model: Model, prompt: str | None, task: Task) -> str:
    if model.lock is not None:
        return "lock"
    if task.rows and task.rows[0].messages is not None:
        return "no lock: the prompts are the rows' own"
    return (
        "no lock: the prompt is the one asked for" if prompt else "no lock: the prompt is the task's default"
    )


def with_kwargs_of(template: Template, lock: Lock) -> Template:
    """The template of another task under the lock's `chat_template_kwargs`: all but its text goes along.

    A template that has such arguments of its own keeps them, and is held against the lock with them.
    """
    kwargs = (lock.reading["chat_template"] or {}).get("kwargs") or {}
    if template.kind != "chat" or template.chat_template_kwargs or not kwargs:
        return template
    return replace(template, chat_template_kwargs=kwargs)


def select(task: Task, limit: int | None, ids: Sequence[str]) -> Task:
    """A part of a task: the rows with these ids, ours or their source's, then the first `limit` of them."""
    rows = task.rows
    if ids:
        known = {row.id for row in rows} | {row.own_id for row in rows if row.own_id}
        if missing := [row_id for row_id in ids if row_id not in known]:
            near = difflib.get_close_matches(missing[0], known, n=2)
            raise UserError(
                f"--ids: {task.name}, split {task.split}, has no row {missing[0]}"
                f"{' (near: ' + ', '.join(near) + ')' if near else ''}; `evalkit tasks show` prints the ids"
            )
        wanted = set(ids)
        rows = tuple(row for row in rows if row.id in wanted or row.own_id in wanted)
    if limit is not None:
        if limit < 1:
            raise UserError(f"--limit {limit}: at least 1 row is needed; leave it out for all {len(rows):,}")
        rows = rows[:limit]
    return replace(task, rows=rows)


def check_sampling(sampling: Sampling, options: EngineOptions, model: Model) -> None:
    """UserError for values that make no sense."""
    problems = {
        f"--samples {sampling.samples}: at least 1": sampling.samples < 1,
        f"--temperature {sampling.temperature}: 0 (greedy) or more": not 0
        <= sampling.temperature
        < float("inf"),
        f"--top-p {sampling.top_p}: above 0 and at most 1": not 0 < sampling.top_p <= 1,
        f"--max-tokens {sampling.max_tokens}: at least 1": sampling.max_tokens < 1,
        f"--samples {sampling.samples} greedy completions would be the same; add --temperature 0.8": (
            sampling.samples > 1 and sampling.temperature == 0
        ),
        f"--gpu-memory {options.gpu_memory}: above 0 and at most 1": not 0 < options.gpu_memory <= 1,
        f"--tp {options.tp}: at least 1": options.tp < 1,
        f"--max-model-len {options.max_model_len}: at least 2": (options.max_model_len or 2) < 2,
        f"--max-model-len {options.max_model_len}: {model.name} has {model.max_length} positions, not more": (
            (options.max_model_len or 0) > (model.max_length or float("inf"))
        ),
    }
    for message, wrong in problems.items():
        if wrong:
            raise UserError(message)


def _check_golds(plan: RunPlan) -> None:
    """UserError where a gold cannot be compared under the rule; rows without a gold stay `unscored`."""
    for number, row in enumerate(plan.task.rows, 1):
        if row.gold is None or row.problem:
            continue
        if problem := gold_problem(row.gold, plan.lock.rule):
            raise UserError(
                f"{plan.task.name} row {number} (id {row.id}): {problem} under rule {plan.lock.rule} "
                f"({row.gold[:40]!r}); choose a prompt with another rule (--prompt), the right field "
                "(--answer-field), or leave the gold empty to keep the row unscored"
            )


def _guard(plan: RunPlan, other_task: bool, allow_mismatch: bool, allow_overlap: bool) -> tuple[str, ...]:
    """Compare the plan with the model's lock; the marks that the result must carry for ever."""
    locked = plan.model.lock
    if locked is None:
        return ()
    marks = ["other task"] if other_task else list(plan.model.marks)
    try:
        require_same(
            lock_of(locked, plan.task.name),
            plan.lock,
            what=plan.model.name,
            model=plan.model.name,
            sections=WITH_COMPUTATION,
            other_task=other_task,
            tokenizer=plan.tokenizer,
        )
    except Mismatch:
        if not allow_mismatch:
            raise
        marks.append("mismatch")
    if not other_task and (said := renamed(lock_of(locked, plan.task.name), plan.lock)):
        print(f"note: {said}", file=sys.stderr)
    prompts = [(row.id, ids) for row, ids in zip(plan.task.rows, plan.prompts, strict=True)]
    texts = {row.id: row_text(row, plan.template) for row in plan.task.rows}
    if shared := locked_overlap(locked, prompts, texts):
        if not allow_overlap:
            scored = f"{plan.task.name}, split {plan.task.split}"
            refuse_overlap(shared, len(prompts), what=plan.model.name, scored=scored)
        marks.append("overlap")
    return tuple(dict.fromkeys(marks))
