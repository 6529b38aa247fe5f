"""What crosses from one package to another has a type: plain dicts are for what others define.

    pytest tests/test_plain_dicts.py

Looked at are signatures of public functions and constants that another package imports, and those of methods
and fields that it names beside an import of their module.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from source_tree import dotted, modules, room

PLAIN = "dict[str, Any]"
LOCK = "sections of a lock: JSON that is hashed as it stands, with keys of any version"
OTHERS = "JSON or TOML of others, or of the caller's"
PRINTED = "what a command prints as JSON"
FIELDS = "the fields of a row's source, which are the user's"
VERL = "settings, metrics or protocols of verl and torch"
OPTIONS = "options by name, checked by the class Options"
NEWER = "keys that a newer version wrote, kept where the file is written again"
ALLOWED = {
    "evalkit.compare.table.as_json": PRINTED,
    "evalkit.grade.grader.plain_fields": FIELDS,
    "evalkit.grade.grader.row_for_grader": FIELDS,
    "evalkit.grade.judge.make_record": FIELDS,
    "evalkit.grade.lock_entry.function_entry": LOCK,
    "evalkit.grade.lock_entry.scorer_entry": LOCK,
    "evalkit.grade.lock_entry.scorer_like": LOCK,
    "evalkit.grade.lock_entry.template_entry": LOCK,
    "evalkit.locks.parts.LockPart.reading": LOCK,
    "evalkit.models.computation.computation_of": OTHERS,
    "evalkit.records.Record.fields": FIELDS,
    "evalkit.records.Row.fields": FIELDS,
    "evalkit.runs.section.Section.merged": NEWER,
    "evalkit.score.prompt_view.as_text": PRINTED,
    "evalkit.score.prompt_view.thinking_of": LOCK,
    "evalkit.score.prompt_view.view": PRINTED,
    "evalkit.tasks.listing.listing": PRINTED,
    "evalkit.tasks.rows.as_object": OTHERS,
    "prompts.files.read_json": OTHERS,
    "prompts.files.read_toml": OTHERS,
    "prompts.files.write_json": OTHERS,
    "prompts.lock.Lock.budget": LOCK,
    "prompts.lock.Lock.carries": LOCK,
    "prompts.lock.Lock.data": LOCK,
    "prompts.lock.Lock.reading": LOCK,
    "prompts.lock_reading.thinking_entry": LOCK,
    "trainkit.algorithms.ALGORITHMS": VERL,
    "trainkit.data.inputs.Part.in_job": LOCK,
    "trainkit.launch.cluster.check_nodes": "what the probe of each node says, printed and kept",
    "trainkit.launch.set_option.parse_set": VERL,
    "trainkit.launch.settings.build": VERL,
    "trainkit.option_file.read_toml": OPTIONS,
    "trainkit.options.PRESETS": OPTIONS,
    "trainkit.options.names_run": OPTIONS,
    "trainkit.runs.job.Job.chat_template_kwargs": OTHERS,
    "trainkit.runs.job.Job.original": NEWER,
    "trainkit.runs.job.Job.thinking": LOCK,
    "trainkit.runs.job.JobPart.chat_template_kwargs": OTHERS,
    "trainkit.runs.job.JobPart.thinking": LOCK,
    "trainkit.runs.lines.Line": VERL,
    "trainkit.runs.shaping.verdict_of": OTHERS,
}
"""By name why it may be plain. `as_dict` is left out: it is what a value prints or writes."""
TREES = {dotted(path): ast.parse(path.read_text()) for path in modules()}
Defined = ast.FunctionDef | ast.AsyncFunctionDef


def is_plain(node: ast.AST | None) -> bool:
    return node is not None and PLAIN in ast.unparse(node)


def plain_members(body: list[ast.stmt]) -> Iterator[str]:
    """Public names of a module's or class's body whose signature, type or value is or holds a plain dict."""
    for node in body:
        if isinstance(node, Defined):
            every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            name, found = node.name, [node.returns, *(argument.annotation for argument in every)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, found = node.target.id, [node.annotation]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, found = node.targets[0].id, [node.value]
        else:
            continue
        if not name.startswith("_") and name != "as_dict" and any(map(is_plain, found)):
            yield name


def crossing() -> set[str]:
    """Every public name with a plain dict that another package uses."""
    imported, users, named = defaultdict(set), defaultdict(set), defaultdict(set)
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                users[node.module].add(room(module))
                for alias in node.names:
                    imported[f"{node.module}.{alias.name}"].add(room(module))
            if isinstance(node, ast.Attribute):
                named[node.attr].add(room(module))
    found = set()
    for module, tree in TREES.items():
        own = {room(module)}
        found |= {
            f"{module}.{name}" for name in plain_members(tree.body) if imported[f"{module}.{name}"] - own
        }
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                members = [name for name in plain_members(node.body) if named[name] & users[module] - own]
                found |= {f"{module}.{node.name}.{name}" for name in members}
    return found


def test_a_plain_dict_that_crosses_packages_is_named_with_its_reason() -> None:
    found = crossing()
    assert found - ALLOWED.keys() == set(), "give it a type, or a line above that says whose JSON it is"
    assert ALLOWED.keys() - found == set(), "no longer there"
