"""A training run on disk: its job, folder and metrics."""
