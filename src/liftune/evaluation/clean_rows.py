"""Which test rows a verdict stands on: those that do not leak. All rows, and those without near leaks, are beside it.

In: evaluations, audits, a comparison as a function of evaluations.  Out: its Comparison on clean rows.
Not here: finding leaks (data/audit.py), the comparisons themselves (compare.py, compare_seeds.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from liftune.evaluation.evaluate import Evaluation
from liftune.metrics.row_statistics import Ints
from liftune.records.base import Comparison, Outcome
from liftune.records.data import Audit

#: Of fewer rows that are left once others leaked, no verdict is given.
LEAST_CLEAN = 30
#: Evaluations of the same rows, in a fixed order, to the comparison between them.
Decide: TypeAlias = Callable[[Sequence[Evaluation]], Comparison]


@dataclass(frozen=True)
class Leaks:
    """Ids of test rows that leak, from the audits of one run or of several.

    Args:
        exact: equal to a train row (or one that validation chose by), or of a group that train has.
        near: others that are near duplicates of one.
    """

    exact: Set[str]
    near: Set[str]

    @classmethod
    def of(cls, *audits: Audit) -> Leaks:
        """Those that leak in any of them."""
        exact = frozenset(id_ for each in audits for id_ in each.unclean)
        return cls(exact, frozenset(id_ for each in audits for id_ in each.near_leaked_ids) - exact)

    def clean(self, evaluation: Evaluation) -> Ints:
        """Positions of the rows that do not leak exactly."""
        return self._without(evaluation, self.exact)

    def without_near(self, evaluation: Evaluation) -> Ints:
        """Positions of the rows that do not leak nearly either."""
        return self._without(evaluation, self.exact | self.near)

    def _without(self, evaluation: Evaluation, leaked: Set[str]) -> Ints:
        return np.array([i for i, id_ in enumerate(evaluation.ids) if id_ not in leaked], dtype=np.int64)


def on_clean_rows(evaluations: Sequence[Evaluation], leaks: Leaks, decide: Decide) -> Comparison:
    """The comparison on the rows that do not leak.

    Rows with conflicting targets are no leaks, and stay. With fewer than 30 rows left it is undecided; so it is where
    it is another without the near duplicates of train rows. The figures on all rows and without near duplicates stand
    beside it.
    """
    first = evaluations[0]
    clean, distant = leaks.clean(first), leaks.without_near(first)
    everything = decide(evaluations)
    found = everything
    if len(clean) < len(first):
        found = _decided_on(evaluations, clean, decide, everything)
        found = found.model_copy(update={"all_rows": outcome(everything, len(first))})
    if len(distant) < len(clean):
        without = _decided_on(evaluations, distant, decide, everything)
        found = found.model_copy(update={"without_near": outcome(without, len(distant))})
        if without.verdict != found.verdict:
            found = found.model_copy(
                update={"verdict": "undecided", "undecided_because": found.undecided_because or NEAR}
            )
        if found.margin and without.margin and without.margin.verdict != found.margin.verdict:
            found = _not_shown(found, NEAR)
    return found


#: Why a comparison is undecided whose verdict is another without near duplicates.
NEAR = "it depends on near duplicates"


def outcome(of: Comparison, rows: int) -> Outcome:
    """The figures of a comparison alone."""
    return Outcome(rows=rows, gain=of.gain, low=of.low, high=of.high, p_value=of.p_value, verdict=of.verdict)


def _decided_on(evaluations: Sequence[Evaluation], rows: Ints, decide: Decide, everything: Comparison) -> Comparison:
    """The comparison on some of the rows, with their number; undecided where they are too few."""
    if not len(rows):
        nothing: dict[str, None] = dict.fromkeys(
            ("gain", "low", "high", "rows_needed", "units_needed", "smallest_detectable_gain", "note")
        )
        found = everything.model_copy(update={**nothing, "p_value": 1.0, "unit": "row", "units": None})
    else:
        found = decide([each.take(rows) for each in evaluations])
    found = found.model_copy(update={"rows": len(rows)})
    if len(rows) >= LEAST_CLEAN:
        return found
    few = {0: "no clean test example is", 1: "one clean test example is"}
    left = few.get(len(rows), f"{len(rows)} clean test examples are")
    why = f"{left} left of {len(evaluations[0]):,}, and {LEAST_CLEAN} are the least"
    found = found.model_copy(
        update={"verdict": "undecided", "undecided_because": why, "rows_needed": None, "units_needed": None}
    )
    return _not_shown(found, why)


def _not_shown(found: Comparison, why: str) -> Comparison:
    """What it says of a margin, where it has one, taken back."""
    if found.margin is None:
        return found
    margin = found.margin.model_copy(update={"verdict": "not shown", "note": why})
    return found.model_copy(update={"margin": margin})
