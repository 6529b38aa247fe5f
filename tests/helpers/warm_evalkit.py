"""`evalkit` with the stand-in engine in processes that are forked when everything is imported: many, quickly.

    python tests/helpers/warm_evalkit.py     then a JSON object a line: {"cwd", "args", "out", "file_size"}

Each line starts one command in a session of its own, its output in the file `out`, no file longer than
`file_size` bytes if given; the answer is its process id. {"wait": pid} answers with its exit code.
`Warm` is the other side, for tests.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any


class Warm:
    """Starts, kills and awaits commands, whose completions take `seconds` each."""

    def __init__(self, seconds: float = 0.004) -> None:
        environment = {"STAND_IN_SECONDS": str(seconds), "TOKENIZERS_PARALLELISM": "false"}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            text=True,
        )

    def _ask(self, **question: Any) -> int:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, folder: Path, args: list[str], out: Path, file_size: int | None = None) -> int:
        return self._ask(cwd=str(folder), args=args, out=str(out), file_size=file_size)

    def wait(self, pid: int) -> int:
        """Its exit code; -9 where it was killed."""
        return self._ask(wait=pid)

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def _command(task: dict[str, Any]) -> None:
    """The child: becomes the command."""
    from evalkit.cli.app import main

    os.setsid()
    os.chdir(task["cwd"])
    out = os.open(task["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(out, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if task.get("file_size") is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (task["file_size"], task["file_size"]))
    sys.argv = ["evalkit", *task["args"]]
    main()


def _serve() -> None:
    import stand_in_engine
    import torch  # noqa: F401
    from transformers import AutoTokenizer, GPT2Tokenizer  # noqa: F401 - `transformers` alone imports nothing

    import evalkit.cli
    import evalkit.score.from_options
    import evalkit.score.plan  # noqa: F401

    stand_in_engine.install()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.dup(1)
    for line in sys.stdin:
        task = json.loads(line)
        if "wait" in task:
            answer = os.waitstatus_to_exitcode(os.waitpid(task["wait"], 0)[1])
        elif (answer := os.fork()) == 0:
            code = 1
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                _command(task)
                code = 0
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.write(answers, f"{answer}\n".encode())


if __name__ == "__main__":
    _serve()
