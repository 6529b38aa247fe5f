"""Evaluate checkpoints: the same prompts as training, exact scoring, paired comparison."""
