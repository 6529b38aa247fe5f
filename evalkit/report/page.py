"""Renders the report: one HTML file that holds all it needs and may load or run nothing else.

The page's policy (CSP) allows one script and one style sheet, by their hashes. Texts of models and
of data reach the page in two ways only: escaped by Jinja with control characters made visible, or
packed (gzip, base64) and put on the page as text nodes by the script.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from importlib.resources import files

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from evalkit.report.collect import Page
from evalkit.text import printable


def render_page(page: Page) -> str:
    """The whole file as text."""
    folder = files("evalkit.report") / "templates"
    script = (folder / "report.js").read_text(encoding="utf-8")
    style = (folder / "report.css").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    environment = Environment(
        loader=PackageLoader("evalkit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["visible"] = printable
    return environment.get_template("report.html.j2").render(
        page=page,
        policy=policy,
        script=Markup(script),
        style=Markup(style),
        data=_pack(page),
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _pack(page: Page) -> str:
    """The questions as base64 of gzipped JSON: small, and free of any character that HTML reads."""
    runs = [{"key": run.key, "name": run.cells[0]} for run in page.runs]
    raw = orjson.dumps({"runs": runs, "questions": page.questions})
    return base64.b64encode(gzip.compress(raw, compresslevel=6, mtime=0)).decode()
