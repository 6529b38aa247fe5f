"""Does a training parquet hold what the registry renders? Every row is rendered again and compared.

Columns as verl wants them: `prompt` (messages), `reward_model.ground_truth`, and `extra_info` with
`id` and `question`. The prompt lock travels in the schema metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.grade.lock_entry import scorer_like
from evalkit.locks.difference import mismatch, reading_differences, text_diff
from evalkit.locks.parts import join_locks, lock_parts, lock_tasks
from evalkit.tasks.rows import as_object, content_id, media_of, message_text, stored_gold
from prompts.errors import Mismatch, UserError
from prompts.files import require_plain
from prompts.lock import Lock, make_lock, read_lock
from prompts.render import Message, Rendered, render_question
from prompts.template import Template
from prompts.tokens import encode, resolve_stop_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, kw_only=True)
class ParquetRow:
    """One row of a verl parquet. `number` counts from 1; `id` and `question` are None where absent.

    `source` is verl's data_source, `fields` the texts that fill the template's placeholders.
    """

    number: int
    id: str | None
    question: str | None
    gold: str | None
    messages: list[Message]
    source: str | None = None
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def expected_id(self) -> str:
        """What the id is made of: question, gold, and the fields that the prompt shows."""
        return content_id(str(self.question), self.gold, None, self.fields)

    @property
    def brings_messages(self) -> bool:
        """Whether its messages came with it and no template made them: then its id covers them."""
        messages = tuple({"role": turn["role"], "content": turn["content"]} for turn in self.messages)
        return _base(self.id) == content_id(str(self.question), self.gold, messages)


def check_parquet(
    path: Path,
    *,
    template: Template,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    task: str | None = None,
    split: str | None = None,
    templates: Mapping[str, Template] | None = None,
) -> Lock:
    """Compare a parquet with the registry, the model in `folder`, and its own lock; returns the lock.

    `task` and `split` are what it is meant to be used for, None for any; `templates` are those of the tasks
    of a mixture, where they are not all `template`. Raises UserError where the
    file is no such parquet, Mismatch where it carries no lock, the lock is of another task, prompt,
    tokenizer or chat template, or a row was edited, added or removed.
    """
    locked = read_lock(path)
    fix = f"render the data again: trainkit data FOLDER --model {folder} --task {{}} --prompt {template.ref}"
    if locked is None:
        raise Mismatch(
            f"{path} carries no prompt lock, so nothing says how its prompts were made; "
            f"{fix.format(task or 'TASK')}"
        )
    fix = fix.format(task or locked.data.get("task"))
    for key, wanted in (("task", task), ("split", split)):
        if wanted is not None and locked.data.get(key) != wanted:
            raise Mismatch(
                f"{path} was rendered for {key} {locked.data.get(key)!r}, asked for is {wanted!r}; {fix}"
            )
    rows = list(read_rows(path))
    known = {task: (templates or {}).get(str(task), template) for task in lock_tasks(locked)}
    stray = [row for row in rows if len(known) > 1 and row.source not in known]
    if stray:
        raise Mismatch(f"{path} row {stray[0].number} is of no task in its lock ({stray[0].source}); {fix}")

    def template_of(row: ParquetRow) -> Template:
        return known.get(row.source, template)

    now = join_locks(
        [
            make_lock(
                template=known[part.task],
                tokenizer=tokenizer,
                stop_ids=resolve_stop_ids(tokenizer, folder),
                task=part.task,
                split=part.split,
                prompts=[
                    (_id(path, row), encode_row(known[part.task], tokenizer, path, row))
                    for row in rows
                    if len(known) == 1 or row.source == part.task
                ],
                sampling=locked.budget,
                scorer=scorer_like(part.reading["scorer"], known[part.task]),
                like=part.reading,
            )
            for part in lock_parts(locked)
        ],
        like=locked,
    )
    if found := reading_differences(locked, now):
        raise mismatch(locked, now, found, what=str(path), model=str(folder), tokenizer=tokenizer, fix=fix)
    _check_ids(path, rows, fix)
    _check_messages(path, template_of, rows, fix)
    if found := reading_differences(locked, now, sections=("data",)):
        raise mismatch(locked, now, found, what=str(path), model=str(folder), fix=fix)
    if len(rows) != locked.data["rows"]:
        raise Mismatch(
            f"{path} holds {len(rows):,} rows, its lock says {locked.data['rows']:,} (a row stands twice); "
            f"{fix}"
        )
    return locked


def prompt_messages(
    template: Template, question: str, fields: Mapping[str, str] | None = None
) -> list[Message]:
    """What stands in a parquet's `prompt` column; the text of a raw template as one user message."""
    rendered = render_question(template, question, fields)
    return [Message(role="user", content=rendered)] if isinstance(rendered, str) else rendered


def encode_row(
    template: Template, tokenizer: PreTrainedTokenizerFast, path: Path, row: ParquetRow
) -> list[int]:
    """Token ids of a row's question under a template, or of the messages that it brings."""
    if row.question is None:
        raise UserError(f"{path} row {row.number} has no extra_info.question, so it cannot be rendered again")
    rendered: Rendered = row.messages
    if not row.brings_messages:
        rendered = render_question(template, row.question, row.fields)
    return encode(tokenizer, rendered, template.chat_template_kwargs)


def _check_messages(
    path: Path, template_of: Callable[[ParquetRow], Template], rows: Sequence[ParquetRow], fix: str
) -> None:
    """Compare the messages that a row holds with what its question renders to."""

    def expected(row: ParquetRow) -> list[Message]:
        return prompt_messages(template_of(row), str(row.question), row.fields)

    wrong = [row for row in rows if not row.brings_messages and row.messages != expected(row)]
    if not wrong:
        return
    first = wrong[0]
    raise Mismatch(
        f"{path} row {first.number} (id {first.id}) does not hold what {template_of(first).ref} renders from "
        f"its question, nor do {len(wrong) - 1:,} more of {len(rows):,} rows; {fix}",
        text_diff(flat(expected(first)), flat(first.messages)),
    )


def _check_ids(path: Path, rows: Sequence[ParquetRow], fix: str) -> None:
    """Compare each id with question and gold: it is their hash, so an edited gold shows here."""
    for row in rows:
        if _base(row.id) != row.expected_id and not row.brings_messages:
            raise Mismatch(
                f"{path} row {row.number}: id {row.id} is not that of its question and gold "
                f"({row.expected_id}), so one of the three was edited; {fix}",
                f"  question: {row.question}\n  gold: {row.gold}",
            )


def _base(row_id: str | None) -> str:
    """An id without the count of a repeated row."""
    return str(row_id).partition("-")[0]


def flat(messages: Sequence[Message]) -> str:
    """Messages as one text, for a diff."""
    return "\n".join(f"[{message['role']}]\n{message['content']}" for message in messages)


def _id(path: Path, row: ParquetRow) -> str:
    if row.id is None:
        raise UserError(f"{path} row {row.number} has no extra_info.id; `trainkit data` writes it")
    return row.id


def read_rows(path: Path) -> Iterator[ParquetRow]:
    """The rows of a verl parquet in their order; UserError where it is none."""
    import pyarrow
    import pyarrow.parquet

    require_plain(path)
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if "prompt" not in names:
                raise UserError(f"{path} has no column `prompt`; it has: {', '.join(names)}")
            number = 0
            for batch in file.iter_batches():
                for values in batch.to_pylist():
                    number += 1
                    yield _row(path, number, values)
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"{path} cannot be read as parquet: {error}") from None


def _row(path: Path, number: int, values: dict[str, Any]) -> ParquetRow:
    extra, reward = as_object(values.get("extra_info")), as_object(values.get("reward_model"))
    if column := media_of(values):
        raise UserError(f"{path} row {number} has {column}, which a text model cannot read")
    try:
        messages = [
            Message(role=str(entry["role"]), content=message_text(entry["content"]))
            for entry in values["prompt"]
        ]
    except ValueError as error:
        raise UserError(f"{path} row {number}: {error}") from None
    except (TypeError, KeyError):
        raise UserError(f"{path} row {number}: `prompt` holds no messages with role and content") from None
    return ParquetRow(
        number=number,
        id=extra.get("id"),
        question=extra.get("question"),
        gold=stored_gold(reward.get("ground_truth")),
        messages=messages,
        source=values.get("data_source"),
        fields={
            key: str(text) for key, text in (extra.get("prompt_fields") or {}).items() if text is not None
        },
    )
