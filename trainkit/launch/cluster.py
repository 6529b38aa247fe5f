"""Training on the nodes of a Ray cluster that runs already: what is handed over, and what is asked first.

Workers of a running cluster do not have the driver's environment, so all settings that travel by it go into
Ray's `runtime_env`. Before verl starts every node is asked whether it can take part.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.cluster_environment import START, no_cluster, travelling
from prompts.errors import Failed, UserError

KEY = "+ray_kwargs.ray_init.runtime_env.env_vars"
OF_DRIVER = ("RAY_", "HYDRA_")


def handed_over(added: Mapping[str, str]) -> dict[str, str]:
    """The variables that verl's workers on all nodes must have: ours, and the user's that concern them."""
    return {
        name: value
        for name, value in sorted({**travelling(), **added}.items())
        if not name.startswith(OF_DRIVER) and "${" not in value
    }


def cluster_arguments(variables: Mapping[str, str]) -> list[str]:
    """Arguments for verl's command: connect to the running cluster, with these variables everywhere."""
    address = f"+ray_kwargs.ray_init.address={os.environ.get('RAY_ADDRESS') or 'auto'}"
    return [address, *(f"{KEY}.{name}={_quoted(value)}" for name, value in variables.items())]


def _quoted(value: str) -> str:
    """A text for Hydra, which would read `2` and `false` as no texts; in quotes only what comes before a
    quote is escaped (hydra.cc, "Extended override syntax", quoted values).
    """
    escaped = re.sub(r"(\\*)'", lambda found: 2 * found[1] + "\\'", value)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return f"'{escaped}{trailing * chr(92)}'"


def check_nodes(
    run: Path, tokenizer: str, variables: Mapping[str, str], *, nodes: int, gpus: int
) -> list[dict[str, Any]]:
    """Ask every node for the run folder, packages, the tokenizer and `gpus` GPUs; returns their answers.

    Raises UserError where a node differs from this machine, where fewer than `nodes` have the GPUs, or no
    cluster can be reached; each with what to do.
    """
    word = uuid.uuid4().hex
    question = {
        "address": os.environ.get("RAY_ADDRESS") or "auto",
        "run": str(run.absolute()),
        "word": word,
        "tokenizer": tokenizer,
        "variables": dict(variables),
    }
    (run / "probe").write_text(word, encoding="utf-8")
    try:
        answer = _ask(question)
    finally:
        (run / "probe").unlink(missing_ok=True)
    if problems := node_problems(answer["here"], answer["nodes"], nodes=nodes, gpus=gpus):
        listed = "".join(f"\n  {line}" for line in problems)
        raise UserError(f"the Ray cluster cannot train this run:{listed}")
    found: list[dict[str, Any]] = answer["nodes"]
    return found


def node_problems(
    here: Mapping[str, Any], found: Sequence[Mapping[str, Any]], *, nodes: int, gpus: int
) -> list[str]:
    """What keeps nodes from taking part, a line each, with what to do about it."""
    lines = []
    for node in found:
        who = f"node {node['address']}"
        if "problem" in node:
            lines.append(f"{who}: {node['problem']}; take it out of the cluster, or start its Ray anew")
            continue
        who += f" ({node['host']})"
        if node["run folder"] != "seen and writable":
            lines.append(
                f"{who}: the run's folder is {node['run folder']}; put it on a disk that all nodes write: "
                "EVALKIT_RUNS=/shared/runs"
            )
        names = sorted({*here["packages"], *node["packages"]})
        for name in names:
            pair = [side["packages"].get(name, "missing") for side in (here, node)]
            if pair[0] != pair[1]:
                lines.append(f"{who}: {name} {pair[1]}, here {pair[0]}; install the same on all nodes")
        if node["python"] != here["python"]:
            lines.append(f"{who}: Python {node['python']}, here {here['python']}; use the same on all nodes")
        if node["tokenizer"] != here["tokenizer"]:
            lines.append(
                f"{who}: the model's tokenizer is {node['tokenizer']}, here {here['tokenizer']}; "
                "the model's folder must be the same on all nodes"
            )
        if lost := node["variables that did not arrive"]:
            lines.append(f"{who}: {', '.join(lost)} did not arrive; Ray's runtime_env must be allowed there")
    able = sum("problem" not in node and node["gpus"] >= gpus for node in found)
    if able < nodes:
        lines.append(
            f"--nodes {nodes} needs as many nodes with {gpus} GPU{'s' * (gpus > 1)} each, the cluster has "
            f"{able} of {len(found)}; lower --nodes or --gpus, or {START}"
        )
    return lines


def _ask(question: Mapping[str, Any]) -> dict[str, Any]:
    """Run the probe. Raises UserError where no cluster answers, Failed where the probe breaks."""
    command = [sys.executable, "-m", "trainkit.launch.probe_nodes"]
    home = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command,
        input=json.dumps(question),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    if done.returncode == 0:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer
    said = done.stderr.strip()
    if reason := no_cluster(said):
        raise UserError(f"--nodes: {reason}")
    last = said.splitlines()[-1][:300] if said else "it said nothing"
    raise Failed(f"the nodes could not be asked: {last}")
