"""Runs in inspect-ai's own environment: reads a log folder as its API and as `inspect view` do.

python inspect_peer.py FOLDER
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from inspect_ai.log import list_eval_logs, read_eval_log


def read(folder: str) -> dict[str, Any]:
    infos = list_eval_logs(folder)
    log = read_eval_log(infos[0])
    assert log.results is not None and log.samples is not None
    values = {
        name: [sample.scores[name].value for sample in log.samples if sample.scores and name in sample.scores]
        for name in ("strict", "lenient")
    }
    return {
        "logs": len(infos),
        "task": log.eval.task,
        "status": log.status,
        "total": log.results.total_samples,
        "samples": len(log.samples),
        "metrics": {s.name: {k: m.value for k, m in s.metrics.items()} for s in log.results.scores},
        "unscored": log.results.scores[0].unscored_samples,
        "means": {name: value.count("C") / len(value) for name, value in values.items()},
        "completion": log.samples[0].output.completion,
        "prompt": [message.text for message in log.samples[0].messages][:-1],
    }


def view(folder: str) -> dict[str, Any]:
    """What the server behind `inspect view` lists and gives for the folder's log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("inspect")), "view", "start"]
    server = subprocess.Popen(
        [*command, "--log-dir", folder, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(120):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/logs", timeout=30) as answer:
                    listed = json.load(answer)
                break
            except OSError:
                time.sleep(0.5)
        name = listed["files"][0]["name"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/logs/{name}", timeout=60) as answer:
            log = json.load(answer)
    finally:
        server.terminate()
        server.wait()
    return {"listed": len(listed["files"]), "samples": len(log["samples"]), "status": log["status"]}


if __name__ == "__main__":
    print(json.dumps({**read(sys.argv[1]), "view": view(sys.argv[1])}))
