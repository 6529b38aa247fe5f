"""What `evalkit diff` prints, letter by letter, in tests/golden/diff_*.txt.

pytest tests/evalkit/compare/test_diff_golden.py
COLUMNS=120 python tests/evalkit/compare/test_diff_golden.py

The second writes them anew: look at the change before you keep it.
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

import pytest
from lettered_runs import made, unlike
from places import GOLDEN

from evalkit.compare.curve import curve_of
from evalkit.compare.curve_table import render_curve
from evalkit.compare.diff import compare_pair, line_up
from evalkit.compare.rows import list_rows
from evalkit.compare.table import render_diff
from evalkit.runs.folder import Run


def letters(right: int, form: int, seed: int) -> str:
    """300 questions: so many of a hundred are right, so many right in another form; harder ones last."""
    rng = random.Random(seed)
    luck = [i / 3 + rng.uniform(-15, 15) for i in range(300)]
    return "".join("c" if x < right else "l" if x < right + form else "n" if x > 100 else "w" for x in luck)


def runs(folder: Path) -> list[Run]:
    found = []
    for step, right, form in ((0, 30, 20), (50, 45, 20), (100, 62, 8), (150, 60, 9)):
        model = {"name": f"demo:step_{step}", "path": None, "weights_sha256": None, "revision": None}
        noise = {"n": 300, "flips": 3} if step == 50 else None
        text = letters(right, form, step)
        found.append(made(folder / f"demo_step_{step}", text, model=model, noise=noise))
    return found


def outputs(folder: Path) -> dict[str, str]:
    four = runs(folder)
    two = line_up(four[1:3])
    diff, curve = compare_pair(two, 0, 1), curve_of(line_up(four))
    pair = [made(folder / name, *(letters(r, 9, s) for s in range(4))) for name, r in (("a", 40), ("b", 55))]
    marked = line_up(unlike(folder / "unlike"), allow_mismatch=True)
    texts = {f"diff_{f}": render_diff(diff, f) for f in ("table", "json", "csv", "markdown", "latex")}
    texts |= {f"diff_curve_{f}": render_curve(curve, f) for f in ("table", "json", "csv", "markdown")}
    texts["diff_samples"] = render_diff(compare_pair(line_up(pair), 0, 1), "table")
    texts["diff_rows"] = render_diff(diff, "table", list_rows(two, "broken", 2))
    texts["diff_rows_csv"] = render_diff(diff, "csv", list_rows(two, "both-wrong", 2))
    texts["diff_mismatch"] = render_diff(compare_pair(marked, 0, 1), "table")
    return texts


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "120")  # whatever terminal this runs in
        return outputs(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("diff_*.txt")) or ["none"])
def test_golden(printed: dict[str, str], name: str) -> None:
    assert printed[name] + "\n" == (GOLDEN / f"{name}.txt").read_text()


def test_every_output_has_its_golden_file(printed: dict[str, str]) -> None:
    assert sorted(printed) == sorted(path.stem for path in GOLDEN.glob("diff_*.txt"))


def test_the_documentation_shows_what_is_printed_and_names_every_key(printed: dict[str, str]) -> None:
    text = (GOLDEN.parent.parent / "docs/diff.md").read_text()
    assert printed["diff_table"] in text and printed["diff_curve_table"] in text
    two, many = (json.loads(printed[name]) for name in ("diff_json", "diff_curve_json"))
    keys = {*two, *two["base"], *two["metrics"][0], *many, *many["against_first"][0]}
    assert sorted(key for key in keys if f"`{key}`" not in text) == []


if __name__ == "__main__":
    for name, text in outputs(Path(tempfile.mkdtemp())).items():
        (GOLDEN / f"{name}.txt").write_text(text + "\n")
