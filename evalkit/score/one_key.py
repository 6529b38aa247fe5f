"""Why two numbers differ, by scoring: every mixture of the keys of two runs, so that each key gets its share.

The model is loaded once for each number format and each folder of weights; all mixtures share it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from evalkit.compare.why import LIMIT, Gap, Text, differing_keys, share_gap, stored, written_keys
from evalkit.engines.base import EngineOptions, Request
from evalkit.engines.load import check_engine, make_engine
from evalkit.models.resolve import resolve_model
from evalkit.records import Sampling
from evalkit.runs.folder import Run
from evalkit.score.pipeline import seed_of
from evalkit.score.plan import RunPlan, plan_run
from evalkit.tasks.task import Task
from prompts.errors import Failed, UserError
from prompts.render import render
from prompts.template import Template
from prompts.tokens import decode, encode

MODEL_KEYS = ("weights", "chat template", "tokenizer")
"""Keys that come with the model's folder, and cannot be told apart."""
MOST = 6
"""Keys that change the completions: 64 mixtures."""
Ids = dict[tuple[str, int], tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class Mixtures:
    """Two runs with a plan for each, whose keys can be mixed. `bundles` names the players and their keys."""

    runs: tuple[Run, Run]
    plans: tuple[RunPlan, RunPlan]
    bundles: Mapping[str, tuple[str, ...]]

    def side(self, changed: frozenset[str], key: str) -> int:
        """The run, 0 or 1, whose value of a key is taken."""
        player = next((name for name, keys in self.bundles.items() if key in keys), None)
        return int(player in changed)

    def engine_of(self, changed: frozenset[str]) -> tuple[int, int]:
        """What must be equal for mixtures to share an engine: the model's folder and the number format."""
        return self.side(changed, "weights"), self.side(changed, "number format")

    def template(self, changed: frozenset[str]) -> Template:
        """The template of one run with the system message and the thinking switch of the other."""
        template = self.plans[self.side(changed, "template")].template
        if self.side(changed, "system") != self.side(changed, "template"):
            template = replace(template, system=written_system(self.runs[self.side(changed, "system")]))
        if template.kind == "chat" and self.side(changed, "thinking") != self.side(changed, "template"):
            asked = self.runs[self.side(changed, "thinking")].lock.reading.get("chat_template") or {}
            template = replace(template, chat_template_kwargs=asked.get("kwargs") or {})
        return template


def written_system(run: Run) -> str | None:
    """The system message of a run's template; None where there is none, or the chat template wrote it.

    UserError for a run from another tool, whose log holds a hash of the message only.
    """
    system = run.lock.reading.get("system") or {}
    text = system.get("text") if isinstance(system, dict) else system
    if not isinstance(system, dict) or not isinstance(text, str | None):
        raise UserError(
            f"{run.name} does not say what its system message was, so `why --score` cannot set it; "
            f"without a model it can be told apart: evalkit why {run.name} OTHER"
        )
    return text if system.get("from") == "template" else None


def explain_by_scoring(
    base: Run, new: Run, task: Task, *, model: str | None, folders: Sequence[Path], options: EngineOptions
) -> Gap:
    """Share the gap of two runs by scoring the questions of `task` under every mixture of their keys.

    `model` is where the weights lie now, unless they lie where the runs say. Raises UserError where too
    many keys differ or one cannot be set alone, and what planning and engines raise.
    """
    keys = differing_keys(base, new)
    if "sampling" in keys:
        raise UserError(
            f"{base.name} and {new.name} were sampled differently ({' | '.join(keys['sampling'])})"
        )
    bundles = _bundles(keys)
    runs = base, new
    mixtures = Mixtures(
        runs=runs,
        plans=(_plan(base, task, model, folders, options), _plan(new, task, model, folders, options)),
        bundles=bundles,
    )
    sides = stored(base), stored(new)
    wanted = [changed for changed in _subsets(list(bundles)) if 0 < len(changed) < len(bundles)]
    ids = _generate(mixtures, sorted({changed - {LIMIT} for changed in wanted}, key=mixtures.engine_of))
    golds = {row.id: row.gold for row in task.rows}

    def texts(changed: frozenset[str]) -> Mapping[tuple[str, int], Text]:
        if changed not in wanted:
            return sides[int(bool(changed))]
        limit = runs[mixtures.side(changed, LIMIT)].manifest.sampling.max_tokens
        plan = mixtures.plans[mixtures.side(changed, "weights")]
        stop_ids = set(runs[mixtures.side(changed, "stop ids")].lock.reading["stop_ids"])
        return {
            at: (
                decode(plan.tokenizer, tokens[:limit]),
                golds[at[0]],
                stop_ids.isdisjoint(tokens[:limit][-1:]),
            )
            for at, tokens in ids[changed - {LIMIT}].items()
        }

    return share_gap(base, new, keys, bundles, texts, scored=True, only=frozenset(golds))


def _bundles(keys: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    of_model = tuple(key for key in MODEL_KEYS if key in keys)
    bundles = {", ".join(of_model): of_model} if of_model else {}
    bundles |= {key: (key,) for key in written_keys(keys) if key not in MODEL_KEYS}
    if len(bundles) > MOST:
        raise UserError(
            f"{len(bundles)} keys change the completions ({', '.join(bundles)}), at most {MOST} can"
        )
    return bundles | ({LIMIT: (LIMIT,)} if LIMIT in keys else {})


def _subsets(players: Sequence[str]) -> list[frozenset[str]]:
    return [frozenset(chosen) for size in range(len(players) + 1) for chosen in combinations(players, size)]


def _plan(
    run: Run, task: Task, model: str | None, folders: Sequence[Path], options: EngineOptions
) -> RunPlan:
    manifest = run.manifest
    facts = {name: value for name, value in manifest.sampling.as_dict().items() if value is not None}
    dtype = manifest.engine.dtype or "auto"
    return plan_run(
        resolve_model(model or manifest.model.path or manifest.model.name),
        task,
        prompt=run.lock.template,
        folders=folders,
        sampling=Sampling(**facts),  # type: ignore[arg-type]
        engine=manifest.engine.name or "vllm",
        options=replace(options, dtype=dtype),
        allow_mismatch=True,
        allow_overlap=True,
    )


def _generate(mixtures: Mixtures, wanted: Sequence[frozenset[str]]) -> dict[frozenset[str], Ids]:
    """The token ids of every mixture, under the larger response limit; one engine after the other."""
    found: dict[frozenset[str], Ids] = {}
    for about in dict.fromkeys(map(mixtures.engine_of, wanted)):
        weights, number_format = about
        plan = mixtures.plans[weights]
        dtype = mixtures.plans[number_format].options.dtype
        longest = max(p.needed for p in mixtures.plans)
        options = replace(plan.options, dtype=dtype, max_model_len=plan.options.max_model_len or longest)
        check_engine(plan.engine, options)
        print(f"loading {plan.model.name} into {plan.engine} ({dtype})", file=sys.stderr)
        with closing(make_engine(plan.engine, plan.model, options)) as engine:
            for changed in (c for c in wanted if mixtures.engine_of(c) == about):
                names = ", ".join(sorted(changed)) or "none"
                print(f"scoring with changed: {names}", file=sys.stderr)
                requests, stop_ids = _requests(mixtures, plan, changed)
                large = max(p.sampling.max_tokens for p in mixtures.plans)
                ids: Ids = {}
                for completion in engine.generate(
                    requests, replace(plan.sampling, max_tokens=large), stop_ids
                ):
                    if completion.finish_reason == "error":
                        raise Failed(f"the engine failed with changed: {names}: {completion.error}")
                    ids[plan.task.rows[completion.index].id, completion.sample] = completion.token_ids
                found[changed] = ids
    return found


def _requests(
    mixtures: Mixtures, plan: RunPlan, changed: frozenset[str]
) -> tuple[list[Request], tuple[int, ...]]:
    template = mixtures.template(changed)
    stop_ids = mixtures.runs[mixtures.side(changed, "stop ids")].lock.reading["stop_ids"]
    requests = []
    for index, row in enumerate(plan.task.rows):
        prompt = tuple(encode(plan.tokenizer, render(template, row), template.chat_template_kwargs))
        if row.problem or plan.too_long(prompt):
            continue
        for sample in range(plan.sampling.samples):
            requests.append(
                Request(index=index, sample=sample, prompt_ids=prompt, seed=seed_of(plan, row, sample))
            )
    return requests, tuple(stop_ids)
