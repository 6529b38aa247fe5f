"""The shape of one sample of lm-evaluation-harness, the same for every version that wrote it."""

from __future__ import annotations

from typing import Any

KINDS: dict[str, type | tuple[type, ...]] = {
    "doc_id": (int, str),
    "arguments": (dict, list),
    "resps": list,
    "filtered_resps": list,
}


def as_today(line: dict[str, Any]) -> str | None:
    """Bring a sample into today's form; the key that is of no known form, None where all are.

    Older versions write `arguments` as a list of [prompt, settings], and no `filter`.
    """
    for key, kind in KINDS.items():
        if not isinstance(line[key], kind):
            return key
    arguments = line["arguments"]
    if isinstance(arguments, list):
        first = arguments[0] if arguments and isinstance(arguments[0], list) else arguments
        arguments = {"gen_args_0": {f"arg_{number}": value for number, value in enumerate(first)}}
    given = arguments.get("gen_args_0")
    if not isinstance(given, dict) or not isinstance(given.get("arg_0"), str):
        return "arguments"
    line["arguments"] = arguments
    if line.get("filter") is None:
        line.pop("filter", None)
    elif not isinstance(line["filter"], str):
        return "filter"
    return None
