"""Which phase of a step takes longer than it should, against recorded runs (trainkit/plan/reference.py)."""

from __future__ import annotations

from statistics import median

from evalkit.text import rough_percent
from trainkit.diagnose.finding import Finding
from trainkit.plan.reference import PHASE_SHARES, UPDATE_MFU
from trainkit.runs.folder import TrainingRun

REMEDIES = {
    "gen": "Cut the tail of long answers (--response-length); on a GPU give vLLM more memory (--gpu-memory).",
    "old_log_prob": "Raise --token-budget, so that the GPU works on more tokens at once.",
    "ref": "Do without the reference: --kl 0.",
    "update_actor": "Raise --token-budget; check with `evalkit doctor` that flash-attn is installed.",
    "update_weights": "vLLM may have to wait for room: lower --token-budget or --gpu-memory.",
    "testing": "Validate less often: --validate-every.",
    "save_checkpoint": "Save less often: --save-every.",
}
LEARNING = ("old_log_prob", "ref", "update_actor")
"""Phases that take time in proportion to what is trained on."""
NAMES = {
    "gen": "generation",
    "old_log_prob": "old log-probs",
    "ref": "the reference's log-probs",
    "update_actor": "the update",
    "update_weights": "the weight sync",
    "testing": "validation",
    "save_checkpoint": "saving",
}


def seconds(run: TrainingRun, phase: str) -> float:
    """Median seconds of a phase in a step, the first step (which warms up) left out where there are more."""
    values = [value for _, value in run.series(f"timing_s/{phase}")]
    return median(values[1:] or values) if values else 0.0


def usual_shares(run: TrainingRun) -> dict[str, float]:
    """The recorded shares of a step's phases, where every group was trained on, made those of this run.

    What is left out costs no log-probs and no update, so that these take less of a step and the rest more.
    """
    recorded = PHASE_SHARES["cpu" if run.options.device == "cpu" else "cuda"]
    trained = [value for _, value in run.series("training/token_share_trained")]
    share = median(trained) if trained else 1.0
    parts = {phase: part * (share if phase in LEARNING else 1.0) for phase, part in recorded.items()}
    whole = 1.0 - sum(recorded.values()) + sum(parts.values())
    return {phase: part / whole for phase, part in parts.items()}


def spent_between_steps(run: TrainingRun) -> Finding | None:
    """Validation and saving, which do not happen in every step, against the whole."""
    whole = sum(value for _, value in run.series("timing_s/step"))
    if len(run.steps) < 4 or whole == 0:
        return None
    parts = {
        p: sum(value for _, value in run.series(f"timing_s/{p}")) for p in ("testing", "save_checkpoint")
    }
    phase = max(parts, key=lambda name: parts[name])
    share = parts[phase] / (whole + parts["testing"])
    if share < 0.3:
        return None
    return Finding(
        cause=f"slow-{phase.replace('_', '-')}",
        sentence=f"A good part of the time goes into {NAMES[phase]}.",
        evidence=f"{rough_percent(share)} of {whole + parts['testing']:.0f} s",
        option=REMEDIES[phase],
        weight=0.3,
    )


def phase_out_of_proportion(run: TrainingRun) -> Finding | None:
    """The phase that takes most more than its recorded share of a step, if it takes half as much again."""
    spent = [line["timing_s/step"] - line.get("timing_s/save_checkpoint", 0.0) for line in run.steps]
    whole = median(spent[1:] or spent or [0.0])
    if len(run.steps) < 3 or whole <= 0:
        return None
    usual = usual_shares(run)
    shares = {phase: seconds(run, phase) / whole for phase in usual}
    phase = max(shares, key=lambda name: shares[name] - usual[name])
    if shares[phase] < 1.5 * usual[phase] or shares[phase] < usual[phase] + 0.2:
        return None
    return Finding(
        cause=f"slow-{phase.replace('_', '-')}",
        sentence=f"{NAMES[phase].capitalize()} takes more of a step than it should.",
        evidence=f"{seconds(run, phase):.1f} of {whole:.1f} s, {rough_percent(shares[phase])}; "
        f"{rough_percent(usual[phase])} in the recorded run",
        option=REMEDIES[phase],
        weight=0.3,
    )


def update_far_below_the_gpu(run: TrainingRun) -> Finding | None:
    """The update's share of the GPU's peak (MFU) is under half of what was recorded."""
    values = [value for _, value in run.series("perf/mfu/actor")]
    if run.options.device == "cpu" or not values:
        return None
    mfu = median(values[1:] or values)
    if not 0 < mfu < UPDATE_MFU / 2:
        return None
    return Finding(
        cause="slow-update-actor",
        sentence="The update uses little of the GPU.",
        evidence=f"{rough_percent(mfu)} of its peak (MFU), {rough_percent(UPDATE_MFU)} in the recorded run",
        option=REMEDIES["update_actor"],
        weight=0.35,
    )


CAUSES = (update_far_below_the_gpu, phase_out_of_proportion, spent_between_steps)
