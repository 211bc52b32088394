"""Scores by slice: a planted fault is found, noise is not, and few rows are never tested."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_evaluations import answering, evaluation

from liftune.data.splits import KeptColumn
from liftune.evaluation.clean_rows import Leaks
from liftune.evaluation.compare import compare
from liftune.evaluation.slices import LEAST_UNITS, slices
from liftune.evaluation.statistics.multiple_tests import holm
from liftune.tasks import TaskKind

NONE = Leaks(frozenset(), frozenset())


def column(*values, name="lang"):
    return KeptColumn(name, tuple(values))


def with_slices(rows: int, *columns, right=0.9, broken=None, seed=0):
    """tuned and another contender; of `broken` (rows) tuned gets half wrong."""
    rng = np.random.default_rng(seed)
    hits = rng.random(rows) < right
    if broken is not None:
        hits &= ~broken | (rng.random(rows) < 0.5)
    tuned, other = answering("tuned", hits), answering("tfidf", rng.random(rows) < 0.6)
    return replace(tuned, kept=columns), replace(other, kept=columns)


def test_a_slice_that_fails_is_found_and_stands_first():
    langs = [("de", "en", "fr", "it")[i % 4] for i in range(400)]
    tuned, other = with_slices(400, column(*langs), broken=np.array([each == "fr" for each in langs]))
    found = slices(tuned, other, NONE)
    worst, *rest = found.columns[0].slices
    assert (worst.value, worst.verdict, worst.rows) == ("fr", "worse", 100)
    assert worst.rest > worst.score.high
    assert all(each.verdict == "undecided" or each.rest < each.score.value for each in rest)
    assert [each.score.value for each in rest] == sorted(each.score.value for each in rest)
    assert worst.gain.verdict != "better"
    assert all(each.gain.verdict == "better" for each in rest)
    assert found.tests == 8


def test_rows_of_an_earlier_run_that_kept_no_such_column_are_no_slice():
    langs = [None] * 100 + ["de", "en"] * 100
    tuned, other = with_slices(300, column(*langs))
    ids = tuple(f"old:test:{i}" if i < 100 else f"test:{i}" for i in range(300))
    found = slices(replace(tuned, ids=ids), replace(other, ids=ids), NONE)
    assert {(each.value, each.rows) for each in found.columns[0].slices} == {("de", 100), ("en", 100)}
    blank = slices(replace(tuned, ids=tuple(f"test:{i}" for i in range(300))), other, NONE)
    assert None in {each.value for each in blank.columns[0].slices}, "of these rows the cell is blank, which is a value"
    none = (column(*[None] * 300),)
    assert slices(replace(tuned, kept=none), replace(other, kept=none), NONE) is None


def test_p_values_of_all_columns_and_gains_are_adjusted_together():
    tuned, other = with_slices(
        300,
        column(*[("a", "b", "c")[i % 3] for i in range(300)]),
        column(*["xyz"[i // 100] for i in range(300)], name="k"),
    )
    found = slices(tuned, other, NONE)
    scores = [each for column in found.columns for each in column.slices]
    raw = [each.p_value for each in scores] + [each.gain.p_value for each in scores]
    adjusted = [each.adjusted_p_value for each in scores] + [each.gain.adjusted_p_value for each in scores]
    assert found.tests == 12
    assert adjusted == pytest.approx(holm(np.array(raw)).tolist())
    assert scores[0].gain.gain.value == pytest.approx(
        compare(
            *(
                each.take(np.flatnonzero([v == scores[0].value for v in tuned.kept[0].values]))
                for each in (other, tuned)
            )
        ).gain
    )


def test_two_slices_against_each_other_are_one_test():
    tuned, _ = with_slices(200, column(*["ab"[i % 2] for i in range(200)]), broken=np.arange(200) % 2 == 0)
    found = slices(tuned, None, NONE)
    assert found.tests == 1
    assert {each.value: each.verdict for each in found.columns[0].slices} == {"a": "worse", "b": "better"}
    assert found.against is None
    assert all(each.gain is None for each in found.columns[0].slices)


@pytest.mark.parametrize("few", [1, LEAST_UNITS - 1])
def test_a_slice_of_few_rows_is_shown_last_and_never_tested(few):
    values = ["rare"] * few + ["often"] * 100 + ["other"] * 100
    tuned, other = with_slices(len(values), column(*values), broken=np.array([each == "rare" for each in values]))
    found = slices(tuned, other, NONE)
    last = found.columns[0].slices[-1]
    assert (last.value, last.rows, last.verdict, last.p_value, last.gain) == ("rare", few, "not tested", None, None)
    assert "too few to test" in last.note
    assert found.tests == 4


def test_rows_without_a_value_are_a_slice():
    tuned, _ = with_slices(120, column(*[("de", None, "en")[i % 3] for i in range(120)]))
    assert {each.value: each.rows for each in slices(tuned, None, NONE).columns[0].slices} == {
        "de": 40,
        "en": 40,
        None: 40,
    }


def test_one_value_has_nothing_to_be_compared_with():
    tuned, other = with_slices(60, column(*["de"] * 60))
    (only,) = slices(tuned, other, NONE).columns[0].slices
    assert (only.note, only.p_value, only.rest) == ("there are no other rows", None, None)
    assert only.gain.verdict == "better"
    few = column(*["de"] * 57, *["en"] * 3)
    first, second = slices(replace(tuned, kept=(few,)), None, NONE).columns[0].slices
    assert first.note == "the other rows are too few to compare it with"
    assert "too few" in second.note


def test_rows_that_leak_are_left_out_unless_all_do():
    tuned, other = with_slices(100, column(*["ab"[i % 2] for i in range(100)]))
    leaks = Leaks(frozenset(tuned.ids[:20]), frozenset())
    found = slices(tuned, other, leaks)
    assert (found.rows, [each.rows for each in found.columns[0].slices]) == (80, [40, 40])
    assert slices(tuned, other, Leaks(frozenset(tuned.ids), frozenset())).rows == 100


def test_nothing_is_said_without_kept_columns():
    tuned, other = with_slices(50)
    assert slices(tuned, other, NONE) is None


def test_rows_of_one_group_are_one_draw():
    """Four authors, each all right or all wrong: as rows slices differ beyond doubt, as authors nothing is shown."""
    groups = tuple(f"author {i // 50}" for i in range(200))
    tuned = answering("tuned", np.repeat([True, False, True, True], 50))
    tuned = replace(tuned, kept=(column(*["ab"[i // 100] for i in range(200)]),))
    assert slices(tuned, None, NONE).columns[0].slices[0].verdict == "worse"
    found = slices(replace(tuned, groups=groups), None, NONE)
    assert (found.unit, found.tests) == ("group", 0)
    assert [each.units for each in found.columns[0].slices] == [2, 2]


def test_noise_is_claimed_to_fail_in_few_runs_of_many():
    """Ten slices that are all alike: under Holm one run of twenty may claim anything."""
    claims = 0
    for seed in range(30):
        tuned, _ = with_slices(400, column(*[f"s{i % 10}" for i in range(400)]), seed=seed)
        claims += any(each.verdict != "undecided" for each in slices(tuned, None, NONE).columns[0].slices)
    assert claims <= 4


def test_numbers_and_sets_of_labels_have_slices_too():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=160)
    noisy = np.arange(160) % 4 == 0
    near = truth + np.where(noisy, 3.0, 0.1) * rng.normal(size=160)
    value = evaluation("tuned", near[:, None], truth, TaskKind.REGRESSION, kept=(column(*np.where(noisy, "x", "y")),))
    found = slices(value, None, NONE)
    assert (found.metric, found.columns[0].slices[0].value) == ("rmse", "x")
    assert found.columns[0].slices[0].verdict == "worse"
    sets = rng.random((160, 3)) < 0.4
    logits = np.where(sets, 2.0, -2.0) * np.where(noisy & (rng.random(160) < 0.7), -1.0, 1.0)[:, None]
    several = evaluation("tuned", logits, sets, TaskKind.MULTI_LABEL, kept=value.kept)
    found = slices(several, replace(several, logits=-logits), NONE)
    assert found.metric == "micro_f1"
    assert [each.verdict for each in found.columns[0].slices] == ["worse", "better"]
