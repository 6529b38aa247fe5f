"""The `scorer` entry of a prompt lock: which version of which rule reads and compares the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.extract import resolve_rule
from evalkit.grade.grade import SCORER_VERSION
from prompts.template import Template


def scorer_entry(rule: str) -> dict[str, Any]:
    """The `scorer` entry of a lock made now: the newest version of a rule, and of the scorer."""
    return {"rule": resolve_rule(rule)[0], "version": SCORER_VERSION}


def scorer_like(locked: Mapping[str, Any], template: Template) -> dict[str, Any]:
    """The entry for scoring what is locked already: its version of the rule, if the rule is the template's.

    A released version of a rule stays callable; of the scorer there is only this one, which is named.
    """
    same = str(locked["rule"]).partition("@")[0] == template.rule
    return scorer_entry(str(locked["rule"]) if same else template.rule)
