"""Gates by task, from a TOML file: what each task, and the macro average, must not lose or must gain.

[default]                 # every task that has no section of its own
fail_if_worse = 2.0       # points; fails where the interval lies below -2.0 and p says so too
[tasks.gsm8k]
fail_if_worse = 1.0
require_better = true
[macro]
fail_if_worse = 0.5
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.compare.diff import Diff
from evalkit.compare.suite.by_task import Macro, Suite
from evalkit.compare.verdict import ALPHA, check_gates, decide
from evalkit.text import interval, p_text, points
from prompts.errors import Failed, UserError

EXAMPLE = "tasks.gsm8k.fail_if_worse = 1.0"


@dataclass(frozen=True)
class Gate:
    """`fail_if_worse` is a margin in points, None for no such gate."""

    fail_if_worse: float | None = None
    require_better: bool = False


@dataclass(frozen=True)
class Gates:
    """The sections of a file; a task without one has the default's gate."""

    default: Gate
    tasks: Mapping[str, Gate]
    macro: Gate


def read_gates(path: Path) -> Gates:
    """Read a file of gates. Raises UserError where it cannot be read, or holds anything else than gates."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--gates {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"--gates {path} is no TOML: {error}; write e.g. {EXAMPLE}") from None
    if odd := sorted(content.keys() - {"default", "tasks", "macro"}):
        raise UserError(f"--gates {path}: no section [{odd[0]}]; there are [default], [tasks.NAME], [macro]")
    tasks = content.get("tasks", {})
    if not isinstance(tasks, dict):
        raise UserError(f"--gates {path}: tasks is {tasks!r}; write a section a task: {EXAMPLE}")
    gates = Gates(
        _gate(path, "default", content.get("default", {})),
        {name: _gate(path, f"tasks.{name}", value) for name, value in tasks.items()},
        _gate(path, "macro", content.get("macro", {})),
    )
    if all(gate == Gate() for gate in (gates.default, gates.macro, *gates.tasks.values())):
        raise UserError(f"--gates {path} holds no gate; write e.g. {EXAMPLE}")
    return gates


def _gate(path: Path, section: str, value: Any) -> Gate:
    where = f"--gates {path}, [{section}]"
    if not isinstance(value, dict):
        raise UserError(f"{where}: {value!r} is no section; write e.g. {EXAMPLE}")
    if odd := sorted(value.keys() - {"fail_if_worse", "require_better"}):
        raise UserError(f"{where}: no key {odd[0]}; there are fail_if_worse (points) and require_better")
    margin, better = value.get("fail_if_worse"), value.get("require_better", False)
    number = isinstance(margin, int | float) and not isinstance(margin, bool)
    if margin is not None and not (number and 0 <= margin <= 100):
        raise UserError(f"{where}: fail_if_worse is {margin!r}; points from 0 to 100 are allowed")
    if not isinstance(better, bool):
        raise UserError(f"{where}: require_better is {better!r}; true and false are allowed")
    return Gate(None if margin is None else float(margin), better)


def check_suite(gates: Gates, suite: Suite) -> None:
    """Hold every task, and the macro average, against its gate, with p adjusted for the tasks.

    Raises UserError for a gate of a task that the runs do not hold, or that none of their common questions
    belongs to; Failed, naming all, where gates are not met.
    """
    known = [part.task for part in suite.tasks]
    if odd := sorted(gates.tasks.keys() - set(known)):
        held = "; no question of it could be compared" if odd[0] in suite.left_out else ""
        raise UserError(f"a gate names task {odd[0]}, the runs hold {', '.join(known)}{held}")
    failed = []
    for part in suite.tasks:
        gate = gates.tasks.get(part.task, gates.default)
        try:
            _check(part.diff, gate, part.p_value)
        except Failed as error:
            failed.append(f"{part.task}: {error}")
    if reason := _macro_fails(gates.macro, suite.macro):
        failed.append(f"macro average: {reason}")
    if suite.left_out and gates.default != Gate():
        failed += [f"{task}: no question that both runs could score" for task in suite.left_out]
    if failed:
        raise Failed("; ".join(failed))


def check_single(gates: Gates, diff: Diff, task: str) -> None:
    """As `check_suite`, for runs of one task, whose macro average is that task. Raises at the first."""
    if odd := sorted(gates.tasks.keys() - {task}):
        raise UserError(f"a gate names task {odd[0]}, the runs hold {task}")
    _check(diff, gates.tasks.get(task, gates.default), diff.p_value)
    _check(diff, gates.macro, diff.p_value)


def _check(diff: Diff, gate: Gate, p_value: float) -> None:
    check_gates(diff, fail_if_worse=gate.fail_if_worse, require_better=gate.require_better, p_value=p_value)


def _macro_fails(gate: Gate, macro: Macro) -> str | None:
    figures = f"{points(macro.delta, sign=True)}, 95 % CI {interval(*macro.ci)}, p {p_text(macro.p_value)}"
    below = gate.fail_if_worse is not None and macro.ci.high < -gate.fail_if_worse / 100
    if below and macro.p_value < ALPHA:
        return f"gate: worse by more than {gate.fail_if_worse:g} points: {figures}"
    if gate.require_better and decide(macro.delta, macro.ci, macro.p_value) != "better":
        return f"gate: not shown to be better: {figures}"
    return None
