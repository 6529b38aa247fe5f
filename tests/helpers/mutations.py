"""Edits from outside of a locked model folder: those that must be refused, and those that change nothing.

Each edit is a function of a folder. `CAUGHT` changes what the model reads, how its replies end, what it
computes, or the lock itself; `HARMLESS` changes files that decide none of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Edit = Callable[[Path], None]
LOCK = "prompt.lock.json"


def of_json(name: str, change: Callable[[dict[str, Any]], object]) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / name
        value = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        change(value)
        path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")

    return edit


def of_template(change: Callable[[str], str]) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / "chat_template.jinja"
        before = path.read_text(encoding="utf-8")
        after = change(before)
        after += "{# edited #}" * (after == before)  # a family whose template has no such words
        path.write_text(after, encoding="utf-8")

    return edit


def put(name: str, **values: Any) -> Edit:
    return of_json(name, lambda held: held.update(values))


def drop(name: str, key: str) -> Edit:
    return of_json(name, lambda held: held.pop(key))


def remove(name: str) -> Edit:
    return lambda folder: (folder / name).unlink()


def add_token(content: str, **values: Any) -> Edit:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}

    def change(held: dict[str, Any]) -> None:
        top = max([token["id"] for token in held["added_tokens"]] + list(held["model"]["vocab"].values()))
        held["added_tokens"].append({"id": top + 1, "content": content, **flags, **values})

    return of_json("tokenizer.json", change)


def _swap_vocabulary(held: dict[str, Any]) -> None:
    vocabulary = held["model"]["vocab"]
    first, second = list(vocabulary)[300:302]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]


def _swap_merges(held: dict[str, Any]) -> None:
    merges = held["model"]["merges"]
    merges[10], merges[11] = merges[11], merges[10]


def _of_lock(section: str, key: str, value: Any) -> Edit:
    return of_json(LOCK, lambda held: held[section].__setitem__(key, value))


def _stage(name: str, value: Any) -> Edit:
    return put("tokenizer.json", **{name: value})


def _flag(flag: str, value: bool) -> Edit:
    def change(held: dict[str, Any]) -> None:
        token = held["added_tokens"][-1]
        token[flag] = value if token.get(flag) is not value else not value

    return of_json("tokenizer.json", change)


ROPE = ({"rope_theta": 5000.0}, {"rope_theta": 1e6}, {"rope_type": "linear", "factor": 2.0})
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 2048, "rope_theta": 1e5}


def _rope(values: dict[str, Any]) -> Edit:
    return of_json(
        "config.json", lambda held: held.update(rope_parameters={**held["rope_parameters"], **values})
    )


CAUGHT: dict[str, Edit] = {
    # the chat template
    **{
        f"chat template: {name}": of_template(change)
        for name, change in {
            "a space in front": lambda t: " " + t,
            "a line at the end": lambda t: t + "\nx",
            "an invisible character": lambda t: t + "\u200b",
            "a bidi character": lambda t: t + "\u202e",
            "a comment": lambda t: "{# #}" + t,
            "a word in front": lambda t: "Be brief. " + t,
            "assistant becomes model": lambda t: t.replace("assistant", "model"),
            "user becomes human": lambda t: (
                t.replace("'user'", "'human'").replace('"user"', '"human"') + "{#u#}"
            ),
            "the start token doubled": lambda t: t.replace("<|im_start|>", "<|im_start|><|im_start|>"),
            "the end token dropped": lambda t: t.replace("<|im_end|>", ""),
            "the end token spelled otherwise": lambda t: t.replace("<|im_end|>", "<|endoftext|>"),
            "no line after the end": lambda t: t.replace("\\n", ""),
            "a capital letter": lambda t: t.replace("system", "System"),
            "the date": lambda t: "{{ strftime_now('%Y') }}" + t,
            "contents trimmed": lambda t: (
                t.replace("message['content']", "message['content']|trim") + "{#t#}"
            ),
            "wants parts": lambda t: "{{ messages[0].content[0].text }}",
            "shows no question": lambda t: "Hello",
            "raises": lambda t: "{{ raise_exception('no') }}" + t,
            "does not parse": lambda t: t + "{% if %}",
            "never ends": lambda t: "{{ 10 ** 100000000000 }}" + t,
            "makes gigabytes": lambda t: "{{ 'a' * 3000000000 }}" + t,
            "makes 32 MB": lambda t: "{{ 'a' * 32000000 }}" + t,
            "empty": lambda t: "",
        }.items()
    },
    "chat template: gone": remove("chat_template.jinja"),
    # the tokenizer
    "tokenizer.json gone": remove("tokenizer.json"),
    "tokenizer.json cut": lambda folder: (folder / "tokenizer.json").write_bytes(
        (folder / "tokenizer.json").read_bytes()[:-100]
    ),
    "tokenizer.json empty": lambda folder: (folder / "tokenizer.json").write_bytes(b""),
    "two words of the vocabulary swapped": of_json("tokenizer.json", _swap_vocabulary),
    "two merges swapped": of_json("tokenizer.json", _swap_merges),
    "a merge dropped": of_json("tokenizer.json", lambda held: held["model"]["merges"].pop(5)),
    "the last merge dropped": of_json("tokenizer.json", lambda held: held["model"]["merges"].pop()),
    "a merge twice": of_json(
        "tokenizer.json", lambda held: held["model"]["merges"].append(held["model"]["merges"][0])
    ),
    "merges ignored": of_json(
        "tokenizer.json",
        lambda held: held["model"].update(ignore_merges=not held["model"].get("ignore_merges")),
    ),
    "a dropout of merges": of_json("tokenizer.json", lambda held: held["model"].update(dropout=0.1)),
    "a prefix for words": of_json(
        "tokenizer.json", lambda held: held["model"].update(continuing_subword_prefix="##")
    ),
    "lower case": _stage("normalizer", {"type": "Lowercase"}),
    "accents stripped": _stage(
        "normalizer", {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}
    ),
    "NFKC": _stage("normalizer", {"type": "NFKC"}),
    "a space prepended": _stage("normalizer", {"type": "Prepend", "prepend": " "}),
    "no splitting": _stage("pre_tokenizer", None),
    "splitting at spaces": _stage("pre_tokenizer", {"type": "Whitespace"}),
    "digits one by one": _stage(
        "pre_tokenizer",
        {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False},
            ],
        },
    ),
    "another decoder": _stage("decoder", {"type": "Fuse"}),
    "no decoder": _stage("decoder", None),
    "a token after each text": _stage(
        "post_processor",
        {
            "type": "TemplateProcessing",
            "single": [
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "<|im_end|>", "type_id": 0}},
            ],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<|im_end|>": {"id": "<|im_end|>", "ids": [2], "tokens": ["<|im_end|>"]}},
        },
    ),
    "a token added": add_token("<|new|>"),
    "a common word as a token": add_token(" the", special=False),
    "a token that eats spaces": add_token("pencils", lstrip=True, special=False),
    "a token for digits": add_token("14", special=False),
    "an added token dropped": of_json("tokenizer.json", lambda held: held["added_tokens"].pop()),
    "an added token renamed": of_json(
        "tokenizer.json", lambda held: held["added_tokens"][-1].update(content="<|x|>")
    ),
    "an added token eats spaces": _flag("lstrip", True),
    "an added token eats spaces after it": _flag("rstrip", True),
    "an added token as a whole word": _flag("single_word", True),
    "an added token is not special": _flag("special", False),
    "another BOS": put("tokenizer_config.json", bos_token="<|im_end|>"),
    "another end token": put("tokenizer_config.json", eos_token="<|im_start|>"),
    "another unknown token": put("tokenizer_config.json", unk_token="<|im_end|>"),
    "tokenizer_config.json no JSON": lambda folder: (folder / "tokenizer_config.json").write_text("{"),
    # how replies end
    "another stop id": put("generation_config.json", eos_token_id=7),
    "a stop id more": put("generation_config.json", eos_token_id=[0, 2, 7]),
    "a stop id that is text": put("generation_config.json", eos_token_id="2"),
    "generation_config.json a list": lambda folder: (folder / "generation_config.json").write_text("[]"),
    "generation_config.json cut": lambda folder: (folder / "generation_config.json").write_text('{"eos_'),
    # what is computed
    **{f"rope: {values}": _rope(values) for values in ROPE},
    "rope: yarn": put("config.json", rope_parameters=YARN),
    **{
        f"config: {key}": put("config.json", **{key: value})
        for key, value in {
            "rms_norm_eps": 1e-3,
            "num_hidden_layers": 12,
            "max_position_embeddings": 1024,
            "sliding_window": 128,
            "hidden_act": "gelu",
            "tie_word_embeddings": False,
            "attention_bias": True,
            "mlp_bias": True,
            "num_key_value_heads": 9,
            "head_dim": 32,
            "vocab_size": 49280,
            "quantization_config": {"quant_method": "fp8"},
            "logit_scale": 0.5,
        }.items()
    },
    # the lock itself
    "lock: gone": remove(LOCK),
    "lock: cut": lambda folder: (folder / LOCK).write_bytes((folder / LOCK).read_bytes()[:-20]),
    "lock: empty": lambda folder: (folder / LOCK).write_bytes(b""),
    "lock: another template": of_json(
        LOCK, lambda held: held["reading"]["template"].update(ref="gsm8k-hash@1")
    ),
    "lock: another rule": of_json(LOCK, lambda held: held["reading"]["scorer"].update(rule="lenient@1")),
    "lock: another stop id": _of_lock("reading", "stop_ids", [7]),
    "lock: another split": _of_lock("data", "split", "test"),
    "lock: its rows dropped": _of_lock("data", "prompts", {}),
    "lock: another response limit": _of_lock("budget", "max_tokens", 4096),
    "lock: another fingerprint": put(LOCK, fingerprint="0" * 12),
    "lock: the template that it carries": of_json(
        LOCK, lambda held: held["carries"]["template"].update(system="Lie.")
    ),
    "lock: the computation that it carries": of_json(
        LOCK, lambda held: held["carries"]["computation"]["keys"].update(rms_norm_eps=1.0)
    ),
    "lock: a newer schema": put(LOCK, schema=99),
    "lock: a list": lambda folder: (folder / LOCK).write_text("[]"),
    # who witnessed it
    "manifest: another fingerprint": put("manifest.json", kind="checkpoint", fingerprint="0" * 12),
    "merge report: another fingerprint": put("merge.json", fingerprint="0" * 12),
}


def _rewritten(folder: Path) -> None:
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)


def _indented(name: str, indent: int | None) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")), indent=indent), encoding="utf-8")

    return edit


def _sorted(name: str) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")), sort_keys=True), encoding="utf-8")

    return edit


def _texts_of_merges(held: dict[str, Any]) -> None:
    held["model"]["merges"] = [m if isinstance(m, str) else " ".join(m) for m in held["model"]["merges"]]


def _into_config(folder: Path) -> None:
    """The chat template inside tokenizer_config.json, as older folders have it."""
    path = folder / "chat_template.jinja"
    put("tokenizer_config.json", chat_template=path.read_text(encoding="utf-8"))(folder)
    path.unlink()


HARMLESS: dict[str, Edit] = {
    "nothing": lambda folder: None,
    "tokenizer written again": _rewritten,
    **{
        f"{name} indented": _indented(name, 4)
        for name in ("tokenizer_config.json", "config.json", "generation_config.json")
    },
    **{f"{name} on one line": _indented(name, None) for name in ("tokenizer.json", "config.json")},
    **{
        f"{name} sorted": _sorted(name)
        for name in ("tokenizer_config.json", "config.json", "generation_config.json", LOCK)
    },
    "merges as text": of_json("tokenizer.json", _texts_of_merges),
    "the chat template in tokenizer_config.json": _into_config,
    "padding": put(
        "tokenizer.json",
        padding={
            "strategy": {"Fixed": 64},
            "direction": "Left",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "<|endoftext|>",
        },
    ),
    "truncation": put(
        "tokenizer.json",
        truncation={"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
    ),
    "padding side": put("tokenizer_config.json", padding_side="left"),
    "pad token": put("tokenizer_config.json", pad_token="<|im_end|>"),
    "model_max_length": put("tokenizer_config.json", model_max_length=64),
    "clean_up_tokenization_spaces": put("tokenizer_config.json", clean_up_tokenization_spaces=True),
    "split_special_tokens": put("tokenizer_config.json", split_special_tokens=True),
    **{
        f"config: {key}": put("config.json", **{key: value})
        for key, value in {
            "dtype": "float32",
            "torch_dtype": "float16",
            "use_cache": False,
            "transformers_version": "4.40.0",
            "_name_or_path": "elsewhere",
            "initializer_range": 0.5,
            "attention_dropout": 0.2,
            "pad_token_id": 0,
        }.items()
    },
    "sampling defaults": put(
        "generation_config.json", temperature=5.0, top_k=3, max_new_tokens=3, do_sample=True
    ),
    "a README": lambda folder: (folder / "README.md").write_text("# a model"),
    "an optimizer": lambda folder: (folder / "optimizer.pt").write_bytes(b"x"),
    "a manifest that names it": lambda folder: put(
        "manifest.json", kind="checkpoint", fingerprint=json.loads((folder / LOCK).read_text())["fingerprint"]
    )(folder),
    "a manifest from before": put("manifest.json", kind="checkpoint"),
    "a lock from before": of_json(
        LOCK, lambda held: [held.pop(key) for key in ("carries", "carries_sha256")]
    ),
    "keys of tomorrow in the lock": put(LOCK, tomorrow=[1]),
}
