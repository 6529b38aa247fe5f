"""How `--help` is arranged: commands in groups in the order of use, options by topic, an example of each."""

from __future__ import annotations

GROUPS = {
    "Score": ("score", "noise", "check", "doctor"),
    "Look": ("runs", "show", "report"),
    "Compare": ("diff", "why", "power"),
    "Read answers again": ("rescore", "compare-rules", "extract"),
    "Prompts and tasks": ("prompts", "tasks"),
    "Other tools": ("export", "import"),
}
EXAMPLES = {
    "score": "evalkit score --model smollm2-135m --task sums --limit 64",
    "noise": "evalkit noise smollm2-135m --task sums --limit 64",
    "check": "evalkit check demo-train:step_10",
    "doctor": "evalkit doctor",
    "runs": "evalkit runs",
    "show": "evalkit show RUN --outcome wrong -n 5",
    "report": "evalkit report BASE NEW --output report.html",
    "diff": "evalkit diff step_50 step_100",
    "why": "evalkit why BASE NEW",
    "power": "evalkit power --model RUN --gain 2",
    "rescore": "evalkit rescore RUN --rule lenient",
    "compare-rules": "evalkit compare-rules RUN",
    "extract": "evalkit extract --explain 'so 3 + 4 = 7. The answer is 7'",
    "export": "evalkit export RUN --to parquet --output rows.parquet",
    "import": "evalkit import samples_gsm8k.jsonl",
    "prompts list": "evalkit prompts list",
    "prompts show": "evalkit prompts show sums@1 --model smollm2-135m",
    "prompts new": "evalkit prompts new my-boxed --from gsm8k-boxed",
    "prompts release": "evalkit prompts release my-boxed@1 --prompts prompt-templates",
    "prompts adopt": "evalkit prompts adopt CKPT --prompt gsm8k-boxed",
    "prompts cost": "evalkit prompts cost --model smollm2-135m --task sums --limit 64",
    "tasks list": "evalkit tasks list",
    "tasks show": "evalkit tasks show sums -n 3",
    "tasks check": "evalkit tasks check sums",
}
TOPICS = {
    "Rows and prompts": (
        "split", "prompt", "prompts", "data", "question_field", "answer_field", "limit", "ids",
    ),
    "Sampling": ("samples", "temperature", "top_p", "max_tokens", "thinking_tokens", "seed"),
    "Engine and GPUs": (
        "engine", "base_url", "served_model", "gpu_memory", "gpus", "tp", "copies", "ray", "max_model_len",
        "dtype", "batch_invariant",
    ),
    "Allowed on purpose": ("trust_remote_code", "allow_mismatch", "allow_overlap"),
}  # fmt: skip
"""Options that a dataclass gives to commands; those of no topic come first."""
