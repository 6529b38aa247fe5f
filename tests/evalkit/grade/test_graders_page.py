"""The worked example of docs/graders.md does what the page says: template, file, lock, outcomes.

pytest tests/evalkit/grade/test_graders_page.py
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from evalkit.grade.judge import Judge
from evalkit.grade.lock_entry import grader_of, template_entry
from prompts.registry import get_template
from trainkit.plugins.reward import compute

PAGE = (ROOT / "docs/graders.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """my-templates, with the files of the page."""
    blocks = re.findall(r"```(?:toml|python)\n# my-templates/(\S+)\n(.*?)```", PAGE, re.DOTALL)
    assert [name for name, _ in blocks] == ["tens@1.toml", "pairs.py"]
    for name, content in blocks:
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("completion", "outcome", "reason"),
    [
        ("Answer: 4 + 6", "correct", "so says the grader"),
        ("Answer: 4 + 7", "wrong", "so says the grader"),
        ("Answer: ten", "no_answer", "0 numbers instead of two"),
    ],
)
def test_the_example_judges(folder: Path, completion: str, outcome: str, reason: str) -> None:
    template = get_template("tens", [folder])
    entry: dict[str, Any] = template_entry(template)
    assert entry["rule"] == "python:pairs.py:grade"
    grader = grader_of(template, entry)
    assert grader is not None and (grader.seconds, grader.memory_mib) == (2, 256)
    with closing(Judge(entry["rule"], grader)) as judge:
        found = judge(completion, "10").grade
        assert (found.outcome, found.reason) == (outcome, reason)
        assert compute(completion, "10", judge).value == float(outcome == "correct")
        assert judge("Answer: 4 + 6", None).grade.outcome == "unscored"
