"""Which verl and vLLM the patches accept, who asks, and what turns them off."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from prompts.errors import UserError
from trainkit.plugins import cpu_vllm, token_capture, versions
from trainkit.plugins.switch import CAPTURE_VARIABLE, DEVICE_VARIABLE, WITHOUT_VARIABLE, check_left_out

PLUGINS = ROOT / "trainkit/plugins"


def with_versions(
    monkeypatch: pytest.MonkeyPatch, verl: str | None = "0.9.1", vllm: str | None = "0.24.0"
) -> None:
    monkeypatch.setattr(versions, "installed", {"verl": verl, "vllm": vllm}.get)


def test_every_plugin_that_patches_is_listed_with_its_packages_and_asks() -> None:
    found = {}
    for path in PLUGINS.rglob("*.py"):
        tree = ast.parse(path.read_text())
        modules = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        roots = {module.split(".")[0] for module in modules}
        # What is changed in Ray is changed for verl, which says which Ray it takes.
        packages = {"verl" if root == "ray" else root for root in roots} & {"verl", "vllm"}
        if packages:
            found[path.stem] = packages
            assert f'require("{path.stem}")' in path.read_text(), path.name
    assert found == {name: set(packages) for name, packages in versions.PATCHES.items()}


def test_the_installed_versions_are_accepted() -> None:
    versions.check_versions()
    for patch in versions.PATCHES:
        versions.require(patch)


@pytest.mark.parametrize("vllm", ["0.24.0", "0.24.1", "0.30.0", "0.30.2+cpu"])
def test_tested_versions_pass(vllm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_versions(monkeypatch, vllm=vllm)
    versions.check_versions()


@pytest.mark.parametrize(
    ("verl", "vllm", "says"),
    [
        ("0.9.2", "0.24.0", "verl 0.9.2 is installed, and trainkit patches verl 0.9.1; "),
        ("0.9.1", "0.25.0", r"vllm 0.25.0 is installed, and trainkit patches vllm 0.24.\* or 0.30.\*; "),
        ("0.9.1", "0.240.0", "vllm 0.240.0 is installed"),
        (None, "0.24.0", "verl is not installed; `make setup`"),
        ("0.9.1", None, "vllm is not installed"),
    ],
)
def test_others_are_refused_unless_any_version_is_asked_for(
    verl: str | None, vllm: str | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_versions(monkeypatch, verl, vllm)
    with pytest.raises(UserError, match=says):
        versions.check_versions()
    touched = "verl" if verl != "0.9.1" else "vllm"
    for patch, packages in versions.PATCHES.items():
        if touched in packages:
            with pytest.raises(RuntimeError, match=f"trainkit: {patch}: {touched} "):
                versions.require(patch)
    monkeypatch.setenv(versions.ANY_VERSION, "1")
    versions.check_versions()
    for patch in versions.PATCHES:
        versions.require(patch)


def test_the_plugins_of_vllm_ask_only_where_trainkit_started_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_versions(monkeypatch, vllm="9.9.9")
    monkeypatch.delenv(DEVICE_VARIABLE, raising=False)
    monkeypatch.delenv(CAPTURE_VARIABLE, raising=False)
    cpu_vllm.plugin()
    token_capture.plugin()
    monkeypatch.setenv(DEVICE_VARIABLE, "cpu")
    monkeypatch.setenv(CAPTURE_VARIABLE, f"1:{tmp_path / 'ids'}")
    for plugin in (cpu_vllm.plugin, token_capture.plugin):
        with pytest.raises(RuntimeError, match=r"vllm 9\.9\.9 is installed"):
            plugin()


def command(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real trainkit in a folder of its own, with these variables."""
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "trainkit", *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )


def test_trainkit_refuses_another_verl_in_one_sentence_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "verl-9.9.9.dist-info").mkdir()
    (tmp_path / "verl-9.9.9.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: verl\nVersion: 9.9.9\n"
    )
    asked = ("--model", "smollm2-135m", "--task", "sums", "--device", "cpu", "--output", "run")
    done = command(tmp_path, "grpo", *asked)
    assert done.returncode == 2
    assert done.stderr.startswith("error: verl 9.9.9 is installed, and trainkit patches verl 0.9.1; ")
    assert done.stderr.count("\n") == 1 and not (tmp_path / "run").exists()


def test_only_what_saves_time_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WITHOUT_VARIABLE, "nested_rows, freeze_heap")
    check_left_out()
    monkeypatch.setenv(WITHOUT_VARIABLE, "reward")
    with pytest.raises(
        UserError,
        match="TRAINKIT_WITHOUT=reward: only nested_rows, freeze_heap, first_log_probs, start_early can",
    ):
        check_left_out()


def test_what_is_left_out_is_not_installed() -> None:
    code = (
        "import gc, sys, trainkit.plugins.on_start;"
        "print('trainkit.plugins.steps.nested_rows' in sys.modules, gc.get_freeze_count())"
    )
    environment = {**os.environ, DEVICE_VARIABLE: "cpu", WITHOUT_VARIABLE: "nested_rows,freeze_heap"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.split() == ["False", "0"], done.stderr


def test_what_vllm_loads_by_itself_is_light() -> None:
    names = ["switch", "versions", "token_capture", "cpu_vllm", "freeze_heap", "on_start"]
    code = (
        f"import sys; [__import__('trainkit.plugins.' + name) for name in {names}];"
        "heavy = {'torch', 'vllm', 'verl', 'ray', 'numpy', 'transformers', 'typer', 'rich'};"
        "print(sorted(heavy & set(sys.modules)), [n for n in sys.modules if n.startswith('trainkit.launch')])"
    )
    environment = {name: value for name, value in os.environ.items() if name != DEVICE_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[] []", done.stderr
