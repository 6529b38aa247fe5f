"""lm-eval's sample logs as runs."""
