"""Give a checkpoint that has no prompt lock one: from a template's name, or from its training parquet."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.check import lock_like, require_same, scorer_entry
from evalkit.check_rows import ParquetRow, encode_row, flat, prompt_messages, read_rows
from evalkit.lock_diff import text_diff
from prompts.errors import Mismatch, UserError
from prompts.lock import Lock, make_lock, read_lock
from prompts.registry import Template, find_template
from prompts.tokens import resolve_stop_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def lock_from_template(template: Template, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Lock:
    """The lock of a checkpoint trained under a template, on rows that nobody knows any more.

    `folder` holds the tokenizer files and generation_config.json.
    """
    return _lock(template, tokenizer, folder, [])


def lock_from_parquet(
    path: Path,
    templates: Mapping[str, Template],
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    prompt: str | None = None,
) -> Lock:
    """The lock of a checkpoint that was trained on a parquet.

    A parquet of ours brings its lock, which must fit the checkpoint's tokenizer. For any other the
    template is looked for (or `prompt` taken) that renders each row's question to the very messages
    of the row. Raises Mismatch where there is none, UserError where several do.
    """
    locked = read_lock(path)
    if locked is not None:
        template = find_template(prompt or locked.template, templates)
        now = lock_like(locked, template, tokenizer, folder)
        require_same(locked, now, what=str(path), model=str(folder), tokenizer=tokenizer)
        return locked
    rows = list(read_rows(path))
    if not rows:
        raise UserError(f"{path} holds no rows")
    if rows[0].question is None:
        raise UserError(
            f"{path} row 1 has no extra_info.question, so no template can be recognised; "
            "name it instead of the data: evalkit prompts adopt MODEL --prompt NAME"
        )
    candidates = [find_template(prompt, templates)] if prompt else list(templates.values())
    template = _template_of(path, rows, candidates)
    prompts = [(row.id or f"row-{row.number}", encode_row(template, tokenizer, path, row)) for row in rows]
    return _lock(template, tokenizer, folder, prompts)


def _lock(
    template: Template,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    prompts: Sequence[tuple[str, Sequence[int]]],
) -> Lock:
    return make_lock(
        template=template,
        tokenizer=tokenizer,
        stop_ids=resolve_stop_ids(tokenizer, folder),
        task=None,
        split=None,
        prompts=prompts,
        sampling={},
        scorer=scorer_entry(template.rule),
    )


def _template_of(path: Path, rows: Sequence[ParquetRow], candidates: Sequence[Template]) -> Template:
    """The one template that renders all rows."""
    fitting = [template for template in candidates if all(_renders(template, row) for row in rows)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UserError(
            f"several templates render the rows of {path}: {', '.join(sorted(t.ref for t in fitting))}; "
            f"say which rule reads the answers: --data {path} --prompt {fitting[0].ref}"
        )
    held = flat(rows[0].messages)
    shown = {template.ref: flat(prompt_messages(template, str(rows[0].question))) for template in candidates}
    nearest = max(shown, key=lambda ref: difflib.SequenceMatcher(None, shown[ref], held).ratio())
    raise Mismatch(
        f"{path}: no template renders its {len(rows):,} rows, {nearest} comes nearest; make one that does: "
        f"evalkit prompts new NAME --from {nearest} --prompts DIR",
        text_diff(shown[nearest], held),
    )


def _renders(template: Template, row: ParquetRow) -> bool:
    return row.question is not None and row.messages == prompt_messages(template, row.question)
