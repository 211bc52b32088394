"""Many comparisons at once: p-values that keep the chance of any false finding.

In: p-values.  Out: p-values.
Not here: which comparisons are a family (ranking.py; ADR 10 for the verdicts of a run).
"""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: reject those of at most alpha, and the chance that any of the rejected is
    true is at most alpha, however they depend on each other.

    Source: Holm (1979), step-down: the i-th smallest of M times (M - i + 1), never below one before it, at most 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for place, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[i]))
        adjusted[i] = largest
    return adjusted
