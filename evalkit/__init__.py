"""Evaluate checkpoints: the same prompts as training, exact scoring, paired comparison.

    from evalkit import score_model, compare_runs, load_run, read_answer, grade_answer

Each is loaded when it is asked for, so that importing evalkit stays light (docs/python.md).
"""

from importlib import import_module
from typing import Any

__all__ = ["compare_runs", "grade_answer", "load_run", "read_answer", "score_model"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("evalkit.library.functions"), name)
    raise AttributeError(f"module 'evalkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
