"""What the rows say group by group: against brute force, published values and plain counting."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from made_evaluations import evaluation
from sklearn import metrics as sklearn_metrics

from liftune.data.splits import Split
from liftune.evaluation.breakdowns import (
    MOST_IN_MATRIX,
    confusion_matrix,
    group_metric,
    label_scores,
    length_bins,
    selective_curve,
)
from liftune.evaluation.error_analysis import BINS, scatter, words
from liftune.evaluation.evaluate import Evaluation, score_interval, scores
from liftune.evaluation.flips import as_targets, flips
from liftune.evaluation.reliability import Binned, reliability_curve
from liftune.evaluation.statistics.intervals import clopper_pearson
from liftune.tasks import TaskKind, task_of

SINGLE, MULTI, VALUE = TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL, TaskKind.REGRESSION
RNG = np.random.default_rng(5)
LABELS = ("a", "b", "c")
TARGETS = RNG.integers(0, 3, 200)
LOGITS = (RNG.normal(size=(200, 3)) + 1.2 * np.eye(3)[TARGETS]).astype(np.float32)
#: (N,) whether each row is predicted rightly.
RIGHT = task_of(SINGLE).is_right(TARGETS, LOGITS)
SETS = RNG.integers(0, 2, (150, 3))
SET_LOGITS = (RNG.normal(size=(150, 3)) + SETS - 0.5).astype(np.float32)


def made(targets, logits, task: TaskKind = SINGLE, **more) -> Evaluation:
    return evaluation("tuned", logits, targets, task, **more)


def both(targets, before, after, task: TaskKind = SINGLE, **more) -> list[Evaluation]:
    return [evaluation(name, each, targets, task, **more) for name, each in (("base", before), ("tuned", after))]


def bins_of(targets, logits):
    return reliability_curve(Binned.of_equal_width(made(targets, logits), BINS))


@pytest.mark.parametrize(("targets", "logits", "task"), [(TARGETS, LOGITS, SINGLE), (SETS, SET_LOGITS, MULTI)])
def test_label_scores_are_those_of_scikit_learn(targets, logits, task):
    found = label_scores(made(targets, logits, task))
    expected = sklearn_metrics.precision_recall_fscore_support(
        targets, task_of(task).decide(logits), labels=[0, 1, 2], average=None
    )
    for position, each in enumerate(found):
        values = [each.precision.value, each.recall.value, each.f1.value]
        assert values == pytest.approx([column[position] for column in expected[:3]])
        assert each.rows == expected[3][position]
        for interval in (each.precision, each.recall, each.f1):
            assert interval.low < interval.value < interval.high
    hits = int(((targets == 0) & (task_of(task).decide(logits) == 0)).sum()) if task is SINGLE else None
    if hits is not None:
        assert found[0].recall == clopper_pearson(hits, int((targets == 0).sum()))


def test_a_label_that_is_never_answered_has_no_precision_and_one_that_never_occurs_no_recall():
    targets, logits = np.array([0, 0, 1]), np.eye(3)[[0, 0, 0]]
    a, b, c = label_scores(made(targets, logits))
    assert b.precision.value is None
    assert b.precision.note
    assert b.recall.value == 0
    assert c.recall.value is None
    assert c.f1.value is None
    assert a.precision.value == pytest.approx(2 / 3)


def test_rows_of_a_label_that_the_model_never_had_count_as_wrong():
    """Its index lies beyond the logits: a row of the matrix without a hit."""
    targets, logits = np.array([0, 1, 3, 3]), np.eye(3)[[0, 1, 2, 2]]
    found = label_scores(made(targets, logits, unseen=("unseen",)))
    assert found[3].rows == 2
    assert found[3].recall.value == 0
    matrix = confusion_matrix(made(targets, logits, unseen=("unseen",)))
    assert matrix.counts[3] == (0, 0, 2, 0)
    assert [(each.truth, each.answer, each.rows) for each in matrix.worst] == [("unseen", "c", 2)]


def test_the_matrix_is_that_of_scikit_learn_and_its_list_has_the_most_rows_first():
    found = confusion_matrix(made(TARGETS, LOGITS))
    expected = sklearn_metrics.confusion_matrix(TARGETS, task_of(SINGLE).decide(LOGITS))
    assert np.array_equal(found.counts, expected)
    counts = [each.rows for each in found.worst]
    assert counts == sorted((expected[i, j] for i in range(3) for j in range(3) if i != j), reverse=True)
    for each in found.worst:
        truth = LABELS.index(each.truth)
        assert each.share.value == pytest.approx(each.rows / expected[truth].sum())


def test_many_labels_have_a_list_and_no_matrix():
    size = MOST_IN_MATRIX + 1
    targets = np.arange(size)
    found = confusion_matrix(made(targets, np.roll(np.eye(size), 1, axis=1), labels=tuple(f"l{i}" for i in targets)))
    assert found.counts == ()
    assert found.worst[0].answer == "l1"


def test_bins_hold_every_answer_once_and_keep_what_was_right():
    bins = bins_of(TARGETS, LOGITS)
    p = task_of(SINGLE).probabilities(LOGITS).max(axis=1)
    assert sum(each.rows for each in bins) == 200
    assert sum(each.rows * each.confidence for each in bins) == pytest.approx(p.sum())
    assert sum(each.rows * each.right.value for each in bins) == pytest.approx(RIGHT.sum())
    assert all(each.low <= each.confidence <= each.high for each in bins)
    certain = bins_of(np.array([0]), np.array([[100.0, 0.0]]))
    assert (certain[0].low, certain[0].high) == (0.9, 1.0)


def test_probabilities_that_hold_lie_inside_their_intervals():
    """Answers drawn by the very probabilities that are promised: hardly a bin may part with the diagonal."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(20_000, 3)) * 2
    p = task_of(SINGLE).probabilities(logits)
    targets = (rng.random(20_000)[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    bins = bins_of(targets, logits)
    outside = [each for each in bins if not each.right.low <= each.confidence <= each.right.high]
    assert len(outside) <= 1
    surer = [each for each in bins_of(targets, 3 * logits) if each.rows > 500]
    assert len(surer) >= 4
    assert all(each.right.high < each.confidence for each in surer)


def test_the_score_of_all_rows_is_the_plain_score_and_the_surest_rows_come_first():
    found = selective_curve(made(TARGETS, LOGITS))
    assert [each.rows for each in found] == [20 * i for i in range(1, 11)]
    assert found[-1].score == score_interval(group_metric(SINGLE), [made(TARGETS, LOGITS)])
    assert [each.least for each in found] == sorted((each.least for each in found), reverse=True)
    p = task_of(SINGLE).probabilities(LOGITS).max(axis=1)
    surest = np.argsort(-p)[:20]
    assert found[0].score.value == pytest.approx(RIGHT[surest].mean())


def test_few_rows_have_as_many_shares_as_there_are_rows():
    found = selective_curve(made(TARGETS[:3], LOGITS[:3]))
    assert [each.rows for each in found] == [1, 2, 3]


@pytest.mark.parametrize(
    "lengths", [np.arange(200), np.full(200, 7), RNG.integers(1, 4, 200), np.repeat([1, 900], 100)]
)
def test_stretches_hold_every_row_once_in_order_of_length(lengths):
    found = length_bins(lengths, {"tuned": made(TARGETS, LOGITS)})
    assert sum(each.rows for each in found) == 200
    assert len(found) <= 6
    assert all(a.high < b.low for a, b in pairwise(found))
    mean = sum(each.rows * each.scores["tuned"].value for each in found) / 200
    assert mean == pytest.approx(RIGHT.mean())


def split_of(targets) -> Split:
    return Split(tuple(f"t{i}" for i in range(len(targets))), tuple("abcdefgh"[: len(targets)]), tuple(targets))


def test_flips_are_the_rows_on_which_just_one_is_right_the_surest_first():
    before = np.array([[2.0, 0], [0, 2.0], [0, 2.0], [2.0, 0]])
    after = np.array([[3.0, 0], [1.0, 0], [5.0, 0], [0, 4.0]])
    found = flips(split_of("xxxx"), *both(np.zeros(4, dtype=int), before, after, labels=("x", "y")))
    assert [each.id for each in found.fixed] == ["t2", "t1"]
    assert [each.id for each in found.broken] == ["t3"]
    (broken,) = found.broken
    assert (broken.target, broken.before, broken.after) == ("x", "x", "y")
    assert broken.confidence == pytest.approx(1 / (1 + np.exp(-4)))


def test_a_row_of_several_labels_is_right_with_all_of_them():
    targets = np.array([[1, 0], [1, 1], [0, 0]])
    before = np.array([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0]])
    after = np.array([[1.0, -1.0], [1.0, -1.0], [-1.0, -1.0]])
    rows = split_of([("x",), ("x", "y"), ()])
    found = flips(rows, *both(targets, before, after, MULTI, labels=("x", "y")))
    assert [(each.id, each.before, each.after) for each in found.fixed] == [("t0", "x, y", "x")]
    assert [(each.id, each.target) for each in found.broken] == [("t1", "x, y")]


def test_a_value_is_mended_by_as_much_as_its_error_fell():
    targets = np.array([1.0, 1.0, 1.0])
    before, after = np.array([[3.0], [1.5], [1.0]]), np.array([[1.5], [2.0], [1.0]])
    found = flips(split_of(targets), *both(targets, before, after, VALUE))
    assert [(each.id, each.confidence) for each in found.fixed] == [("t0", 1.5)]
    assert [(each.id, each.confidence) for each in found.broken] == [("t1", 0.5)]


def test_residuals_are_all_counted_and_the_scatter_is_thinned():
    truth = np.linspace(0, 1, 5_000)
    found = scatter(made(truth, (truth + 0.25 + np.random.default_rng(0).normal(size=5_000) * 0.1)[:, None], VALUE))
    assert sum(found.counts) == 5_000
    assert len(found.truth) == 600
    assert found.bias.low < 0.25 < found.bias.high
    assert scatter(made(np.arange(9.0), np.arange(9.0)[:, None], VALUE)).bias.low is None


def test_words_of_a_pair_are_those_of_both():
    assert list(words(("one two", ("one", "two three")))) == [2, 3]


# Thresholds and groups ------------------------------------------------------------------------------------------------


def a_run_by_thresholds(groups: tuple[str, ...] | None = None) -> list[Evaluation]:
    """Each label is predicted from a probability of 0.25 on, rightly for all 200 rows, and never reaches one half."""
    targets = np.random.default_rng(3).integers(0, 2, (200, 2))
    logits = np.where(targets == 1, -0.5, -3.0)
    base = evaluation("base", logits, targets, MULTI, thresholds=None, groups=groups)
    return [base, evaluation("tuned", logits, targets, MULTI, thresholds=(0.25, 0.25), groups=groups)]


def test_tables_decide_labels_by_the_thresholds_that_the_ladder_is_scored_by():
    """At one half the label table said F1 0.0 where the ladder said micro-F1 1.0."""
    base, tuned = a_run_by_thresholds()
    ladder = scores([tuned])["micro_f1"].value
    assert ladder == 1.0
    assert [each.f1.value for each in label_scores(tuned)] == [1.0, 1.0]
    assert [each.recall.value for each in label_scores(base)] == [0.0, 0.0]
    rows = Split(tuned.ids, tuned.ids, tuple(as_targets(tuned)))
    found = flips(rows, base, tuned)
    assert len(found.fixed) == int(tuned.targets.any(axis=1).sum())
    assert {each.before for each in found.fixed} == {"none"}
    assert all(each.after == each.target for each in found.fixed)
    assert selective_curve(tuned)[-1].score.value == ladder
    by_length = length_bins(np.repeat([1, 9], 100), {"base": base, "tuned": tuned})
    assert [each.scores["tuned"].value for each in by_length] == [1.0, 1.0]


@pytest.mark.parametrize("grouped", [False, True])
def test_micro_f1_of_the_label_tables_counts_is_that_of_the_ladder(grouped):
    groups = tuple(f"g{i // 5}" for i in range(150)) if grouped else None
    tuned = evaluation("tuned", SET_LOGITS, SETS, MULTI, thresholds=(0.3, 0.6, 0.45), groups=groups)
    table = label_scores(tuned)
    hits = sum(each.recall.value * each.rows for each in table)
    predicted = sum(each.recall.value * each.rows / each.precision.value for each in table)
    occurring = sum(each.rows for each in table)
    assert 2 * hits / (predicted + occurring) == pytest.approx(scores([tuned])["micro_f1"].value)


def width(interval) -> float:
    return interval.high - interval.low


def test_intervals_of_tables_are_wider_where_rows_come_in_groups_that_share_their_luck():
    """Each row five times over: intervals by row would be narrower by the root of five."""
    clones = np.repeat(np.arange(200), 5)
    groups = tuple(f"g{i}" for i in clones)
    one = made(TARGETS, LOGITS)
    rows, whole = (made(TARGETS[clones], LOGITS[clones], groups=each) for each in (None, groups))
    lengths = np.repeat([1, 9], 500)

    def intervals(of: Evaluation, words=lengths):
        yield from (each.recall for each in label_scores(of))
        yield from (each.precision for each in label_scores(of))
        yield from (each.f1 for each in label_scores(of))
        yield confusion_matrix(of).worst[0].share
        yield selective_curve(of)[-1].score
        yield length_bins(words, {"x": of})[0].scores["x"]
        yield reliability_curve(Binned.of_equal_width(of, 3))[-1].right

    for single, row, group in zip(
        intervals(one, np.repeat([1, 9], 100)), intervals(rows), intervals(whole), strict=True
    ):
        assert single.value == pytest.approx(row.value) == pytest.approx(group.value)
        assert width(group) > 1.7 * width(row)
        assert width(group) == pytest.approx(width(single), rel=0.25)


def test_the_mean_residual_of_groups_is_that_of_independent_groups():
    clones = np.repeat(np.arange(100), 5)
    truth, values = RNG.normal(size=100), RNG.normal(size=(100, 1))
    rows, groups = (
        scatter(made(truth[clones], values[clones], VALUE, groups=each)).bias
        for each in (None, tuple(map(str, clones)))
    )
    assert groups.value == pytest.approx(rows.value)
    assert width(groups) > 1.8 * width(rows)
