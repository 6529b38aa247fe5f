"""Why every reward of a step is zero, read from the step's own completions.

Each cause is one function over a `RolloutBatch`; it answers None where the completions do not speak for it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from evalkit.text import rough_percent
from trainkit.diagnose.finding import Finding
from trainkit.runs.rollout import Rollout

MARKERS = {
    "hash": "####",
    "boxed": "\\boxed",
    "answer-is": "answer is",
    "choice": "answer",
    "json": '"answer"',
}
"""What a completion must hold before the rule reads anything, lower case; other rules read any number."""

FOREIGN_TURNS = re.compile(
    r"<\|(?:im_start|im_end|eot_id|start_header_id|endoftext|user|assistant)\|>|\[/?INST\]|<</?SYS>>"
    r"|(?:^|\n)\s*(?:user|assistant|human|### (?:instruction|response|human|assistant))\s*:?\s*(?:\n|$)",
    re.IGNORECASE,
)
"""Marks of chat formats, or a completion that continues as another speaker: the model knows another form."""


@dataclass(frozen=True)
class RolloutBatch:
    """The rollouts of one step, and what the model was asked.

    `rule` is the extraction rule without its version, `prompt` one rendered prompt ("" if unknown).
    """

    rollouts: Sequence[Rollout]
    rule: str
    prompt: str
    response_length: int
    chosen_length: bool
    """The response length was asked for, so that the task's own is another."""

    @property
    def marker(self) -> str | None:
        return MARKERS.get(self.rule)

    def share(self, holds: Callable[[Rollout], bool]) -> float:
        return sum(map(holds, self.rollouts)) / len(self.rollouts)

    def has_marker(self, rollout: Rollout) -> bool:
        return self.marker is not None and self.marker in rollout.text.lower()

    @property
    def asks(self) -> bool:
        """Whether the prompt shows the marker; an unknown prompt gets the benefit of the doubt."""
        return not self.prompt or self.marker is None or self.marker in self.prompt.lower()

    @cached_property
    def truncated(self) -> float:
        return self.share(lambda rollout: rollout.truncated)

    @cached_property
    def lenient(self) -> float:
        return self.share(lambda rollout: rollout.lenient_outcome == "correct")


def explain_zero(batch: RolloutBatch) -> list[Finding]:
    """All causes that fit, most likely first. Never empty: the last resort is that the task is too hard."""
    causes = (
        gold_unreadable,
        foreign_chat_template,
        marker_not_asked,
        cut_short,
        marker_ignored,
        marker_not_read,
    )
    findings = [finding for cause in causes if (finding := cause(batch))]
    hard = too_hard(batch)
    if not findings or hard.weight > 0.4:
        findings.append(hard)
    return sorted(findings, key=lambda finding: -finding.weight)


def gold_unreadable(batch: RolloutBatch) -> Finding | None:
    unscored = [rollout for rollout in batch.rollouts if rollout.outcome == "unscored"]
    share = len(unscored) / len(batch.rollouts)
    if share < 0.2:
        return None
    reason = Counter(rollout.reason for rollout in unscored).most_common(1)[0][0]
    return Finding(
        cause="gold-unreadable",
        sentence="The reference answers cannot be read, so nothing the model writes can be right.",
        evidence=f"{rough_percent(share)} of the rollouts are unscored: {reason}",
        option="Look at the golds with `evalkit tasks check`, or name the column: --answer-field.",
        weight=0.6 + 0.38 * share,
    )


def foreign_chat_template(batch: RolloutBatch) -> Finding | None:
    share = batch.share(lambda rollout: bool(FOREIGN_TURNS.search(rollout.text)))
    empty = batch.share(lambda rollout: not rollout.text.strip())
    if max(share, empty) < 0.3:
        return None
    seen = "continue as another speaker" if share >= empty else "are empty"
    return Finding(
        cause="chat-template",
        sentence="The chat template does not fit the model: it continues the chat instead of answering.",
        evidence=f"{rough_percent(max(share, empty))} of the completions {seen}",
        option="See what it reads: `evalkit prompts show NAME --model M`; a base model wants a raw template.",
        weight=0.55 + 0.4 * max(share, empty),
    )


def marker_not_asked(batch: RolloutBatch) -> Finding | None:
    without = batch.share(lambda rollout: not batch.has_marker(rollout))
    if batch.asks or without < 0.5:
        return None
    return Finding(
        cause="no-marker",
        sentence=f"The prompt never asks for {batch.marker!r}, which is all that rule {batch.rule} reads.",
        evidence=f"{rough_percent(without)} of the completions lack it; "
        f"read leniently {rough_percent(batch.lenient)} are right",
        option="Use a prompt that asks for it, or one whose rule reads what the model writes: --prompt.",
        weight=0.98,
    )


def marker_ignored(batch: RolloutBatch) -> Finding | None:
    """The prompt asks for the marker, the model ends its answer without it."""
    if batch.marker is None or not batch.asks:
        return None
    share = batch.share(lambda rollout: not rollout.truncated and not batch.has_marker(rollout))
    if share < 0.2:
        return None
    return Finding(
        cause="no-marker",
        sentence=f"The model does not write {batch.marker!r}, although the prompt asks for it.",
        evidence=f"{rough_percent(share)} end without it; "
        f"read leniently {rough_percent(batch.lenient)} are right",
        option="Find a prompt that it follows with `evalkit prompts cost --model M --task T`, then --prompt.",
        weight=0.45 + 0.45 * share,
    )


def marker_not_read(batch: RolloutBatch) -> Finding | None:
    """The marker is there, but the rule reads no answer at it."""
    share = batch.share(lambda rollout: rollout.outcome == "no_answer" and batch.has_marker(rollout))
    if share < 0.2:
        return None
    return Finding(
        cause="marker-not-read",
        sentence=f"The model writes {batch.marker!r}, but not where or how rule {batch.rule} reads it.",
        evidence=f"{rough_percent(share)} of the completions hold it and give no answer; "
        f"read leniently {rough_percent(batch.lenient)} are right",
        option='See why with `evalkit extract --explain "TEXT"`; a prompt with another rule: --prompt.',
        weight=0.5 + 0.45 * share,
    )


def cut_short(batch: RolloutBatch) -> Finding | None:
    if batch.truncated < 0.3:
        return None
    return Finding(
        cause="truncated",
        sentence=f"The completions are cut off at {batch.response_length} tokens, before the answer.",
        evidence=f"{rough_percent(batch.truncated)} are truncated",
        option="Leave --response-length out to get the task's own, or give a longer one."
        if batch.chosen_length
        else f"Give them more room: --response-length {longer(batch)}.",
        weight=0.5 + 0.42 * batch.truncated,
    )


def longer(batch: RolloutBatch) -> int:
    """A response length to try: four times a very short one, twice a longer one, at least 16."""
    factor = 4 if batch.response_length < 64 else 2
    return max(16, factor * batch.response_length)


def too_hard(batch: RolloutBatch) -> Finding:
    read = batch.share(lambda rollout: rollout.outcome == "wrong" and not rollout.truncated)
    return Finding(
        cause="too-hard",
        sentence="The answers are read and wrong: the task is too hard for this model.",
        evidence=f"{rough_percent(read)} of the completions are whole and give a wrong answer, "
        f"{rough_percent(batch.lenient)} are right when read leniently",
        option="Take a larger model or easier rows, or more --samples, so that some are right by chance.",
        weight=0.3 + 0.45 * read,
    )
