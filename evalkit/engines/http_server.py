"""Talks to somebody else's server: one prompt a request, with retries, and a key that stays here."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from prompts.errors import Failed, UserError

KEY = "OPENAI_API_KEY"
"""The variable that holds the server's key, as in other tools; it is written nowhere."""
TRIES = 6
"""How often one request may fail while the server answers others in between."""
PATIENCE = 300.0
"""Seconds in which a server may answer nothing at all: a large model takes minutes to start again."""
LONGEST_PAUSE = 15.0
READ_SECONDS = 1800.0
"""How long a request may wait in the server's queue and be computed."""
PASSING = {408, 409, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Refused:
    """A request that failed by itself, while the server works: the row is unscored for this reason."""

    reason: str


def checked_url(url: str | None) -> str:
    """The base URL without what follows its path. UserError where it is none, or holds a key."""
    example = "--base-url http://localhost:8000/v1"
    if not url:
        raise UserError(f"--engine openai needs the server's address: {example}")
    no_address = f"--base-url {url} is no address of a server; give one like {example}"
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number of a port
    except ValueError:
        raise UserError(no_address) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(no_address)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError(f"--base-url takes no key and no query, they would be recorded; set {KEY}: {example}")
    return url.rstrip("/")


class RemoteServer:
    """A server with OpenAI's completions API at `url`, which ends in /v1 for most."""

    def __init__(self, url: str, connections: int) -> None:
        self.url = url
        key = os.environ.get(KEY)
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            timeout=httpx.Timeout(30.0, read=READ_SECONDS),
        )
        self._closed = threading.Event()
        self._answered = time.monotonic()

    def get(self, path: str, *, root: bool = False) -> dict[str, Any] | None:
        """The JSON object at a path below the base URL, or below its root without /v1; None where the
        server has none there.

        Raises Failed where no server answers or it is not ready, UserError where it wants another key.
        """
        try:
            answer = self._client.get(f"{self.url.removesuffix('/v1') if root else self.url}/{path}")
        except httpx.HTTPError as error:
            raise Failed(f"no server answers at {self.url} ({_what(error)}); is it running?") from None
        self._check_key(answer)
        if answer.status_code in PASSING:
            reason = f"HTTP {answer.status_code}: {_message(answer)}"
            raise Failed(f"{self.url} is not ready ({reason}); run the same command again when it is")
        return _object(answer) if answer.status_code == 200 else None

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any] | Refused:
        """Send until there is an answer: again, after growing pauses, where a failure may pass.

        A request that the server refuses, or fails at again and again while it answers others, is `Refused`.
        Raises Failed where it has answered nothing for `PATIENCE` seconds or knows no such model, UserError
        where it wants another key.
        """
        tries, pause, started = 0, 0.5, time.monotonic()
        failed = started
        while True:
            try:
                answer = self._client.post(f"{self.url}/{path}", json=dict(body))
                reason = f"HTTP {answer.status_code}: {_message(answer)}"
                if answer.status_code == 200 and (value := _object(answer)) is not None:
                    self._answered = time.monotonic()
                    return value
                self._check_key(answer)
                if answer.status_code == 404:
                    raise Failed(f"{self.url}/{path}: {reason}; --served-model names a model of the server")
                if answer.status_code not in PASSING and answer.status_code != 200:
                    self._answered = time.monotonic()
                    return Refused(f"the server refused the prompt: {reason}")
            except httpx.HTTPError as error:
                reason = _what(error)
            tries += self._answered > failed  # a server that is down is no fault of the request
            failed = time.monotonic()
            silent = time.monotonic() - max(self._answered, started)
            if silent > PATIENCE or self._closed.is_set():
                raise Failed(f"{self.url} has answered nothing for {silent:.0f} s ({reason})")
            if tries >= TRIES:
                return Refused(f"the server failed {tries} times: {reason}")
            self._closed.wait(pause * random.uniform(0.5, 1.0))  # many wait: not all at the same moment
            pause = min(2 * pause, LONGEST_PAUSE)

    def _check_key(self, answer: httpx.Response) -> None:
        if answer.status_code in (401, 403):
            raise UserError(
                f"{self.url} wants {'another' if os.environ.get(KEY) else 'a'} key "
                f"(HTTP {answer.status_code}); set it in {KEY}"
            )

    def close(self) -> None:
        """Give up what waits, and the connections."""
        self._closed.set()
        self._client.close()


def _object(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        value = answer.json()
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _message(answer: httpx.Response) -> str:
    """What the server says is wrong, in one line."""
    value = _object(answer) or {}
    error = value.get("error", value)
    text = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(text or answer.text or "no message").split())[:300]


def _what(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
