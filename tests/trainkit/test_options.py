"""Options of a training run: precedence, TOML, what is refused and what the message offers instead.

pytest tests/trainkit/test_options.py
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.errors import UserError
from trainkit.algorithms import ALGORITHMS
from trainkit.option_file import read_toml, to_toml
from trainkit.options import PRESETS, Options, check, resolve


def options(**given: Any) -> Options:
    return resolve("grpo", given, preset=None, config=None, has_gpu=True)


def test_precedence(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('batch = 64\nlearning-rate = 1e-6\ntask = "sums"\n')
    got = resolve("rloo", {"batch": 256}, preset="tutorial", config=read_toml(path), has_gpu=True)
    assert (got.batch, got.learning_rate, got.task) == (256, 1e-6, ["sums"])
    assert (got.samples, got.mini_batch, got.micro_batch) == (2, 32, 8)
    assert got.algorithm == "rloo"


def test_tutorial_preset_is_the_tutorial() -> None:
    got = resolve("grpo", {}, preset="tutorial", config=None, has_gpu=True)
    shown = (got.batch, got.samples, got.mini_batch, got.micro_batch, got.learning_rate)
    assert shown == (128, 2, 32, 8, 5e-6)
    assert (got.save_every, got.validate_every) == ("50", 50)


def test_a_cpu_takes_its_preset_by_itself() -> None:
    assert resolve("grpo", {}, preset=None, config=None, has_gpu=False).batch == PRESETS["cpu"]["batch"]
    assert resolve("grpo", {"device": "cpu"}, preset=None, config=None, has_gpu=True).device == "cpu"
    assert options().device == "cuda"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    model=TEXTS,
    prompts=st.lists(TEXTS, max_size=3),
    learning_rate=st.floats(0, 1, allow_nan=False),
    steps=st.none() | st.integers(1, 10**6),
    overlap=st.booleans(),
)
def test_toml_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    model: str,
    prompts: list[str],
    learning_rate: float,
    steps: int | None,
    overlap: bool,
) -> None:
    before = options(
        model=model, prompts=prompts, learning_rate=learning_rate, steps=steps, allow_overlap=overlap
    )
    path = tmp_path_factory.mktemp("toml") / "train.toml"
    path.write_text(to_toml(before), encoding="utf-8")
    assert resolve("grpo", {}, preset=None, config=read_toml(path), has_gpu=True) == before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("learning_rte = 1e-6", "did you mean 'learning_rate'"),
        ('batch = "many"', "batch is 'many', it takes int"),
        ("batch = true", "batch is True, it takes int"),
        ("batch = 1.5", "it takes int"),
        ("algorithm = 'ppo'", "unknown option 'algorithm'"),
        ("batch = ", "cannot be read as TOML"),
        ("set = [1, 2]", "set is \\[1, 2\\], it takes a list of texts"),
    ],
)
def test_toml_mistakes(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content)
    with pytest.raises(UserError, match=says):
        read_toml(path)


def test_missing_toml(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_toml(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"batch": 100, "mini_batch": 32}, "--mini-batch 25"),
        ({"batch": 8, "mini_batch": 16}, "--mini-batch 8"),
        ({"micro_batch": 7}, "--micro-batch 8 does|nearest that does is --micro-batch 8"),
        ({"samples": 1}, "leaves none to compare"),
        ({"batch": 0}, "--batch 0: at least 1"),
        ({"steps": 0}, "--steps 0: at least 1"),
        ({"gpu_memory": 1.5}, "is no share"),
        ({"temperature": 0.0}, "must be sampled"),
        ({"device": "tpu"}, "there are cpu and cuda"),
        ({"learning_rate": -1.0}, "cannot be negative"),
        ({"kl": -1.0}, "--kl -1.0 cannot be negative"),
        ({"seed": -1}, "--seed -1 cannot be negative"),
        ({"learning_rate": float("nan")}, "--learning-rate nan is no usable number"),
        ({"kl": float("inf")}, "--kl inf is no usable number"),
        ({"temperature": float("nan")}, "--temperature nan is no usable number"),
        ({"device": "cpu", "gpus": 2}, "--gpus 2 needs --device cuda"),
        ({"device": "cpu", "tp": 2}, "--tp 2 needs --device cuda"),
        ({"logger": ["wanbd"]}, "did you mean 'wandb'"),
    ],
)
def test_impossible_options(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        options(**given)
    assert "\n" not in str(caught.value)


@given(batch=st.integers(1, 512), mini=st.integers(1, 512))
def test_the_mini_batch_that_is_offered_works(batch: int, mini: int) -> None:
    base = replace(options(), batch=batch, mini_batch=mini)
    try:
        check(base)
    except UserError as error:
        offered = int(str(error).rsplit(" ", 1)[1])
        check(replace(base, mini_batch=offered))


def test_unknown_names() -> None:
    with pytest.raises(UserError, match="did you mean 'dr-grpo'"):
        resolve("dr-grop", {}, preset=None, config=None, has_gpu=True)
    with pytest.raises(UserError, match="there are tutorial, cpu"):
        resolve("grpo", {}, preset="tutrial", config=None, has_gpu=True)


def test_every_option_says_what_it_is() -> None:
    assert all(item.metadata["help"].endswith((".", ")")) for item in fields(Options))
    assert set(ALGORITHMS) == {"grpo", "dr-grpo", "dapo", "gspo", "rloo", "reinforce++", "ppo"}
