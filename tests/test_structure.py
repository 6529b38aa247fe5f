"""Hold the import table of docs/design.md, what `--help` may load, and the list of CLI flags.

    pytest tests/test_structure.py

A new flag is a decision: add it to tests/golden/cli_flags.txt by
`python tests/test_structure.py flags > tests/golden/cli_flags.txt` and say why in the CHANGELOG.
The file tree of the README comes from `python tests/test_structure.py tree`.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("prompts", "evalkit", "trainkit")
FLAGS = ROOT / "tests/golden/cli_flags.txt"
MAY_IMPORT = {"prompts": {"prompts"}, "evalkit": {"prompts", "evalkit"}, "trainkit": set(PACKAGES)}
VLLM = {
    "evalkit/engines/decode_scheduler.py",
    "evalkit/engines/vllm.py",
    "trainkit/agent_loop.py",
    "trainkit/cpu_vllm.py",
    "trainkit/token_capture.py",
}
VERL = {
    "trainkit/agent_loop.py",
    "trainkit/callback.py",
    "trainkit/cpu_platform.py",
    "trainkit/nested_rows.py",
    "trainkit/sampler.py",
}
HEAVY = ("torch", "vllm", "verl", "transformers", "pandas", "pyarrow", "numpy", "scipy", "ray")


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[str, bool]]:
    """Top-level names of what a module imports, and whether that happens at import time."""
    tree = ast.parse(path.read_text())
    functions = [f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {node for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            yield name.split(".")[0], node not in inside


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_import_table(path: Path) -> None:
    relative = path.relative_to(ROOT).as_posix()
    package = relative.split("/")[0]
    for name, _ in imported(path):
        if name in PACKAGES:
            assert name in MAY_IMPORT[package], f"{relative} imports {name}"
        if name == "vllm":
            assert relative in VLLM, f"{relative} imports vllm"
        if name == "verl":
            assert relative in VERL, f"{relative} imports verl"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_stay_readable(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300, "split it by subject: one step, one file"


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
    assert len(spelled) > 60
    twice = [option for option, times in spelled.items() if times > 1]
    assert not twice, "what several commands take stands in evalkit/cli/options.py"


def file_tree() -> list[str]:
    """Every module with the first line of its docstring."""
    lines = []
    for path in modules():
        first = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0].rstrip(".:")
        lines.append(f"{path.relative_to(ROOT).as_posix():<38} {first}".rstrip())
    return lines


def test_readme_lists_every_module() -> None:
    missing = set(file_tree()) - set((ROOT / "README.md").read_text().splitlines())
    assert not missing, "renew the tree: python tests/test_structure.py tree"


if __name__ == "__main__":
    print("\n".join({"flags": cli_flags, "tree": file_tree}[sys.argv[1]]()))
