"""Data are scored by what their labels mean to the model, and refused where they mean nothing to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_splits import SPLITS

from liftune.data.label_matching import match_labels
from liftune.data.splits import Split, Splits
from liftune.errors import DataError, SpecError
from liftune.spec import RunSpec
from liftune.tasks import TaskKind


def rows(*labels: str) -> Splits:
    """Test rows with these labels, one each."""
    split = Split(
        tuple(f"test:{i}" for i in range(len(labels))), tuple(f"text {i}" for i in range(len(labels))), labels
    )
    return replace(SPLITS, test=split, labels=tuple(sorted(set(labels))))


def matched(data: tuple[str, ...], model: tuple[str, ...], label_map: dict[str, str] | None = None) -> Splits:
    return match_labels(rows(*data), model, label_map or {}, model="run")


@pytest.mark.parametrize(
    ("data", "model", "wanted"),
    [
        (("true", "false"), ("False", "True"), ("True", "False")),
        (("1", "0", "1"), ("False", "True"), ("True", "False", "True")),
        (("POS", "neg"), ("neg", "pos"), ("pos", "neg")),
        ((" caf\u00e9", "tea"), ("cafe\u0301", "tea"), ("cafe\u0301", "tea")),
        (("yes", "no"), ("no", "yes"), ("yes", "no")),
    ],
    ids=["booleans", "ones and zeros", "case", "blanks and accents", "the same"],
)
def test_a_label_that_is_spelt_otherwise_is_the_models(
    data: tuple[str, ...], model: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    splits = matched(data, model)
    assert splits.test.targets == wanted
    changed = data != wanted
    assert any("read as the model's" in note for note in splits.audit.notes) == changed
    assert (splits.fingerprint == SPLITS.fingerprint) != changed


def test_a_spelling_that_could_be_two_labels_is_neither() -> None:
    splits = matched(("Pos", "neg"), ("pos", "POS", "neg"))
    assert splits.test.targets == ("Pos", "neg")
    assert any("'Pos'" in note and "count as wrong" in note for note in splits.audit.notes)


def test_two_spellings_of_the_data_are_not_both_taken_for_one_label() -> None:
    splits = matched(("pos", "POS", "neg"), ("pos", "neg"))
    assert splits.test.targets == ("pos", "POS", "neg")
    assert any("'POS'" in note for note in splits.audit.notes)


def test_labels_of_which_the_model_has_none_are_refused_and_the_hint_works() -> None:
    with pytest.raises(DataError, match="no label of the data is one of run's") as error:
        matched(("gut", "schlecht"), ("bad", "good"))
    assert "--label-map gut=bad,schlecht=good" in str(error.value.hint)
    label_map = RunSpec.of(label_map="gut=good,schlecht=bad").model.label_map
    splits = matched(("gut", "schlecht"), ("bad", "good"), label_map)
    assert splits.test.targets == ("good", "bad")
    assert splits.labels == ("bad", "good")


@pytest.mark.parametrize(
    ("label_map", "named"),
    [
        ({"gud": "good"}, "the data have no label 'gud'; did you mean 'gut'"),
        ({"gut": "goood"}, "run has no label 'goood'"),
    ],
)
def test_a_map_of_labels_that_do_not_exist_is_refused(label_map: dict[str, str], named: str) -> None:
    with pytest.raises(SpecError) as error:
        matched(("gut", "good"), ("bad", "good"), label_map)
    assert named.split(";")[0] in error.value.message


def test_every_label_of_a_set_is_matched() -> None:
    splits = replace(
        SPLITS,
        task=TaskKind.MULTI_LABEL,
        test=Split(("test:0", "test:1"), ("x", "y"), (("Joy", "fear"), ())),
    )
    assert match_labels(splits, ("fear", "joy"), {}, model="run").test.targets == (("fear", "joy"), ())


def test_numbers_are_left_alone() -> None:
    splits = replace(SPLITS, task=TaskKind.REGRESSION)
    assert match_labels(splits, (), {}, model="run") is splits


@pytest.mark.parametrize("outputs", [2, 3, 5])
def test_the_order_of_outputs_without_names_is_not_invented(outputs: int) -> None:
    """The names of the data in their own order would swap the labels silently, and may be of another number."""
    with pytest.raises(DataError, match="no label of the data") as refused:
        matched(("cold", "fine", "warm"), tuple(f"LABEL_{i}" for i in range(outputs)))
    hint = str(refused.value.hint)
    names = hint.partition("--label-names ")[2].partition(";")[0].split(",")
    assert len(names) == outputs
    assert not {"cold", "fine", "warm"} & set(names)
    assert "id2label" in hint
