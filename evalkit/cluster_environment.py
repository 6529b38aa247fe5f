"""What of this process's environment goes along to workers of a running Ray cluster, which do not have it."""

from __future__ import annotations

import os
import re

PREFIXES = ("EVALKIT_", "HF_", "NCCL_", "PYTORCH_", "TORCH_", "TRAINKIT_", "VERL_", "VLLM_")
"""Variables of the user's that concern our work."""
SECRET = re.compile(r"TOKEN|KEY|SECRET|PASSWORD|CREDENTIAL")
"""What is handed to nobody: such a variable must be set where a node's Ray is started."""
NO_CLUSTER = ("ConnectionError", "Could not find any running Ray instance", "Failed to connect to GCS")
"""What Ray says where no cluster answers."""
START = (
    "start Ray on the first node with `ray start --head --port 6379`, on the others with "
    "`ray start --address FIRST:6379`, and give the command again on the first"
)
TOKEN = "set RAY_AUTH_MODE=token here and on every node, and share ~/.ray/auth_token or RAY_AUTH_TOKEN"


def travelling() -> dict[str, str]:
    """The user's variables that workers must have, too."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(PREFIXES) and not SECRET.search(name)
    }


def no_cluster(said: str) -> str | None:
    """A sentence for what Ray said where a cluster cannot be reached; None for anything else."""
    last = said.strip().splitlines()[-1][:200] if said.strip() else "it said nothing"
    if "Token" in said and "auth" in said.lower():
        return f"the Ray cluster wants a token ({last}); {TOKEN}"
    if any(sign in said for sign in NO_CLUSTER):
        return f"no Ray cluster answers ({last}); {START}"
    return None
