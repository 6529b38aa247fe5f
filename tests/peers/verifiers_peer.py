"""Writes tests/corpora/verifiers in verifiers' own environment, with its own `vf-eval -s`.

In an environment with verifiers==0.1.14: `python verifiers_peer.py FOLDER`. Takes half a minute.

The model is a server on this machine that answers from a list: the files are what is recorded, not the model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ENVIRONMENT = """
import verifiers as vf
from datasets import Dataset

ROWS = [("What is 3 + 4?", "7"), ("What is 5 + 3?", "8"), ("What is 9 - 7?", "2"), ("What is 2 * 6?", "12")]

def right(completion, answer):
    return float(completion[-1]["content"].endswith(" " + answer))

def short(completion):
    return 1 / len(completion[-1]["content"])

def load_environment(weight=0.0):
    data = Dataset.from_list([{"question": asked, "answer": answer} for asked, answer in ROWS])
    rubric = vf.Rubric(funcs=[right, short], weights=[1.0, weight])
    return vf.SingleTurnEnv(dataset=data, system_prompt="Be short.", rubric=rubric)
"""
ANSWERS = {
    "base": {"3 + 4": ["it is 9", "it is 7"], "5 + 3": ["it is 9"], "9 - 7": ["it is 2"], "2 * 6": [""]},
    "new": {"3 + 4": ["it is 7"], "5 + 3": ["it is 8"], "9 - 7": ["it is 2", "it is 3"], "2 * 6": [None]},
}
"""Answers in turn; "" is cut at the limit, None is a request that fails."""


class Handler(BaseHTTPRequestHandler):
    """One chat completion of OpenAI's API."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = body["messages"][-1]["content"]
        turns = next(turns for key, turns in ANSWERS[body["model"]].items() if key in asked)
        turns.append(text := turns.pop(0))
        message = {"role": "assistant", "content": text or "well, let us see, two times six is"}
        usage = {"prompt_tokens": 17, "completion_tokens": 4, "total_tokens": 21}
        choice = {"index": 0, "message": message, "finish_reason": "stop" if text else "length"}
        answer = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"]}
        content = json.dumps({**answer, "choices": [choice], "usage": usage}).encode()
        self.send_response(400 if text is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main(folder: Path) -> None:
    """FOLDER/outputs/evals/few_sums--base/ID and FOLDER/outputs/evals/few_sums--new/ID."""
    folder.mkdir(parents=True)
    (folder / "few_sums.py").write_text(ENVIRONMENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [
        str(Path(sys.executable).with_name("vf-eval")),
        "few_sums",
        "-k",
        "KEY",
        "-n",
        "4",
        "-r",
        "2",
        "-s",
    ]
    command += ["-b", f"http://127.0.0.1:{server.server_port}/v1", "-c", "1", "-t", "16", "-T", "0.7"]
    command += ["--disable-tui", "--disable-env-server"]
    for model in ANSWERS:
        environment = {**os.environ, "KEY": "none", "PYTHONPATH": str(folder)}
        subprocess.run([*command, "-m", model], check=True, cwd=folder, env=environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
