"""Figures of recorded runs: what `trainkit plan` estimates time from and `doctor` compares with.

Qwen2.5-Coder 0.5B on one H100 (Liger, our scheduler) and 1.5B on one H200 (neither), 128 prompts x 8 samples,
384 + 512 tokens, packed sequences and flash-attn; two CPU cores with SmolLM2-135M, 8 x 8 sums. verl 0.9.1,
November 2026.
"""

from __future__ import annotations

PHASE_SHARES: dict[str, dict[str, float]] = {
    # 0.5B: 4.4 s generation, 2.4 s old log-probs, 4.4 s update, 0.3 s weight sync of 12.3 s.
    "cuda": {"gen": 0.36, "old_log_prob": 0.20, "ref": 0.0, "update_actor": 0.36, "update_weights": 0.03},
    # 4.5 s generation, 15.5 s update, 0.9 s weight sync of 21.5 s; old log-probs are vLLM's own.
    "cpu": {"gen": 0.21, "old_log_prob": 0.01, "ref": 0.0, "update_actor": 0.73, "update_weights": 0.04},
}
"""Share of a step (validation and saving left out) that each phase takes."""

UPDATE_MFU = 0.40
"""The update's share of the peak: 0.41 with 0.5B and Liger (0.28 to 0.32 without), 0.40 with 1.5B."""
UPDATE_EFFICIENCY = 0.28
"""6 x P x tokens / (seconds x peak) of the update: 0.27 with 0.5B (4.4 s), 0.31 with 1.5B (12.3 s)."""
FORWARD_EFFICIENCY = 0.18
"""2 x P x tokens / (seconds x peak) of the old log-probs: 0.17 with 0.5B (2.4 s), 0.20 with 1.5B (6.2 s)."""
DECODE_STEP = 0.004
DECODE_STEP_PER_SEQUENCE = 3.3e-6
"""Seconds that a decoding step of vLLM takes beside reading memory: 7.4 ms with 1,024 in flight."""
HANDOVER_SECONDS = 0.5
START_SECONDS = {"cuda": 250, "cpu": 90}
"""From the command to the first step: 210 to 300 s on a GPU machine, 80 to 100 s on two cores."""

PEAK_TFLOPS = {
    "H200": 989, "H100": 989, "H800": 989, "GH200": 989, "B200": 2250, "A100": 312, "A800": 312,
    "H20": 148, "L40S": 362, "L40": 181, "L20": 119, "A40": 150, "A10": 125, "L4": 121, "V100": 112,
    "4090": 165, "3090": 71, "5090": 209,
}  # fmt: skip
"""Dense bf16 peak of a GPU by a word of its name, from the makers' data sheets."""
BANDWIDTH_TBS = {
    "H200": 4.8, "H100": 3.35, "H800": 3.35, "GH200": 4.0, "B200": 8.0, "A100": 2.0, "A800": 2.0,
    "H20": 4.0, "L40S": 0.86, "L40": 0.86, "L20": 0.86, "A40": 0.7, "A10": 0.6, "L4": 0.3, "V100": 0.9,
    "4090": 1.0, "3090": 0.94, "5090": 1.8,
}  # fmt: skip
"""Memory bandwidth (TB/s) by a word of the name."""

MEMORY_GIB = {
    "H200": 140, "H100": 79, "H800": 79, "GH200": 94, "B200": 178, "A100": 79, "A800": 79, "H20": 95,
    "L40S": 44, "L40": 44, "L20": 44, "A40": 44, "A10": 22, "L4": 22, "V100": 31, "4090": 23, "3090": 23,
    "5090": 31,
}  # fmt: skip
"""Memory that a program sees of a GPU (GiB), of its usual size."""

CPU_UPDATE_TFLOPS = 0.065
"""bf16 on one core, as the recorded update reached it (6 x parameters x tokens / seconds / cores)."""
CPU_FLOAT32 = 0.45
"""Speed of a core without bf16, in float32, as a share of the above: 35 s for an update of 15."""
CPU_GENERATION_TFLOPS = 0.029
"""Generation on one core: 64 x 12 tokens and 8 prompts of 26 with 135M parameters in 4.5 s."""
