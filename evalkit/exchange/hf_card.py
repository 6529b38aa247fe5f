"""A run as a part of a Hugging Face model card: the metadata (model-index) and a table in Markdown."""

from __future__ import annotations

from huggingface_hub import EvalResult, ModelCardData

from evalkit.runs.folder import Run
from evalkit.tasks.hub import TASKS
from evalkit.text import percent, share_text


def to_hf_card(run: Run) -> bytes:
    """A README.md with the front matter that the hub reads, and the figures as a person reads them."""
    data = ModelCardData(
        model_name=run.manifest.model.name.rstrip("/").split("/")[-1], eval_results=_results(run)
    )
    return f"---\n{data.to_yaml()}\n---\n\n{_table(run)}".encode()


def _results(run: Run) -> list[EvalResult]:
    task = run.manifest.task
    hub = TASKS.get(task)
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type=hub.repo if hub else task,
            dataset_name=task,
            dataset_config=hub.config if hub else None,
            dataset_split=run.manifest.split,
            metric_type="accuracy",
            metric_name=f"accuracy, {name}",
            metric_value=round(100 * share, 2),
            metric_config=f"{run.manifest.template}, fingerprint {run.manifest.fingerprint}",
        )
        for name, share in (("strict", run.summary.accuracy), ("lenient", run.summary.lenient_accuracy))
    ]


def _table(run: Run) -> str:
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
        f"Prompt `{manifest.template}`, lock fingerprint `{manifest.fingerprint}`; "
        f"{manifest.sampling.sentence()}; "
        f"{manifest.engine.name} {manifest.engine.version}; {manifest.date}.",
    ]
    if manifest.marks:
        lines += ["", f"**Marked: {', '.join(manifest.marks)}.**"]
    return "\n".join([*lines, "", "Scored by [evalkit](https://pypi.org/project/lockstep-evalkit/).", ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
