"""What the model was asked, for the formats of others: records hold the bare question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from evalkit.runs.folder import Run
from prompts.errors import UserError
from prompts.registry import get_template
from prompts.render import Rendered, render_question


def prompts_of_run(run: Run, prompts: Sequence[Path]) -> Callable[[str], Rendered]:
    """A function from a question to its prompt: messages, or the text of a raw template.

    Rendered from the template that the run's lock names, if its text still hashes to what the lock
    says. Otherwise (somebody's template that is not here, one that shows other fields, several tasks,
    messages from a parquet, an imported run) the prompt is not known, and the bare question stands for it.
    """
    of_lock = run.lock.reading["template"]
    try:
        template = get_template(of_lock["ref"], prompts)
    except UserError:
        return lambda question: question
    unknown = template.fields or "parts" in run.lock.data
    if unknown or template.text_sha256 != of_lock.get("sha256"):
        return lambda question: question
    return lambda question: render_question(template, question)
