"""Models small enough to be loaded in a moment: SmolLM2's tokenizer over a few random weights."""

from __future__ import annotations

import shutil
from pathlib import Path


def tiny_model(smollm2: Path, folder: Path, seed: int = 0) -> Path:
    """A Llama of two layers with SmolLM2's tokenizer files; its greedy answers depend on `seed` alone."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shutil.copytree(
        smollm2, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json", "prompt.lock.json")
    )
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=0.5,  # far apart, so that rounding moves no choice
        bos_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(seed)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
