"""The report of a suite in a real Chromium: gain by task, rows' own ids, narrow and printed pages, pictures.

pytest tests/evalkit/report/test_report_suite.py
PICTURES=docs pytest tests/evalkit/report/test_report_suite.py -k pictures    (writes those of docs/report.md)
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import start
from made_runs import completion, gsm8k_rows, lock_of, make_run, needs_gsm8k
from selenium.webdriver.support.ui import WebDriverWait

from evalkit.compare.diff import line_up
from evalkit.compare.suite.by_task import suite_of
from evalkit.locks.parts import join_locks
from evalkit.records import Row
from evalkit.report.collect import collect
from evalkit.report.page import render_page
from evalkit.runs.folder import Run

pytestmark = [pytest.mark.browser, needs_gsm8k]
TASKS = {"alpha": slice(0, 300), "beta": slice(300, 360), "gamma": slice(360, 500)}
WIDTHS = {"wide": 1300, "narrow": 400, "paper": 718}
"""In CSS pixels; paper is A4 less margins of 1 cm."""
IN_DOCS = ("report-light-wide", "report-dark-narrow", "question-dark-wide", "report-dark-paper")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from start(tmp_path_factory.mktemp("chromium"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run]]:
    """A report of three steps over three tasks whose rows have ids of their own."""
    root = tmp_path_factory.mktemp("suite")
    rows = tuple(
        replace(row, fields={**row.fields, "id": f"school-{n:04}"})
        for n, row in enumerate(gsm8k_rows(500), start=1)
    )
    runs = [of_step(root, step, rows) for step in (0, 50, 100)]
    path = root / "report.html"
    path.write_text(render_page(collect(runs, {}, "none here")), encoding="utf-8")
    return path, runs


def of_step(root: Path, step: int, rows: tuple[Row, ...]) -> Run:
    parts = []
    for name, part in TASKS.items():
        lock = lock_of(rows[part])
        parts.append(replace(lock, data={**lock.data, "task": name}))
    lock = join_locks(parts)
    return make_run(root / f"step_{step}", rows, lambda row, _: completion(row, step), lock=lock)


def open_page(driver: Any, path: Path, fragment: str = "") -> None:
    driver.get("about:blank")
    driver.get(path.as_uri() + fragment)
    WebDriverWait(driver, 30).until(lambda d: d.execute_script("return document.body.dataset.ready"))


def test_the_gain_by_task_is_that_of_diff(driver: Any, made: tuple[Path, list[Run]]) -> None:
    path, runs = made
    open_page(driver, path)
    lines = driver.execute_script(
        "return [...document.querySelectorAll('#tasks tbody tr')].map(row => row.innerText)"
    )
    suite = suite_of(line_up([runs[0], runs[-1]]))
    assert suite is not None
    for part in suite.tasks:
        (line,) = [line for line in lines if line.startswith(part.task)]
        assert f"{100 * part.diff.delta:+.1f}".replace("-", "−") in line.replace("-", "−")
    for number in driver.execute_script(
        "return [...document.querySelectorAll('#tasks tbody td')].map(c => [c.scrollWidth, c.clientWidth])"
    ):
        assert number[0] <= number[1] + 1


def test_own_ids_are_shown_and_found(driver: Any, made: tuple[Path, list[Run]]) -> None:
    path, runs = made
    open_page(driver, path, "#find=school-0417")
    assert driver.find_element("id", "count").text == "1 of 500 questions"
    assert "school-0417" in driver.find_element("id", "rows").text
    (record,) = [record for record in runs[0].records if record.own_id == "school-0417"]
    open_page(driver, path, f"#q={record.id}")
    assert driver.find_element("id", "question-title").text.endswith(": school-0417")


def test_a_row_that_flips_has_the_colours_of_its_outcomes(driver: Any, made: tuple[Path, list[Run]]) -> None:
    """In table and chart fixed and broken have the colours of right and wrong, in both schemes."""
    path, _ = made
    for scheme in ("light", "dark"):
        with_scheme(driver, scheme)
        open_page(driver, path, "#show=fixed")
        colour = driver.execute_script("""
            const of = (selector, key) => getComputedStyle(document.querySelector(selector))[key];
            return [of('#rows td.correct', 'color'), of('svg .fixed', 'fill'),
                    of('#rows td.wrong', 'color'), of('svg .broken', 'fill')]""")
        assert colour[0] == colour[1] != colour[2] == colour[3]
    with_scheme(driver, "")


def test_a_colour_means_one_thing(driver: Any, made: tuple[Path, list[Run]]) -> None:
    """A run's colour is neither an outcome's nor that of a reading; its bars and its letter have it, too."""
    path, _ = made
    for scheme in ("light", "dark"):
        with_scheme(driver, scheme)
        open_page(driver, path)
        runs, others, bars = driver.execute_script("""
            const all = (selector, key) => [...document.querySelectorAll(selector)].map(
                (element) => getComputedStyle(element)[key]);
            return [all('#runs .key', 'color'),
                    [...all('#curve g', 'color'),
                     ...all('#rows .correct, #rows .wrong, #rows .no_answer', 'color')],
                    [...document.querySelectorAll('#lengths svg')].map(
                        (svg) => getComputedStyle(svg.querySelector('.bar')).fill)]""")
        assert len(set(runs)) == 3 and not set(runs) & set(others) and len(others) > 4
        assert bars == runs
    with_scheme(driver, "")


def test_letters_in_drawings_are_readable_on_a_telephone(driver: Any, made: tuple[Path, list[Run]]) -> None:
    path, _ = made
    size = {"width": WIDTHS["narrow"], "height": 1400, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        open_page(driver, path)
        boxes = driver.execute_script("""
            return [...document.querySelectorAll('figure[id] svg')].map((svg) =>
                [...svg.querySelectorAll('text')].map((text) => {
                    const {left, right, top, bottom, height} = text.getBoundingClientRect();
                    const box = svg.getBoundingClientRect();
                    return {left, right, top, bottom, height, text: text.textContent,
                            inside: left >= box.left && right <= box.right};
                }))""")
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert sum(map(len, boxes)) > 30
    for letters in boxes:
        for at, one in enumerate(letters):
            assert one["height"] >= 11 and one["inside"], one
            for other in letters[:at]:
                beside = one["left"] >= other["right"] or other["left"] >= one["right"]
                assert beside or one["top"] >= other["bottom"] - 2 or other["top"] >= one["bottom"] - 2, (
                    one,
                    other,
                )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_pictures(driver: Any, made: tuple[Path, list[Run]], tmp_path: Path, scheme: str, width: str) -> None:
    """The page and a question fit their window: what is wider scrolls in its own box, on paper it wraps."""
    path, runs = made
    size = {"width": WIDTHS[width], "height": 1400, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    with_scheme(driver, scheme, "print" if width == "paper" else "")
    try:
        fixed = next(
            a for a, b in zip(runs[0].records, runs[-1].records, strict=True) if a.outcome != b.outcome
        )
        for name, fragment in (("report", ""), ("question", f"#q={fixed.id}")):
            open_page(driver, path, fragment)
            overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert driver.execute_script(overflow) <= 0
            if width == "paper":  # where nothing can be scrolled
                assert driver.execute_script(CUT_OFF) == []
                assert driver.execute_script(INK) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
                assert driver.execute_script(BESIDE_THE_QUESTION) in (None, [0, "rgba(0, 0, 0, 0)"])
                assert not driver.find_element("id", "h-paste").is_displayed()
            shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 75})
            named = f"{name}-{scheme}-{width}"
            folder = Path(os.environ.get("PICTURES", tmp_path)) if named in IN_DOCS else tmp_path
            (folder / f"{named}.webp").write_bytes(base64.b64decode(shot["data"]))
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        with_scheme(driver, "")


CUT_OFF = """
    return [...document.querySelectorAll('main *, dialog[open] *')]
        .filter((box) => getComputedStyle(box).overflowX !== 'visible')
        .filter((box) => box.scrollWidth > box.clientWidth + 1)
        .map((box) => [box.tagName, box.id, box.className, box.scrollWidth, box.clientWidth])"""
BESIDE_THE_QUESTION = """
    const open = document.querySelector('dialog[open]');
    return open && [open.getBoundingClientRect().top, getComputedStyle(open, '::backdrop').backgroundColor]"""
INK = "const of = getComputedStyle(document.body); return [of.color, of.backgroundColor]"


def with_scheme(driver: Any, scheme: str, media: str = "") -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}] if scheme else []
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features, "media": media})
