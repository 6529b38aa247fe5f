"""How this project is installed, said in one place: from a checkout. It is published nowhere.

A package of the name below on an index would be somebody else's, and so are PyPI's `evalkit` and
`trainkit`, which have the names of our packages and would be imported in their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

DISTRIBUTION = "lockstep-evalkit"
"""The name that `pip list` shows for an installed checkout."""
FOREIGN = ("evalkit", "trainkit")
"""Distributions of PyPI that belong to others and bring packages of our names."""
UPGRADE = "upgrade it: git pull && pip install -e . in its checkout"


def install(extra: str = "") -> str:
    """The command, given in a checkout, that installs this project, with an extra of pyproject.toml."""
    return f"pip install -e '.[{extra}]'" if extra else "pip install -e ."


def foreign_packages() -> list[str]:
    """A sentence for each distribution of somebody else that brings a package of our names."""
    from importlib.metadata import distributions  # here: it would slow every `--help` down

    return [
        f"{name} {distribution.version} is installed here, which is not this project but PyPI's package of "
        f"the same name, and may be imported in its place; remove it: pip uninstall {name}"
        for distribution in distributions()
        if (name := _name(distribution)) in FOREIGN
    ]


def _name(distribution: Distribution) -> str:
    return str(distribution.metadata["Name"] or "").lower()
