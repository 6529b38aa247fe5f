"""Somebody else's vLLM or SGLang: token ids in, token ids out, and its echo of the prompt held against ours.

`POST /completions` with a list of ids as the prompt and `return_token_ids`: vLLM has it since 0.10, SGLang
since July 2026. A server that does not know the field ignores it without a word, so the answer is looked
at, not the status. A server that returns no ids proves nothing, and is refused unless that was allowed.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from evalkit.engines.base import EngineOptions, Request
from evalkit.engines.http_server import Refused, RemoteServer, checked_url
from evalkit.models.resolve import Model
from evalkit.records import Completion, Sampling
from prompts.errors import Failed, Mismatch, UserError
from prompts.tokens import load_tokenizer

AT_ONCE = 256
"""Requests in flight; the server queues what it does not compute yet."""
PROBE = (1, 2, 3)
"""Token ids that every vocabulary has, in a prompt that no template makes."""
UNPROVEN = "unproven prompt"
"""The mark of a run whose server did not say which token ids it read."""


def check_options(options: EngineOptions) -> list[str | None]:
    """One slot, since the server has the GPUs; UserError for an option that only it could keep."""
    checked_url(options.base_url)
    own = {
        "--gpus": options.gpus is not None,
        "--copies": options.copies is not None,
        "--tp": options.tp > 1,
        "--dtype": options.dtype != "auto",
        "--batch-invariant": options.batch_invariant,
    }
    if set_here := [flag for flag, given in own.items() if given]:
        raise UserError(f"{set_here[0]} is decided where the server is started; leave it out here")
    return [None]


class OpenAIEngine:
    """A server that holds the model; `model` names its tokenizer, and weights that nobody compares."""

    name, dtype = "openai", "unknown"
    fast_decode = swapped = False
    copies = 1
    capacity = AT_ONCE

    def __init__(self, model: Model, options: EngineOptions) -> None:
        check_options(options)
        self._server = RemoteServer(checked_url(options.base_url), AT_ONCE)
        self._tokenizer: Any = None
        self._needed = options.max_model_len
        self.marks: tuple[str, ...] = ()
        try:
            self.served, positions = _choose(self._server, options.served_model)
            self._check_positions(positions)
            self.version = str((self._server.get("version", root=True) or {}).get("version", "unknown"))
            if reason := self._unproven():
                if not options.allow_unproven:
                    raise Mismatch(
                        f"{self._server.url} {reason}, so nothing proves what it reads; take vLLM or an "
                        "SGLang that knows return_token_ids, or go on, marked, with --allow-mismatch"
                    )
                self._tokenizer = load_tokenizer(model.folder, options.trust_remote_code)
                self.marks = (UNPROVEN,)
        except BaseException:
            self._server.close()
            raise

    def _check_positions(self, positions: int | None) -> None:
        if positions is not None and self._needed is not None and positions < self._needed:
            raise UserError(
                f"the server was started for {positions:,} positions, this run needs {self._needed:,}; start "
                f"it with --max-model-len {self._needed}, or lower --max-tokens"
            )

    def _unproven(self) -> str | None:
        """Why the server proves nothing about its prompts; None where it echoes token ids."""
        body = self._body(PROBE, Sampling(max_tokens=1), (), 0)
        answer = self._server.post("completions", body)
        if isinstance(answer, Refused):
            return f"cannot be tried: {answer.reason}"
        choice = _choice(answer)
        if choice.get("prompt_token_ids") is None or choice.get("token_ids") is None:
            return "returns no token ids"
        if list(choice["prompt_token_ids"]) != list(PROBE):
            return f"read {choice['prompt_token_ids']} where {list(PROBE)} was sent"
        return None

    def _body(
        self, prompt: Sequence[int], sampling: Sampling, stop_ids: Sequence[int], seed: int
    ) -> dict[str, Any]:
        """Every field that can change a completion: a server fills gaps from the model's own file."""
        return {
            "model": self.served,
            "prompt": list(prompt),
            "n": 1,
            "max_tokens": sampling.max_tokens,
            "min_tokens": 0,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": -1,
            "min_p": 0.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "repetition_penalty": 1.0,
            "stop_token_ids": list(stop_ids),
            "ignore_eos": True,
            "skip_special_tokens": False,
            "stream": False,
            "return_token_ids": True,
            **({"seed": seed} if sampling.temperature > 0 else {}),
        }

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        stop_ids: Sequence[int],
        more: Callable[[], Sequence[Request]] | None = None,
    ) -> Iterator[Completion]:
        """Keep `AT_ONCE` requests in flight, and yield answers as they come.

        A request that the server refuses gives a completion with finish reason "error"; Failed is raised
        where it answers nothing any more: the run can then be resumed.
        """
        done: queue.SimpleQueue[Future[Completion]] = queue.SimpleQueue()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="requests") as threads:
            futures: set[Future[Completion]] = set()

            def send(asked: Sequence[Request]) -> None:
                for request in asked:
                    future = threads.submit(self._complete, request, sampling, stop_ids)
                    futures.add(future)
                    future.add_done_callback(done.put)

            try:
                send(requests)
                while futures:
                    future = done.get()
                    futures.discard(future)
                    yield future.result()
                    if more is not None:
                        send(more())
            except Failed as error:
                raise Failed(
                    f"{error}; {len(futures) + 1} completions to go, the same command resumes"
                ) from None
            finally:
                if futures:
                    threads.shutdown(wait=False, cancel_futures=True)
                    self._server.close()

    def _complete(self, request: Request, sampling: Sampling, stop_ids: Sequence[int]) -> Completion:
        """One completion, read from the server's answer and checked."""
        room = None if self._needed is None else self._needed - len(request.prompt_ids)
        if room is not None and room < sampling.max_tokens:
            sampling = replace(sampling, max_tokens=max(room, 1))
        body = self._body(request.prompt_ids, sampling, stop_ids, request.seed)
        answer = self._server.post("completions", body)
        if isinstance(answer, Refused):
            return _failed(request, answer.reason)
        return self._read(request, _choice(answer), stop_ids)

    def _read(self, request: Request, choice: dict[str, Any], stop_ids: Sequence[int]) -> Completion:
        reason, ids, echo = (choice.get(key) for key in ("finish_reason", "token_ids", "prompt_token_ids"))
        if reason not in ("stop", "length"):
            return _failed(request, f"the server ended it with {reason!r}")
        if self._tokenizer is not None and ids is None:
            ids = self._tokenizer.encode(str(choice.get("text", "")), add_special_tokens=False)
            ids += [stop_ids[0]] if reason == "stop" and ids[-1:] != [stop_ids[0]] else []
        elif echo is None or ids is None:
            return _failed(request, "the server returned no token ids")
        if echo is not None and list(echo) != list(request.prompt_ids):
            return _failed(
                request, f"the server read other token ids ({len(echo)}, ours {len(request.prompt_ids)})"
            )
        if reason == "stop" and (not ids or ids[-1] not in stop_ids):
            return _failed(request, "the server stopped at none of our stop tokens")
        return Completion(
            index=request.index, sample=request.sample, token_ids=tuple(ids), finish_reason=reason
        )

    def swap(self, model: Model) -> str | None:
        """A server keeps its weights."""
        return "a server's weights are not ours to change"

    def close(self) -> None:
        """Close the connections; the server goes on."""
        self._server.close()


def _choose(server: RemoteServer, asked: str | None) -> tuple[str, int | None]:
    """The served model to use, and its positions where the server says them.

    Raises UserError where it serves several and none was asked for, or not the one that was.
    """
    listed = server.get("models")
    if listed is None or not isinstance(listed.get("data"), list):
        raise UserError(f"{server.url}/models lists no models; does --base-url end in /v1?")
    models = {str(entry.get("id")): entry for entry in listed["data"] if isinstance(entry, dict)}
    names = ", ".join(models) or "none"
    if asked is not None and asked not in models:
        raise UserError(f"--served-model {asked}: the server has {names}")
    if asked is None and len(models) != 1:
        raise UserError(f"the server has {names}; say which with --served-model")
    name = asked or next(iter(models))
    positions = models[name].get("max_model_len")
    return name, positions if isinstance(positions, int) else None


def _choice(answer: dict[str, Any]) -> dict[str, Any]:
    choices = answer.get("choices")
    found = choices[0] if isinstance(choices, list) and len(choices) == 1 else {}
    return found if isinstance(found, dict) else {}


def _failed(request: Request, reason: str) -> Completion:
    return Completion(
        index=request.index, sample=request.sample, token_ids=(), finish_reason="error", error=reason
    )
