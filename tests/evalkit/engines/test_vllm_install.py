from pathlib import Path

import pytest

from evalkit.engines.vllm_install import engine_environment
from trainkit.launch.environment import added_environment


def test_without_a_compiler_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A bare Debian: vLLM's sampler would call g++ at the first sampled token and take the engine with it."""
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert engine_environment(cpu=True)["TORCHDYNAMO_DISABLE"] == "1"
    assert "TORCHDYNAMO_DISABLE" not in engine_environment(cpu=False)
    (tmp_path / "g++").write_text("#!/bin/sh\n")
    (tmp_path / "g++").chmod(0o755)
    assert "TORCHDYNAMO_DISABLE" not in engine_environment(cpu=True)


def test_kernels_have_one_folder_at_every_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """torch sets the variable where it compiles, if nobody has, and leaves it unset at later starts."""
    monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
    monkeypatch.setenv("TRITON_HOME", str(tmp_path / "large"))  # for a home that is small or read only
    assert engine_environment(cpu=False)["TRITON_CACHE_DIR"] == str(tmp_path / "large/.triton/cache")
    monkeypatch.delenv("TRITON_HOME")
    assert engine_environment(cpu=False)["TRITON_CACHE_DIR"] == str(Path.home() / ".triton/cache")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    assert engine_environment(cpu=False)["TRITON_CACHE_DIR"] == str(tmp_path)
    assert added_environment(tmp_path, "cuda", 0)["TRITON_CACHE_DIR"] == str(tmp_path)
    assert "TRITON_CACHE_DIR" not in added_environment(tmp_path, "cuda", 0, nodes=2)  # homes may differ
