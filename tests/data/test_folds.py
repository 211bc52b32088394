"""One way to cut folds: labels in proportion, equal texts and groups whole, as many folds as there are rows for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from liftune.data.folds import FOLDS, assign_folds, folds_for_fitting
from liftune.data.splits import Split
from liftune.evaluation.ladder import ContenderLogits
from liftune.tasks import TaskKind

SINGLE, MULTI, VALUE = TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL, TaskKind.REGRESSION


def split_of(targets, *, rows=None, groups=None) -> Split:
    count = len(targets)
    rows = tuple(f"text {i}" for i in range(count)) if rows is None else tuple(rows)
    return Split(tuple(f"row:{i}" for i in range(count)), rows, tuple(targets), groups)


def test_folds_hold_labels_in_proportion():
    split = split_of(["a"] * 100 + ["b"] * 60 + ["c"] * 40)
    folds = folds_for_fitting(split, SINGLE)
    sizes = [np.bincount(folds[[each == label for each in split.targets]], minlength=5).tolist() for label in "abc"]
    assert sizes == [[20] * 5, [12] * 5, [8] * 5]


@pytest.mark.parametrize("task", TaskKind)
def test_groups_and_equal_texts_stay_whole_whatever_the_task(task):
    rng = np.random.default_rng(0)
    targets = {
        SINGLE: [f"c{i % 7}" for i in range(200)],
        MULTI: [tuple(f"c{j}" for j in np.flatnonzero(rng.random(5) < 0.3)) for _ in range(200)],
        VALUE: rng.normal(size=200).tolist(),
    }[task]
    split = split_of(
        targets, rows=[f"text {i % 180}" for i in range(200)], groups=tuple(f"g{i % 37}" for i in range(200))
    )
    folds = folds_for_fitting(split, task)
    assert set(folds) == set(range(5))
    for marks in (split.rows, split.groups):
        for mark in set(marks):
            assert len({fold for fold, each in zip(folds, marks, strict=True) if each == mark}) == 1


def test_many_labels_of_three_rows_each_are_spread():
    split = split_of([f"label {i % 77}" for i in range(231)])
    folds = folds_for_fitting(split, SINGLE)
    assert max(Counter(folds.tolist()).values()) - min(Counter(folds.tolist()).values()) <= 1
    for label in set(split.targets):
        assert len({fold for fold, target in zip(folds, split.targets, strict=True) if target == label}) == 3


def test_fewer_texts_than_folds_make_as_many_folds_and_one_makes_none():
    assert set(folds_for_fitting(split_of("abab", rows="xyzx"), SINGLE)) == {0, 1, 2}
    assert folds_for_fitting(split_of("abab", rows="xxxx"), SINGLE) is None
    assert folds_for_fitting(split_of("abab", groups=("one",) * 4), SINGLE) is None
    assert folds_for_fitting(split_of("abab"), SINGLE, least=FOLDS) is None


def test_fitting_and_cross_validation_cut_alike():
    split = split_of("ab" * 30)
    assert folds_for_fitting(split, SINGLE, seed=3).tolist() == list(assign_folds(split, 5, SINGLE, 3))


def test_thresholds_of_a_row_are_chosen_without_its_group():
    """Rows of one group in several folds would let a group choose the thresholds that it is judged by."""
    from made_splits import SPLITS

    rng = np.random.default_rng(0)
    sets = tuple(tuple(label for label in "ab" if rng.random() < 0.3) for _ in range(len(SPLITS.validation)))
    groups = tuple(f"g{i // 4}" for i in range(len(sets)))
    validation = replace(SPLITS.validation, targets=sets, groups=groups)
    splits = replace(SPLITS, task=MULTI, validation=validation)
    truth = splits.encoded(validation)
    logits = (rng.normal(size=(len(sets), 2)) + 2.0 * truth - 3.0).astype(np.float32)
    chosen = ContenderLogits(logits, logits, 0.0).with_thresholds(splits, "micro_f1").thresholds
    assert chosen.decisions.kind != "half"
    for group in set(groups):
        inside = [i for i, each in enumerate(groups) if each == group]
        assert len(np.unique(chosen.out_of_fold[inside], axis=0)) == 1
