"""Starts verl in a process of its own, follows it, and ends it cleanly.

What verl and Ray print goes to verl.log in the run's folder. When they fail, the last lines that say
why are shown. Ctrl-C ends the run; the same command goes on from the last complete checkpoint.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from evalkit.engines import CPU_ENV, GPU_ENV
from evalkit.engines.child import die_with_parent
from prompts.errors import Failed, UserError
from prompts.files import write_whole
from trainkit.disk import is_full
from trainkit.stuck import Stuck

DEVICE_VARIABLE = "TRAINKIT_DEVICE"
"""Tells the plug-in modules that trainkit started the process, and for which device."""
GRACE_SECONDS = 20.0
"""How long verl may take to end after an interrupt, before it is killed."""
POLL_SECONDS = 0.2
VLLM_PLUGINS = {
    "trainkit_cpu": "trainkit.cpu_vllm:plugin",
    "trainkit_tokens": "trainkit.token_capture:plugin",
}
LOG_PREFIX = re.compile(r"^(\([^)]*pid=\d+[^)]*\) ?)+([A-Z]+ [\d-]+ [\d:]+ \[[^]]*\] ?)?")
"""Who says a line of verl.log: Ray's process, in it vLLM's, and vLLM's own level, time and place."""


def verl_command(arguments: list[str]) -> list[str]:
    """The command that trains: verl's own entry point with our settings."""
    return [sys.executable, "-m", "verl.trainer.main_ppo", *arguments]


def environment(run: Path, device: str, capture: int) -> dict[str, str]:
    """The environment of verl's processes; Ray hands it to every worker.

    `capture` is the number of requests whose prompt ids vLLM's engine notes (trainkit.token_capture).
    """
    ours = Path(__file__).parent.parent
    plugins = announce_plugins(run)
    path = [str(plugins), str(ours), *filter(None, [os.environ.get("PYTHONPATH")])]
    added = {
        "PYTHONPATH": os.pathsep.join(path),
        "VERL_FILE_LOGGER_PATH": str(run / "verl_metrics.jsonl"),
        "TRAINKIT_CAPTURE": f"{capture}:{run / 'tokens_vllm.jsonl'}",
        DEVICE_VARIABLE: device,
        "TOKENIZERS_PARALLELISM": "false",
        "HYDRA_FULL_ERROR": "1",
        "RAY_DEDUP_LOGS": "0",
        # The cluster is local, and nothing about it goes elsewhere.
        "RAY_USAGE_STATS_ENABLED": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "TENSORBOARD_DIR": str(run / "tensorboard"),
    }
    if device == "cpu":
        threads = str(os.cpu_count() or 1)
        added |= {
            "VERL_USE_EXTERNAL_MODULES": "trainkit.cpu_platform",
            "OMP_NUM_THREADS": threads,
            **CPU_ENV,
            # Ray's default of 15 makes workers lose to anything else on the machine.
            "RAY_worker_niceness": "0",
        }
        openmp = Path(sys.prefix) / "lib/libiomp5.so"
        if openmp.exists():
            added["LD_PRELOAD"] = str(openmp)  # vLLM's kernels are 40 % faster with Intel's OpenMP
            # Without this it binds whatever forks to one core: Ray, and so all of its workers.
            added["KMP_AFFINITY"] = "none"
    else:
        added |= GPU_ENV
    inherited = {k: v for k, v in os.environ.items() if device != "cpu" or k != "CUDA_VISIBLE_DEVICES"}
    return {**inherited, **added}


def announce_plugins(run: Path) -> Path:
    """A folder for PYTHONPATH that announces our vLLM plug-ins to the processes of this run alone.

    Raises UserError where it cannot be written.
    """
    folder = run / "plugins"
    info = folder / "trainkit_plugins-0.dist-info"
    try:
        info.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{info} cannot be made: {error.strerror}") from None
    write_whole(info / "METADATA", b"Metadata-Version: 2.1\nName: trainkit-plugins\nVersion: 0\n")
    lines = ["[vllm.general_plugins]", *(f"{name} = {target}" for name, target in VLLM_PLUGINS.items())]
    write_whole(info / "entry_points.txt", ("\n".join(lines) + "\n").encode())
    return folder


@contextlib.contextmanager
def hold(run: Path) -> Iterator[int]:
    """Keep every other trainkit out of a run's folder; yields the descriptor that holds the lock.

    verl inherits it, so the folder stays taken while a verl lives whose trainkit was killed. The lock
    lies beside the folder, which need not exist yet. Raises UserError where another process has it.
    """
    path = run.with_name(f".{run.name}.lock")
    try:
        run.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(f"{run.parent} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise BlockingIOError  # a start that was refused removed it in between
    except OSError:
        os.close(descriptor)
        raise UserError(f"{run} is being trained by another process; wait for it, or stop it first") from None
    try:
        yield descriptor
    finally:
        if not run.exists():  # the start was refused: nothing of it stays
            path.unlink(missing_ok=True)
        os.close(descriptor)


def run_verl(
    command: list[str], run: Path, env: dict[str, str], lock: int, follow: Callable[[], None]
) -> None:
    """Run verl to its end, calling `follow` several times a second; `lock` is what `hold` gave.

    Raises Failed with the reason where verl fails; whatever `follow` raises ends verl first, and so
    do Ctrl-C and SIGTERM (KeyboardInterrupt).
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
        before = signal.signal(signal.SIGTERM, _interrupt)
        stuck = Stuck(run / "verl.log", start)
        try:
            while process.poll() is None:
                follow()
                if stuck.is_so():
                    why = failure(run / "verl.log", stuck.failed_at, first=True)
                    raise Failed(f"vLLM failed, and verl waits for it: {why}")
                time.sleep(POLL_SECONDS)
            follow()
        finally:
            end(process)
            signal.signal(signal.SIGTERM, before)
    if process.returncode and is_full(run):  # then the log could not take the reason
        raise Failed(
            f"verl ended with exit code {process.returncode}, and the disk of {run} is full; "
            "remove something there, then the same command goes on"
        )
    if process.returncode:
        raise Failed(f"verl ended with exit code {process.returncode}: {failure(run / 'verl.log', start)}")


def open_log(run: Path) -> IO[bytes]:
    """verl.log, to be continued; UserError where it cannot be."""
    path = run / "verl.log"
    try:
        return path.open("ab")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None


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


def failure(log: Path, start: int = 0, lines: int = 15, first: bool = False) -> str:
    """The reason that stands in verl's log: its last (or first) error line, then the end of the log.

    `start` is the offset (bytes) where this process began to write.
    """
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - 400_000))
        text = re.sub(r"\x1b\[[0-9;]*m", "", file.read().decode(errors="replace"))
    kept = [LOG_PREFIX.sub("", line).rstrip() for line in text.splitlines()]
    kept = [line for line in kept if line.strip()]
    errors = [line for line in kept if re.match(r"^\s*(\w+\.)*\w*(Error|Exception|Interrupt)\b.*:", line)]
    ours = [line for line in errors if "trainkit: " in line]
    reason = (ours or errors or kept or ["it wrote nothing"])[0 if first else -1].strip()
    tail = "\n".join(f"    {line}" for line in kept[-lines:])
    return f"{reason.split('trainkit: ')[-1]}\n{tail}\n  all of it: {log}"
