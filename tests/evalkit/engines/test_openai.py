"""A server behind `--engine openai`: what it must prove, what is tried again, and what it may not decide.

    pytest tests/evalkit/engines/test_openai.py

A small server of our own plays the failures that a real one cannot be asked for; the last test (make slow)
starts a real `vllm serve`, kills it in mid-run and starts it again.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from evalkit.engines import http_server
from evalkit.engines.base import EngineOptions, Request
from evalkit.engines.http_server import checked_url
from evalkit.engines.load import check_engine
from evalkit.engines.openai import UNPROVEN, OpenAIEngine
from evalkit.models.resolve import Model, resolve_model
from evalkit.records import Sampling
from evalkit.score.pipeline import score_model
from evalkit.score.plan import plan_run, select
from evalkit.tasks.load import load_rows
from prompts.errors import Failed, Mismatch, UserError

STOP = 2
Answer = Callable[[dict[str, Any]], tuple[int, Any]]


def good(body: dict[str, Any]) -> tuple[int, Any]:
    ids = [*body["prompt"][-2:], STOP]
    choice = {"index": 0, "finish_reason": "stop", "prompt_token_ids": body["prompt"], "token_ids": ids}
    return 200, {"choices": [{**choice, "text": "seven"}]}


class Played(ThreadingHTTPServer):
    """A server whose answers to completions a test gives; `asked` holds the bodies."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answer: Answer = good
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.models: list[dict[str, Any]] = [{"id": "ckpt", "max_model_len": 512}]
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Played
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = {"/v1/models": {"data": self.server.models}, "/version": {"version": "0.99"}}.get(self.path)
        self._send(200 if found else 404, found or {"error": "nothing"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        self.server.keys.append(self.headers["Authorization"])
        self._send(*self.server.answer(body))

    def _send(self, status: int, value: Any) -> None:
        if status == 0:  # hang up
            self.close_connection = True
            return
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    monkeypatch.setattr(http_server, "LONGEST_PAUSE", 0.05)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    played = Played()
    yield played
    played.shutdown()
    played.server_close()


@pytest.fixture(scope="session")
def model(smollm2: Path) -> Model:
    return resolve_model(str(smollm2))


def engine_at(server: Played, model: Model, **options: Any) -> OpenAIEngine:
    return OpenAIEngine(model, EngineOptions(base_url=server.url, **options))


def asked(count: int = 5) -> list[Request]:
    return [Request(index=i, sample=0, prompt_ids=(10 + i, 20 + i), seed=i) for i in range(count)]


def made(engine: OpenAIEngine, count: int = 5, **sampling: Any) -> dict[int, Any]:
    found = engine.generate(asked(count), Sampling(max_tokens=8, **sampling), (STOP,))
    return {completion.index: completion for completion in found}


def test_ids_in_and_ids_out_and_every_field_is_sent(server: Played, model: Model) -> None:
    with closing(engine_at(server, model, max_model_len=8)) as engine:
        found = made(engine)
        assert (engine.name, engine.version, engine.served, engine.marks) == ("openai", "0.99", "ckpt", ())
    assert {i: c.token_ids for i, c in found.items()} == {i: (10 + i, 20 + i, STOP) for i in range(5)}
    body = server.asked[-1]
    assert body["max_tokens"] == 6  # 8 positions, 2 of them the prompt's
    assert (body["temperature"], body["top_k"], body["ignore_eos"]) == (0.0, -1, True)
    assert body["stop_token_ids"] == [STOP] and "seed" not in body
    with closing(engine_at(server, model)) as engine:
        made(engine, temperature=0.7)
    assert {body["seed"] for body in server.asked[-5:]} == set(range(5))


def test_a_server_that_proves_nothing_is_refused_or_marked(server: Played, model: Model) -> None:
    def silent(body: dict[str, Any]) -> tuple[int, Any]:
        return 200, {"choices": [{"index": 0, "finish_reason": "stop", "text": " seven"}]}

    server.answer = silent
    with pytest.raises(Mismatch, match=r"returns no token ids.*--allow-mismatch"):
        engine_at(server, model)
    with closing(engine_at(server, model, allow_unproven=True)) as engine:
        found = made(engine)
        assert engine.marks == (UNPROVEN,)
    from prompts.tokens import decode, load_tokenizer

    tokenizer = load_tokenizer(model.folder)
    assert {decode(tokenizer, c.token_ids) for c in found.values()} == {" seven"}
    assert {c.token_ids[-1] for c in found.values()} == {STOP}
    server.answer = lambda body: good({"prompt": [7, *body["prompt"]]})
    with pytest.raises(Mismatch, match=r"read \[7, 1, 2, 3\] where \[1, 2, 3\] was sent"):
        engine_at(server, model)


def test_one_row_with_another_echo_is_unscored(server: Played, model: Model) -> None:
    with closing(engine_at(server, model)) as engine:
        server.answer = lambda body: good({"prompt": [9, 9]} if body["prompt"][0] == 12 else body)
        found = made(engine)
    assert found[2].finish_reason == "error" and "other token ids" in found[2].error
    assert [found[i].finish_reason for i in (0, 1, 3, 4)] == ["stop"] * 4


def test_what_passes_is_tried_again(server: Played, model: Model) -> None:
    seen: Counter[int] = Counter()

    def shaky(body: dict[str, Any]) -> tuple[int, Any]:
        seen[body["prompt"][0]] += 1
        status = {1: 503, 2: 0, 3: 429}.get(seen[body["prompt"][0]], 200)
        return good(body) if status == 200 else (status, {"error": {"message": "busy"}})

    with closing(engine_at(server, model)) as engine:
        server.answer = shaky
        found = made(engine)
    assert {c.finish_reason for c in found.values()} == {"stop"} and set(seen.values()) == {4}


def test_what_the_server_refuses_is_unscored(server: Played, model: Model) -> None:
    with closing(engine_at(server, model)) as engine:

        def picky(body: dict[str, Any]) -> tuple[int, Any]:
            if body["prompt"][0] == 11:
                return 400, {"error": {"message": "token id 11 is out of vocabulary"}}
            return (500, {"error": "broken"}) if body["prompt"][0] == 13 else good(body)

        server.answer = picky
        kept = threading.Event()

        def others() -> None:  # the server answers others all the while
            while not kept.wait(0.01):
                with suppress(Exception):
                    engine._server.post("completions", {"prompt": [1, 2], "n": 1})

        threading.Thread(target=others, daemon=True).start()
        found = made(engine)
        kept.set()
    assert "HTTP 400: token id 11 is out of vocabulary" in found[1].error
    assert "failed 6 times: HTTP 500: broken" in found[3].error
    assert [found[i].finish_reason for i in (0, 2, 4)] == ["stop"] * 3


def test_stops_that_are_not_ours_are_unscored(server: Played, model: Model) -> None:
    def own_stop(body: dict[str, Any]) -> tuple[int, Any]:
        status, value = good(body)
        value["choices"][0]["token_ids"] = [5, 6]
        return status, value

    with closing(engine_at(server, model)) as engine:
        server.answer = own_stop
        assert {c.error for c in made(engine).values()} == {"the server stopped at none of our stop tokens"}
        server.answer = lambda body: (200, {"choices": [{"finish_reason": "abort"}]})
        assert {c.error for c in made(engine).values()} == {"the server ended it with 'abort'"}


def test_a_server_that_is_gone_ends_the_run_resumably(
    server: Played, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "PATIENCE", 0.3)
    with closing(engine_at(server, model)) as engine:
        server.answer = lambda body: (0, None)
        with pytest.raises(Failed, match=r"has answered nothing for .* completions to go.*resumes"):
            made(engine)


def test_keys_are_sent_and_never_recorded(
    server: Played, model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    plan = plan_run(
        model,
        select(load_rows("sums"), 4, []),
        engine="openai",
        options=EngineOptions(base_url=server.url),
        sampling=Sampling(max_tokens=8),
    )
    run = score_model(plan, command="evalkit score", results=tmp_path)
    assert set(server.keys) == {"Bearer sk-very-secret"}
    assert not any(b"very-secret" in path.read_bytes() for path in run.folder.iterdir())
    assert run.manifest.marks == ("server",) and run.manifest.engine.server == server.url
    server.answer = lambda body: (401, {"error": "no"})
    with pytest.raises(UserError, match=r"wants another key \(HTTP 401\); set it in OPENAI_API_KEY"):
        engine_at(server, model)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="wants a key"):
        engine_at(server, model)


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ([{"id": "a"}, {"id": "b"}], {}, "the server has a, b; say which with --served-model"),
        ([{"id": "a"}], {"served_model": "c"}, "--served-model c: the server has a"),
        ([], {}, "the server has none"),
        ([{"id": "a", "max_model_len": 64}], {"max_model_len": 512}, "64 positions, this run needs 512"),
    ],
)
def test_what_the_server_has(
    server: Played, model: Model, models: list[Any], options: dict[str, Any], message: str
) -> None:
    server.models = models
    with pytest.raises(UserError, match=message):
        engine_at(server, model, **options)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "needs the server's address: --base-url http"),
        ("", "needs the server's address"),
        ("localhost:8000", "is no address"),
        ("http://", "is no address"),
        ("http://[::1", "is no address"),
        ("http://host:99999/v1", "is no address"),
        ("http://me:secret@host/v1", "takes no key"),
        ("http://host/v1?api_key=1", "takes no key"),
    ],
)
def test_addresses(url: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        checked_url(url)
    assert "secret" not in str(caught.value)


def test_options_that_only_the_server_could_keep() -> None:
    url = "http://localhost:8000/v1"
    for options in ({"tp": 2}, {"gpus": 1}, {"copies": 2}, {"dtype": "float32"}, {"batch_invariant": True}):
        with pytest.raises(UserError, match="is decided where the server is started"):
            check_engine("openai", EngineOptions(base_url=url, **options))
    with pytest.raises(UserError, match="are of --engine openai, not of hf"):
        check_engine("hf", EngineOptions(base_url=url))
    with pytest.raises(Failed, match=r"no server answers at http://127\.0\.0\.1:9/v1"):
        OpenAIEngine(None, EngineOptions(base_url="http://127.0.0.1:9/v1"))  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_real_server_killed_in_mid_run(model: Model, tmp_path: Path) -> None:
    """Its ids are those of our own engine, before and after it was killed and started again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(
            sys.executable,
            "-m",
            "vllm.entrypoints.cli.main",
            "serve",
            str(model.folder),
            "--host",
            "127.0.0.1",
        ),
        *("--port", str(port), "--dtype", "float32", "--max-model-len", "512", "--enforce-eager"),
        *("--generation-config", "vllm", "--served-model-name", "ckpt"),
    ]
    info = tmp_path / "announced/vllm-0.30.0.dist-info"  # its command line asks for the distribution vllm
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.30.0+cpu\n")
    path = os.pathsep.join([str(info.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "VLLM_CPU_KVCACHE_SPACE": "1"}
    url = f"http://127.0.0.1:{port}"

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / "server.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def wait(process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            assert process.poll() is None, (tmp_path / "server.log").read_text()[-3000:]
            with suppress(httpx.HTTPError):
                if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                    return
            time.sleep(1)
        raise AssertionError("the server does not start")

    plan = plan_run(
        model,
        select(load_rows("sums"), 96, []),
        engine="openai",
        options=EngineOptions(base_url=f"{url}/v1"),
        sampling=Sampling(max_tokens=24),
    )
    servers = [start()]
    try:
        wait(servers[0])
        folder = tmp_path / "run"

        def kill_and_restart() -> None:
            records = folder / "records.jsonl"
            while not records.exists() or records.read_bytes().count(b"\n") < 8:
                time.sleep(0.05)
            os.killpg(servers[0].pid, signal.SIGKILL)
            servers[0].wait()
            servers.append(start())

        threading.Thread(target=kill_and_restart, daemon=True).start()
        run = score_model(plan, command="evalkit score", results=tmp_path, output=folder)
    finally:
        for process in servers:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert len(servers) == 2 and run.complete
    assert Counter(r.id for r in run.records) == Counter(row.id for row in plan.task.rows)
    own = plan_run(model, plan.task, sampling=plan.sampling, options=EngineOptions(dtype="float32"))
    ours = score_model(own, command="evalkit score", results=tmp_path, output=tmp_path / "own")
    same = sum(a.text == b.text for a, b in zip(run.records, ours.records, strict=True))
    assert same >= len(ours.records) - 2  # other batches round otherwise
