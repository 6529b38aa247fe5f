"""The pipeline of `evalkit score`: plan, generate, read, grade, record."""
