"""Read the answers of a JSONL file, line by line: rows in = rows out, in order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from evalkit.exact_json import loads
from evalkit.extract.choice.options import options_of
from evalkit.extract.rules import resolve_rule
from evalkit.gold import read_gold
from evalkit.grade.judge import judge
from prompts.errors import UserError
from prompts.files import refuse_existing, whole_file


def extract_file(source: str, rule: str, output: str, thinking: Mapping[str, Any] | None = None) -> None:
    """Write id, answer, rule, span (and outcome and reason where a row has a gold) for every row.

    `thinking` is what a lock says of the model that wrote the texts. `-` is standard input or output.
    Streams: memory does not grow with the file. A file to write gets its name only once it is whole.
    Raises UserError for an unknown rule, a file that cannot be read, or a line that is no object with a
    text (its number is named).
    """
    resolve_rule(rule)
    with ExitStack() as stack:
        try:
            lines = sys.stdin.buffer if source == "-" else stack.enter_context(open(source, "rb"))
        except OSError as error:
            raise UserError(f"{source} cannot be read: {error.strerror}") from None
        rows = _rows(lines, source, rule, thinking)
        if output == "-":
            _print(rows)
            return
        refuse_existing(Path(output))
        with whole_file(Path(output)) as temporary, temporary.open("xb") as file:
            file.writelines(rows)


def _print(rows: Iterator[bytes]) -> None:
    """Write to standard output, and stop quietly where the reader (`head`) has seen enough."""
    try:
        sys.stdout.buffer.writelines(rows)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _rows(
    lines: Iterable[bytes], source: str, rule: str, thinking: Mapping[str, Any] | None
) -> Iterator[bytes]:
    for number, line in enumerate(lines, 1):
        try:
            row = loads(line)
        except orjson.JSONDecodeError as error:
            raise UserError(f"{source} line {number} is not JSON: {error}") from None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise UserError(f'{source} line {number} has no "text"; each line is {{"id": ..., "text": ...}}')
        yield orjson.dumps(_read(row, rule, thinking), option=orjson.OPT_APPEND_NEWLINE)


def _read(row: dict[str, Any], rule: str, thinking: Mapping[str, Any] | None) -> dict[str, Any]:
    text = row["text"]
    gold, problem = read_gold(row.get("gold"))
    cut = row.get("truncated") is True or row.get("finish_reason") == "length"
    judged = judge(text, gold, rule, thinking, options=options_of(row), truncated=cut)
    found = judged.extraction
    read = {"id": row.get("id"), "answer": found.answer, "rule": found.rule, "span": found.span}
    if row.get("gold") is not None:
        read |= {"outcome": judged.grade.outcome, "reason": problem or judged.grade.reason}
    return read
