"""A function of the user's in a file of the user's: which one, what it hashes to, what it may use.

`python:grade.py:grade` names the function `grade` of the file grade.py. The file is read once: what
was hashed is what runs. Nothing of it is run here (see `evalkit.grade.function_pool`).
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prompts.errors import Mismatch, UserError

PREFIX = "python:"
SECONDS = 5.0
"""Wall-clock seconds a call may take, where the file does not say (`SECONDS = 2`)."""
MEMORY_MIB = 2048
"""MiB of address space the process may have, where the file does not say (`MEMORY_MIB = 512`)."""
LEAST_MIB = 64
"""Python itself does not start in less."""


@dataclass(frozen=True, kw_only=True)
class UserFunction:
    """A function that was found, its file's content, and its limits.

    `name` is `python:FILE:FUNCTION`, the file without its folder: the same on every machine.
    """

    name: str
    path: Path
    function: str
    source: str
    sha256: str
    seconds: float
    memory_mib: int

    def located(self) -> dict[str, str]:
        """What another process needs to read the very same: the rule with the whole path, the hash."""
        place = self.path.parent.resolve() / self.path.name
        return {"rule": f"{PREFIX}{place}:{self.function}", "sha256": self.sha256}


def is_function(rule: str) -> bool:
    """Whether a rule names a function of the user's."""
    return rule.startswith(PREFIX)


def short_name(rule: str) -> str:
    """`python:FILE:FUNCTION` without the folder, as locks write it."""
    path, function = _parts(rule)
    return f"{PREFIX}{path.name}:{function}"


def read_function(rule: str, folders: Sequence[Path] = (), sha256: str | None = None) -> UserFunction:
    """Read the file of `python:PATH:FUNCTION`; a relative path is looked up in `folders`, then here.

    `sha256` is what a lock says of the file. Raises UserError where there is no such file or function,
    Mismatch where the file is not the one that was locked.
    """
    path, function = _parts(rule)
    places = [folder / path for folder in folders] + [path]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        where = ", ".join(dict.fromkeys(str(place.parent) for place in places))
        raise UserError(
            f"rule {rule}: no file {path.name} in {where}; where a prompt or a lock names it, say where it "
            f"lies: --prompts FOLDER; else name it with its folder: {PREFIX}FOLDER/{path.name}:{function}"
        )
    content = found.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256:
        raise Mismatch(
            f"{found} has sha256 {digest[:12]}, the lock says {sha256[:12]}: bring back the locked file, "
            f"or judge stored answers by the new one: evalkit rescore RUN --rule {PREFIX}{found}:{function}"
        )
    try:
        source = content.decode()
        tree = ast.parse(source, str(found))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{found} is no Python: {error}") from None
    _check_defined(tree, found, function)
    seconds = _constant(tree, found, "SECONDS", SECONDS)
    memory = _constant(tree, found, "MEMORY_MIB", MEMORY_MIB)
    if memory < LEAST_MIB:
        raise UserError(f"{found}: MEMORY_MIB = {memory:g} is too little for Python; at least {LEAST_MIB}")
    return UserFunction(
        name=f"{PREFIX}{found.name}:{function}",
        path=found,
        function=function,
        source=source,
        sha256=digest,
        seconds=seconds,
        memory_mib=int(memory),
    )


def _parts(rule: str) -> tuple[Path, str]:
    path, _, function = rule.removeprefix(PREFIX).rpartition(":")
    if not path or not function.isidentifier() or Path(path).suffix != ".py":
        raise UserError(f"rule {rule!r}: a function of your own is named {PREFIX}FILE.py:FUNCTION")
    return Path(path).expanduser(), function


def _check_defined(tree: ast.Module, path: Path, function: str) -> None:
    """UserError where the file neither defines nor imports the function."""
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    others = [node for node in tree.body if isinstance(node, ast.Assign | ast.ImportFrom)]
    if function in names or any(function in ast.unparse(node) for node in others):
        return
    raise UserError(f"{path} has no function {function}; it defines {', '.join(names) or 'none'}")


def _constant(tree: ast.Module, path: Path, name: str, default: float) -> float:
    """A limit that the file sets at its top level: pinned with the file."""
    for node in tree.body:
        if not isinstance(node, ast.Assign) or name not in [
            target.id for target in node.targets if isinstance(target, ast.Name)
        ]:
            continue
        try:
            value = ast.literal_eval(node.value)
        except ValueError:
            value = None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
            raise UserError(f"{path}: {name} = {ast.unparse(node.value)} must be a positive number")
        default = value
    return float(default)
