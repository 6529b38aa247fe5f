"""The algorithms: what each one word sets in verl, in full view.

Keys are verl's. Everything else (batch, lengths, learning rate, speed) is the same for all of them and
comes from trainkit/launch/settings.py. Reward is 1 for a right answer and 0 else in each.
"""

from __future__ import annotations

from typing import Any

LOSS = "actor_rollout_ref.actor.loss_agg_mode"
LOSS_MODE = "actor_rollout_ref.actor.policy_loss.loss_mode"
CLIP_LOW, CLIP_HIGH = "actor_rollout_ref.actor.clip_ratio_low", "actor_rollout_ref.actor.clip_ratio_high"
BY_STD = "algorithm.norm_adv_by_std_in_grpo"

ALGORITHMS: dict[str, dict[str, Any]] = {
    # DeepSeekMath (arXiv 2402.03300), averaged over the tokens of the batch as verl does.
    "grpo": {"algorithm.adv_estimator": "grpo", LOSS: "token-mean"},
    # "Understanding R1-Zero-like training" (arXiv 2503.20783): neither length nor spread normalises.
    "dr-grpo": {"algorithm.adv_estimator": "grpo", BY_STD: False, LOSS: "seq-mean-token-sum-norm"},
    # DAPO (arXiv 2503.14476): clip higher; groups without advantage are replaced, which is done when a
    # step is drawn (trainkit/launch/draw_settings.py). Its penalty for overlong answers is left out: the
    # reward stays the one that evaluation counts.
    "dapo": {
        "algorithm.adv_estimator": "grpo",
        CLIP_LOW: 0.2,
        CLIP_HIGH: 0.28,
        LOSS: "token-mean",
    },
    # GSPO (arXiv 2507.18071): one importance ratio a sequence, with the paper's clip range.
    "gspo": {
        "algorithm.adv_estimator": "grpo",
        LOSS_MODE: "gspo",
        CLIP_LOW: 3e-4,
        CLIP_HIGH: 4e-4,
        LOSS: "seq-mean-token-mean",
    },
    # RLOO (arXiv 2402.14740): the baseline is the mean of the other samples.
    "rloo": {"algorithm.adv_estimator": "rloo", LOSS: "token-mean"},
    # REINFORCE++ (arXiv 2501.03262): no groups, advantages normalised over the batch.
    "reinforce++": {"algorithm.adv_estimator": "reinforce_plus_plus", LOSS: "token-mean"},
    # PPO (arXiv 1707.06347) with a critic of the policy's own size.
    "ppo": {"algorithm.adv_estimator": "gae", "algorithm.lam": 1.0, LOSS: "token-mean"},
}

NEEDS_CRITIC = ("ppo",)
NEEDS_GROUPS = ("grpo", "dr-grpo", "dapo", "gspo", "rloo")
"""These compare the samples of one prompt: with one sample there is no advantage."""
