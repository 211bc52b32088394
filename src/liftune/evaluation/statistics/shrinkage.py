"""Variances of few repeats, each drawn towards those of its like.

In: the sample variance of each of many contenders, and its degrees of freedom.  Out: variances, degrees of freedom.
Not here: what is compared by them (ranking.py).

Two degrees of freedom, of three seeds, say little of one contender's spread; thirty contenders say together how spreads
are spread. Each variance is drawn towards the common one, as far as the contenders are alike in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftune.metrics.row_statistics import Floats

#: Fewer contenders say nothing of how their variances are spread.
LEAST = 4
#: A variance of zero has no logarithm: it counts as this share of the median.
_LEAST_SHARE = 1e-5


@dataclass(frozen=True)
class ShrunkVariances:
    """(N,) variances, and the degrees of freedom of each."""

    variances: Floats
    freedom: Floats


def shrunk_variances(variances: Floats, freedom: Floats) -> ShrunkVariances:
    """Variances of repeats, shrunk; as they are where there are fewer than LEAST, or all are zero.

    Args:
        variances: (N,) unbiased; freedom: (N,) their degrees of freedom, one at least.

    Source: the posterior variances of moderated t statistics, Smyth (2004), Linear models and empirical Bayes methods
        for assessing differential expression in microarray experiments, sections 3 and 6.2: s'^2 = (d0 s0^2 + d s^2) /
        (d0 + d) with d0 + d degrees of freedom, not more than all have together; d0 and s0^2 by the moments of log s^2.
        Without excess variance d0 is infinite and s0^2 the pooled variance, its maximum likelihood there, as in limma's
        fitFDist.
    """
    from scipy.special import digamma, polygamma

    middle = float(np.median(variances)) if len(variances) else 0.0
    if len(variances) < LEAST or middle <= 0.0:
        return ShrunkVariances(variances, freedom)
    logs = np.log(np.maximum(variances, _LEAST_SHARE * middle)) - digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(logs.var(ddof=1) - polygamma(1, freedom / 2).mean())
    if excess <= 0.0:  # no more spread than chance gives: one variance for all, the pooled one
        pooled = float((freedom * variances).sum() / freedom.sum())
        return ShrunkVariances(np.full(len(variances), pooled), np.full(len(variances), freedom.sum()))
    prior = 2.0 * _trigamma_inverse(excess)
    common = float(np.exp(logs.mean() + digamma(prior / 2) - np.log(prior / 2)))
    shrunk = (prior * common + freedom * variances) / (prior + freedom)
    return ShrunkVariances(shrunk, np.minimum(prior + freedom, freedom.sum()))


def _trigamma_inverse(value: float) -> float:
    """
    >>> round(_trigamma_inverse(np.pi**2 / 6), 6)
    1.0
    """
    from scipy.optimize import brentq
    from scipy.special import polygamma

    return float(brentq(lambda x: float(polygamma(1, x)) - value, 1e-8, 1e8))
