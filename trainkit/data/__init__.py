"""Training data: rows, their prompts, and the parquet that verl reads."""
