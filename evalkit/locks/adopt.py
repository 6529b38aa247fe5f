"""Give a checkpoint that has no prompt lock one: from a template's name, or from its training parquet."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.grade.lock_entry import template_entry
from evalkit.locks.check import lock_like, verified_template
from evalkit.locks.difference import require_same, text_diff
from evalkit.locks.notes import reading_notes
from evalkit.locks.overlap import with_questions
from evalkit.locks.parquet import ParquetRow, encode_row, flat, prompt_messages, read_rows
from evalkit.models.computation import computation_of
from evalkit.models.trusted_lock import note_adopted
from prompts.errors import Mismatch, UserError
from prompts.lock import FILE_NAME, Lock, carried_template, make_lock, read_lock, write_lock
from prompts.registry import find_template, load_templates
from prompts.template import Template
from prompts.tokens import load_tokenizer, resolve_stop_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def adopt(
    model: str,
    *,
    prompt: str | None,
    data: Path | None,
    extra: Sequence[Path] = (),
    force: bool = False,
    trust_remote_code: bool = False,
) -> tuple[Lock, Path, list[str]]:
    """Write a lock into a checkpoint's folder; returns it, its file, and what should be known of its prompts.

    A raw global_step_N hands it on when it is merged the next time.
    Raises UserError where the model is no local folder or has a lock, and without `prompt` and `data`.
    """
    from evalkit.models.checkpoint import is_checkpoint, open_checkpoint
    from evalkit.models.resolve import model_folder

    if prompt is None and data is None:
        raise UserError(
            "adopt needs to know how the checkpoint was trained: --prompt NAME or --data train.parquet"
        )
    raw = is_checkpoint(Path(model)) and not (Path(model) / "config.json").exists()
    # of a raw checkpoint its tokenizer is enough: a lock that is wrong or lost must not stand in the way
    folder, revision = (open_checkpoint(Path(model)).huggingface, None) if raw else model_folder(model)
    if revision is not None or not Path(model).is_dir():
        raise UserError(f"{model} is no local folder; only a checkpoint of your own gets a prompt lock")
    if not force and (Path(model) / FILE_NAME).exists():
        raise UserError(f"{model} has a prompt lock; see `evalkit check {model}`, or replace it with --force")
    templates, tokenizer = load_templates(extra), load_tokenizer(folder, trust_remote_code)
    if data is not None:
        lock = lock_from_parquet(data, templates, tokenizer, folder, prompt)
    else:
        places = [
            place for place in (Path(model), Path(model).resolve().parent) if (place / FILE_NAME).exists()
        ]
        template = verified_template(str(prompt), extra, places, folder, trust_remote_code)
        lock = lock_from_template(template, tokenizer, folder)
    path = write_lock(lock, Path(model))
    note_adopted(Path(model), Path(model).resolve().parent if raw else None, lock)
    carried = carried_template(lock)
    notes = reading_notes(carried, tokenizer) if carried else []
    return lock, path, notes


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
        ref, carried = prompt or locked.template, carried_template(locked)
        missing = carried is not None and carried.ref == ref and ref not in templates
        template = carried if carried and missing else find_template(ref, templates)
        now = lock_like(locked, template, tokenizer, folder)
        require_same(locked, now, what=str(path), model=str(folder), tokenizer=tokenizer)
        kept = {key: value for key, value in locked.carries.items() if key == "questions"}
        return replace(locked, carries={**now.carries, **kept})
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
    texts = ("\n".join([str(row.question), *map(str, row.fields.values())]) for row in rows)
    return with_questions(_lock(template, tokenizer, folder, prompts), texts)


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
        scorer=template_entry(template),
        computation=computation_of(folder),
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
    return row.question is not None and row.messages == prompt_messages(template, row.question, row.fields)
