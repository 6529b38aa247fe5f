"""Training data: parquet rendered from the prompt registry into the training run's folder.

`write_dataset` loads the task's rows, keeps a seeded slice out for validation, renders and encodes
every prompt once, and writes two files in verl's columns with the prompt lock in their schema
metadata. All that can be wrong with data is found here, before Ray starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from prompts.lock import Lock

VALIDATION_ROWS = 512
"""Rows of the train split kept out for validation."""
VALIDATION_SHARE = 0.1
"""Of a task with fewer than ten times that many rows, this share is kept out instead."""
TRAIN_FILE, VALIDATION_FILE = "train.parquet", "validation.parquet"


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What decides the data of a training run."""

    model: Path
    """Model folder: its tokenizer, chat template and end tokens are used."""
    task: str
    template: str | None = None
    """Ref or name of the prompt template; None takes the task's default."""
    max_prompt_tokens: int
    """Longer prompts are counted, reported and left out."""
    sampling: Mapping[str, Any]
    """Sampling of the rollouts (fields of evalkit.records.Sampling), for the lock's budget."""
    seed: int = 0
    """Decides which rows are kept out."""
    limit: int | None = None
    """Use the first so many rows of the train split only."""
    validate: Literal["train", "test"] = "train"
    """Where validation rows come from: kept out of `train`, or all of `test` (marked)."""
    parquet: Path | None = None
    """Training data rendered elsewhere: re-rendered, compared row by row, and then used."""
    allow_overlap: bool = False
    """Train although the test split shares questions with the training rows (marked)."""
    data: Path | None = None
    """Folder of local data sets, as in `evalkit score --data`."""
    templates: tuple[Path, ...] = ()
    """Folders of the user's own templates."""
    trust_remote_code: bool = False


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What `write_dataset` made. `lock` is that of the training rows."""

    train: Path
    validation: Path
    lock: Lock
    counts: dict[str, int] = field(default_factory=dict)
    """rows (of the split), train, validation, too_long_train, too_long_validation, longest_prompt."""
    marks: tuple[str, ...] = ()
    """"overlap" and "validate on test", for the manifest and every number that follows."""


def write_dataset(options: DataOptions, folder: Path) -> Dataset:
    """Write train.parquet, validation.parquet and prompt.lock.json into `folder` (made if missing).

    Raises UserError for bad input (too few rows, golds that cannot be scored, nothing left after the
    length limit), Mismatch for overlap of train and test, or a parquet that is not what the registry renders.
    """
    raise NotImplementedError
