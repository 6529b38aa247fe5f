"""Notices that vLLM failed inside a verl that keeps waiting for it.

verl sends new weights to vLLM's worker and waits for its answer without a limit (verl 0.9.1,
workers/rollout/vllm_rollout/bucketed_weight_transfer.py): where the worker fails, nothing would ever
happen again. vLLM says so in the log.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

PATIENCE_SECONDS = 60.0
"""How long verl may take to end by itself after vLLM failed."""
VLLM_FAILED = re.compile(rb"WorkerProc hit an exception|EngineCore encountered a fatal error|EngineDeadError")


class VllmWatchdog:
    """Reads what is new in verl's log; `start` is the offset (bytes) where this process began to write."""

    def __init__(self, log: Path, start: int, patience: float = PATIENCE_SECONDS) -> None:
        self._log, self._offset, self._patience = log, start, patience
        self._since: float | None = None
        self.failed_at = start
        """Offset (bytes) of the first line that tells of the failure."""

    def expired(self) -> bool:
        """Whether vLLM failed longer ago than verl has had time to end."""
        if self._since is None:
            with self._log.open("rb") as file:
                start = file.seek(self._offset)
                new = file.read()
            # The last line may be half written: it is read again.
            self._offset += new.rfind(b"\n") + 1
            if found := VLLM_FAILED.search(new):
                self._since = time.monotonic()
                self.failed_at = start + new.rfind(b"\n", 0, found.start()) + 1
        return self._since is not None and time.monotonic() - self._since > self._patience
