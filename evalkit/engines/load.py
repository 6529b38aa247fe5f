"""The engine of a name, checked and loaded; its libraries are imported only when it is asked for."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from importlib.util import find_spec

from evalkit.engines.base import Engine, EngineOptions
from evalkit.engines.copies.ahead import waiting
from evalkit.engines.vllm_install import installed_version, untested
from evalkit.models.resolve import Model
from prompts.errors import UserError
from prompts.install import install

NAMES = ("vllm", "hf", "openai")


def make_engine(name: str, model: Model, options: EngineOptions) -> Engine:
    """Load a model, into as many copies of the engine as the options ask for.

    Raises UserError for a missing engine or GPU, Failed where loading fails.
    """
    make, slots = _maker(name), _slots(name, options)
    if len(slots) == 1 and options.ray is None and not waiting():
        return make(model, options)
    from evalkit.engines.copies.deal import CopiedEngine
    from evalkit.engines.copies.processes import Processes
    from evalkit.engines.copies.ray_actors import RayActors

    if options.ray is not None:
        return CopiedEngine(name, RayActors(make_engine, name, model, options))
    return CopiedEngine(name, Processes(name, model, options, slots))


def check_engine(name: str, options: EngineOptions) -> int:
    """How many copies of the engine there will be; UserError where it cannot run here.

    Quick, for before any work is done.
    """
    _maker(name)
    slots = _slots(name, options)
    if name == "vllm" and (warning := untested(installed_version()[0])):
        print(f"warning: {warning}", file=sys.stderr)
    return len(slots)


def _slots(name: str, options: EngineOptions) -> list[str | None]:
    """The GPUs of each copy; UserError where the engine, or a GPU that it needs, is missing."""
    if name != "openai" and (options.base_url or options.served_model):
        raise UserError(f"--base-url and --served-model are of --engine openai, not of {name}")
    if options.ray is not None:
        if name == "openai" or find_spec("ray") is None:
            no_ray = f"Ray is not installed; {install('gpu')}"
            why = "a server has its own GPUs" if name == "openai" else no_ray
            raise UserError(f"--ray {options.ray}: {why}")
        from evalkit.engines.copies.ray_actors import check_address

        check_address(options.ray)
        return [None]  # what the cluster has is counted there
    if name == "vllm":
        from evalkit.engines.vllm import check_machine

        return check_machine(options)
    if name == "openai":
        from evalkit.engines.openai import check_options as check_server

        return check_server(options)
    from evalkit.engines.hf import check_options

    return check_options(options)


def _maker(name: str) -> Callable[[Model, EngineOptions], Engine]:
    if name == "vllm":
        from evalkit.engines.vllm import VllmEngine

        return VllmEngine
    if name == "hf":
        from evalkit.engines.hf import HfEngine

        return HfEngine
    if name == "openai":
        from evalkit.engines.openai import OpenAIEngine

        return OpenAIEngine
    near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.3)
    known = ", ".join(NAMES)
    raise UserError(f"no engine {name!r}; use --engine {near[0] if near else 'vllm'} (known: {known})")
