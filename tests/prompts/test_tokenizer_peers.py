"""Chat templates and tokenizers under the newest transformers, and beside their makers' own libraries.

    make peers

makes their environment (.cache/peers/transformers) and runs this file; EVALKIT_PEERS may name another folder.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from places import ROOT, TESTS

pytestmark = pytest.mark.peers

PEERS = Path(os.environ.get("EVALKIT_PEERS") or ROOT / ".cache" / "peers")
NEEDED = (
    "prompts/test_chat_templates.py",
    "prompts/test_real_tokenizers.py",
    "prompts/test_chat_limits.py",
    "prompts/test_tokens.py",
    "peers/tokenizer_peer.py",
)


def test_with_the_newest_transformers_and_the_makers_libraries(smollm2: Path) -> None:
    python = PEERS / "transformers" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no environment of transformers in {PEERS}: make peers")
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(TESTS / name) for name in NEEDED)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    print(done.stdout.splitlines()[-1])
