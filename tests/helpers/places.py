"""Where things lie in the checkout, so that a test need not know how deep it lies itself."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TESTS = ROOT / "tests"
CORPORA = TESTS / "corpora"
GOLDEN = TESTS / "golden"
