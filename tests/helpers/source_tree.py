"""The modules of our packages, by path, by name, and by the package whose rules they follow."""

from __future__ import annotations

from pathlib import Path

from places import ROOT

PACKAGES = ("prompts", "evalkit", "trainkit")


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def room(module: str) -> str:
    """The package of a dotted module, as MAY_IMPORT names it."""
    parts = module.split(".")
    if parts[0] == "prompts":
        return "prompts"
    if parts[-1] == "__main__":
        return f"{parts[0]}.cli"
    if module in ("trainkit.algorithms", "trainkit.option_file", "trainkit.options"):
        return "trainkit.options"
    return ".".join(parts[:2]) if (ROOT / Path(*parts[:2])).is_dir() else parts[0]


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
