"""A run for a model's repository on the hub: `.eval_results/TASK.yaml`, which the hub reads, and a table.

The yaml is huggingface_hub's EvalResultEntry; what it replaces, "model-index" in the card, is legacy
(https://huggingface.co/docs/hub/eval-results).
"""

from __future__ import annotations

import yaml  # type: ignore[import-untyped]
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

from evalkit.runs.folder import Run
from evalkit.tasks.hub import TASKS
from evalkit.text import markdown_cell, percent, printable, share_text


def to_hf_card(run: Run) -> dict[str, bytes]:
    """Files by their paths in the model's repository; README.md is a section to put into the card.

    A task that is no data set of the hub has no yaml: the README says so.
    """
    entry = _entry(run)
    if entry is None:
        return {
            "README.md": _table(run, "This task is no data set of the hub, so `.eval_results` has no file.")
        }
    text = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)
    return {"README.md": _table(run, None), f".eval_results/{run.manifest.task}.yaml": text.encode()}


def _entry(run: Run) -> EvalResultEntry | None:
    """Accuracy in percent, strictly read; what a reader must know to compare it stands in the notes."""
    hub = TASKS.get(run.manifest.task)
    if hub is None:
        return None
    manifest, summary = run.manifest, run.summary
    notes = [
        f"{manifest.split} split, {summary.n:,} questions",
        f"95 % interval {' to '.join(f'{100 * bound:.1f}' for bound in summary.ci)}",
        f"prompt {manifest.template}, lock {manifest.fingerprint}",
        ", ".join(
            f"{key} {value}" for key, value in manifest.sampling.as_dict().items() if value is not None
        ),
        *([f"marked: {', '.join(manifest.marks)}"] if manifest.marks else []),
    ]
    return EvalResultEntry(
        dataset_id=hub.repo,
        task_id=manifest.task,
        value=round(100 * summary.accuracy, 2),
        date=manifest.date,
        notes="; ".join(notes),
    )


def _table(run: Run, remark: str | None) -> bytes:
    manifest, summary = run.manifest, run.summary
    lines = [
        "## Evaluation",
        "",
        "| task | questions | accuracy [95 % interval] | lenient [95 % interval] | no answer | truncated |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        f"| {_cell(manifest.task)}, {_cell(manifest.split)} | {summary.n:,} "
        f"| {share_text(summary.accuracy, summary.ci)} "
        f"| {share_text(summary.lenient_accuracy, summary.lenient_ci)} "
        f"| {percent(summary.no_answer)} | {percent(summary.truncated)} |",
        "",
        f"Prompt `{_cell(manifest.template)}`, lock fingerprint `{_cell(manifest.fingerprint)}`; "
        f"{manifest.sampling.sentence()}; "
        f"{_cell(str(manifest.engine.name))} {_cell(str(manifest.engine.version))}; {_cell(manifest.date)}.",
    ]
    if manifest.marks:
        lines += ["", f"**Marked: {_cell(', '.join(manifest.marks))}.**"]
    if remark:
        lines += ["", remark]
    return "\n".join([*lines, "", "Scored by evalkit.", ""]).encode()


def _cell(text: str) -> str:
    return markdown_cell(printable(text)).replace("<br>", " ")
