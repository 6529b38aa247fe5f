"""docs/schemas says what the code reads and writes, for editors and other programs.

pytest tests/evalkit/runs/test_schemas.py

`PYTHONPATH=.:tests/helpers python tests/evalkit/runs/test_schemas.py` writes the schemas anew.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec
import pytest
from places import ROOT

from evalkit.records import Record
from evalkit.runs.manifest import Manifest, Summary

FOLDER = ROOT / "docs/schemas"
RECORDED = sorted((ROOT / "results/recorded").glob("*/manifest.json"))
LOCK = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "prompt.lock.json",
    "description": "All that decides what a model reads and how its answer is read; see docs/prompts.md.",
    "type": "object",
    "required": ["reading", "data", "budget", "fingerprint"],
    "properties": {
        "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{12}$"},
        "reading": {"type": "object", "required": ["template", "scorer", "stop_ids"]},
        "data": {"type": "object"},
        "budget": {"type": "object"},
        "carries": {"type": "object"},
    },
}


def schemas() -> dict[str, dict[str, Any]]:
    made = {"prompt.lock": LOCK}
    for name, kind in (("manifest", Manifest), ("summary", Summary), ("record", Record)):
        schema = msgspec.json.schema(kind)
        for part in schema["$defs"].values():
            part.get("properties", {}).pop("original", None)  # the file as it was read: not in the file
        made[name] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return made


def as_text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_schema_is_that_of_the_code(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == as_text(schemas()[name]), "write them anew (see above)"


def test_recorded_files_are_valid() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    made = schemas()
    for manifest in RECORDED:
        for name in ("manifest", "summary", "prompt.lock"):
            jsonschema.validate(json.loads((manifest.parent / f"{name}.json").read_text()), made[name])
        with gzip.open(manifest.parent / "records.jsonl.gz") as file:
            jsonschema.validate(json.loads(next(file)), made["record"])


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / f"{name}.json").write_text(as_text(schema))
