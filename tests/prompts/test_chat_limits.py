"""A chat template is somebody's program: it is tried under limits, and must show what it was given."""

from __future__ import annotations

import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from prompts import chat_limits
from prompts.errors import UserError
from prompts.render import Message
from prompts.tokens import apply_chat, load_tokenizer

pytest.importorskip("transformers")
QUESTION = [Message(role="user", content="What is 2 + 3?")]
OTHER = [Message(role="user", content="What is 7 + 8?")]  # in no trial
LOOPS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
SHOWN = "{{ messages[-1].content }}"


@pytest.fixture
def own(smollm2: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A tokenizer whose chat template may be changed, tried for two seconds."""
    monkeypatch.setattr(chat_limits, "SECONDS", 2)
    return load_tokenizer(smollm2)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}" + SHOWN,
            "was not done",
        ),
        ("{{ 10 ** 1000000000 }}" + SHOWN, "was not done"),
        ("{{ 'a' * 3000000000 }}" + SHOWN, "memory"),
        ("{{ 'a'|center(9000000000) }}" + SHOWN, "memory"),
        ("{{ 'a' * 32000000 }}" + SHOWN, "characters"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{{ 1 / 0 }}", "division"),
        ("{{ 'a' * 3e9 }}", "float"),
        ("{{ messages", "end of"),
        ("{% if messages[-1].content|length > 20000 %}x{% endif %}{{ 'a' * 9000000 }}", "characters"),
    ],
)
def test_a_runaway_template_is_refused(own: Any, template: str, why: str) -> None:
    own.chat_template = template
    with pytest.raises(UserError, match=why):
        apply_chat(own, QUESTION)


@pytest.mark.parametrize(
    ("does", "why"),
    [
        (LOOPS, "was not done with a prompt"),
        ("{{ 'a' * 3000000000 }}", "memory for a prompt"),
        ("{{ messages[0].content * 300000000 }}", "memory for a prompt"),
        ("{{ '{} {}'.format('a') }}", "out of range"),
        ("{{ raise_exception('no') }}", "no"),
    ],
)
def test_a_template_that_runs_away_on_one_question_is_refused(own: Any, does: str, why: str) -> None:
    own.chat_template = SHOWN + "{% if messages[-1].content == 'What is 7 + 8?' %}" + does + "{% endif %}"
    limit, handler = resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGVTALRM)
    assert apply_chat(own, [Message(role="user", content="What is 2 + 4?")]).text == "What is 2 + 4?"
    with pytest.raises(UserError, match=why):
        apply_chat(own, OTHER)
    assert resource.getrlimit(resource.RLIMIT_AS) == limit  # the limits are the rendering's alone
    assert signal.getsignal(signal.SIGVTALRM) == handler
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages[0].content[0].text }}",
        "{{ messages[0]['content'][:5] }}",
        "Hello",
        "{{ messages[0].role }}",
    ],
)
def test_the_question_must_stand_in_the_prompt(own: Any, template: str) -> None:
    own.chat_template = template
    with pytest.raises(UserError, match="does not show the user message"):
        apply_chat(own, QUESTION)


def test_a_template_that_drops_the_system_message_is_refused(own: Any) -> None:
    own.chat_template = SHOWN
    with pytest.raises(UserError, match="does not show the system message"):
        apply_chat(own, [Message(role="system", content="Be brief."), *QUESTION])


@pytest.mark.parametrize("content", [None, [{"type": "text", "text": "2+3?"}], 7])
def test_a_message_that_is_no_text_is_refused(own: Any, content: Any) -> None:
    own.chat_template = "{{ messages[0].content }}"
    with pytest.raises(UserError, match="not text"):
        apply_chat(own, [{"role": "user", "content": content}])


def test_spaces_may_be_put_otherwise(own: Any) -> None:
    own.chat_template = "<{{ messages[0].content | trim }}>"
    assert apply_chat(own, [Message(role="user", content="  two\n words ")]).text == "<two\n words>"


def test_the_date_is_frozen_and_asking_for_it_is_noted(own: Any) -> None:
    own.chat_template = "{{ strftime_now('%d %b %Y') }} " + SHOWN
    chat = apply_chat(own, QUESTION)
    assert chat.text.startswith("26 Jul 2024") and chat.asked_date
    own.chat_template = SHOWN
    assert not apply_chat(own, QUESTION).asked_date
