"""Whether test is drawn as train was: found where it is not, seldom claimed where it is, with words that tell."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from liftune.data.splits import Split, Splits
from liftune.diagnostics.shift import auc_interval, compare_targets, shift
from liftune.records.data import Audit
from liftune.tasks import TaskKind

SINGLE, MULTI, REGRESSION = TaskKind


def part(name, rng, n, *, odd=0.0, shares=(0.5, 0.5), groups=None):
    rows = []
    for _ in range(n):
        words = [f"w{i}" for i in rng.integers(0, 60, 8)]
        if rng.random() < odd:
            words.append("zebra")
        rows.append(" ".join(words))
    targets = rng.choice(["a", "b"], n, p=shares).tolist()
    return Split(tuple(f"{name}:{i}" for i in range(n)), tuple(rows), tuple(targets), groups)


def splits_of(train, test, task=SINGLE):
    return Splits(task, ("a", "b"), (), train, train.take([]), test, Audit(), False, False, "f")


def test_a_word_that_only_test_has_is_found_and_named():
    rng = np.random.default_rng(0)
    found = shift(splits_of(part("train", rng, 500), part("test", rng, 400, odd=0.5)))
    assert found is not None
    assert found.auc.low is not None
    assert found.auc.low > 0.6
    assert found.p_value < 1e-4
    assert found.rows == 400
    assert found.words[0].word == "zebra"
    assert found.words[0].train == 0.0
    assert found.words[0].test == pytest.approx(0.5, abs=0.1)


def test_test_rows_drawn_as_train_was_are_called_shifted_one_time_in_twenty():
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(200):
        found = shift(splits_of(part("train", rng, 60), part("test", rng, 60)))
        assert found is not None
        p_values.append(found.p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.09  # 0.05 and 2.6 standard errors
    assert 0.4 <= np.mean(p_values) <= 0.6


def test_the_interval_of_the_auc_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    true = 0.7602  # of two normals one standard deviation apart: Phi(1 / sqrt 2)
    covered = 0
    for _ in range(400):
        low, high = rng.normal(size=40), rng.normal(1.0, 1.0, size=50)
        found = auc_interval(low, high)
        assert found.value == pytest.approx(roc_auc_score([0] * 40 + [1] * 50, [*low, *high]))
        covered += found.low <= true <= found.high
    assert 0.92 <= covered / 400 <= 0.98


def test_sides_that_never_overlap_have_no_interval_and_say_why():
    found = auc_interval(np.arange(5.0), np.arange(5.0) + 10)
    assert (found.value, found.low) == (1.0, None)
    assert found.note


def test_texts_that_both_sides_have_do_not_count():
    """A leaked row in the half that is fitted would be called train with certainty."""
    rng = np.random.default_rng(3)
    train = part("train", rng, 300)
    both = Split(tuple(f"test:{i}" for i in range(300)), train.rows, train.targets)
    assert shift(splits_of(train, both)) is None


def test_of_a_group_one_row_counts():
    rng = np.random.default_rng(4)
    train = part("train", rng, 200, groups=tuple(f"g{i // 4}" for i in range(200)))
    test = part("test", rng, 100, groups=tuple(f"h{i // 4}" for i in range(100)))
    found = shift(splits_of(train, test))
    assert found is not None
    assert found.rows == 25


def test_labels_in_other_shares_are_told():
    rng = np.random.default_rng(5)
    name, p_value = compare_targets(part("a", rng, 400), part("b", rng, 400, shares=(0.8, 0.2)), SINGLE)
    assert (name, p_value < 1e-6) == ("G-test", True)
    ids = tuple(map(str, range(200)))
    many = [Split(ids, ids, tuple((("x",) if i % 2 else ()) for i in range(200)))]
    few = Split(ids, ids, tuple((("x",) if i % 10 == 0 else ()) for i in range(200)))
    assert compare_targets(many[0], few, MULTI)[1] < 1e-6
    values = [Split(ids, ids, tuple(rng.normal(mean, 1.0, 200).tolist())) for mean in (0.0, 1.0)]
    assert compare_targets(values[0], values[1], REGRESSION)[1] < 1e-6
    assert compare_targets(values[0], values[0], REGRESSION)[1] == 1.0


def test_few_rows_say_nothing():
    rng = np.random.default_rng(6)
    assert shift(splits_of(part("train", rng, 100), part("test", rng, 10))) is None


@pytest.mark.slow
@pytest.mark.parametrize("draws", [200, pytest.param(2_000, marks=pytest.mark.slow)])
def test_texts_and_targets_together_are_called_shifted_one_time_in_twenty(draws):
    """Two tests at 0.05 each fire in nearly one of ten data sets without a shift; corrected together they do not."""
    rng = np.random.default_rng(7)
    fired, raw = 0, 0
    for _ in range(draws):
        found = shift(splits_of(part("train", rng, 60), part("test", rng, 60)))
        fired += min(found.adjusted_p_value, found.adjusted_target_p_value) <= 0.05
        raw += min(found.p_value, found.target_p_value) <= 0.05
    assert fired / draws <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / draws)
    assert raw > fired


def test_the_report_decides_by_the_corrected_p_values():
    from liftune.records.base import Interval
    from liftune.records.data import Shift
    from liftune.reports.sections.data_quality import shift_section

    found = Shift(
        rows=60, auc=Interval(value=0.6), p_value=0.04, target_test="G-test", target_p_value=0.5,
        adjusted_p_value=0.08, adjusted_target_p_value=0.5,
    )  # fmt: skip
    said = " ".join(shift_section(found).sentences)
    assert "No difference between test and train was found" in said
    assert "Holm" in said
