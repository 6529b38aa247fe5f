"""More edits of a locked model folder from outside, of the kinds that were tried against it by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mutations import LOCK, Edit, drop, of_json, of_template, put, remove

JINJA = "chat_template.jinja"


def written(name: str, content: str | bytes) -> Edit:
    """The file with this content, made if it is not there."""

    def edit(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return edit


def linked(name: str, before: str = "") -> Edit:
    """The file as a link to another one that holds its text, with something before it."""

    def edit(folder: Path) -> None:
        (folder / "elsewhere").write_text(before + (folder / name).read_text())
        (folder / name).unlink()
        (folder / name).symlink_to("elsewhere")

    return edit


def dangling(name: str) -> Edit:
    def edit(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to("gone")

    return edit


def as_folder(name: str) -> Edit:
    def edit(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return edit


def _named_default(folder: Path) -> None:
    (folder / JINJA).unlink()
    written("additional_chat_templates/default.jinja", "Hi {{ messages[-1].content }}")(folder)


def _crlf(folder: Path) -> None:
    path = folder / JINJA
    path.write_bytes(path.read_text().replace("\n", "\r\n").encode() + b"\r\nx")


def _with_crlf(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def _doubled(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_bytes(path.read_bytes() * 2)


def _token(number: str, content: str, **flags: bool) -> Edit:
    token = {"content": content, "lstrip": False, "rstrip": False, "single_word": False, "normalized": False}

    def change(held: dict[str, Any]) -> None:
        held.setdefault("added_tokens_decoder", {})[number] = {**token, "special": False, **flags}

    return of_json("tokenizer_config.json", change)


def _known_turned_round(held: dict[str, Any]) -> list[dict[str, Any]]:
    """Added tokens with those of the vocabulary last to first; others get their ids by their place.

    Qwen3's are such others: turned round, `<|im_end|>` becomes 151666, and that is refused.
    """
    tokens, vocabulary = held["added_tokens"], held["model"]["vocab"]
    known = iter([token for token in reversed(tokens) if token["content"] in vocabulary])
    return [next(known) if token["content"] in vocabulary else token for token in tokens]


def _special_word(held: dict[str, Any]) -> None:
    key = "extra_special_tokens" if "extra_special_tokens" in held else "additional_special_tokens"
    held[key] = ["Janet"]


CAUGHT: dict[str, Edit] = {
    **{
        f"config.json: {key}": put("config.json", **{key: value})
        for key, value in {
            "attention_bias": True,
            "mlp_bias": True,
            "num_key_value_heads": 1,
            "hidden_act": "gelu",
            "head_dim": 32,
            "vocab_size": 50000,
            "tie_word_embeddings": False,
            "quantization_config": {"quant_method": "fp8"},
            "architectures": ["MistralForCausalLM"],
            "model_type": "mistral",
            "sliding_window": 128,
            "rope_scaling": {"type": "linear", "factor": 2.0},
            "layer_types": ["sliding_attention"] * 30,
            "partial_rotary_factor": 0.5,
            "num_experts": 4,
            "logits_scaling": 2.0,
            "max_position_embeddings": 100,
            "hidden_size": 512,
            "num_hidden_layers": None,
        }.items()
    },
    "config.json gone": remove("config.json"),
    "a quantization beside": written("hf_quant_config.json", '{"quantization": {"quant_algo": "FP8"}}'),
    "an adapter beside": written(
        "adapter_config.json", '{"peft_type": "LORA", "base_model_name_or_path": "x"}'
    ),
    "template: a space that does not break": of_template(lambda text: text.replace(" ", "\u00a0", 1)),
    "template: a letter of another script": of_template(
        lambda text: text.replace("assistant", "\u0430ssistant")
    ),
    "tokenizer.json: a letter replaced": put(
        "tokenizer.json", normalizer={"type": "Replace", "pattern": {"String": "q"}, "content": "k"}
    ),
    "special_tokens_map.json: a word ends": written("special_tokens_map.json", '{"eos_token": "the"}'),
    "lock: a question more": of_json(LOCK, lambda held: held["carries"].update(questions=["0"])),
    "lock: its task": of_json(LOCK, lambda held: held["data"].update(task="gsm8k")),
    "lock: a scorer of before": of_json(LOCK, lambda held: held["reading"]["scorer"].update(version=1)),
    "config.json a list": written("config.json", "[]"),
    "a token of the tokenizer's own": put("tokenizer_config.json", extra_special_tokens={"x": "<|x|>"}),
    "a word as special token": of_json("tokenizer_config.json", _special_word),
    "the end token eats spaces": _token("2", "<|im_end|>", lstrip=True, rstrip=True, special=True),
    "model_max_length a text": put("tokenizer_config.json", model_max_length="many"),
    "no end token": put("tokenizer_config.json", eos_token=None),
    "a new BOS": put("tokenizer_config.json", bos_token="<|zzz|>"),
    "a new padding token": put("tokenizer_config.json", pad_token="<|padding|>"),
    "a common word as end token": put("tokenizer_config.json", eos_token=" the"),
    "the end token a number": put("tokenizer_config.json", eos_token=2),
    "an added token under a word's id": _token("1000", " the", special=True),
    "the end token renamed": _token("2", "<|other|>", special=True),
    "added tokens a list": put("tokenizer_config.json", added_tokens_decoder=[]),
    "a side that is none": put("tokenizer_config.json", padding_side="up"),
    "tokenizer_config.json gone": remove("tokenizer_config.json"),
    "tokenizer_config.json a list": written("tokenizer_config.json", "[]"),
    "tokenizer_config.json: another file": put("tokenizer_config.json", tokenizer_file="/etc/hostname"),
    "a word among the added tokens": _token("960000", "eggs"),
    "special_tokens_map.json: another end": written(
        "special_tokens_map.json", '{"eos_token": "<|im_start|>"}'
    ),
    "added_tokens.json: a word": written("added_tokens.json", '{"eggs": 960001}'),
    "template: other line ends": _crlf,
    "template: Latin-1": written(JINJA, b"{{ messages[0].content }}\xe9"),
    "template: turns in reverse": of_template(lambda t: t.replace("in messages", "in messages[::-1]")),
    "template: capital letters": of_template(lambda t: "{{ messages[-1].content|upper }}" + t),
    "template: long questions only": of_template(
        lambda t: "{% if messages[-1].content|length > 500 %}Long.{% endif %}" + t
    ),
    "template: a NUL": of_template(lambda t: t + "\0"),
    "template: a link": linked(JINJA, "x"),
    "template: a folder": as_folder(JINJA),
    "template: a link to nothing": dangling(JINJA),
    "tokenizer_config.json: a link to nothing": dangling("tokenizer_config.json"),
    "template: the default of several": _named_default,
    **{
        f"end tokens: {value!r}": put("generation_config.json", eos_token_id=value)
        for value in ([2, "x"], 2.0, True, -1, {"a": 1})
    },
    "a character replaced": put(
        "tokenizer.json", normalizer={"type": "Replace", "pattern": {"String": "0"}, "content": "1"}
    ),
    "tokenizer.json a list": written("tokenizer.json", "[]"),
    "tokenizer.json twice": _doubled,
    "lock: special tokens decoded": of_json(
        LOCK, lambda held: held["reading"]["decode"].update(skip_special_tokens=False)
    ),
    "lock: ids of the probe": of_json(LOCK, lambda held: held["reading"]["probe"]["1"].update(ids="1 2")),
    "lock: no system": of_json(LOCK, lambda held: held["reading"].update(system="Lie.")),
    "lock: arguments": of_json(
        LOCK, lambda held: held["reading"]["chat_template"]["kwargs"].update(enable_thinking=False)
    ),
    "lock: nothing carried, its hash left": drop(LOCK, "carries"),
    "lock: more carried": of_json(LOCK, lambda held: held["carries"].update(questions=[])),
    **{f"lock: no {key}": drop(LOCK, key) for key in ("carries_sha256", "sha256", "fingerprint", "budget")},
    "lock: a number for its fingerprint": put(LOCK, fingerprint=5),
    "lock: its schema a text": put(LOCK, schema="1"),
    "lock: a list for what is read": put(LOCK, reading=[]),
    "lock: a folder": as_folder(LOCK),
    "lock: UTF-16's mark": lambda folder: (folder / LOCK).write_bytes(
        b"\xff\xfe" + (folder / LOCK).read_bytes()
    ),
    "lock gone": remove(LOCK),
    "lock: a link to nothing": dangling(LOCK),
    "manifest: a number for the fingerprint": put("manifest.json", kind="checkpoint", fingerprint=5),
    "manifest: a number for the marks": put("manifest.json", kind="checkpoint", marks=5),
    "manifest: a list": written("manifest.json", "[]"),
    "manifest: cut": written("manifest.json", '{"fing'),
    "merge report: a list for the fingerprint": put("merge.json", fingerprint=["x"]),
    "merge report: cut": written("merge.json", "{"),
}

HARMLESS: dict[str, Edit] = {
    "config.json: gradient_checkpointing": put("config.json", gradient_checkpointing=True),
    "config.json: line ends": lambda folder: _with_crlf(folder / "config.json"),
    "generation_config.json: penalties": put(
        "generation_config.json", repetition_penalty=1.3, no_repeat_ngram_size=2, length_penalty=2.0
    ),
    "generation_config.json: tokens kept back": put(
        "generation_config.json", suppress_tokens=[1, 2], bad_words_ids=[[5]], forced_eos_token_id=7
    ),
    "generation_config.json: beams": put("generation_config.json", num_beams=4, min_new_tokens=100),
    "tokenizer.json: words in another order": of_json(
        "tokenizer.json",
        lambda held: held["model"].update(vocab=dict(sorted(held["model"]["vocab"].items()))),
    ),
    "tokenizer.json: added tokens in another order": of_json(
        "tokenizer.json", lambda held: held.update(added_tokens=_known_turned_round(held))
    ),
    "a template of before beside": written("chat_template.json", '{"chat_template": "Hi"}'),
    "a template for tools beside": written("additional_chat_templates/tool_use.jinja", "x"),
    "states of a trainer": written("rng_state.pth", b"x"),
    "results of before": written(".eval_results/gsm8k.yaml", "a: 1"),
    "another format": written("original/params.json", "{}"),
    "read by nobody else": lambda folder: [path.chmod(0o400) for path in folder.iterdir() if path.is_file()],
    **{
        f"generation_config.json: {key}": put("generation_config.json", **{key: value})
        for key, value in {"stop_strings": ["x"], "max_length": 20}.items()
    },
    **{
        f"tokenizer_config.json: {key}": put("tokenizer_config.json", **{key: value})
        for key, value in {
            "junk": 1,
            "name_or_path": "x",
            "legacy": True,
            "truncation_side": "left",
            "add_bos_token": False,
            "add_eos_token": True,
            "padding_side": "right",
            "spaces_between_special_tokens": False,
            "use_default_system_prompt": True,
            "do_lower_case": True,
            "fix_mistral_regex": True,
            "trim_offsets": False,
            "from_slow": True,
            "model_input_names": ["input_ids"],
            "added_tokens_decoder": {},
            "auto_map": {"AutoTokenizer": ["a.B", None]},
            "response_schema": {"x": 1},
            "add_prefix_space": False,
            "tokenizer_class": "LlamaTokenizer",
            "chat_template": "another one, which chat_template.jinja wins over: {{ messages }}",
        }.items()
    },
    "another vocabulary beside": written("vocab.json", '{"a": 0}'),
    "other merges beside": written("merges.txt", "#version: 0.2\na b\n"),
    "config.json: attention": put("config.json", _attn_implementation="eager"),
    "config.json: labels": put("config.json", id2label={"0": "x"}),
    "config.json: outputs": put("config.json", output_attentions=True),
    "a preprocessor": written("preprocessor_config.json", "{}"),
    "git's file": written(".gitattributes", "*.safetensors filter=lfs"),
    "arguments of a trainer": written("training_args.bin", b"x"),
    "the template as a link": linked(JINJA),
    "the lock as a link": linked(LOCK),
    "lines around the lock": lambda folder: (folder / LOCK).write_text(
        "\n\n" + (folder / LOCK).read_text() + "\n"
    ),
    "a manifest that names none": put("manifest.json", kind="checkpoint", fingerprint=None),
    "a manifest that knows more": put("manifest.json", kind="checkpoint", tomorrow=[1]),
    "another chat template by name": written(
        "additional_chat_templates/rag.jinja", "{{ messages[0].content }}"
    ),
}
