"""What the rows say group by group: against brute force, published values and plain counting."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from liftune.data.splits import Split
from liftune.evaluation.breakdowns import (
    MOST_IN_MATRIX,
    answered,
    group_score,
    label_scores,
    length_bins,
    reliability,
    selective_curve,
)
from liftune.evaluation.error_analysis import scatter, words
from liftune.evaluation.flips import flips
from liftune.evaluation.statistics.intervals import clopper_pearson
from liftune.metrics.registry import right
from liftune.tasks.base import TaskKind, decide, probabilities

SINGLE, MULTI, VALUE = TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL, TaskKind.REGRESSION
RNG = np.random.default_rng(5)
LABELS = ("a", "b", "c")
TARGETS = RNG.integers(0, 3, 200)
LOGITS = RNG.normal(size=(200, 3)) + 1.2 * np.eye(3)[TARGETS]
SETS = RNG.integers(0, 2, (150, 3))
SET_LOGITS = RNG.normal(size=(150, 3)) + SETS - 0.5


@pytest.mark.parametrize(("targets", "logits", "task"), [(TARGETS, LOGITS, SINGLE), (SETS, SET_LOGITS, MULTI)])
def test_label_scores_are_those_of_scikit_learn(targets, logits, task):
    found = label_scores(targets, logits, LABELS, task)
    expected = precision_recall_fscore_support(targets, decide(logits, task), labels=[0, 1, 2], average=None)
    for position, each in enumerate(found):
        values = [each.precision.value, each.recall.value, each.f1.value]
        assert values == pytest.approx([column[position] for column in expected[:3]])
        assert each.rows == expected[3][position]
        for interval in (each.precision, each.recall, each.f1):
            assert interval.low < interval.value < interval.high
    hits = int(((targets == 0) & (decide(logits, task) == 0)).sum()) if task is SINGLE else None
    if hits is not None:
        assert found[0].recall == clopper_pearson(hits, int((targets == 0).sum()))


def test_a_label_that_is_never_answered_has_no_precision_and_one_that_never_occurs_no_recall():
    targets, logits = np.array([0, 0, 1]), np.eye(3)[[0, 0, 0]]
    a, b, c = label_scores(targets, logits, LABELS, SINGLE)
    assert b.precision.value is None
    assert b.precision.note
    assert b.recall.value == 0
    assert c.recall.value is None
    assert c.f1.value is None
    assert a.precision.value == pytest.approx(2 / 3)


def test_rows_of_a_label_that_the_model_never_had_count_as_wrong():
    """Its index lies beyond the logits: a row of the matrix without a hit."""
    targets, logits = np.array([0, 1, 3, 3]), np.eye(3)[[0, 1, 2, 2]]
    found = label_scores(targets, logits, (*LABELS, "unseen"), SINGLE)
    assert found[3].rows == 2
    assert found[3].recall.value == 0
    matrix = answered(targets, logits, (*LABELS, "unseen"))
    assert matrix.counts[3] == (0, 0, 2, 0)
    assert [(each.truth, each.answer, each.rows) for each in matrix.worst] == [("unseen", "c", 2)]


def test_the_matrix_is_that_of_scikit_learn_and_its_list_has_the_most_rows_first():
    found = answered(TARGETS, LOGITS, LABELS)
    expected = confusion_matrix(TARGETS, decide(LOGITS, SINGLE))
    assert np.array_equal(found.counts, expected)
    counts = [each.rows for each in found.worst]
    assert counts == sorted((expected[i, j] for i in range(3) for j in range(3) if i != j), reverse=True)
    for each in found.worst:
        truth = LABELS.index(each.truth)
        assert each.share.value == pytest.approx(each.rows / expected[truth].sum())


def test_many_labels_have_a_list_and_no_matrix():
    size = MOST_IN_MATRIX + 1
    targets = np.arange(size)
    found = answered(targets, np.roll(np.eye(size), 1, axis=1), [f"l{i}" for i in targets])
    assert found.counts == ()
    assert found.worst[0].answer == "l1"


def test_bins_hold_every_answer_once_and_keep_what_was_right():
    bins = reliability(TARGETS, LOGITS, SINGLE)
    p = probabilities(LOGITS, SINGLE).max(axis=1)
    assert sum(each.answers for each in bins) == 200
    assert sum(each.answers * each.promised for each in bins) == pytest.approx(p.sum())
    assert sum(each.answers * each.kept.value for each in bins) == pytest.approx(right(TARGETS, LOGITS).sum())
    assert all(each.low <= each.promised <= each.high for each in bins)
    certain = reliability(np.array([0]), np.array([[100.0, 0.0]]), SINGLE)
    assert (certain[0].low, certain[0].high) == (0.9, 1.0)


def test_probabilities_that_hold_lie_inside_their_intervals():
    """Answers drawn by the very probabilities that are promised: hardly a bin may part with the diagonal."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(20_000, 3)) * 2
    p = probabilities(logits, SINGLE)
    targets = (rng.random(20_000)[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    bins = reliability(targets, logits, SINGLE)
    outside = [each for each in bins if not each.kept.low <= each.promised <= each.kept.high]
    assert len(outside) <= 1
    surer = [each for each in reliability(targets, 3 * logits, SINGLE) if each.answers > 500]
    assert len(surer) >= 4
    assert all(each.kept.high < each.promised for each in surer)


def test_the_score_of_all_rows_is_the_plain_score_and_the_surest_rows_come_first():
    found = selective_curve(TARGETS, LOGITS, SINGLE)
    assert [each.rows for each in found] == [20 * i for i in range(1, 11)]
    assert found[-1].score == group_score(TARGETS, LOGITS, SINGLE)
    assert [each.least for each in found] == sorted((each.least for each in found), reverse=True)
    p = probabilities(LOGITS, SINGLE).max(axis=1)
    surest = np.argsort(-p)[:20]
    assert found[0].score.value == pytest.approx(right(TARGETS, LOGITS)[surest].mean())


def test_few_rows_have_as_many_shares_as_there_are_rows():
    found = selective_curve(TARGETS[:3], LOGITS[:3], SINGLE)
    assert [each.rows for each in found] == [1, 2, 3]


@pytest.mark.parametrize(
    "lengths", [np.arange(200), np.full(200, 7), RNG.integers(1, 4, 200), np.repeat([1, 900], 100)]
)
def test_stretches_hold_every_row_once_in_order_of_length(lengths):
    found = length_bins(lengths, TARGETS, {"tuned": LOGITS}, SINGLE)
    assert sum(each.rows for each in found) == 200
    assert len(found) <= 6
    assert all(a.high < b.low for a, b in pairwise(found))
    mean = sum(each.rows * each.scores["tuned"].value for each in found) / 200
    assert mean == pytest.approx(right(TARGETS, LOGITS).mean())


def split_of(targets) -> Split:
    return Split(tuple(f"t{i}" for i in range(len(targets))), tuple("abcdefgh"[: len(targets)]), tuple(targets))


def test_flips_are_the_rows_on_which_just_one_is_right_the_surest_first():
    before = np.array([[2.0, 0], [0, 2.0], [0, 2.0], [2.0, 0]])
    after = np.array([[3.0, 0], [1.0, 0], [5.0, 0], [0, 4.0]])
    found = flips("base", split_of("xxxx"), np.zeros(4, dtype=int), before, after, ("x", "y"), SINGLE)
    assert [each.id for each in found.mended] == ["t2", "t1"]
    assert [each.id for each in found.broken] == ["t3"]
    (broken,) = found.broken
    assert (broken.target, broken.before, broken.after) == ("x", "x", "y")
    assert broken.confidence == pytest.approx(1 / (1 + np.exp(-4)))


def test_a_row_of_several_labels_is_right_with_all_of_them():
    targets = np.array([[1, 0], [1, 1], [0, 0]])
    before = np.array([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0]])
    after = np.array([[1.0, -1.0], [1.0, -1.0], [-1.0, -1.0]])
    rows = split_of([("x",), ("x", "y"), ()])
    found = flips("base", rows, targets, before, after, ("x", "y"), MULTI)
    assert [(each.id, each.before, each.after) for each in found.mended] == [("t0", "x, y", "x")]
    assert [(each.id, each.target) for each in found.broken] == [("t1", "x, y")]


def test_a_value_is_mended_by_as_much_as_its_error_fell():
    targets = np.array([1.0, 1.0, 1.0])
    before, after = np.array([[3.0], [1.5], [1.0]]), np.array([[1.5], [2.0], [1.0]])
    found = flips("probe", split_of(targets), targets, before, after, (), VALUE)
    assert [(each.id, each.confidence) for each in found.mended] == [("t0", 1.5)]
    assert [(each.id, each.confidence) for each in found.broken] == [("t1", 0.5)]


def test_residuals_are_all_counted_and_the_scatter_is_thinned():
    truth = np.linspace(0, 1, 5_000)
    found = scatter(truth, truth + 0.25 + np.random.default_rng(0).normal(size=5_000) * 0.1)
    assert sum(found.counts) == 5_000
    assert len(found.truth) == 600
    assert found.bias.low < 0.25 < found.bias.high
    assert scatter(truth, truth).bias.low is None


def test_words_of_a_pair_are_those_of_both():
    assert list(words(("one two", ("one", "two three")))) == [2, 3]
