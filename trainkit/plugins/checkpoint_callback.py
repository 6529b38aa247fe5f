"""What verl calls after each save: the base's tokenizer files, the prompt lock and a manifest go into it.

The manifest is written last, so a `global_step_N` that has one is whole; one without it was cut off.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from verl.trainer.ppo.checkpoint_callback import CheckpointCallback

from prompts.files import write_json
from prompts.lock import read_lock, write_lock
from trainkit.plugins.versions import require
from trainkit.runs import saving
from trainkit.runs.base_tokenizer import keep_base_tokenizer
from trainkit.runs.job import read_job, reward_without_folder
from trainkit.runs.saving import SaveSchedule

SCHEMA = 1


class Callback(CheckpointCallback):  # type: ignore[misc]
    """Named by `trainer.checkpoint_callback_class`."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.schedule = SaveSchedule(config.trainer, read_job(Path(config.trainer.default_local_dir)))
        saving.install(self.schedule)

    def on_save(self, trainer: Any, global_step: int, checkpoint_dir: str, **_: Any) -> None:
        """Mark a checkpoint as whole; an exception here stops the run, as verl promises."""
        require("checkpoint_callback")
        run, folder = Path(self.config.trainer.default_local_dir), Path(checkpoint_dir)
        job = read_job(run)
        lock = read_lock(run)
        if lock is None:
            raise RuntimeError(f"{run} has no prompt lock")
        keep_base_tokenizer(Path(job.model_folder), folder / "actor" / "huggingface")
        write_lock(lock, folder)
        write_json(
            folder / "manifest.json",
            {
                "schema": SCHEMA,
                "kind": "checkpoint",
                "step": global_step,
                "run": run.name,
                "fingerprint": lock.fingerprint,
                "algorithm": job.options.algorithm,
                "base": msgspec.to_builtins(job.base),
                # paths of this machine mean nothing elsewhere
                "command": [
                    part.replace(str(run), ".").replace(job.model_folder, job.base.name)
                    for part in ("python", *job.command[1:])
                ],
                "packages": job.packages,
                "marks": job.marks,
                "saved_for": self.schedule.reason,
                "reward": msgspec.to_builtins(reward_without_folder(job)),
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        )
        self.schedule.saved()
