"""Whether a new model is worse by more than was allowed: the interval decides, and labels that lost rows are named."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from liftune.evaluation.clean_rows import Leaks
from liftune.evaluation.compare import check_same_rows
from liftune.evaluation.evaluate import Evaluation, scores
from liftune.evaluation.harm import harm, over_labels, same_labels
from liftune.evaluation.statistics.intervals import tango_interval
from liftune.metrics.registry import METRICS
from liftune.records.harm import Harm
from liftune.tasks import TaskKind

ACCURACY = METRICS["accuracy"]
NONE = Leaks(frozenset(), frozenset())


def evaluation(name: str, right: NDArray[np.bool_], groups: tuple[str, ...] | None = None) -> Evaluation:
    targets = np.arange(len(right)) % 2
    logits = np.eye(2, dtype=np.float32)[np.where(right, targets, 1 - targets)] * 3
    ids = tuple(map(str, range(len(right))))
    return Evaluation(name, TaskKind.SINGLE_LABEL, ("a", "b"), (), ids, logits, targets, "f", groups=groups)


def of_counts(lost: int, won: int, rows: int) -> tuple[Evaluation, Evaluation]:
    was, now = np.ones(rows, dtype=bool), np.ones(rows, dtype=bool)
    now[:lost], was[lost : lost + won] = False, False
    return evaluation("old", was), evaluation("new", now)


def found(lost: int, won: int, rows: int, most: float = 0.01, leaks: Leaks = NONE) -> Harm:
    return harm(*of_counts(lost, won, rows), ACCURACY, most, leaks)


@pytest.mark.parametrize(
    ("lost", "won", "rows"), [(0, 0, 300), (0, 0, 500), (9, 12, 2000), (30, 20, 2000), (5, 40, 900)]
)
def test_it_is_ruled_out_where_the_interval_stays_above(lost: int, won: int, rows: int) -> None:
    a, b = of_counts(lost, won, rows)
    low = tango_interval(a.hits(ACCURACY), b.hits(ACCURACY)).low
    assert low is not None
    assert harm(a, b, ACCURACY, 0.01, NONE).ruled_out == (low >= -0.01)


def test_lost_rows_are_counted_by_label_the_worst_first() -> None:
    told = found(5, 3, 1000)
    assert (told.lost, told.won) == (5, 3)
    assert [(each.label, each.rows, each.lost, each.won) for each in told.labels] == [
        ("a", 500, 3, 1),
        ("b", 500, 2, 2),
    ]
    first = told.labels[0]
    assert first.before.value == pytest.approx(499 / 500)
    assert first.after.value == pytest.approx(497 / 500)
    assert first.lost_share.low is not None
    assert first.lost_share.low < 3 / 500 < (first.lost_share.high or 0.0)


def test_the_rows_that_are_asked_for_are_enough_where_none_differs() -> None:
    """A hint is tested by following it."""
    needed = found(0, 0, 60).rows_needed
    assert needed is not None
    assert not found(0, 0, needed - 5).ruled_out
    assert found(0, 0, needed).ruled_out


def test_more_rows_are_not_offered_where_the_new_model_is_worse_by_more() -> None:
    told = found(80, 5, 1000)
    assert not told.ruled_out
    assert told.rows_needed is None


def test_rows_that_leak_are_left_out_and_too_few_decide_nothing() -> None:
    leaking = Leaks(frozenset(map(str, range(30))), frozenset())
    assert not found(30, 0, 1000).ruled_out
    assert found(30, 0, 1000, leaks=leaking).ruled_out
    assert found(30, 0, 1000, leaks=leaking).lost == 0
    few = found(0, 0, 500, leaks=Leaks(frozenset(map(str, range(480))), frozenset()))
    assert not few.ruled_out
    assert "20 clean test examples" in few.because


def test_near_duplicates_of_train_rows_cannot_carry_it() -> None:
    """500 rows without a loss, of which 300 resemble train rows."""
    told = found(0, 0, 500, leaks=Leaks(frozenset(), frozenset(map(str, range(300)))))
    assert not told.ruled_out
    assert "near duplicates" in told.because


def test_few_groups_never_rule_it_out() -> None:
    groups = tuple(f"g{i % 4}" for i in range(2000))
    right = np.ones(2000, dtype=bool)
    told = harm(evaluation("old", right, groups), evaluation("new", right, groups), ACCURACY, 0.05, NONE)
    assert not told.ruled_out
    assert "4 groups can never decide" in told.because


def test_values_have_no_lost_rows() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=400)
    ids = tuple(map(str, range(400)))

    def made(name: str, noise: float) -> Evaluation:
        logits = (targets + noise * rng.normal(size=400))[:, None].astype(np.float32)
        return Evaluation(name, TaskKind.REGRESSION, (), (), ids, logits, targets, "f")

    metric = METRICS["pearson"]
    good, bad = made("good", 0.3), made("bad", 1.5)
    assert harm(good, good, metric, 0.02, NONE).lost is None
    assert not harm(good, bad, metric, 0.02, NONE).ruled_out
    assert harm(bad, good, metric, 0.02, NONE).ruled_out
    rmse = METRICS["rmse"]  # where less is better
    assert not harm(good, bad, rmse, 0.02, NONE).ruled_out
    assert harm(bad, good, rmse, 0.02, NONE).ruled_out


def test_several_labels_a_row_count_under_each() -> None:
    targets = np.array([[1, 1], [1, 0], [0, 0], [0, 1]] * 20)
    right = (targets * 2 - 1).astype(np.float32) * 4
    wrong = right.copy()
    wrong[:4] *= -1
    ids = tuple(map(str, range(80)))
    a, b = (Evaluation(n, TaskKind.MULTI_LABEL, ("x", "y"), (), ids, each, targets, "f") for n, each in
            (("old", right), ("new", wrong)))  # fmt: skip
    told = harm(a, b, METRICS["micro_f1"], 0.02, NONE)
    assert told.lost == 4
    assert {each.label: each.lost for each in told.labels} == {"x": 2, "y": 2, "(no label)": 1}


def test_labels_are_brought_together_by_name() -> None:
    """The same predictions, in another order and beside a label that the first model does not have."""
    a, b = of_counts(3, 2, 100)
    turned = over_labels(b, ("c", "b", "a"))
    one, two = same_labels(a, turned)
    assert one.labels == two.labels == ("a", "b", "c")
    check_same_rows(one, two)
    assert (one.is_right == a.is_right).all()
    assert (two.is_right == b.is_right).all()
    assert scores([one])["accuracy"] == scores([a])["accuracy"]
    assert scores([one])["log_loss"].value == pytest.approx(scores([a])["log_loss"].value or 0.0)


def test_a_new_label_takes_rows_from_old_ones() -> None:
    a, b = of_counts(0, 0, 100)
    b = over_labels(b, ("a", "b", "c"))
    logits = b.logits.copy()
    logits[:10, 2] = 50.0
    from dataclasses import replace

    one, two = same_labels(a, replace(b, logits=logits))
    told = harm(one, two, ACCURACY, 0.01, NONE)
    assert told.lost == 10


def test_a_label_that_the_new_model_lacks_is_lost() -> None:
    a, b = of_counts(0, 0, 100)
    one, two = same_labels(a, over_labels(b, ("a",)))
    told = harm(one, two, ACCURACY, 0.01, NONE)
    assert {each.label: each.lost for each in told.labels} == {"b": 50, "a": 0}


def test_thresholds_follow_their_labels() -> None:
    targets = np.array([[1, 0], [0, 1]] * 20)
    logits = np.tile(np.array([[-1.0, 1.0]], dtype=np.float32), (40, 1))
    ids = tuple(map(str, range(40)))
    a = Evaluation("a", TaskKind.MULTI_LABEL, ("x", "y"), (), ids, logits, targets, "f", thresholds=(0.1, 0.9))
    turned = over_labels(a, ("y", "z", "x"))
    assert np.asarray(turned.thresholds).tolist() == [0.9, 0.5, 0.1]
    assert turned.decisions[0].tolist() == [0, 0, 1]
    assert a.decisions[0].tolist() == [1, 0]
