"""The `scorer` entry of a prompt lock: which version of which rule reads and compares the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.extract.rules import resolve_rule
from evalkit.grade.grade import SCORER_VERSION, callable_version
from evalkit.grade.user_function import UserFunction, is_function, read_function, short_name
from prompts.errors import UserError
from prompts.install import UPGRADE
from prompts.template import Template


def scorer_entry(rule: str, folders: Sequence[Path] = ()) -> dict[str, Any]:
    """The `scorer` entry of a lock made now: the newest version of a rule, and of the scorer.

    A function of the user's is pinned by its file's sha256; a relative path is looked up in `folders`.
    """
    if is_function(rule):
        return function_entry(read_function(rule, folders))
    return {"rule": resolve_rule(rule)[0], "version": SCORER_VERSION}


def function_entry(function: UserFunction) -> dict[str, Any]:
    """The entry of a function of the user's."""
    return {"rule": function.name, "version": SCORER_VERSION, "sha256": function.sha256}


def template_entry(template: Template) -> dict[str, Any]:
    """The entry of a template's own rule."""
    return scorer_entry(template.rule, template.folders)


def scorer_like(locked: Mapping[str, Any], template: Template) -> dict[str, Any]:
    """The entry for scoring what is locked already: its version of the rule, if the rule is the template's.

    A released version of a rule stays callable, and so does the scorer's: what a lock names is kept. The
    first version of the scorer is gone; locks that name it are scored by the second. Of a function's file
    there is only the one that lies there, which is named. UserError for a version that is yet to come.
    """
    if not 0 <= (locked.get("version") or 0) <= SCORER_VERSION:
        raise UserError(
            f"the prompt lock names version {locked['version']} of the scorer, this evalkit has up to "
            f"{SCORER_VERSION}; {UPGRADE}"
        )
    if str(locked["rule"]).partition("@")[0] != template.rule or is_function(template.rule):
        return template_entry(template)
    return {"rule": resolve_rule(str(locked["rule"]))[0], "version": callable_version(locked.get("version"))}


def grader_of(template: Template, scorer: Mapping[str, Any]) -> UserFunction | None:
    """The function that a lock's scorer names, from beside the template; None for a rule of ours.

    Raises Mismatch where its file is not the one that was locked. It is never looked for in a model folder.
    """
    if not is_function(str(scorer["rule"])):
        return None
    if short_name(template.rule) != scorer["rule"]:
        raise UserError(f"{template.ref} is graded by {template.rule}, the lock says {scorer['rule']}")
    return read_function(template.rule, template.folders, scorer.get("sha256"))
