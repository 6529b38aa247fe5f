"""The engine of a name, checked and loaded; its libraries are imported only when it is asked for."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable

from evalkit.engines.base import Engine, EngineOptions
from evalkit.engines.vllm_install import installed_version, untested
from evalkit.models.resolve import Model
from prompts.errors import UserError


def make_engine(name: str, model: Model, options: EngineOptions) -> Engine:
    """Load a model. Raises UserError for a missing engine or GPU, Failed where loading fails."""
    return _maker(name)(model, options)


def check_engine(name: str, options: EngineOptions) -> None:
    """UserError where the engine cannot run here; quick, for before any work is done."""
    if name == "vllm":
        from evalkit.engines.vllm import check_machine

        check_machine(options)
        if warning := untested(installed_version()[0]):
            print(f"warning: {warning}", file=sys.stderr)
    else:
        _maker(name)
        from evalkit.engines.hf import check_options

        check_options(options)


def _maker(name: str) -> Callable[[Model, EngineOptions], Engine]:
    if name == "vllm":
        from evalkit.engines.vllm import VllmEngine

        return VllmEngine
    if name == "hf":
        from evalkit.engines.hf import HfEngine

        return HfEngine
    near = difflib.get_close_matches(name, ("vllm", "hf"), n=1, cutoff=0.3)
    raise UserError(f"no engine {name!r}; use --engine {near[0] if near else 'vllm'} (known: vllm, hf)")
