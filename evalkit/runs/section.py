"""A JSON object of a run's files as a type, and those that only some runs have in their manifest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
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
            elif name not in merged and self._is_left_out(name, value, original is None):
                continue
            merged[name] = list(value) if isinstance(value, tuple) else msgspec.to_builtins(value)
        return merged

    def _is_left_out(self, name: str, value: Any, new: bool) -> bool:
        """Whether a key that the file lacks stays out: nothing is known of it that reading does not know."""
        if new:
            return value is None and name not in self.NULLS
        return name in (known := _defaults(type(self))) and value == known[name]


@cache
def _defaults(kind: type[Section]) -> dict[str, Any]:
    nothing = msgspec.NODEFAULT
    return {
        field.name: field.default if field.default_factory is nothing else field.default_factory()
        for field in msgspec.structs.fields(kind)
        if not field.required
    }


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


class PaidReward(Section, frozen=True, kw_only=True):
    """The shaped reward that training paid for answers of these weights; the score is another figure.

    `mean` is over the answers `of` a validation, those of the run itself, or over those that were drawn
    in the training step that made the weights. `terms` are those of --reward, with the start of the
    sha256 of --reward-file: only rewards of the same terms can be compared.
    """

    mean: float
    of: Literal["validation", "training step"]
    terms: str
