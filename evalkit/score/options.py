"""What can be asked of `evalkit score`: one frozen dataclass, from which the command lines are made.

Defaults that `Sampling` and `EngineOptions` know are theirs. Importing this module loads nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from evalkit.engines.base import EngineOptions
from evalkit.records import Sampling
from prompts.errors import UserError

Part = TypeVar("Part", Sampling, EngineOptions)


def option(default: Any, text: str) -> Any:
    """A field with its help text; one without a default where `default` is `...`."""
    given = {} if default is ... else {"default": default}
    return field(**given, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """A model, the rows, the prompt, how completions are drawn, and by which engine.

    `evalkit noise` and `evalkit prompts cost` take some of these.
    """

    model: list[str] = option(
        ...,
        "Folder, Hugging Face id or id@revision, global_step_N, run:step_50 or smollm2-135m; score takes "
        "several, also as run:step_50,step_100 or run:all.",
    )
    task: list[str] = option(
        ...,
        "gsm8k, sums, rg:NAME, math-500, aime, or a jsonl/json/csv/parquet file; score takes several, "
        "repeated or with commas.",
    )
    split: str | None = option(None, "Split of the task; the test split if not given.")
    prompt: str | None = option(
        None, "Prompt template; if not given the one of the model's lock, else the task's."
    )
    prompts: list[Path] | None = option(
        None, "Folder with templates of your own; may be given more than once."
    )
    data: Path | None = option(None, "Folder that holds gsm8k/test.jsonl and the like.")
    question_field: list[str] | None = option(
        None, "Field of a file that holds the question, or the conversation (repeatable)."
    )
    answer_field: list[str] | None = option(None, "Field of a file that holds the gold (repeatable).")
    limit: int | None = option(None, "Only the first rows.")
    ids: str | None = option(None, "Only the rows with these ids, separated by commas.")
    samples: int = option(Sampling.samples, "Completions a question.")
    temperature: float = option(Sampling.temperature, "0 is greedy.")
    top_p: float = option(Sampling.top_p, "Share of probability that is sampled from.")
    max_tokens: int | None = option(None, "Response limit; if not given the task's.")
    thinking_tokens: int | None = option(
        None, "Budget of thinking: an answer after more of it does not count."
    )
    seed: int = option(Sampling.seed, "Seed of sampled completions.")
    output: Path | None = option(None, "Result folder; if not given one in the results folder.")
    engine: str = option("vllm", "vllm, hf (plain transformers), or openai (a server, see --base-url).")
    base_url: str | None = option(
        EngineOptions.base_url,
        "Server of --engine openai, as http://localhost:8000/v1; its key: OPENAI_API_KEY.",
    )
    served_model: str | None = option(
        EngineOptions.served_model, "Name of the model on the server; if not given the only one that it has."
    )
    gpu_memory: float = option(EngineOptions.gpu_memory, "Share of each GPU's memory that vLLM may take.")
    gpus: int | None = option(EngineOptions.gpus, "GPUs to use; if not given all that are visible.")
    tp: int = option(EngineOptions.tp, "GPUs that one copy of the model is split over.")
    copies: int | None = option(
        EngineOptions.copies, "Copies of the model that share the work; if not given --gpus by --tp."
    )
    ray: str | None = option(
        EngineOptions.ray, "Ray cluster to put copies on, on every free GPU: auto, or an address."
    )
    max_model_len: int | None = option(
        EngineOptions.max_model_len, "Positions for prompt and completion together."
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = option(
        EngineOptions.dtype, "Number format of the weights."
    )
    batch_invariant: bool = option(
        EngineOptions.batch_invariant, "Completions that do not depend on their batch (GPU, slower)."
    )
    trust_remote_code: bool = option(EngineOptions.trust_remote_code, "Let the model folder's own code run.")
    allow_mismatch: bool = option(False, "Score under another prompt than the model's lock says; marked.")
    allow_overlap: bool = option(False, "Score questions that the model was trained on; marked.")

    @property
    def one_model(self) -> str:
        """The model, for commands that take one; UserError where several are named."""
        if len(self.model) > 1:
            raise UserError(f"this takes one model, {len(self.model)} are named; run it once for each")
        return self.model[0]

    def sampling(self, task_limit: int) -> Sampling:
        """How completions are drawn; `task_limit` (tokens) is the response limit unless one was asked for."""
        limit = task_limit if self.max_tokens is None else self.max_tokens
        return self._part(Sampling, max_tokens=limit)

    def engine_options(self) -> EngineOptions:
        """How the engine is set up; its log is set by whoever loads it."""
        return self._part(
            EngineOptions, log=None, completions=None, swappable=False, allow_unproven=self.allow_mismatch
        )

    def _part(self, kind: type[Part], **known: Any) -> Part:
        """An object of `kind` from the fields of the same names."""
        return kind(**{f.name: getattr(self, f.name) for f in fields(kind) if f.name not in known}, **known)


def help_of(name: str) -> str:
    """The help text of one option, for commands that share it."""
    return str(next(item for item in fields(ScoreOptions) if item.name == name).metadata["help"])
