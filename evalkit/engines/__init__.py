"""Engines: prompt token ids in, completions out. One small interface, vLLM and Hugging Face behind it."""
