"""Whether the prompts of a run are those that its lock names, and its model's tokenizer knows."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from evalkit.models.checkpoint import list_steps
from prompts.errors import UserError
from trainkit.diagnose.finding import Finding
from trainkit.diagnose.model_files import added_tokens, chat_template
from trainkit.runs.folder import TrainingRun
from trainkit.runs.lines import existing, open_bytes

LOCK = "prompt.lock.json"
TURN_MARKS = re.compile(r"<\|[^|<>\s]+\|>|<(?:start|end)_of_turn>")
"""Marks that chat templates write around a turn; each is one token where it belongs to the model."""


def fingerprint(folder: Path) -> str | None:
    """The fingerprint that a folder's lock names, None where there is no lock. UserError for another file."""
    path = existing(folder / LOCK)
    if path is None:
        return None
    try:
        with open_bytes(path) as file:
            return str(json.loads(file.read()).get("fingerprint"))
    except (OSError, ValueError, AttributeError, RecursionError):
        raise UserError(f"{path} is no prompt lock; restore it") from None


def checkpoint_lock_differs(run: TrainingRun) -> Finding | None:
    own = fingerprint(run.folder)
    for step in list_steps(run.folder):
        checkpoint = run.folder / f"global_step_{step}"
        other = fingerprint(checkpoint)
        if other not in (None, own):
            return Finding(
                cause="prompt-mismatch",
                sentence=f"{checkpoint.name} carries another prompt lock than its run: "
                "it would be scored under other prompts than it was trained with.",
                evidence=f"fingerprint {own} in the run, {other} in the checkpoint",
                option=f"See what differs: `evalkit check {checkpoint}`.",
                weight=0.95,
            )
    return None


def chat_template_edited(run: TrainingRun) -> Finding | None:
    """The model folder's chat template is no longer the one that the lock was made with."""
    folder = Path(run.job.model_folder)
    if not folder.is_dir():
        return None
    locked = run.reading.get("chat_template")
    digest = locked.get("sha256") if isinstance(locked, dict) else None
    now = chat_template(folder)
    if now is None or digest in (None, hashlib.sha256(now.encode()).hexdigest()):
        return None
    return Finding(
        cause="prompt-mismatch",
        sentence="The chat template of the model was edited after the run's prompts were locked.",
        evidence=f"its sha256 is {hashlib.sha256(now.encode()).hexdigest()[:12]}, the lock says "
        f"{str(digest)[:12]}",
        option=f"See the difference with `evalkit check {folder}`, and restore the model's own template.",
        weight=0.95,
    )


def foreign_turn_marks(run: TrainingRun) -> Finding | None:
    """The chat template writes marks that are no tokens of the model: another family's template."""
    path = Path(run.job.model_folder) / "tokenizer.json"
    if not path.exists():
        return None
    known = added_tokens(path)
    foreign = sorted(set(TURN_MARKS.findall(run.prompt)) - known)
    if not foreign:
        return None
    own = sorted(mark for mark in known if TURN_MARKS.fullmatch(mark))
    return Finding(
        cause="chat-template",
        sentence="The chat template is another model's: its marks are no tokens of this one.",
        evidence=f"it writes {', '.join(foreign[:3])}; the model knows {', '.join(own[:3]) or 'none'}",
        option=f"Restore the model's own chat template in {path.parent.name}.",
        weight=0.99,
    )


CAUSES = (checkpoint_lock_differs, chat_template_edited, foreign_turn_marks)
