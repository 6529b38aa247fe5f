"""manifest.json and summary.json as types, with one builder and one reader.

To add an optional field: one line in the struct, with the default None ("not recorded"). Then a file
that lacks the key reads as None and is neither refused nor different; a file that is written holds the
key where it has a value; and a key that this version does not know stays in a file that is rewritten.
A new value also needs a parameter of `new_manifest` or a keyword of `changed` where it is known. The
same rule holds for `evalkit.records.Record`; for the prompt lock see `prompts.lock.FIRST_KEYS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import msgspec

from evalkit.records import Outcome, Sampling
from evalkit.runs.section import PaidReward, Section, Sequential
from prompts.errors import UserError
from prompts.files import read_json, write_json
from prompts.install import UPGRADE
from prompts.lock import Lock

SCHEMA = 1
MANIFEST_FILE = "manifest.json"
SUMMARY_FILE = "summary.json"


class ModelFacts(Section, frozen=True, kw_only=True):
    """Which weights were scored. `path` is relative, None for a name on a hub."""

    NULLS = frozenset({"path", "weights_sha256", "revision"})
    name: str
    path: str | None = None
    weights_sha256: str | None = None
    revision: str | None = None


class SamplingFacts(Section, frozen=True, kw_only=True):
    """How completions were drawn; None where an imported log does not say."""

    NULLS = frozenset({"temperature", "top_p", "max_tokens", "seed"})
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    samples: int = 1
    seed: int | None = None

    def as_dict(self) -> dict[str, float | int | None]:
        """Every field by name, in the order of the file."""
        return msgspec.structs.asdict(self)

    def sentence(self) -> str:
        """Every field with its value, separated by commas."""
        return ", ".join(f"{key} {value}" for key, value in self.as_dict().items())


class EngineFacts(Section, frozen=True, kw_only=True):
    """What generated. `dtype` was asked for, `computes_in` is what the engine took. `copies` shared the
    work; `swapped`: the weights came into an engine that had run with others, every tensor compared.
    """

    NULLS = frozenset({"version", "batch_invariant", "max_model_len"})
    name: str | None = None
    version: str | None = None
    batch_invariant: bool | None = None
    dtype: str | None = None
    tp: int | None = None
    copies: int | None = None
    swapped: bool | None = None
    max_model_len: int | None = None
    limit: int | None = None
    server: str | None = None
    fast_decode: bool | None = None
    computes_in: str | None = None


class GitState(Section, frozen=True, kw_only=True):
    """Commit of the folder where the command was given, and whether files differed from it."""

    NULLS = frozenset({"commit", "dirty"})
    commit: str | None = None
    dirty: bool | None = None


class Times(Section, frozen=True, kw_only=True):
    """Seconds a phase, summed over the processes that worked on the run."""

    load: float | None = None
    generate: float | None = None
    score: float | None = None


class NoiseFloor(Section, frozen=True, kw_only=True):
    """Of `n` questions scored twice, how many flipped between right and wrong (`evalkit noise`)."""

    n: int
    flips: int


class Manifest(Section, frozen=True, kw_only=True):
    """What is known of a run. `original` is the file as it was read, so that no key of it is lost."""

    NULLS = frozenset({"gpu", "source", "noise"})
    schema: int = SCHEMA
    status: Literal["running", "decided", "complete"]
    command: str
    model: ModelFacts
    task: str
    split: str
    template: str
    fingerprint: str
    prompt_from: str | None = None
    sampling: SamplingFacts
    engine: EngineFacts = EngineFacts()
    packages: dict[str, str] = msgspec.field(default_factory=dict)
    git: GitState = GitState()
    gpu: str | None = None
    rows: int | None = None
    date: str
    marks: tuple[str, ...] = ()
    source: str | None = None
    noise: NoiseFloor | None = None
    times: Times = Times()
    timed_tokens: int | None = None
    counts: dict[Outcome, int] | None = None
    truncated: int | None = None
    sequential: Sequential | None = None
    reward: PaidReward | None = None
    original: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        datetime.fromisoformat(self.date)

    @property
    def completions(self) -> int | None:
        """How many records a finished run has: rows times samples, of a decided run those that were asked."""
        if self.status == "decided" and self.sequential and self.sequential.asked is not None:
            return self.sequential.asked * self.sampling.samples
        return None if self.rows is None else self.rows * self.sampling.samples

    @property
    def fill_up(self) -> str:
        """The command that makes a complete run of one that was decided early."""
        return self.command.replace("--until decided", "--until all").replace(
            "--until=decided", "--until all"
        )

    @property
    def unfinished(self) -> str:
        """Why a run is no complete one, with the command that completes it."""
        found = self.sequential
        if self.status == "decided" and found and found.asked is not None:
            asked = f"{found.asked:,} of {self.rows or 0:,} questions"
            return f"was scored until decided ({asked}: {found.verdict}); fill it up: {self.fill_up}"
        return f"is not complete ({self.status}); finish it first: {self.command}"

    def changed(self, **values: Any) -> Self:
        """The manifest with other values of these fields."""
        return msgspec.structs.replace(self, **values)

    def as_dict(self) -> dict[str, Any]:
        """The content of manifest.json."""
        return self.merged(self.original)

    def write(self, folder: Path) -> None:
        """Write manifest.json, whole or not at all."""
        write_json(folder / MANIFEST_FILE, self.as_dict())


class Summary(Section, frozen=True, kw_only=True):
    """The figures of a run (`evalkit.runs.summary.summarize` says what each one is)."""

    NULLS = frozenset({"truncated", "mean_completion_tokens", "tokens_per_second"})
    n: int
    accuracy: float
    ci: tuple[float, float]
    lenient_accuracy: float
    lenient_ci: tuple[float, float]
    no_answer: float
    truncated: float | None = None
    unscored: float
    unscored_reasons: dict[str, int] = msgspec.field(default_factory=dict)
    mean_completion_tokens: float | None = None
    unfinished_thinking: float | None = None
    mean_thinking_tokens: float | None = None
    mean_answer_tokens: float | None = None
    tokens_per_second: float | None = None
    prompt_from: str | None = None
    original: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The content of summary.json."""
        return self.merged(self.original)

    def write(self, folder: Path) -> None:
        """Write summary.json, whole or not at all."""
        write_json(folder / SUMMARY_FILE, self.as_dict())


def new_manifest(
    *,
    command: str,
    lock: Lock,
    model: ModelFacts,
    sampling: Sampling | SamplingFacts,
    engine: EngineFacts,
    packages: Mapping[str, str],
    git: GitState,
    rows: int,
    marks: Sequence[str] = (),
    source: str | None = None,
    date: datetime | None = None,
    times: Times | None = None,
    prompt_from: str | None = None,
    reward: PaidReward | None = None,
) -> Manifest:
    """The manifest of a run that begins. Task, split, template and fingerprint are those of its lock.

    `rows` counts questions; `date` is now unless given. Counts, times and what the engine says of itself
    follow by `Manifest.changed`.
    """
    facts = sampling if isinstance(sampling, SamplingFacts) else SamplingFacts(**asdict(sampling))
    return Manifest(
        status="running",
        command=command,
        model=model,
        task=str(lock.data["task"]),
        split=str(lock.data["split"]),
        template=lock.template,
        fingerprint=lock.fingerprint,
        prompt_from=prompt_from,
        sampling=facts,
        engine=engine,
        packages=dict(packages),
        git=git,
        rows=rows,
        date=date.isoformat() if date else datetime.now(UTC).isoformat(timespec="seconds"),
        marks=tuple(marks),
        source=source,
        times=times or Times(),
        reward=reward,
    )


def manifest_of(value: Mapping[str, Any], source: str) -> Manifest:
    """The manifest that a JSON object holds; `source` names it in errors.

    Raises UserError where it was written by a newer evalkit, lacks what every manifest has, or holds a
    value of a wrong type.
    """
    schema = value.get("schema", 0)
    if isinstance(schema, int) and schema > SCHEMA:
        raise UserError(f"{source} has schema {schema}, this evalkit reads up to {SCHEMA}; {UPGRADE}")
    return _read(Manifest, value, f"{source}/{MANIFEST_FILE}")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a result folder. Raises as `manifest_of`, and where the file cannot be read."""
    return manifest_of(read_json(folder / MANIFEST_FILE), folder.name)


def read_summary(folder: Path) -> Summary:
    """The summary of a result folder. Raises UserError where it cannot be read or is not whole."""
    return _read(Summary, read_json(folder / SUMMARY_FILE), f"{folder.name}/{SUMMARY_FILE}")


_Kind = TypeVar("_Kind", Manifest, Summary)


def _read(kind: type[_Kind], value: Mapping[str, Any], source: str) -> _Kind:
    known = {key: _known(entry) for key, entry in value.items() if key != "original" and entry is not None}
    fields = msgspec.structs.fields(kind)
    if missing := [field.name for field in fields if field.required and field.name not in known]:
        raise UserError(f"{source} is not whole, it lacks {', '.join(missing)}")
    try:
        return msgspec.structs.replace(msgspec.convert(known, kind), original=dict(value))
    except msgspec.ValidationError as error:
        raise UserError(f"{source} cannot be read: {error}; was it edited?") from None


def _known(entry: Any) -> Any:
    """An object without its nulls: what is null is not recorded."""
    return {k: v for k, v in entry.items() if v is not None} if isinstance(entry, dict) else entry
