"""Text for people: foreign text, shares, grids."""

from __future__ import annotations

import unicodedata

import pytest

from evalkit.text import interval, p_text, percent, points, printable, render_grid, rough_percent, share_text


def test_foreign_text_cannot_hide_reorder_or_steer() -> None:
    hostile = "\x1b[2J\x9b31m a\u202eb\u200b\u2066\ufeff\u00ad\U000e0041\r\x08\x7f\u3164\udc80\U0001d173"
    assert all(c == " " or c.isprintable() for c in printable(hostile))
    assert printable("a\u202eb\nc") == "a⟦U+202E⟧b\nc"
    assert printable("\x1b[2J") == "⟦U+001B⟧[2J"
    assert printable(None) == "None"


def test_plain_text_stays_as_it_is() -> None:
    text = "a\tb\nü 18\u00a0€ −7 ½ 日本 مرحبا 😀 \\boxed{18} ⟦7⟧"
    assert printable(text) == text


def test_no_control_and_no_separator_of_unicode_gets_through() -> None:
    for code in range(0x110000):
        if unicodedata.category(chr(code)) in ("Cc", "Zl", "Zp", "Cs") and chr(code) not in "\n\t":
            assert printable(chr(code)) == f"⟦U+{code:04X}⟧"


@pytest.mark.parametrize("format", ["table", "csv", "markdown", "latex"])
def test_cells_of_a_grid_are_made_printable(format: str) -> None:
    grid = render_grid(["run", "task"], [["a\x1b[2J", "b\u202e"]], format)  # type: ignore[arg-type]
    assert "\x1b" not in grid and "\u202e" not in grid and "U+001B" in grid


def test_shares() -> None:
    assert percent(0.125) == "12.5 %" and percent(None) == "–" and percent(None, "-") == "-"
    assert points(-0.00001) == "0.0" and points(0.061, sign=True) == "+6.1" and points(0, sign=True) == "+0.0"
    assert interval(0.065, 0.228) == "6.5 to 22.8"
    assert share_text(0.125, [0.065, 0.228]) == "12.5 % [6.5 to 22.8]"
    assert [rough_percent(x) for x in (0, 0.001, 0.5, 0.995, 1)] == [
        "0 %",
        "under 1 %",
        "50 %",
        "over 99 %",
        "100 %",
    ]
    assert [p_text(p) for p in (0.00001, 0.0123, 0.5)] == ["< 0.0001", "0.0123", "0.50"]
