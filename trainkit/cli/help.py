"""How `--help` is arranged: commands in groups in the order of use, options by topic, an example of each."""

from __future__ import annotations

from trainkit.algorithms import ALGORITHMS

GROUPS = {
    "Train": tuple(ALGORITHMS),
    "Before": ("plan", "data"),
    "While it trains, and after": ("watch", "doctor", "audit", "agree", "merge"),
}
EXAMPLES = {
    **{word: f"trainkit {word} --model smollm2-135m --task sums --steps 10" for word in ALGORITHMS},
    "plan": "trainkit plan --model smollm2-135m --task sums --steps 10",
    "data": "trainkit data sums-data --model smollm2-135m --task sums",
    "watch": "trainkit watch demo-train",
    "doctor": "trainkit doctor demo-train",
    "audit": "trainkit audit demo-train",
    "agree": "trainkit agree demo-train",
    "merge": "trainkit merge demo-train:step_10 --output merged",
}
ABOUT = {
    "grpo": "GRPO: an answer counts by how much better it is than the others to the same question.",
    "dr-grpo": "Dr. GRPO: as grpo, but neither length nor spread of a group is divided out.",
    "dapo": "DAPO: as grpo, with a wider clip, and groups without advantage are drawn again.",
    "gspo": "GSPO: as grpo, with one importance ratio a sequence and a clip of 0.0003.",
    "rloo": "RLOO: the baseline of an answer is the mean of the other answers.",
    "reinforce++": "REINFORCE++: one baseline for the whole batch; works with one answer a question.",
    "ppo": "PPO: a critic model estimates the baseline; needs twice the memory.",
}
"""One sentence an algorithm; papers stand in trainkit/algorithms.py."""
TOPICS = {
    "Rows and prompts": (
        "question_field", "answer_field", "data", "parquet", "prompt", "prompts", "limit", "select",
        "prompt_length",
    ),
    "Reward": ("reward", "reward_file"),
    "Steps and batches": (
        "batch", "samples", "mini_batch", "micro_batch", "token_budget", "groups", "draw", "learning_rate",
        "kl", "epochs", "lora_rank", "seed",
    ),
    "Rollouts": ("temperature", "response_length", "thinking_tokens", "max_seqs"),
    "Validating, saving and logging": ("validate", "validate_every", "save_every", "keep", "logger"),
    "GPUs": ("device", "gpu_memory", "gpus", "nodes", "tp"),
    "Allowed on purpose": (
        "set", "allow_unsafe_set", "trust_run", "allow_overlap", "trust_remote_code", "go_on",
    ),
}  # fmt: skip
"""Options of a training run; those of no topic come first."""
