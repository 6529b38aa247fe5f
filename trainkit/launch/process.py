"""Starts verl in a process of its own, follows it, and ends it cleanly.

What verl and Ray print goes to verl.log in the run's folder. When they fail, the last lines that say
why are shown. Ctrl-C ends the run; the same command resumes from the last complete checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from evalkit.engines.child_process import die_with_parent
from evalkit.file_lock import FileLock
from prompts.errors import Failed, UserError
from trainkit.launch.log import failure, open_log
from trainkit.launch.vllm_watchdog import VllmWatchdog
from trainkit.plan.disk import is_full

GRACE_SECONDS = 20.0
"""How long verl may take to end after an interrupt, before it is killed."""
POLL_SECONDS = 0.2


@contextlib.contextmanager
def hold(run: Path) -> Iterator[int]:
    """Keep every other trainkit out of a run's folder; yields the descriptor that holds the lock.

    verl inherits it, so the folder stays taken while a verl lives whose trainkit was killed. The lock
    lies beside the folder, which need not exist yet. Raises UserError where another process has it.
    """
    path = run.with_name(f".{run.name}.lock")
    made = [folder for folder in run.parents if not folder.exists()]
    try:
        run.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(f"{run.parent} cannot be written: {error.strerror}") from None
    held = FileLock(descriptor, path)
    try:
        holder = held.acquire()
        if holder is None and not os.path.samestat(os.fstat(descriptor), path.stat()):
            holder = "another process"  # a start that was refused removed it in between
    except OSError:
        holder = "another process"
    if holder is not None:
        os.close(descriptor)
        raise UserError(f"{run} is being trained by {holder}; wait for it, or stop it first")
    try:
        yield descriptor
    finally:
        held.release()
        if not run.exists():  # the start was refused: nothing of it stays
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                for folder in made:
                    folder.rmdir()
        os.close(descriptor)


def run_verl(
    command: list[str], run: Path, env: dict[str, str], lock: int, follow: Callable[[], None]
) -> None:
    """Run verl to its end, calling `follow` several times a second; `lock` is what `hold` gave.

    Raises Failed with the reason where verl fails; whatever `follow` raises ends verl first, and so
    do Ctrl-C, SIGTERM and SIGHUP (KeyboardInterrupt).
    """
    with open_log(run) as log:
        start = log.tell()
        process = subprocess.Popen(
            command,
            cwd=run,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            start_new_session=True,
            # A trainkit that is killed takes verl along; Ray's processes follow their driver by themselves.
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
        # a terminal that is closed (SIGHUP) ends a run as SIGTERM does; under nohup it stays ignored
        signals = [signal.SIGTERM, *([signal.SIGHUP] if _hears(signal.SIGHUP) else [])]
        before = {number: signal.signal(number, _interrupt) for number in signals}
        stuck = VllmWatchdog(run / "verl.log", start)
        try:
            while process.poll() is None:
                follow()
                if stuck.expired():
                    why = failure(run / "verl.log", stuck.failed_at, first=True)
                    raise Failed(f"vLLM failed, and verl waits for it: {why}")
                time.sleep(POLL_SECONDS)
            follow()
        finally:
            end(process)
            for number, handler in before.items():
                signal.signal(number, handler)
    if process.returncode and is_full(run):  # then the log could not take the reason
        raise Failed(
            f"verl ended with exit code {process.returncode}, and the disk of {run} is full; "
            "remove something there, then the same command resumes"
        )
    if process.returncode:
        raise Failed(f"verl ended with exit code {process.returncode}: {failure(run / 'verl.log', start)}")


def _hears(number: signal.Signals) -> bool:
    return signal.getsignal(number) is not signal.SIG_IGN


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt verl, wait for its workers to go, and kill what is left of its process group."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
