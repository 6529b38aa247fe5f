"""What a diagnosis says: a cause in a sentence, its evidence, and the option to turn."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One cause that the run's own files speak for.

    `cause` is a stable short name for scripts. `weight` orders findings, most likely first: 1.0 is a
    proof (an error message, a setting that cannot work), around 0.5 a share of rollouts that fits.
    """

    cause: str
    sentence: str
    evidence: str
    option: str
    weight: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.sentence} ({self.evidence}) {self.option}"
