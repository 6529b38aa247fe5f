"""The reward that was asked for, found and tried on a few rows before anything starts."""

from __future__ import annotations

from pathlib import Path

from evalkit.grade.function_pool import FunctionPool
from evalkit.grade.grader import row_for_grader
from evalkit.grade.judge import judge
from evalkit.grade.lock_entry import scorer_entry
from evalkit.grade.user_function import PREFIX, UserFunction, is_function, read_function
from prompts.errors import Mismatch, UserError
from trainkit.data.inputs import Inputs
from trainkit.runs.job import ShapedReward
from trainkit.runs.shaping import check_lengths, parse_terms, usable, verdict_of

TRIED_ROWS = 3
"""Rows on which the function is tried, each with a right, a wrong and an empty answer."""


def find_reward(inputs: Inputs) -> ShapedReward | None:
    """The shaped reward, None where the reward is the score.

    Raises UserError for terms that are none or can never count, or a file that is not there, has no such
    function, or lies in the model's folder: code that comes with a model is never run.
    """
    asked = inputs.options.reward_file
    terms = parse_terms(inputs.options.reward, asked is not None)
    if not terms:
        return None
    check_lengths(terms, inputs.response_length)
    function = _find_function(asked, inputs.model.folder) if asked else None
    if function is not None:
        _try(function, inputs)
    return ShapedReward(terms=terms, file=function.located() if function else None)


def _find_function(asked: str, model: Path) -> UserFunction:
    path, _, name = asked.rpartition(":")
    if not (path.endswith(".py") and name.isidentifier()):
        raise UserError(
            f"--reward-file {asked}: give a file and its function, as in --reward-file mine.py:reward"
        )
    if not Path(path).expanduser().is_file():
        raise UserError(f"--reward-file {asked}: no file {path}")
    function = read_function(f"{PREFIX}{asked}")
    if function.path.resolve().is_relative_to(model.resolve()):
        raise UserError(
            f"--reward-file {asked} lies in the folder of the model, whose code is never run; "
            "copy it elsewhere, read it, and name the copy"
        )
    return function


def _try(function: UserFunction, inputs: Inputs) -> None:
    """UserError where the function fails on a row with a right, a wrong or an empty answer."""
    with FunctionPool(function, workers=1) as pool:
        for part in inputs.train:
            rule = "lenient" if is_function(part.template.rule) else scorer_entry(part.template.rule)["rule"]
            for row in part.task.rows[:TRIED_ROWS]:
                for text in (f"The answer is \\boxed{{{row.gold}}}.\n#### {row.gold}", "I do not know.", ""):
                    found = judge(text, row.gold, rule)
                    verdict = verdict_of(
                        found.grade.outcome,
                        found.grade.reason,
                        found.extraction.answer,
                        found.lenient_outcome,
                    )
                    returned = pool.call(text, {**row_for_grader(row), "gold": row.gold}, verdict)
                    try:
                        if returned.failure is not None:
                            raise ValueError(returned.failure)
                        usable(returned.value)
                    except ValueError as error:
                        raise UserError(
                            f"--reward-file {inputs.options.reward_file} fails on row {row.id} of "
                            f"{part.source} and the answer {text[:40]!r}: {error}; "
                            f"{function.function}(completion, row, verdict) must return a number"
                        ) from None


def same_reward(before: ShapedReward | None, now: ShapedReward | None, name: str) -> None:
    """Mismatch where the file of a run that is resumed is not the one with which it began."""
    was, new = before and before.file, now and now.file
    if was and new and was["sha256"] != new["sha256"]:
        raise Mismatch(
            f"the reward of {name} is not the one with which it began: {new['rule'].removeprefix(PREFIX)} "
            f"has sha256 {new['sha256'][:12]}, then {was['sha256'][:12]}; restore the file, or start a new "
            "run with --output"
        )


SHAPED = "shaped reward"
"""The mark of every number of a checkpoint that a shaped reward made; its manifest holds the terms."""
