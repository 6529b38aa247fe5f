"""Whether rollouts earn nothing because their thinking never ends."""

from __future__ import annotations

from evalkit.text import rough_percent as percent
from prompts.reading.thinking import UNFINISHED
from trainkit.diagnose.finding import Finding
from trainkit.runs.folder import TrainingRun

FROM = 0.2
"""Share of rollouts from which it is worth saying."""


def unfinished_thinking(run: TrainingRun) -> Finding | None:
    """Thinking that the response length, or an end token, cut off before its block was closed."""
    rollouts = run.first_rollouts()
    cut = [rollout for rollout in rollouts if rollout.reason == UNFINISHED]
    if not rollouts or len(cut) < FROM * len(rollouts):
        return None
    share, length = len(cut) / len(rollouts), run.job.response_length
    at_limit = sum(rollout.truncated for rollout in cut) / len(cut)
    opens = (run.job.thinking or {}).get("opens")
    opened = f"The prompt opens {opens}, and" if opens else "The model opens a thinking block, and"
    if at_limit > 0.5:
        advice = f"Give them more room: --response-length {2 * length}"
    else:
        advice = "They stop inside the block: take a model that was taught to close it"
    return Finding(
        cause="unfinished-thinking",
        sentence=f"{opened} the block is never closed: what stands in it is no answer and earns nothing.",
        evidence=f"{percent(share)} of the completions end in unfinished thinking, "
        f"{percent(at_limit)} of those at the limit of {length} tokens",
        option=f"{advice}; or a template without thinking (chat_template_kwargs).",
        weight=0.6 + 0.39 * share,
    )


CAUSES = (unfinished_thinking,)
