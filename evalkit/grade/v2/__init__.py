"""The second version of the scorer, as it was released: locks that name it are scored by it."""

from evalkit.grade.v2.compare import compare

__all__ = ["compare"]
