"""Whether test was drawn as train was: a classifier learns to separate them, and targets are compared.

In: splits.  Out: a Shift.  Not here: what to make of it in words (report/).

A linear model on tf-idf is fitted to separate half of the sampled rows and predicts the other half, so that it is
judged on rows that it never saw, and the rank test on its predictions holds. Texts and targets are two tests of one
question, corrected together by Holm.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.linear_models import fit_linear
from liftune.baselines.tfidf import Ngrams
from liftune.data.splits import Split, Splits
from liftune.errors import need
from liftune.evaluation.statistics.intervals import CONFIDENCE
from liftune.evaluation.statistics.multiple_tests import holm
from liftune.metrics.row_statistics import Floats
from liftune.records.base import Interval
from liftune.records.data import Shift, Telltale
from liftune.tasks import TaskKind, task_of
from liftune.types import Row

#: Rows of each side at most; 1,000 of each are then predicted, which gives the chance to about 0.025.
MOST_ROWS = 2_000
#: Fewer rows of a side say nothing.
LEAST_ROWS = 20
_WORDS = 8
_STRENGTH = 3.0
_MOST_FEATURES = 200_000
_WORD = re.compile(r"\w+|[^\w\s]")


def shift(splits: Splits, *, seed: int = 0) -> Shift | None:
    """Compare test with train; None where either has fewer than 20 different texts.

    Texts that are on both sides or more than once count once at most, and of a group one row at most, so that the
    rows are independent draws.

    Source: the classifier two-sample test of Lopez-Paz and Oquab (2017), with the rank test of Mann and Whitney.
    """
    need("sklearn")
    rng = np.random.default_rng(seed)
    train, test = _independent(splits, rng)
    size = min(len(train), len(test), MOST_ROWS)
    if size < LEAST_ROWS:
        return None
    train, test = (part.take(rng.permutation(len(part))[:size].tolist()) for part in (train, test))
    auc, p_value = _separability(train.rows, test.rows)
    name, target_p = compare_targets(train, test, splits.task)
    adjusted, adjusted_target = holm(np.array([p_value, target_p])).tolist()
    return Shift(
        rows=size,
        auc=auc,
        p_value=p_value,
        words=telltales(train.rows, test.rows),
        lengths={name: float(np.median([_length(row) for row in part.rows])) for name, part in _named(train, test)},
        target_test=name,
        target_p_value=target_p,
        adjusted_p_value=adjusted,
        adjusted_target_p_value=adjusted_target,
    )


def _named(train: Split, test: Split) -> tuple[tuple[str, Split], ...]:
    return (("train", train), ("test", test))


def _independent(splits: Splits, rng: np.random.Generator) -> tuple[Split, Split]:
    """Train and test with one row at most of each text and of each group, and nothing that both have."""
    taken: list[Split] = []
    for part, other in ((splits.train, splits.test), (splits.test, splits.train)):
        seen: set[Hashable] = set(other.rows)
        kept = []
        for i in rng.permutation(len(part)).tolist():
            marks: list[Hashable] = [part.rows[i]]
            if part.groups is not None:
                marks.append(("group", part.groups[i]))
            if not seen.intersection(marks):
                seen.update(marks)
                kept.append(i)
        taken.append(part.take(kept))
    return taken[0], taken[1]


def _separability(train: Sequence[Row], test: Sequence[Row]) -> tuple[Interval, float]:
    """The chance that a test row looks more test-like than a train row, on the halves that were not fitted; and the
    one-sided p-value that it is one half."""
    from scipy.stats import mannwhitneyu

    half = len(train) // 2
    fitted = [*train[:half], *test[:half]]
    ngrams, features = Ngrams.learn(fitted, characters=False, most=_MOST_FEATURES)
    sides = np.repeat([0, 1], half)
    # The two sides are two labels, whatever the task of the rows.
    model = fit_linear(features, sides, 2, TaskKind.SINGLE_LABEL, _STRENGTH)
    looks = [np.diff(model.logits(ngrams.features(rows[half:])), axis=1)[:, 0].astype(float) for rows in (train, test)]
    p_value = float(mannwhitneyu(looks[1], looks[0], alternative="greater").pvalue)
    return auc_interval(looks[0], looks[1]), p_value


def auc_interval(low: Floats, high: Floats, *, confidence: float = CONFIDENCE) -> Interval:
    """Chance that a value of `high` exceeds one of `low`, ties counting half, with its interval.

    Source: DeLong, DeLong and Clarke-Pearson (1988), on the logit scale, which keeps it within 0 and 1.
    """
    from scipy.stats import norm, rankdata

    n, m = len(low), len(high)
    ranks = rankdata(np.concatenate([low, high]))
    placed_low = 1.0 - (ranks[:n] - rankdata(low)) / m
    placed_high = (ranks[n:] - rankdata(high)) / n
    value = float(placed_high.mean())
    variance = float(placed_low.var(ddof=1) / n + placed_high.var(ddof=1) / m)
    if value in (0.0, 1.0) or variance == 0.0:
        return Interval(value=value, note="no interval: every row of one side lies beyond the other's")
    z = float(norm.ppf(0.5 + confidence / 2)) * np.sqrt(variance) / (value * (1.0 - value))
    odds = np.log(value / (1.0 - value))
    low_end, high_end = 1.0 / (1.0 + np.exp(-np.array([odds - z, odds + z])))
    return Interval(value=value, low=float(low_end), high=float(high_end))


def compare_targets(train: Split, test: Split, task: TaskKind) -> tuple[str, float]:
    """The test by which targets are compared, and its p-value that both sides are drawn alike."""
    from scipy.stats import ks_2samp

    shape = task_of(task).shape
    if shape == "value":
        values = [np.array(part.targets, dtype=np.float64) for part in (train, test)]
        return "Kolmogorov-Smirnov test", float(ks_2samp(*values).pvalue)
    table = _counted(train, test)
    if shape == "label":
        return "G-test", _g_test(table)
    rows = np.array([len(train), len(test)])
    each = [_g_test(np.stack([column, rows - column])) for column in table]
    return "G-tests of each label, the least after Bonferroni", min(1.0, len(each) * min(each, default=1.0))


def _counted(train: Split, test: Split) -> NDArray[np.int64]:
    """(labels, 2) rows of train and test that carry each label."""
    counts = [
        Counter(label for target in part.targets for label in (target if isinstance(target, tuple) else (target,)))
        for part in (train, test)
    ]
    return np.array([[each[label] for each in counts] for label in sorted({*counts[0], *counts[1]}, key=str)])


def _g_test(table: NDArray[np.int64]) -> float:
    """Labels so rare that the distribution would not hold (fewer than ten rows of both sides) count as one."""
    from scipy.stats import chi2_contingency

    rare = table.sum(axis=1) < 10
    pooled = np.concatenate([table[~rare], table[rare].sum(axis=0, keepdims=True)])
    pooled = pooled[pooled.sum(axis=1) > 0]
    if len(pooled) < 2 or not pooled.sum(axis=0).all():
        return 1.0
    return float(chi2_contingency(pooled, correction=False, lambda_="log-likelihood").pvalue)


def telltales(train: Sequence[Row], test: Sequence[Row], most: int = _WORDS) -> tuple[Telltale, ...]:
    """The words whose share of rows differs most between the sides, beyond what chance among so many words gives.

    A word counts where the difference of its shares is above 4 standard errors: of 10,000 words without a difference
    fewer than one is expected there.
    """
    counts = [Counter(word for row in side for word in _words(row)) for side in (train, test)]
    n, m = len(train), len(test)
    words = []
    for word in {*counts[0], *counts[1]}:
        first, second = counts[0][word] / n, counts[1][word] / m
        share = (counts[0][word] + counts[1][word]) / (n + m)
        error = np.sqrt(share * (1.0 - share) * (1.0 / n + 1.0 / m))
        if error > 0 and abs(second - first) > 4.0 * error:
            words.append((abs(second - first) / error, Telltale(word=word, train=first, test=second)))
    return tuple(each for _, each in sorted(words, key=lambda pair: (-pair[0], pair[1].word))[:most])


def _words(row: Row) -> set[str]:
    return {word for text in ((row,) if isinstance(row, str) else row) for word in _WORD.findall(text.casefold())}


def _length(row: Row) -> int:
    return len(row) if isinstance(row, str) else sum(map(len, row))
