"""Training on several nodes: what reaches the workers, and what every node is asked before.

pytest tests/trainkit/launch/test_cluster.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prompts.errors import UserError
from trainkit.launch.cluster import KEY, check_nodes, cluster_arguments, handed_over, node_problems
from trainkit.launch.environment import added_environment

HERE = {
    "host": "one",
    "run folder": "seen and writable",
    "python": "3.11.7",
    "packages": {"verl": "0.9.1", "vllm": "0.24.0"},
    "tokenizer": "abc",
    "variables that did not arrive": [],
}
ONE = {"address": "10.0.0.1", "gpus": 8, **HERE}
TWO = {"address": "10.0.0.2", "gpus": 8, **HERE, "host": "two"}


def test_every_setting_goes_along_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "eth0")
    monkeypatch.setenv("EDITOR", "vi")
    added = added_environment(tmp_path, "cuda", 22, nodes=2)
    found = handed_over(added)
    assert {"HF_HUB_OFFLINE", "NCCL_SOCKET_IFNAME"} <= found.keys()
    assert not {"HF_TOKEN", "EDITOR"} & found.keys()
    for name in ("TRAINKIT_DEVICE", "TRAINKIT_CAPTURE", "VERL_FILE_LOGGER_PATH", "TOKENIZERS_PARALLELISM"):
        assert found[name] == added[name]
    assert found["TRAINKIT_CAPTURE"] == f"22:{tmp_path}/tokens_vllm.%p.jsonl"
    assert added_environment(tmp_path, "cuda", 22)["TRAINKIT_CAPTURE"] == f"22:{tmp_path}/tokens_vllm.jsonl"


def test_hydra_reads_the_values_as_they_are() -> None:
    parser = pytest.importorskip("hydra.core.override_parser.overrides_parser").OverridesParser.create()
    values = {
        "NUMBER": "2",
        "SWITCH": "false",
        "PATH_OF": "/a b:/c,d",
        "QUOTED": "it's \\ here",
        "BRACES": "{a: [1]}",
        "EMPTY": "",
        "ENDS": "a\\",
        "BOTH": "\\'",
    }
    read = {o.key_or_group: o.value() for o in parser.parse_overrides(cluster_arguments(values))}
    assert {name: read[f"{KEY.lstrip('+')}.{name}"] for name in values} == values
    assert read["ray_kwargs.ray_init.address"] == "auto"


def test_nodes_that_are_alike_may_train() -> None:
    assert node_problems(HERE, [ONE, TWO], nodes=2, gpus=8) == []
    head = {**ONE, "gpus": 0, "address": "10.0.0.9"}
    assert node_problems(HERE, [head, ONE, TWO], nodes=2, gpus=8) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run folder": "not there"}, "10.0.0.2 (two): the run's folder is not there; put it on a disk"),
        ({"run folder": "seen"}, "the run's folder is seen; put it"),
        ({"packages": {"verl": "0.9.1", "vllm": "0.30.0"}}, "vllm 0.30.0, here 0.24.0"),
        ({"packages": {"verl": "0.9.1"}}, "vllm missing, here 0.24.0"),
        ({"python": "3.12.1"}, "Python 3.12.1, here 3.11.7"),
        ({"tokenizer": "none (OSError)"}, "tokenizer is none (OSError), here abc"),
        ({"variables that did not arrive": ["VLLM_X"]}, "VLLM_X did not arrive"),
        ({"problem": "no answer within 120 s"}, "node 10.0.0.2: no answer within 120 s"),
        ({"gpus": 4}, "--nodes 2 needs as many nodes with 8 GPUs each, the cluster has 1 of 2"),
    ],
)
def test_what_is_wrong_with_a_node_is_named(change: dict[str, Any], message: str) -> None:
    lines = node_problems(HERE, [ONE, {**TWO, **change}], nodes=2, gpus=8)
    assert any(message in line for line in lines)


def test_without_a_cluster_it_says_how_to_start_one(
    tmp_path: Path, smollm2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "2")
    with pytest.raises(UserError, match=r"no Ray cluster answers.*ray start --head"):
        check_nodes(tmp_path, str(smollm2), {}, nodes=2, gpus=1)
    assert not (tmp_path / "probe").exists()


@pytest.mark.slow
def test_two_raylets_of_one_machine(tmp_path: Path, smollm2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are asked; every variable has arrived there; a run folder that is not theirs is named."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    node = {"num_cpus": 1, "num_gpus": 1}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        variables = handed_over(added_environment(tmp_path, "cpu", 22, nodes=2))
        variables.pop("LD_PRELOAD", None)
        found = check_nodes(tmp_path, str(smollm2), variables, nodes=2, gpus=1)
        assert len(found) == 2 and [answer["gpus"] for answer in found] == [1, 1]
        assert all(answer["variables that did not arrive"] == [] for answer in found)
        assert json.dumps(found)
        with pytest.raises(UserError, match="--nodes 3 needs as many nodes with 1 GPU each"):
            check_nodes(tmp_path, str(smollm2), variables, nodes=3, gpus=1)
    finally:
        cluster.shutdown()
