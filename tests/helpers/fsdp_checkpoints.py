"""Make checkpoints with verl's own FSDPCheckpointManager, and what they must merge to, by other tools.

    torchrun --standalone --nproc_per_node 2 tests/helpers/fsdp_checkpoints.py OUTPUT TOKENIZER_FOLDER

A random two-layer Llama is trained two steps on two gloo ranks under FSDP2: sharded over both (`full`,
tied head), one replica each (`hybrid`, head of its own), with an adapter (`lora`), and once more on
one rank (`single`). `oracle/NAME` holds verl's merge, for `lora` peft's.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig

STEP = 2


def make_base(folder: Path, tokenizer_folder: str, tied: bool) -> None:
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
        eos_token_id=tokenizer.eos_token_id,
        max_position_embeddings=512,
    )
    model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def with_adapter(base: Path) -> torch.nn.Module:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return get_peft_model(
        model, LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=8, target_modules="all-linear", bias="none")
    )


def train_and_save(base: Path, run: Path, mesh_shape: tuple[int, ...], lora: bool) -> None:
    """Two AdamW steps under FSDP2, then verl's save; for an adapter also peft's own merge."""
    from verl.utils.checkpoint.fsdp_checkpoint_manager import FSDPCheckpointManager

    model = with_adapter(base) if lora else AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    names = ("fsdp",) if len(mesh_shape) == 1 else ("ddp", "fsdp")
    mesh = init_device_mesh("cpu", mesh_shape, mesh_dim_names=names)
    for layer in (model.get_base_model() if lora else model).model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for step in range(STEP):
        generator = torch.Generator().manual_seed(dist.get_rank() * 10 + step)
        ids = torch.randint(0, model.config.vocab_size, (2, 16), generator=generator)
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    folder = run / f"global_step_{STEP}"
    FSDPCheckpointManager(
        model=model,
        optimizer=optimizer,
        lr_scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0),
        processing_class=AutoTokenizer.from_pretrained(base),
    ).save_checkpoint(str(folder / "actor"), global_step=STEP)
    whole = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True)) if lora else {}
    if dist.get_rank() == 0:
        torch.save({"_snapshot": {"position": STEP}}, folder / "data.pt")
        (run / "latest_checkpointed_iteration.txt").write_text(str(STEP))
        if lora:
            fresh = with_adapter(base)
            fresh.load_state_dict(whole)
            merged = fresh.merge_and_unload().to(torch.bfloat16)
            merged.save_pretrained(run.parent / "oracle" / run.name)
        else:
            verl_merge(folder / "actor", run.parent / "oracle" / run.name)
    dist.barrier()


def verl_merge(actor: Path, target: Path) -> None:
    """`python -m verl.model_merger merge --backend fsdp`, without starting another process."""
    from verl.model_merger.base_model_merger import generate_config_from_args, parse_args
    from verl.model_merger.fsdp_model_merger import FSDPModelMerger

    sys.argv = f"merge merge --backend fsdp --local_dir {actor} --target_dir {target}".split()
    FSDPModelMerger(generate_config_from_args(parse_args())).merge_and_save()


def main(out: Path, tokenizer_folder: str) -> None:
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    if rank == 0:
        make_base(out / "tied", tokenizer_folder, tied=True)
        make_base(out / "untied", tokenizer_folder, tied=False)
    dist.barrier()
    train_and_save(out / "tied", out / "full", (2,), lora=False)
    train_and_save(out / "untied", out / "hybrid", (2, 1), lora=False)
    train_and_save(out / "tied", out / "lora", (2,), lora=True)
    dist.destroy_process_group()
    if rank == 0:
        os.environ |= {"RANK": "0", "WORLD_SIZE": "1"}
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        train_and_save(out / "tied", out / "single", (1,), lora=False)
        dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
