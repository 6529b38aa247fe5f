"""Hold the import table of docs/design.md, what `--help` may load, and the list of CLI flags.

    pytest tests/test_structure.py

A new flag is a decision: add it to tests/golden/cli_flags.txt by
`python tests/test_structure.py > tests/golden/cli_flags.txt` and say why in the CHANGELOG.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import pytest
from source_tree import PACKAGES, dotted, modules, room

ROOT = Path(__file__).parent.parent
FLAGS = ROOT / "tests/golden/cli_flags.txt"
TOP = "evalkit"
SPINE = "trainkit"
MAY_IMPORT = {
    "prompts": set(),
    TOP: {"prompts"},
    "evalkit.tasks": {TOP, "prompts"},
    "evalkit.extract": {TOP, "prompts"},
    "evalkit.stats": set(),
    "evalkit.models": {TOP, "prompts"},
    "evalkit.grade": {"evalkit.extract", TOP, "prompts"},
    "evalkit.locks": {"evalkit.grade", "evalkit.models", "evalkit.tasks", "prompts"},
    "evalkit.engines": {"evalkit.models", TOP, "prompts"},
    "evalkit.runs": {"evalkit.grade", "evalkit.extract", "evalkit.stats", TOP, "prompts"},
    "evalkit.compare": {
        "evalkit.runs",
        "evalkit.locks",
        "evalkit.models",
        "evalkit.grade",
        "evalkit.stats",
        "evalkit.extract",
        TOP,
        "prompts",
    },
    "evalkit.score": {
        "evalkit.compare",
        "evalkit.runs",
        "evalkit.engines",
        "evalkit.locks",
        "evalkit.grade",
        "evalkit.models",
        "evalkit.tasks",
        "evalkit.stats",
        TOP,
        "prompts",
    },
    "evalkit.report": {
        "evalkit.compare",
        "evalkit.runs",
        "evalkit.locks",
        "evalkit.stats",
        "evalkit.tasks",
        TOP,
        "prompts",
    },
    "evalkit.exchange": {
        "evalkit.runs",
        "evalkit.grade",
        "evalkit.extract",
        "evalkit.stats",
        "evalkit.tasks",
        TOP,
        "prompts",
    },
    "evalkit.cli": {
        "evalkit.compare",
        "evalkit.engines",
        "evalkit.exchange",
        "evalkit.extract",
        "evalkit.grade",
        "evalkit.locks",
        "evalkit.models",
        "evalkit.report",
        "evalkit.runs",
        "evalkit.score",
        "evalkit.tasks",
        TOP,
        "prompts",
    },
    "evalkit.library": {
        "evalkit.compare",
        "evalkit.engines",
        "evalkit.extract",
        "evalkit.grade",
        "evalkit.runs",
        "evalkit.score",
        TOP,
        "prompts",
    },
    "trainkit.options": {"prompts"},
    "trainkit.runs": {"trainkit.options", TOP, "prompts"},
    "trainkit.draw": set(),
    "trainkit.plugins": {"trainkit.draw", "trainkit.runs", "evalkit.grade", TOP, "prompts"},
    "trainkit.data": {
        "trainkit.options",
        "trainkit.runs",
        "evalkit.runs",
        "evalkit.tasks",
        "evalkit.grade",
        "evalkit.locks",
        "evalkit.models",
        TOP,
        "prompts",
    },
    "trainkit.plan": {"trainkit.data", "trainkit.draw", "trainkit.options", "evalkit.models", TOP, "prompts"},
    "trainkit.launch": {
        "trainkit.plan",
        "trainkit.options",
        "trainkit.plugins",
        "evalkit.engines",
        TOP,
        "prompts",
    },
    "trainkit.diagnose": {
        "trainkit.runs",
        "trainkit.plan",
        "trainkit.options",
        "evalkit.grade",
        "evalkit.models",
        TOP,
        "prompts",
    },
    "trainkit.verify": {
        "trainkit.options",
        "evalkit.locks",
        "trainkit.runs",
        "trainkit.data",
        "evalkit.score",
        "evalkit.compare",
        "evalkit.engines",
        "evalkit.runs",
        "evalkit.grade",
        "evalkit.models",
        "evalkit.tasks",
        TOP,
        "prompts",
    },
    "trainkit.watch": {
        "trainkit.runs",
        "trainkit.options",
        "trainkit.diagnose",
        "trainkit.plan",
        "evalkit.runs",
        "evalkit.models",
        TOP,
        "prompts",
    },
    SPINE: {
        "trainkit.plugins",
        "trainkit.data",
        "trainkit.plan",
        "trainkit.launch",
        "trainkit.runs",
        "trainkit.verify",
        "trainkit.watch",
        "trainkit.diagnose",
        "trainkit.options",
        "evalkit.engines",
        "evalkit.locks",
        "evalkit.models",
        TOP,
        "prompts",
    },
    "trainkit.cli": {
        SPINE,
        "trainkit.launch",
        "trainkit.options",
        "trainkit.plan",
        "trainkit.runs",
        "trainkit.verify",
        "trainkit.watch",
        "trainkit.diagnose",
        "evalkit.engines",
        "evalkit.locks",
        "evalkit.models",
        TOP,
        "prompts",
    },
}
"""What each package may import of ours. `evalkit` and `trainkit` stand for the modules that lie in them."""
LIGHT = {"trainkit.plugins.switch", "trainkit.plugins.versions"}
"""All that may be imported of the plug-ins where neither verl nor vLLM does it: names and versions."""
VLLM = {
    "evalkit/engines/fast_decode.py",
    "evalkit/engines/swap.py",
    "evalkit/engines/vllm.py",
    "evalkit/engines/vllm_start.py",
    "trainkit/plugins/agent_loop.py",
    "trainkit/plugins/cpu_vllm.py",
    "trainkit/plugins/token_capture.py",
}
VERL = {
    "trainkit/plugins/agent_loop.py",
    "trainkit/plugins/checkpoint_callback.py",
    "trainkit/plugins/cpu_platform.py",
    "trainkit/plugins/steps/mini_batches.py",
    "trainkit/plugins/steps/nested_rows.py",
    "trainkit/plugins/replay_buffer.py",
    "trainkit/plugins/start_early.py",
    "trainkit/plugins/steps/trainer_steps.py",
}
HEAVY = ("torch", "vllm", "verl", "transformers", "pandas", "pyarrow", "numpy", "scipy", "ray")


def imported(path: Path) -> Iterator[str]:
    """The dotted modules that a module imports, at import time or later."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for alias in node.names:
                inner = ROOT / Path(*node.module.split("."), alias.name)
                is_module = inner.is_dir() or inner.with_suffix(".py").exists()
                yield f"{node.module}.{alias.name}" if is_module else node.module


@pytest.mark.parametrize("package", sorted({room(dotted(path)) for path in modules()}))
def test_import_table(package: str) -> None:
    for path in modules():
        if room(dotted(path)) != package:
            continue
        relative = path.relative_to(ROOT).as_posix()
        for name in imported(path):
            if name.split(".")[0] in PACKAGES:
                assert room(name) in MAY_IMPORT[package] | {package}, f"{relative} imports {name}"
                if package != "trainkit.plugins" and room(name) == "trainkit.plugins":
                    assert name in LIGHT, f"{relative} imports {name}"
            if name.split(".")[0] == "vllm":
                assert relative in VLLM, f"{relative} imports vllm"
            if name.split(".")[0] == "verl":
                assert relative in VERL, f"{relative} imports verl"


COMES_AS = {"huggingface_hub": "huggingface-hub", "yaml": "pyyaml", "transfer_queue": "transferqueue"}
"""Packages whose name to import is not the one to install, in the form that PEP 503 compares."""


def test_what_is_imported_is_declared_and_the_other_way_round() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def names(wanted: list[str]) -> set[str]:
        return {re.split(r"[^\w-]", item)[0].lower().replace("_", "-") for item in wanted}

    core = names(project["dependencies"])
    extras = names([item for extra in project["optional-dependencies"].values() for item in extra])
    used = {name.split(".")[0] for path in modules() for name in imported(path)} - set(PACKAGES)
    used = {COMES_AS.get(name, name.replace("_", "-")) for name in used - sys.stdlib_module_names}
    assert used - core - extras == set(), "declare it in pyproject.toml"
    assert core - used <= {"pandas"}, "nothing imports it"


def test_packages_form_no_cycle() -> None:
    TopologicalSorter(MAY_IMPORT).prepare()  # raises CycleError, which names the cycle


def test_modules_form_no_cycle() -> None:
    names = {dotted(path) for path in modules()}
    graph = {
        dotted(path): {name for name in imported(path) if name in names}
        for path in modules()
        if "/cli/" not in path.as_posix()  # each command registers itself at `app`, which imports it
    }
    TopologicalSorter({name: used - {name} for name, used in graph.items()}).prepare()


def test_no_two_public_classes_have_one_name() -> None:
    classes = Counter(
        node.name
        for path in modules()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, times in classes.items() if times > 1] == []


def test_modules_stay_readable() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in modules()}
    assert {path: lines for path, lines in lengths.items() if lines > 300} == {}, "split it by subject"
    assert median(lines for path, lines in lengths.items() if not path.endswith("__init__.py")) <= 100


def test_no_folder_is_a_heap() -> None:
    sizes = Counter(
        path.parent.relative_to(ROOT).as_posix() for path in modules() if path.name != "__init__.py"
    )
    assert {folder: size for folder, size in sizes.items() if size > 15} == {}


@pytest.mark.parametrize("module", ["evalkit.cli", "trainkit.cli"])
def test_help_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def cli_flags() -> list[str]:
    """Every command of both programs with its options, one line a command."""
    import typer

    importlib.import_module("evalkit.cli")
    importlib.import_module("trainkit.cli")
    from evalkit.cli.app import app as evaluate
    from trainkit.cli.app import app as train

    lines = []

    def walk(command: object, name: str) -> None:
        children = getattr(command, "commands", None)
        if children:
            for child in sorted(children):
                walk(children[child], f"{name} {child}")
            return
        flags = sorted(o for p in command.params for o in p.opts if o.startswith("--"))  # type: ignore[attr-defined]
        lines.append(" ".join([name, *flags]))

    walk(typer.main.get_command(evaluate), "evalkit")
    walk(typer.main.get_command(train), "trainkit")
    return lines


def test_cli_flags_are_the_recorded_ones() -> None:
    assert cli_flags() == FLAGS.read_text().splitlines()


def test_options_that_commands_share_are_spelled_once() -> None:
    spelled = Counter(
        ast.unparse(node)
        for path in (ROOT / "evalkit/cli").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Annotated"
    )
    assert len(spelled) > 40
    twice = [option for option, times in spelled.items() if times > 1]
    assert not twice, "what several commands take stands in evalkit/cli/options.py"


if __name__ == "__main__":
    print("\n".join(cli_flags()))
