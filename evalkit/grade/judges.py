"""The judges of a run: one for each way in which its lock reads, so that each task has its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.grade.judge import Judge
from evalkit.grade.user_function import UserFunction, is_function

Reading = Mapping[str, Any]


class Judges:
    """Judges by row; rows that have no reading of their own are read by that of the lock.

    `of_row` holds `reading` sections by row id, `graders` the functions that their scorers name. Thread-safe.
    Raises UserError where a grader's file cannot be run.
    """

    def __init__(
        self, reading: Reading, of_row: Mapping[str, Reading], graders: Sequence[UserFunction]
    ) -> None:
        self._reading, self._of_row = reading, of_row
        self._judges: dict[str, Judge] = {}
        self._of_reading: dict[int, Judge] = {}
        distinct = {id(own): own for own in (reading, *of_row.values())}
        try:
            for place, own in distinct.items():
                if (key := _key(own)) not in self._judges:
                    self._judges[key] = _judge(own, graders)
                self._of_reading[place] = self._judges[key]
        except BaseException:
            self.close()
            raise

    def of(self, row_id: str) -> Judge:
        """The judge of a row."""
        return self._of_reading[id(self._of_row.get(row_id, self._reading))]

    @property
    def workers(self) -> int:
        """Calls at once that are worth it: as many as the graders have processes."""
        return max(1, sum(judge.workers for judge in self._judges.values() if judge.pool))

    def close(self) -> None:
        """End the graders' processes."""
        for judge in self._judges.values():
            judge.close()


def _key(reading: Reading) -> str:
    return json.dumps([reading["scorer"], reading.get("thinking")], sort_keys=True)


def _judge(reading: Reading, graders: Sequence[UserFunction]) -> Judge:
    scorer = reading["scorer"]
    rule = str(scorer["rule"])
    named = (grader for grader in graders if (grader.name, grader.sha256) == (rule, scorer.get("sha256")))
    grader = next(named, None)
    if is_function(rule) and grader is None:
        raise LookupError(f"nobody handed in the grader {rule}")
    return Judge(rule, grader, reading.get("thinking"), int(scorer.get("version") or 1))
