"""Is this checkpoint still read as its prompt lock says? No model is run.

`check_model` holds a folder's tokenizer, chat template, end tokens and template against its lock,
`check_all` its training data too. Two locks are compared in `evalkit.locks.difference`, the rows of a
parquet in `evalkit.locks.parquet`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.grade.lock_entry import scorer_like
from evalkit.locks.difference import WITH_COMPUTATION, explain, mismatch, reading_differences, require_same
from evalkit.locks.parquet import check_parquet
from evalkit.locks.parts import lock_parts
from evalkit.models.computation import computation_of
from evalkit.models.trusted_lock import rendered_lock, trusted_lock
from prompts.errors import Mismatch, UserError
from prompts.lock import Lock, carried_template, make_lock, read_lock
from prompts.registry import find_template, load_templates
from prompts.template import Template
from prompts.tokens import load_tokenizer, resolve_stop_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def check_all(
    model: str,
    *,
    data: Path | None = None,
    prompt: str | None = None,
    extra: Sequence[Path] = (),
    trust_remote_code: bool = False,
) -> Lock:
    """Everything that `evalkit check` does; returns the lock that held.

    A model without a lock (a base model, say) can be compared with a parquet that has one. Raises
    UserError where there is nothing to compare, Mismatch where anything differs.
    """
    from evalkit.models.resolve import model_folder, model_lock

    folder, _ = model_folder(model)
    locked = model_lock(model, folder)
    if data is None or locked is not None:
        locked = check_model(
            folder, name=model, locked=locked, prompt=prompt, extra=extra, trust_remote_code=trust_remote_code
        )
    if data is None:
        assert locked is not None
        return locked
    tokenizer = load_tokenizer(folder, trust_remote_code)
    ref = prompt or (locked or read_lock(data) or _no_lock(model, data)).template
    template = verified_template(ref, extra, [folder, data], folder, trust_remote_code)
    found = read_lock(data)
    templates = {
        str(part.task): find_template(Lock(part.reading, {}, {}).template, load_templates(extra))
        for part in (lock_parts(found) if found and "parts" in found.data and not prompt else ())
    }
    rendered = check_parquet(data, template=template, tokenizer=tokenizer, folder=folder, templates=templates)
    if locked is not None and locked.data["prompts"]:
        require_same(locked, rendered, what=model, model=model, sections=("data",))
    return rendered


def _no_lock(model: str, data: Path) -> Lock:
    raise Mismatch(
        f"neither {model} nor {data} carries a prompt lock, so nothing says how the prompts were made; "
        f"write one: evalkit prompts adopt {model} --data {data}"
    )


def check_model(
    folder: Path,
    *,
    name: str | None = None,
    locked: Lock | None = None,
    prompt: str | None = None,
    extra: Sequence[Path] = (),
    trust_remote_code: bool = False,
) -> Lock:
    """Compare a model folder with its own lock, under its template or the one named `prompt`.

    `locked` is the lock where it does not lie in the folder itself. Returns the lock.
    Raises UserError where there is none, Mismatch where anything
    differs, also where a released template was edited.
    """
    name = name or str(folder)
    locked = rendered_lock(folder, locked or trusted_lock(folder, None))
    if locked is None:
        raise UserError(
            f"{name} has no prompt lock, so there is nothing to compare it with; write one: "
            f"evalkit prompts adopt {name} --prompt NAME (or --data train.parquet)"
        )
    if locked.carries.get("computation") and not (folder / "config.json").is_file():
        raise Mismatch(
            f"{name} was locked with a config.json, which is gone; bring back the one it was made with"
        )
    tokenizer = load_tokenizer(folder, trust_remote_code)
    template, broken = _template(prompt or locked.template, extra, [locked])
    try:
        now = lock_like(locked, template, tokenizer, folder, _templates_of_parts(locked, extra))
    except UserError as error:
        raise Mismatch(
            f"{name} was locked with {locked.template}, and its files cannot render that any more ({error}); "
            "bring back the tokenizer files and generation_config.json that it was made with"
        ) from None
    found = reading_differences(locked, now, sections=WITH_COMPUTATION)
    if found:
        differs = mismatch(locked, now, found, what=name, model=name, tokenizer=tokenizer)
        if broken is not None:
            differs.detail += f"\n  {broken}"
        raise differs
    if broken is not None:
        raise broken
    return locked


def lock_like(
    locked: Lock,
    template: Template,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    others: Mapping[str, Template] | None = None,
) -> Lock:
    """The lock that rendering now would give: data, budget and the version of the rule as in `locked`.

    A released version of a rule stays callable, so a newer one in this evalkit is no difference. `others`
    are the templates of a mixture's tasks by ref, where they are not that of the first.
    """
    now = make_lock(
        template=template,
        tokenizer=tokenizer,
        stop_ids=resolve_stop_ids(tokenizer, folder),
        task=None,
        split=None,
        prompts=[],
        sampling={},
        scorer=scorer_like(locked.reading["scorer"], template),
        computation=computation_of(folder),
        like=locked.reading,
    )
    reading = now.reading
    if parts := locked.reading.get("parts"):
        alone = {task: Lock(part, {}, {}) for task, part in parts.items()}
        reading = {
            **reading,
            "parts": {
                task: lock_like(lock, (others or {}).get(lock.template, template), tokenizer, folder).reading
                for task, lock in alone.items()
            },
        }
    return replace(now, reading=reading, data=locked.data, budget=locked.budget)


def _templates_of_parts(locked: Lock, extra: Sequence[Path]) -> dict[str, Template]:
    refs = {Lock(part, {}, {}).template for part in locked.reading.get("parts", {}).values()}
    return {ref: find_template(ref, load_templates(extra)) for ref in refs}


def verified_template(
    ref: str, extra: Sequence[Path], places: Sequence[Path], folder: Path, trust_remote_code: bool = False
) -> Template:
    """As `get_template`; a template that no folder has is taken from a lock that carries it.

    Where a released text was edited, the refusal shows what a lock knows of it. `places` (folders,
    parquets) may hold such a lock; `folder` is the model's, whose tokenizer renders.
    """
    template, broken = _template(ref, extra, _locks(places))
    if broken is None:
        return template
    for place in places:
        broken.detail = broken.detail or _as_locked(place, template, folder, trust_remote_code)
    raise broken


def _as_locked(place: Path, template: Template, folder: Path, trust_remote_code: bool) -> str:
    """How a template differs from the lock in a place; empty where that says nothing about it."""
    try:
        locked = read_lock(place)
        if locked is None or locked.template != template.ref:
            return ""
        tokenizer = load_tokenizer(folder, trust_remote_code)
        now = lock_like(locked, template, tokenizer, folder)
    except UserError:
        return ""  # the edit alone is refused
    return explain(locked, now, reading_differences(locked, now), tokenizer)


def _template(
    ref: str, extra: Sequence[Path], locks: Iterable[Lock] = ()
) -> tuple[Template, Mismatch | None]:
    """A template, also one that was edited after its release: its lock can show what was edited.

    One that no folder has is taken from the first of `locks` that carries it.
    """
    try:
        return find_template(ref, load_templates(extra)), None
    except Mismatch as error:
        return find_template(ref, load_templates(extra, verify=False)), error
    except UserError:
        for lock in locks:
            if (template := carried_template(lock)) and ref in (template.ref, template.name):
                return replace(template, folders=tuple(extra)), None  # a grader is looked up in these
        raise


def _locks(places: Sequence[Path]) -> Iterator[Lock]:
    """The locks that lie in places which may have none, or be no such thing."""
    for place in places:
        with suppress(UserError):
            if (lock := read_lock(place)) is not None:
                yield lock
