"""Processes that verl 0.9.1 starts one after another, though the next one need not wait for the last.

verl starts vLLM's server once the model is loaded, and the rollout workers once vLLM runs; each of them
imports verl and vLLM for many seconds. Here their processes start, and import, while the model loads:
their constructors take nothing, and `begin` takes later what verl gives to the constructor.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from verl.plugin.platform import get_platform
from verl.workers.rollout import router
from verl.workers.rollout.router import GlobalRequestLoadBalancer
from verl.workers.rollout.vllm_rollout.vllm_async_server import vLLMHttpServer, vLLMReplica

from trainkit.plugins.agent_loop import Worker
from trainkit.plugins.versions import require

AT_ONCE = 1000
"""Calls that a server answers at once: verl's own number (workers/rollout/replica.py, max_concurrency)."""
verls_replica = vLLMReplica.__init__
verls_balancer = router._create_global_sticky_inflight


class EarlyWorker(Worker):
    """A rollout worker that waits for its arguments."""

    def __init__(self) -> None:
        """Take nothing: importing this class was the work."""

    def begin(self, *args: Any) -> None:
        super().__init__(*args)


class EarlyServer(vLLMHttpServer):  # type: ignore[misc]
    """vLLM's server, which waits for its arguments."""

    def __init__(self) -> None:
        """Take nothing: importing this class was the work."""

    def begin(self, **arguments: Any) -> None:
        super().__init__(**arguments)


class EarlyBalancer(GlobalRequestLoadBalancer):  # type: ignore[misc]
    """What spreads requests over the servers; it waits for them."""

    def __init__(self) -> None:
        """Take nothing: importing this class was the work."""

    def begin(self, **arguments: Any) -> None:
        super().__init__(**arguments)


class Started:
    """Stands where verl has an actor class: `options(…).remote(…)` begins an actor that is there."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def options(self, **_: Any) -> Started:
        return self

    def remote(self, **arguments: Any) -> Any:
        ray.get(self.actor.begin.remote(**arguments))
        return self.actor


def start_early(workers: int, servers: int) -> list[Any]:
    """Start them on this node, and have verl take them; returns the rollout workers' handles.

    verl's replica gets its server here, and its router the balancer; `Manager` takes the workers.
    """
    require("start_early")
    here = NodeAffinitySchedulingStrategy(node_id=ray.get_runtime_context().get_node_id(), soft=True)
    platform = get_platform()
    variables = {**{name: "1" for name in platform.ray_noset_envvars()}, **platform.rollout_env_vars()}
    started = [
        ray.remote(EarlyServer)
        .options(
            name=f"vllm_server_{rank}_0",  # the trainer's workers look it up by this name
            scheduling_strategy=here,
            runtime_env={"env_vars": variables},
            max_concurrency=AT_ONCE,
        )
        .remote()
        for rank in range(servers)
    ]

    @wraps(verls_replica)
    def replica(self: Any, *args: Any, **kwargs: Any) -> None:
        verls_replica(self, *args, **kwargs)
        if self.replica_rank < len(started) and not (self.is_reward_model or self.is_teacher_model):
            self.server_class = Started(started[self.replica_rank])

    one = ray.remote(EarlyBalancer).options(scheduling_strategy=here).remote()

    @wraps(verls_balancer)
    def balancer(
        servers: dict[str, Any], full_determinism: bool = False, load_balancer_cls: Any = None
    ) -> Any:
        if load_balancer_cls not in (None, GlobalRequestLoadBalancer):
            return verls_balancer(servers, full_determinism, load_balancer_cls)
        size = router.DEFAULT_ROUTING_CACHE_SIZE
        return Started(one).remote(servers=servers, max_cache_size=size, full_determinism=full_determinism)

    vLLMReplica.__init__ = replica
    router._create_global_sticky_inflight = balancer
    return [ray.remote(EarlyWorker).options(scheduling_strategy=here).remote() for _ in range(workers)]
