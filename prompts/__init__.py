"""Prompt templates, rendering, tokenisation and the prompt lock: what training and evaluation share."""
