"""Rendering: a row reaches the prompt verbatim, whatever it holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evalkit.records import Row
from prompts.registry import get_template, load_templates
from prompts.render import RAW_SEPARATOR, render, render_question
from prompts.template import PLACEHOLDER, Template, Turn

TEMPLATES = load_templates()
QUESTION = st.text(max_size=200) | st.sampled_from(
    [
        "{question}",
        "100% of {x}",
        "%s %(a)s %d",
        "{0} {} {{}}",
        r"\1 \g<0> \boxed{2}",
        "${HOME} $1",
        "\n\n",
        "",
    ]
)


@given(QUESTION)
def test_the_question_stands_verbatim_between_the_template_s_text(question: str) -> None:
    for template in TEMPLATES.values():
        before, after = template.user.split(PLACEHOLDER)
        rendered = render_question(template, question)
        if isinstance(rendered, str):
            assert rendered.endswith(RAW_SEPARATOR + before + question + after)
        else:
            assert rendered[-1] == {"role": "user", "content": before + question + after}


@given(QUESTION, QUESTION)
def test_different_questions_give_different_prompts(one: str, other: str) -> None:
    for template in TEMPLATES.values():
        assert (render_question(template, one) == render_question(template, other)) == (one == other)


def test_worked_examples_become_turns_before_the_question() -> None:
    template = get_template("gsm8k-4shot@1")
    rendered = render_question(template, "Q?")
    assert isinstance(rendered, list)
    assert [message["role"] for message in rendered] == ["user", "assistant"] * 4 + ["user"]
    assert [message["content"] for message in rendered[1::2]] == [turn.answer for turn in template.turns]


def test_a_raw_template_is_one_text() -> None:
    template = Template(
        name="t",
        version=1,
        kind="raw",
        user="Q: {question}\nA:",
        rule="hash",
        turns=(Turn(question="1+1", answer=" 2"),),
    )
    assert render_question(template, "2+2") == "Q: 1+1\nA: 2\n\nQ: 2+2\nA:"


def test_the_system_message_comes_first() -> None:
    rendered = render_question(get_template("sums@1"), "What is 1 + 1?")
    assert rendered == [
        {"role": "system", "content": "You do sums."},
        {"role": "user", "content": "What is 1 + 1?"},
    ]


def test_a_row_s_own_messages_are_sent_as_they_are() -> None:
    messages = ({"role": "system", "content": "{question} %s"}, {"role": "user", "content": " hi \n"})
    row = Row(id="a", question="not this", gold="1", messages=messages)
    for template in TEMPLATES.values():
        assert render(template, row) == list(messages)


def test_a_row_without_messages_is_rendered_from_its_question() -> None:
    row = Row(id="a", question="What is 1 + 1?", gold="2")
    for template in TEMPLATES.values():
        assert render(template, row) == render_question(template, row.question)
