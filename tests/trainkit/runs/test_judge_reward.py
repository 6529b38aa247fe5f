"""The judge of docs/rewards.md works as it stands, asked over HTTP; one that fails gives no reward.

pytest tests/trainkit/runs/test_judge_reward.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from places import ROOT

from evalkit.grade.function_pool import FunctionPool
from evalkit.grade.user_function import read_function
from trainkit.runs.shaping import usable, verdict_of

ROW = {"id": "a", "question": "What is 1 plus 1?", "gold": "2", "fields": {}}
RIGHT, WRONG = verdict_of("correct", "equal", "2", "correct"), verdict_of("wrong", "other", "3", "wrong")


@contextmanager
def endpoint(grade: str, status: int = 200) -> Iterator[tuple[int, list[Any]]]:
    """A server that answers every chat with `grade`: its port, and the bodies that it was sent."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": grade}}]}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def judge_of_the_docs(folder: Path, port: int) -> Iterator[FunctionPool]:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/rewards.md").read_text(), re.DOTALL)
    (source,) = (block for block in blocks if "urlopen" in block)
    assert "127.0.0.1:8000" in source
    path = folder / "judge.py"
    path.write_text(source.replace("127.0.0.1:8000", f"127.0.0.1:{port}"))
    with FunctionPool(read_function(f"python:{path}:reward"), workers=1) as pool:
        yield pool


def test_the_judge_of_the_docs_pays_what_the_endpoint_says(tmp_path: Path) -> None:
    with endpoint("Grade: 6") as (port, asked), judge_of_the_docs(tmp_path, port) as pool:
        assert usable(pool.call("one and one is 2", ROW, RIGHT).value) == pytest.approx(0.2 * 6 / 9)
        (path, body), *more = asked
        assert path == "/v1/chat/completions" and not more
        assert "What is 1 plus 1?\none and one is 2" in body["messages"][0]["content"]
        assert usable(pool.call("it is 3", ROW, WRONG).value) == 0
        assert len(asked) == 1  # the rule grades whether, so a wrong answer is not asked about


@pytest.mark.parametrize(("grade", "status"), [("no digit here", 200), ("9", 500)])
def test_an_endpoint_that_fails_is_no_reward_of_zero(tmp_path: Path, grade: str, status: int) -> None:
    with endpoint(grade, status) as (port, _), judge_of_the_docs(tmp_path, port) as pool:
        returned = pool.call("one and one is 2", ROW, RIGHT)
        assert returned.failure is not None
