"""The report in a real Chromium: filters, search, links, keyboard, dark mode, print, hostile text."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import start
from made_runs import completion, four_runs, gsm8k_rows, make_run, needs_gsm8k
from places import CORPORA

from evalkit.compare.diff import diff_runs
from evalkit.exchange.imported import write_run
from evalkit.exchange.lm_eval_in.import_run import read_log
from evalkit.records import Row
from evalkit.report.collect import collect
from evalkit.report.page import render_page
from evalkit.runs.folder import Run, read_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from start(tmp_path_factory.mktemp("chromium"))


def open_page(driver: Any, path: Path, fragment: str = "") -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get("about:blank")
    for kind in ("browser", "performance"):
        driver.get_log(kind)
    driver.get(path.as_uri() + fragment)
    WebDriverWait(driver, 30).until(lambda d: d.execute_script("return document.body.dataset.ready"))


def text_of(driver: Any, selector: str) -> str:
    return str(driver.execute_script("return document.querySelector(arguments[0]).textContent", selector))


def settle(driver: Any) -> None:
    """Let queued events (a dialog's close, a changed address) be handled."""
    driver.execute_async_script("setTimeout(arguments[0], 20)")


def set_value(driver: Any, id: str, value: str) -> None:
    driver.execute_script(
        "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
        "e.dispatchEvent(new Event('input', {bubbles: true}))",
        id,
        value,
    )


def shown(driver: Any) -> int:
    return int(text_of(driver, "#count").split(" of ")[0].replace(",", ""))


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(driver).send_keys(key).perform()


def write_report(path: Path, runs: list[Run], solutions: dict[str, str] | None = None) -> Path:
    path.write_text(
        render_page(collect(runs, solutions or {}, None if solutions else "none here")), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run]]:
    folder = tmp_path_factory.mktemp("report")
    runs = four_runs(folder / "results")
    solutions = {row.id: row.fields["answer"] for row in gsm8k_rows()}
    return write_report(folder / "report.html", runs, solutions), runs


@needs_gsm8k
def test_filters_agree_with_diff(driver: Any, made: tuple[Path, list[Run]]) -> None:
    path, runs = made
    open_page(driver, path)
    assert shown(driver) == 1319
    for base, new in ((0, 3), (1, 2)):
        diff = diff_runs(runs[base], runs[new])
        set_value(driver, "base", "ABCD"[base])
        set_value(driver, "new", "ABCD"[new])
        for choice in ("fixed", "broken", "both-right", "both-wrong"):
            set_value(driver, "show", choice)
            assert shown(driver) == getattr(diff, choice.replace("-", "_")), choice
    counts = runs[2].manifest.counts
    for choice, expected in (
        ("no-answer", counts["no_answer"]),
        ("truncated", runs[2].manifest.truncated),
        ("not-right", 1319 - counts["correct"]),
    ):
        set_value(driver, "show", choice)
        assert shown(driver) == expected, choice
    set_value(driver, "show", "all")
    reasons = Counter(f"{record.outcome}: {record.reason}" for record in runs[2].records)
    for reason, expected in reasons.most_common(3):
        set_value(driver, "reason", reason)
        assert shown(driver) == expected, reason


@needs_gsm8k
def test_search_open_link(driver: Any, made: tuple[Path, list[Run]]) -> None:
    path, runs = made
    open_page(driver, path)
    wanted = "robe takes 2 bolts"
    set_value(driver, "find", wanted)
    assert shown(driver) == 1
    driver.execute_script("document.querySelector('#rows a').click()")
    assert driver.execute_script("return document.getElementById('question').open")
    row_id = next(record.id for record in runs[0].records if wanted in record.question)
    link = driver.current_url
    assert f"q={row_id}" in link
    record = next(record for record in runs[3].records if record.id == row_id)
    panes = driver.execute_script("return [...document.querySelectorAll('.pane')].map(p => p.innerText)")
    assert len(panes) == 4 and record.text.splitlines()[0] in panes[3]

    open_page(driver, path, "#" + link.split("#")[1])  # a link that somebody was sent
    assert driver.execute_script("return document.getElementById('question').open")
    assert wanted in text_of(driver, "#question-body")
    driver.find_element("id", "close").click()
    settle(driver)
    assert shown(driver) == 1 and "q=" not in driver.current_url


@needs_gsm8k
def test_span_and_word_diff(driver: Any, made: tuple[Path, list[Run]]) -> None:
    path, runs = made
    both = zip(runs[0].records, runs[3].records, strict=True)
    base, new = next(
        (a, b)
        for a, b in both
        if a.extraction.span and b.extraction.span and a.outcome == "wrong" and b.outcome == "correct"
    )
    open_page(driver, path, f"#q={base.id}")
    marks = driver.execute_script(
        "return [...document.querySelectorAll('.pane')].map(p => p.querySelector('mark')?.textContent)"
    )
    for mark, record in ((marks[0], base), (marks[3], new)):
        start, end = record.extraction.span
        assert mark == record.text[start:end]
    driver.find_element("id", "compare").click()
    kept = (
        "const d = document.getElementById('diff').cloneNode(true);"
        "d.querySelectorAll(arguments[0]).forEach(e => e.remove()); return d.textContent"
    )
    assert driver.execute_script(kept, "ins") == base.text
    assert driver.execute_script(kept, "del") == new.text


@needs_gsm8k
def test_keyboard_alone(driver: Any, made: tuple[Path, list[Run]]) -> None:
    from selenium.webdriver.common.keys import Keys

    path, _ = made
    open_page(driver, path)
    press(driver, "/", *"eggs per day")
    assert driver.execute_script("return document.activeElement.id") == "find"
    assert 0 < shown(driver) < 100
    number = shown(driver)
    for _ in range(5):  # past the four lists: show, reason, base, new
        press(driver, Keys.TAB)
    assert driver.execute_script("return document.activeElement.closest('#rows') !== null")
    press(driver, Keys.ENTER)
    first = text_of(driver, "#question-title")
    assert driver.execute_script("return document.getElementById('question').open")
    press(driver, Keys.ARROW_RIGHT)
    assert text_of(driver, "#question-title") != first
    press(driver, Keys.ARROW_LEFT)
    assert text_of(driver, "#question-title") == first
    press(driver, Keys.ESCAPE)
    settle(driver)
    assert not driver.execute_script("return document.getElementById('question').open")
    assert shown(driver) == number
    assert driver.execute_script("return document.activeElement.closest('#rows') !== null"), (
        "focus went back to the row"
    )
    seen = set()
    open_page(driver, path)
    for _ in range(60):  # everything that can be clicked can be reached
        press(driver, Keys.TAB)
        seen.add(driver.execute_script("const e = document.activeElement; return e.id || e.tagName"))
    assert {"find", "show", "base", "new", "SUMMARY", "A"} <= seen


def luminance(colour: str) -> float:
    channels = [int(value) / 255 for value in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@needs_gsm8k
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(driver: Any, made: tuple[Path, list[Run]], scheme: str) -> None:
    """WCAG AA (4.5 to 1) for every text of the page and of a question, in both settings."""
    path, runs = made
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        open_page(driver, path, f"#q={runs[0].records[0].id}")
        pairs = driver.execute_script("""
            const behind = (e) => { for (; e; e = e.parentElement) {
                const c = getComputedStyle(e).backgroundColor; if (!c.endsWith(", 0)")) return c; } };
            const found = new Map();
            for (const e of document.querySelectorAll("main *, dialog *")) {
                const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
                if (!own || e.namespaceURI.endsWith("svg")) continue;
                const ink = getComputedStyle(e).color;
                found.set(ink + behind(e), [ink, behind(e), e.className]);
            }
            const body = getComputedStyle(document.body);
            return [...found.values(), [body.color, body.backgroundColor, "body"]]""")
        assert len(pairs) > 6
        dark = luminance(pairs[-1][1]) < 0.2
        assert dark == (scheme == "dark")
        for colour, background, name in pairs:
            light, deep = sorted((luminance(colour), luminance(background)), reverse=True)
            assert (light + 0.05) / (deep + 0.05) >= 4.5, (name, colour, background)
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@needs_gsm8k
def test_prints(driver: Any, made: tuple[Path, list[Run]]) -> None:
    """The printed page has the sentence and the table, and no controls."""
    path, _ = made
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        open_page(driver, path)
        hidden = "return getComputedStyle(document.querySelector(arguments[0])).display === 'none'"
        assert driver.execute_script(hidden, ".controls") and driver.execute_script(hidden, "#more")
        assert not driver.execute_script(hidden, "#runs") and not driver.execute_script(hidden, "#questions")
        pdf = driver.execute_cdp_cmd("Page.printToPDF", {})["data"]
        assert base64.b64decode(pdf).startswith(b"%PDF")
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@needs_gsm8k
def test_numbers_on_the_page(driver: Any, made: tuple[Path, list[Run]]) -> None:
    path, runs = made
    open_page(driver, path)
    cells = driver.execute_script(
        "return [...document.querySelectorAll('#runs tbody tr')].map(r => r.innerText)"
    )
    for run, line in zip(runs, cells, strict=True):
        assert f"{100 * run.summary.accuracy:.1f} %" in line
    flow = text_of(driver, "#flow")
    for a, b in ((0, 1), (0, 3), (2, 3)):
        diff = diff_runs(runs[a], runs[b])
        counts = f"{diff.both_right} both right, {diff.fixed} fixed, {diff.broken} broken"
        assert f"{counts}, {diff.both_wrong} both wrong" in flow
    steps = driver.execute_script(
        "return [...document.querySelectorAll('#by-steps tbody td')].map(c => c.textContent)"
    )
    assert sum(int(cell.split(" of ")[1].replace(",", "")) for cell in steps) == 4 * 1319
    assert text_of(driver, "#lengths").count("truncated (") == 4


HOSTILE_FILE = CORPORA / "hostile.jsonl"
"""One text a line, with `repeat` for those that are long."""


def hostile_texts() -> list[str]:
    lines = [json.loads(line) for line in HOSTILE_FILE.read_text(encoding="utf-8").splitlines()]
    return [line["text"] * line.get("repeat", 1) for line in lines]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run]]:
    """Every hostile text as completion, as question, as gold, and as the name of a model."""
    folder = tmp_path_factory.mktemp("hostile")
    texts = hostile_texts()
    assert len(texts) >= 50
    rows = [Row(id=f"{i:016x}", question=text[:5000], gold=text[:500]) for i, text in enumerate(texts)]
    runs = [
        make_run(
            folder / name,
            rows,
            lambda row, _: (texts[int(row.id, 16)] + f" \\boxed{{{texts[int(row.id, 16)][:300]}}}", False),
            model={"name": f"demo/{texts[i]}", "path": None, "weights_sha256": None, "revision": None},
        )
        for i, name in enumerate(("a", "<img src=x onerror=alert(1)>".replace("/", "")))
    ]
    return write_report(folder / "report.html", runs, {row.id: texts[i] for i, row in enumerate(rows)}), runs


def test_hostile_text_does_nothing(driver: Any, hostile: tuple[Path, list[Run]]) -> None:
    """Nothing runs, nothing leaves the file, nothing breaks the page, and every text is there to be read."""
    path, runs = hostile
    watch = """
        window.ran = [];
        for (const name of ["alert", "confirm", "prompt", "open", "print"])
            window[name] = () => window.ran.push(name);
        addEventListener("securitypolicyviolation", e => window.ran.push("policy: " + e.violatedDirective));
        addEventListener("error", e => window.ran.push("error: " + e.message), true);
        addEventListener("unhandledrejection", e => window.ran.push("rejection"));"""
    script = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": watch})
    try:
        open_page(driver, path)
        assert shown(driver) == len(runs[0].records)
        before = driver.execute_script(
            "return [...document.querySelectorAll('*')].map(e => e.tagName).sort().join()"
        )
        driver.execute_script("document.getElementById('compare').checked = true")
        for record in runs[0].records:
            driver.execute_script("location.hash = arguments[0]", f"q={record.id}")
            settle(driver)
            assert driver.execute_script("return document.getElementById('question').open"), record.id
            for button in driver.execute_script("return document.querySelectorAll('.gap')"):
                driver.execute_script("arguments[0].click()", button)
            drawn = driver.execute_script(
                "return [...document.querySelectorAll('.pane:not(:has(#diff)) .text')].pop().textContent"
            )
            assert readable(record.text) == drawn, record.id
        driver.execute_script("document.getElementById('close').click()")
        after = driver.execute_script(
            "document.getElementById('question-body').replaceChildren();"
            "return [...document.querySelectorAll('*')].map(e => e.tagName).sort().join()"
        )
        assert before == after, "the page has the elements it had"
        assert driver.execute_script("return window.ran") == []
        active = "script, iframe, img, object, embed, form, base"
        assert driver.execute_script("return document.querySelectorAll(arguments[0]).length", active) == 2
        foreign = driver.execute_script(
            "return [...document.querySelectorAll('[href], [src], [action], [style]')]"
            ".filter(e => e.hasAttribute('style') || !(e.getAttribute('href') ?? 'x').startsWith('#')).length"
        )
        assert foreign == 0
        assert requests(driver) == {path.as_uri()}
        assert driver.current_url.split("#")[0] == path.as_uri()
        assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
    finally:
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def readable(text: str) -> str:
    """The text as the page must show it: what hides or reorders as its code."""
    from evalkit.text import printable as visible

    return visible(text)


def requests(driver: Any) -> set[str]:
    """Every address that the page asked for since it was opened."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return {
        m["params"]["request"]["url"].split("#")[0]
        for m in messages
        if m["method"] == "Network.requestWillBeSent"
        and not m["params"]["request"]["url"].startswith("about:")
    }


def test_policy_stops_what_gets_through(driver: Any, hostile: tuple[Path, list[Run]], tmp_path: Path) -> None:
    """Were a text ever put into the page as markup, the policy alone still stops it."""
    path, _ = hostile
    attack = (
        "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"
        "<iframe srcdoc=\"<script>parent.document.title='ran'</script>\"></iframe>"
        "<img src='http://127.0.0.1:9/x.png'><link rel=stylesheet href='http://127.0.0.1:9/x.css'>"
        "<a id=bad href=\"javascript:document.title='ran'\">x</a><form id=f action='http://127.0.0.1:9/'></form>"
    )
    broken = tmp_path / "broken.html"
    broken.write_text(
        path.read_text(encoding="utf-8").replace("<main>", "<main>" + attack, 1), encoding="utf-8"
    )
    open_page(driver, broken)
    title = driver.title
    driver.execute_script("document.getElementById('bad').click(); document.getElementById('f').submit()")
    driver.execute_async_script("setTimeout(arguments[0], 200)")
    assert driver.title == title and title != "ran"
    refused = " ".join(entry["message"] for entry in driver.get_log("browser"))
    assert refused.count("Content Security Policy") >= 5
    with pytest.raises(Exception, match="TrustedHTML"):
        driver.execute_script("document.body.innerHTML = '<b>x</b>'")


@needs_gsm8k
def test_several_samples_and_one_run(driver: Any, tmp_path: Path) -> None:
    rows = gsm8k_rows(40)
    run = make_run(tmp_path / "many", rows, lambda row, sample: completion(row, 60 * sample), samples=4)
    open_page(driver, write_report(tmp_path / "report.html", [run]))
    assert shown(driver) == 40
    driver.execute_script("document.querySelector('#rows a').click()")
    assert driver.execute_script("return document.querySelectorAll('.pane').length") == 4


def test_broken_bytes_in_a_log_reach_the_page_as_replacement_characters(driver: Any, tmp_path: Path) -> None:
    """A log with invalid UTF-8 and hostile responses: imported, reported, opened."""
    source = next((CORPORA / "lm_eval" / "base").glob("samples_*.jsonl"))
    lines = []
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines()):
        sample = json.loads(line)
        sample["resps"] = [[f"{hostile_texts()[number % 50][:5000]} BREAK"]]
        lines.append(json.dumps(sample).encode().replace(b"BREAK", b"\xff\xfe\xc3(\xed\xa0\x80"))
    (tmp_path / source.name).write_bytes(b"\n".join(lines))
    log = read_log(tmp_path / source.name)
    assert "60 lines held invalid text" in log.notes[0]
    path = write_report(tmp_path / "report.html", [read_run(write_run(log, tmp_path / "results"))])
    open_page(driver, path)
    assert shown(driver) == 30
    for record in log.records[:30]:
        driver.execute_script("location.hash = arguments[0]", f"q={record.id}")
        settle(driver)
        assert "\ufffd\ufffd\ufffd(" in record.text
        assert text_of(driver, ".pane .text") == readable(record.text)
    assert requests(driver) == {path.as_uri()}
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
