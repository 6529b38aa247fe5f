"""Copies as actors of a running Ray cluster: one on each free group of GPUs, whatever node it is on.

Models are read where the nodes find them: in a shared folder, else from the hub. Records are written by the
driver alone. Ray's `ActorPool` loses the requests of an actor that dies and surplus actors wait without a
word, so free GPUs are counted first, and requests are dealt by `evalkit.engines.copies.deal`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from evalkit.cluster_environment import START, no_cluster, travelling
from evalkit.engines.base import Engine, EngineOptions
from evalkit.engines.copies.ahead import ROOT
from evalkit.engines.copies.messages import Died, Message, Ready, Report
from evalkit.engines.copies.processes import log_of
from evalkit.engines.copies.server import Server
from evalkit.models.resolve import Model, resolve_model
from prompts.errors import Failed, UserError

TAKE_SECONDS = 5.0
"""How long a call waits for something to report before it is asked again."""


Make = Callable[[str, Model, EngineOptions], Engine]


class CopyActor:
    """One copy, in a worker of Ray's. The engine lives in a thread of its own; calls pass messages."""

    def __init__(self, make: Make, name: str, model: Model, options: EngineOptions) -> None:
        self._out: SimpleQueue[Report] = SimpleQueue()
        self._server: Server | None = None
        self._loaded = threading.Event()
        threading.Thread(target=self._run, args=(make, name, model, options), daemon=True).start()

    def _run(self, make: Make, name: str, model: Model, options: EngineOptions) -> None:
        try:
            if options.log is not None and not options.log.parent.is_dir():
                options = replace(options, log=None)  # the results lie on the driver's disk
            engine = make(name, _found(model, options), options)
            self._server = Server(engine, self._out.put)
            self._out.put(Ready(engine.version, engine.dtype, engine.capacity))
            self._loaded.set()
            self._server.run()
            engine.close()
        except Exception as error:  # whatever it was, the driver must hear of it
            self._out.put(Died(str(error) or type(error).__name__))
        finally:
            self._loaded.set()

    def send(self, message: Message | None) -> None:
        """Take requests, other weights, or None for the end."""
        self._loaded.wait()
        if self._server is not None:
            self._server.inbox.put(message)

    def take(self) -> list[Report]:
        """What there is to report; waits a while for the first."""
        found: list[Report] = []
        with contextlib.suppress(Empty):
            found.append(self._out.get(timeout=TAKE_SECONDS))
            while True:
                found.append(self._out.get_nowait())
        return found


def _found(model: Model, options: EngineOptions) -> Model:
    """The model as this node finds it. UserError where it is not there, or not the driver's."""
    if model.folder.is_dir():
        return model
    here = resolve_model(model.name, trust_remote_code=options.trust_remote_code)
    if here.weights_sha256 != model.weights_sha256:
        raise UserError(f"{model.name} is another model on this node; put it on a disk that all nodes see")
    return here


class RayActors:
    """A `Place` on the cluster at `options.ray` ("auto" or an address); `make` loads an engine there."""

    def __init__(self, make: Make, name: str, model: Model, options: EngineOptions) -> None:
        """Raises UserError where no cluster answers, or nothing is free on it."""
        import ray

        self._ray = ray
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        check_address(options.ray or "auto")
        try:
            ray.init(
                address=options.ray,
                runtime_env={"env_vars": {**travelling(), "PYTHONPATH": path}},
                log_to_driver=False,
                logging_level="ERROR",
            )
        except Exception as error:  # Ray raises whatever its parts raise
            said = f"{type(error).__name__}: {error}"
            reason = no_cluster(said) or said.splitlines()[0][:300]
            raise UserError(f"--ray {options.ray}: {reason}") from None
        try:
            self.count, gpus = _slots(ray, options)
            resources = {"num_gpus": gpus, "num_cpus": 1}
            remote = ray.remote(CopyActor).options(max_concurrency=4, **resources)
            own = replace(options, ray=None, gpus=None, copies=1)
            self.actors = [
                remote.remote(
                    make, name, replace(model, lock=None), replace(own, log=log_of(options.log, copy))
                )
                for copy in range(self.count)
            ]
        except BaseException:
            ray.shutdown()
            raise
        self._taking = {actor.take.remote(): copy for copy, actor in enumerate(self.actors)}

    def label(self, copy: int) -> str:
        """A copy in words."""
        return f"copy {copy + 1} of the Ray cluster"

    def send(self, copy: int, message: Message) -> None:
        """Hand requests, or other weights, to a copy; that it died meanwhile is said by `wait`."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            self.actors[copy].send.remote(message)

    def wait(self) -> Sequence[tuple[int, Report]]:
        """What copies report. An actor that is gone, or whose node is, has died."""
        reports: list[tuple[int, Report]] = []
        while not reports:
            if not self._taking:
                raise Failed("no copy is left on the Ray cluster")
            done, _ = self._ray.wait(list(self._taking), num_returns=1)
            for reference in done:
                copy = self._taking.pop(reference)
                try:
                    found: list[Report] = self._ray.get(reference)
                except self._ray.exceptions.RayError as error:
                    found = [Died(_why(error))]
                reports += [(copy, report) for report in found]
                if any(isinstance(report, Died) for report in found):
                    self._ray.kill(self.actors[copy])  # one that is cut off may come back: not to us
                else:
                    self._taking[self.actors[copy].take.remote()] = copy
        return reports

    def close(self) -> None:
        """End the actors and leave the cluster, which goes on."""
        alive = set(self._taking.values())
        for copy in alive:
            self.send(copy, None)  # type: ignore[arg-type]
        for actor in self.actors:
            with contextlib.suppress(self._ray.exceptions.RayError, ValueError):
                self._ray.kill(actor)
        self._taking.clear()
        self._ray.shutdown()


def check_address(address: str) -> None:
    """UserError where an address is none, or nothing listens there: Ray would try for more than a minute."""
    host, _, port = address.rpartition(":")
    if address == "auto" or "://" in address:
        return
    if not host or not port.isdecimal():
        raise UserError(f"--ray {address}: no address; give HOST:PORT, as in --ray 10.0.0.1:6379, or auto")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise UserError(f"--ray {address}: nothing listens there ({error}); {START}") from None


def _slots(ray: Any, options: EngineOptions) -> tuple[int, int]:
    """Copies that fit on what is free, and the GPUs of each; 0 where --copies was given to a cluster of CPUs.

    Raises UserError where nothing is free, or less than was asked for.
    """
    from ray._private.state import available_resources_per_node

    free = [node for node in available_resources_per_node().values()]
    whole = sum(node["Resources"].get("GPU", 0) for node in ray.nodes() if node["Alive"])
    gpus = options.tp if whole else 0
    key, size = ("GPU", options.tp) if whole else ("CPU", 1)
    fit = sum(int(node.get(key, 0) // size) for node in free)
    asked = options.gpus // options.tp if options.gpus else options.copies
    if not whole and options.copies is None:
        raise UserError("the Ray cluster has no GPU; say how many copies share its CPUs: --copies 2")
    if fit < (asked or 1):
        what = f"{fit} groups of {size} free {key}s" if size > 1 else f"{fit} free {key}s"
        raise UserError(f"the Ray cluster has {what}, {asked or 1} are needed; wait, or ask for fewer")
    return asked or fit, gpus


def _why(error: Exception) -> str:
    """Ray's reason in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200] if lines else 'no reason given'}"
