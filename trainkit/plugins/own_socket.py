"""One socket a run for new weights on their way to vLLM, where verl 0.9.1 has one a machine.

verl names the socket by Ray's job (workers/rollout/vllm_rollout/vllm_rollout.py:140). The first job of every
local Ray is number 1, so two runs on one machine take each other's socket away, and vLLM may get the weights
of the other run. Here the job's name carries the run's own, in all processes of a run.

verl imports this module in each of its processes (`VERL_USE_EXTERNAL_MODULES`, trainkit.launch.environment).
"""

from __future__ import annotations

import os
from functools import wraps
from typing import Any

from ray.runtime_context import RuntimeContext

from trainkit.plugins.switch import RUN_VARIABLE
from trainkit.plugins.versions import require

rays_own = RuntimeContext.get_job_id


@wraps(rays_own)
def get_job_id(self: Any) -> str:
    """Ray's number of the job and the run's own. verl asks for it only where it names the socket."""
    return f"{rays_own(self)}-{os.environ[RUN_VARIABLE]}"


if RUN_VARIABLE in os.environ:
    require("own_socket")
    RuntimeContext.get_job_id = get_job_id
