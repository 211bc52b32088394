"""Many comparisons at once: p-values adjusted so that the chance of any false claim stays what it is called.

In: p-values.  Out: adjusted ones.  Not here: the tests that they are from.
"""

from __future__ import annotations

import numpy as np

from liftune.types import FloatArray


def holm(p_values: FloatArray) -> FloatArray:
    """Adjusted p-values, (M,) in the order given: claim what is at most alpha, and any false claim is made that seldom.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]

    Source: Holm (1979): the i-th smallest of M times (M - i + 1), never below a smaller one's, at most 1.
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p_values[order]))
    return adjusted
