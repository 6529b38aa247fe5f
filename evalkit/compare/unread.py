"""Answers that neither reading could make out: what looks like skill may be a change of style."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.compare.align import Questions
from evalkit.compare.columns import CORRECT, NO_ANSWER, WRONG
from evalkit.stats.pairs import mcnemar_exact, tango
from evalkit.stats.samples import around, mean_se, paired_p

ALPHA = 0.05


def unread_questions(base: Questions, new: Questions) -> NDArray[np.bool_]:
    """Questions that changed under the lenient rule while the side that lost gave a whole answer that no
    rule could read: none was found, or it is no number where the other side's right answer is one.

    A completion that was cut off had no answer yet, and is not meant.
    """
    rise = _shares(new) - _shares(base)
    return ((rise > 0) & _missed(base) & ~_other_golds(new)) | (
        (rise < 0) & _missed(new) & ~_other_golds(base)
    )


def explains(base: Questions, new: Questions, unread: NDArray[np.bool_]) -> bool:
    """Whether the skill gain is shown with these questions, and would not be if they had not changed."""
    rise = _shares(new) - _shares(base)
    single = base.single and new.single
    return _shown(rise, single) and not _shown(np.where(unread, 0.0, rise), single)


def _shares(side: Questions) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = side.lenient / side.samples
    return shares


def _missed(side: Questions) -> NDArray[np.bool_]:
    c = side.completions
    silent = (c.lenient == NO_ANSWER) & ~c.truncated
    missed = silent | ((c.lenient == WRONG) & (c.answer >= 0) & (c.answer % 2 == 1))
    return np.bincount(side.question[missed], minlength=len(side.ids)) > 0


def _other_golds(side: Questions) -> NDArray[np.bool_]:
    """Questions whose right answer is no number: a formula, a letter."""
    c = side.completions
    other = (c.outcome == CORRECT) & (c.answer % 2 == 1)
    return np.bincount(side.question[other], minlength=len(side.ids)) > 0


def _shown(rise: NDArray[np.float64], single: bool) -> bool:
    n = len(rise)
    if single:
        fixed, broken = int((rise > 0).sum()), int((rise < 0).sum())
        ci, p_value = tango(fixed, broken, n), mcnemar_exact(fixed, broken)
    else:
        ci, p_value = around(float(rise.mean()), mean_se(rise), n, -1, 1), paired_p(rise)
    return p_value < ALPHA and not ci.low <= 0 <= ci.high
