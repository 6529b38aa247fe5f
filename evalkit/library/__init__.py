"""evalkit from Python: what `from evalkit import …` hands out."""
