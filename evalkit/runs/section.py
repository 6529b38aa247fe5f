"""A JSON object of a run's files as a type, and the one that a sequential run adds to its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON object of a run's files.

    `NULLS` names fields whose None is written as null in a new file, as every version did; any other
    None is left out. A null that is read counts as a key that is not there.
    """

    NULLS: ClassVar[frozenset[str]] = frozenset()

    def merged(self, original: Mapping[str, Any] | None) -> dict[str, Any]:
        """The object to write over `original` (None for a new file): its unknown keys stay."""
        merged = dict(original or {})
        for name in self.__struct_fields__:
            if name == "original":
                continue
            value, before = getattr(self, name), (original or {}).get(name)
            if isinstance(value, Section):
                value = value.merged(None if original is None else before if isinstance(before, dict) else {})
                if not value and name not in merged:
                    continue
            elif value is None and name not in merged and (original is not None or name not in self.NULLS):
                continue
            merged[name] = msgspec.to_builtins(value)
        return merged


class Sequential(Section, frozen=True, kw_only=True):
    """How a run was scored until it was decided (`evalkit score --until decided`), and what came of it.

    Questions were asked in the order of `seed`, `chunk` between two looks, and compared with the run
    `against`; `alpha` is the error allowed, `margin` a share. `asked` questions were asked; `delta` and
    `ci` are shares, valid at that moment. The last four are None while the run is under way.
    """

    against: str
    seed: int
    chunk: int
    margin: float
    alpha: float
    asked: int | None = None
    verdict: Literal["better", "worse", "equal", "undecided"] | None = None
    delta: float | None = None
    ci: tuple[float, float] | None = None
