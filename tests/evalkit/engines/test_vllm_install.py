from pathlib import Path

import pytest

from evalkit.engines.vllm_install import engine_environment


def test_without_a_compiler_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A bare Debian: vLLM's sampler would call g++ at the first sampled token and take the engine with it."""
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert engine_environment(cpu=True)["TORCHDYNAMO_DISABLE"] == "1"
    assert "TORCHDYNAMO_DISABLE" not in engine_environment(cpu=False)
    (tmp_path / "g++").write_text("#!/bin/sh\n")
    (tmp_path / "g++").chmod(0o755)
    assert "TORCHDYNAMO_DISABLE" not in engine_environment(cpu=True)
