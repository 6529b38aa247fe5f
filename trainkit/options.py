"""The options of a training run: one frozen dataclass, from which command line and TOML are made.

Precedence: defaults, then the preset, then the TOML file, then the command line. Importing this
module loads nothing heavy.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from prompts.errors import UserError
from trainkit.algorithms import ALGORITHMS, NEEDS_GROUPS


def option(default: Any, text: str) -> Any:
    """A field with its help text."""
    return field(default=default, metadata={"help": text})


ONE_OR_MORE = ("task", "validate")
"""Lists that were single values once: train.json holds a lone one as a text."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything that can be asked of a training run."""

    algorithm: str = option("grpo", "grpo, dr-grpo, dapo, gspo, rloo, reinforce++ or ppo.")
    model: str = option("", "Model to train: a name, a Hugging Face id or a folder.")
    task: list[str] = field(
        default_factory=list,
        metadata={"help": "Task to train on, or a file (repeatable; with a weight: gsm8k*2)."},
    )
    question_field: list[str] = field(
        default_factory=list,
        metadata={"help": "Field of a file with the question or conversation (repeatable)."},
    )
    answer_field: list[str] = field(
        default_factory=list, metadata={"help": "Field of a file that holds the gold (repeatable)."}
    )
    data: str | None = option(None, "Folder of local data sets, as in evalkit score.")
    parquet: str | None = option(None, "Training data rendered elsewhere; it is rendered again and compared.")
    prompt: str | None = option(None, "Prompt template; else that of the model's lock, or the task's.")
    prompts: list[str] = field(
        default_factory=list, metadata={"help": "Folder with templates of your own (repeatable)."}
    )
    reward: list[str] = field(
        default_factory=list,
        metadata={"help": "Term of the reward, as correct=1, format=0.1, length=-0.2@400 (repeatable)."},
    )
    reward_file: str | None = option(None, "Your own reward: mine.py:reward, run with limits.")
    batch: int = option(128, "Prompts a step.")
    samples: int = option(8, "Completions a prompt.")
    mini_batch: int = option(32, "Prompts an optimizer step; batch is a multiple of it.")
    micro_batch: int | None = option(None, "Sequences at once on a GPU; by default a token budget decides.")
    token_budget: int | None = option(None, "Tokens at once on a GPU; chosen from the memory by default.")
    groups: str | None = option(
        None,
        "Groups that are trained on: teaching (those with an advantage; the default where the others change "
        "nothing), all, or unordered (all, in the order in which their answers ended).",
    )
    draw: str | None = option(
        None, "Prompts a step: batch, or needed (so many that about a batch teaches; the default of dapo)."
    )
    max_seqs: int | None = option(
        None, "Completions that vLLM computes at once on a GPU; those of a batch, 1024 at most, by default."
    )
    learning_rate: float = option(3e-6, "Learning rate (AdamW, constant).")
    kl: float = option(0.0, "Weight of the KL loss against the base model; 0 needs no reference.")
    temperature: float = option(1.0, "Temperature of the rollouts; validation is greedy.")
    epochs: int = option(1, "Passes over the training rows, where --steps is not given.")
    steps: int | None = option(None, "Steps in all.")
    limit: int | None = option(None, "Use the first N rows of the train split.")
    select: str | None = option(
        None,
        "Rows by pass rate, as RUN:0.1..0.9: RUN is a training run, or an evalkit score of the train split.",
    )
    prompt_length: int | None = option(None, "Tokens of a prompt at most; longer ones are left out (1024).")
    response_length: int | None = option(None, "Tokens of a response at most; the task's own by default.")
    thinking_tokens: int | None = option(None, "Budget of thinking; answers after more of it earn nothing.")
    save_every: str = option("50", "Save every N steps or minutes (10m), validated steps, and the last.")
    validate_every: int = option(50, "Validate every N steps, before the first and after the last.")
    validate: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Rows to validate on: train (kept out), test (marked), a file or a task (repeatable)."
        },
    )
    keep: int | None = option(None, "Keep only the best N saved checkpoints by validation, and the last.")
    gpu_memory: float = option(0.4, "Share of GPU memory for vLLM.")
    gpus: int | None = option(None, "GPUs a node; all by default.")
    nodes: int = option(1, "Nodes; with more than one a Ray cluster must run.")
    tp: int = option(1, "GPUs that share one copy of the model in vLLM.")
    lora_rank: int = option(0, "Train a LoRA adapter of this rank; 0 trains all weights.")
    seed: int = option(0, "Seed of the data order and of the rows kept out.")
    device: str | None = option(None, "cpu or cuda; cuda where there is a GPU.")
    logger: list[str] = field(
        default_factory=list,
        metadata={"help": "Also log to tensorboard, wandb, mlflow, … (verl's loggers; repeatable)."},
    )
    output: str | None = option(None, "Folder of the training run; runs/<model>-<task>-… by default.")
    set: list[str] = field(
        default_factory=list,
        metadata={"help": "A verl setting that trainkit has no option for: key=value (repeatable)."},
    )
    trust_run: bool = option(False, "Resume a run that was begun elsewhere: its pickles can run code.")
    allow_unsafe_set: bool = option(
        False, "Let --set change what may alter prompts, rewards or code (marked)."
    )
    allow_overlap: bool = option(False, "Train although the test split shares questions (marked).")
    trust_remote_code: bool = option(False, "Run the code that a model folder brings.")
    go_on: bool = option(False, "Continue although every reward of the first step is zero.")

    def __post_init__(self) -> None:
        object.__setattr__(self, "save_every", str(self.save_every))
        for name in ONE_OR_MORE:  # as train.json and TOML may write them
            if isinstance(given := getattr(self, name), str):
                object.__setattr__(self, name, [given])
        if not self.validate:
            object.__setattr__(self, "validate", ["train"])

    def as_dict(self) -> dict[str, Any]:
        """Plain values; a list that was a single value before stays one where it holds one."""
        values = asdict(self)
        if self.save_every.isdigit():  # as it was while it counted steps only
            values["save_every"] = int(self.save_every)
        return values | {name: values[name][0] for name in ONE_OR_MORE if len(values[name]) == 1}

    @property
    def tasks(self) -> str:
        """The tasks in words."""
        return " + ".join(self.task)


PRESETS: dict[str, dict[str, Any]] = {
    # verl's GSM8K tutorial, in its own numbers.
    "tutorial": {
        "batch": 128,
        "samples": 2,
        "mini_batch": 32,
        "micro_batch": 8,
        "learning_rate": 5e-6,
        "save_every": "50",
        "validate_every": 50,
    },
    # Two cores and SmolLM2-135M; taken by itself where the device is a CPU.
    "cpu": {
        "batch": 8,
        "samples": 8,
        "mini_batch": 8,
        "learning_rate": 4e-5,
        "save_every": "8",
        "validate_every": 8,
    },
}

CHOICES = {
    "device": ("cpu", "cuda"),
    "groups": ("teaching", "all", "unordered"),
    "draw": ("batch", "needed"),
}
"""Options that take one of some words."""

LOGGERS = ("tensorboard", "wandb", "mlflow", "swanlab", "vemlp_wandb", "clearml", "trackio", "rl_insight")
"""What verl can log to beside the console and its file (verl/utils/tracking.py)."""

MAY_CHANGE = (
    "steps",
    "epochs",
    "save_every",
    "validate_every",
    "keep",
    "logger",
    "gpu_memory",
    "micro_batch",
    "token_budget",
    "max_seqs",
    "go_on",
    "trust_run",
)
"""Options that may differ when a run is resumed: they change neither data nor what a step learns."""


ADDED_LATER = (
    "allow_unsafe_set",
    "groups",
    "draw",
    "max_seqs",
    "question_field",
    "answer_field",
    "reward",
    "reward_file",
    "thinking_tokens",
)
"""Options that older runs do not record. Left out they change nothing, nor the name of a run's folder."""


def names_run(options: Options) -> dict[str, Any]:
    """The options that make a run this one: its folder is named after them, and resuming compares them."""
    decisive = {k: v for k, v in options.as_dict().items() if k not in (*MAY_CHANGE, "output")}
    return {k: v for k, v in decisive.items() if v or k not in ADDED_LATER}


def resolve(
    algorithm: str,
    given: Mapping[str, Any],
    *,
    preset: str | None,
    config: Mapping[str, Any] | None,
    has_gpu: bool,
) -> Options:
    """The options of a run; `given` holds what stands on the command line, `config` what a TOML file says.

    Raises UserError naming an unknown key, preset or algorithm with the nearest one, or a bad value.
    """
    if preset is not None and preset not in PRESETS:
        raise UserError(f"preset {preset!r} is unknown; there are {', '.join(PRESETS)}")
    chosen = {**(config or {}), **given}
    device = chosen.get("device") or ("cuda" if has_gpu else "cpu")
    base = PRESETS[preset] if preset else (PRESETS["cpu"] if device == "cpu" else {})
    return check(Options(**{**base, **chosen, "algorithm": algorithm, "device": device}))


def require_model_and_task(options: Options) -> Options:
    """UserError where nothing says what to train on what; returns the options."""
    missing = [flag for flag, given in (("--model", options.model), ("--task", options.task)) if not given]
    if missing:
        raise UserError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; say what to train on "
            f"what, as in trainkit {options.algorithm} --model smollm2-135m --task sums (or a Hugging Face "
            "id, a folder; gsm8k, rg:chain_sum, a file of yours)"
        )
    return options


def check(options: Options) -> Options:
    """Refuse values that cannot work, each with the nearest that can; returns the options."""
    if options.algorithm not in ALGORITHMS:
        near = difflib.get_close_matches(options.algorithm, ALGORITHMS, 1)
        raise UserError(
            f"algorithm {options.algorithm!r} is unknown"
            + (f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(ALGORITHMS)}")
        )
    for name in ("batch", "samples", "mini_batch", "epochs", "validate_every", "nodes", "tp"):
        _at_least_one(options, name)
    for name in ("micro_batch", "token_budget", "max_seqs", "steps", "limit", "keep", "gpus"):
        _at_least_one(options, name)
    for name in ("prompt_length", "response_length", "thinking_tokens"):
        _at_least_one(options, name)
    for name, words in CHOICES.items():
        word = getattr(options, name)
        if word is not None and word not in words:
            raise UserError(f"--{name} {word} is unknown; there are {', '.join(words[:-1])} and {words[-1]}")
    if not 0 < options.gpu_memory < 1:
        raise UserError(f"--gpu-memory {options.gpu_memory} is no share; give one between 0 and 1, as in 0.4")
    for name in ("learning_rate", "kl", "temperature"):
        if not math.isfinite(getattr(options, name)):
            raise UserError(f"--{name.replace('_', '-')} {getattr(options, name)} is no usable number")
    for name in ("learning_rate", "kl", "lora_rank", "seed"):
        if getattr(options, name) < 0:
            raise UserError(f"--{name.replace('_', '-')} {getattr(options, name)} cannot be negative")
    if options.temperature <= 0:
        raise UserError(f"--temperature {options.temperature}: rollouts must be sampled; 1.0 is usual")
    _divides("--mini-batch", options.mini_batch, options.batch, f"--batch {options.batch}")
    if options.micro_batch:
        whole = options.mini_batch * options.samples
        what = f"the {options.mini_batch} x {options.samples} = {whole} sequences of a mini-batch"
        _divides("--micro-batch", options.micro_batch, whole, what)
    if options.samples < 2 and options.algorithm in NEEDS_GROUPS:
        raise UserError(
            f"{options.algorithm} compares the samples of a prompt, and --samples 1 leaves none to compare; "
            "give --samples 8 (or train with reinforce++ or ppo)"
        )
    for name in ("gpus", "tp"):
        if options.device == "cpu" and (getattr(options, name) or 1) > 1:
            raise UserError(f"--{name} {getattr(options, name)} needs --device cuda")
    for logger in options.logger:
        if logger not in LOGGERS:
            near = difflib.get_close_matches(logger, LOGGERS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(LOGGERS)}"
            raise UserError(f"--logger {logger} is unknown; {hint}")
    return options


def _at_least_one(options: Options, name: str) -> None:
    value = getattr(options, name)
    if value is not None and value < 1:
        raise UserError(f"--{name.replace('_', '-')} {value}: at least 1 is needed")


def _divides(flag: str, part: int, whole: int, what: str) -> None:
    if whole % part:
        fits = [size for size in range(1, whole + 1) if whole % size == 0]
        nearest = min(fits, key=lambda size: abs(size - part))
        raise UserError(f"{flag} {part} does not divide {what}; the nearest that does is {flag} {nearest}")
