"""`tune --start`: a column of numbers where the started model has labels, and the other way round."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
from tiny_adapters import save_tuned
from tiny_models import save_tiny

from liftune.cli.main import main
from liftune.data.continued import Continued
from liftune.data.splits import Split
from liftune.errors import DataError
from liftune.option_texts import options_in
from liftune.spec import RunSpec
from liftune.tasks import TaskKind
from liftune.workflows.starting import find_start, with_start
from liftune.workflows.starting_rows import rows_to_go_on
from liftune.workflows.starting_targets import targets_said

MODELS = {
    "words": (TaskKind.SINGLE_LABEL, ("anger", "joy")),
    "sets": (TaskKind.MULTI_LABEL, ("anger", "joy")),
    "stars": (TaskKind.SINGLE_LABEL, ("1", "2", "3", "4", "5")),
    "codes": (TaskKind.SINGLE_LABEL, tuple(str(i) for i in range(100, 130))),
    "numbers": (TaskKind.REGRESSION, ()),
}
TARGETS = {
    "decimals": [f"{i % 37 / 3:.2f}" for i in range(60)],
    "many": [str(i % 29) for i in range(60)],
    "ids": [str(i % 2) for i in range(60)],
    "halves": [str((2 + i % 9) / 2) for i in range(60)],
    "stars": [str(1 + i % 5) for i in range(60)],
    "zero": [str(i % 3) for i in range(60)],
    "codes": [str(100 + i % 31) for i in range(60)],
    "mixed": [("joy", "fear", "7")[i % 3] for i in range(60)],
    "words": [("joy", "fear")[i % 2] for i in range(60)],
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of each kind, by itself."""
    place = tmp_path_factory.mktemp("targets")
    base = save_tiny("distilbert", place / "base")
    for name, (task, labels) in MODELS.items():
        save_tuned(base, place / name, labels=max(1, len(labels)), names=labels, task=task)
    return place


def written(place: Path, targets: Sequence[str]) -> str:
    with (place / "new.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("text", "label"), *((f"text {i} of {i * 7}", each) for i, each in enumerate(targets))]
        )
    return str(place / "new.csv")


def begun(models: Path, place: Path, model: str, targets: str, **asked: object) -> Continued:
    spec = RunSpec.of(data=written(place, TARGETS[targets]), start=str(models / model), near_duplicates="none", **asked)
    return rows_to_go_on(with_start(spec)).rows


@pytest.mark.parametrize("model", ["words", "sets"])
@pytest.mark.parametrize("targets", ["decimals", "many", "ids", "halves", "stars"])
def test_numbers_are_no_labels_of_a_model_of_words(model: str, targets: str, models: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the labels of the new rows are numbers: '") as refused:
        begun(models, tmp_path, model, targets)
    assert f"those of {models / model} are words: 'anger', 'joy'" in refused.value.message
    assert refused.value.where == f"{tmp_path / 'new.csv'}, column 'label'"
    hint = str(refused.value.hint)
    assert "--label; " in hint
    assert f"if each number is a label, --task {MODELS[model][0].value}" in hint
    assert "numbers to predict are tuned anew, without --start" in hint
    assert ("--label-names anger,joy" in hint) is (targets == "ids"), "only where each number can stand for a label"


@pytest.mark.parametrize(("model", "targets"), [("stars", "decimals"), ("stars", "many"), ("stars", "halves")])
def test_numbers_to_predict_are_no_labels_of_a_model_whose_labels_are_some_numbers(
    model: str, targets: str, models: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"the new rows hold numbers, of which \d+ would be new labels: '") as refused:
        begun(models, tmp_path, model, targets)
    assert "predicts labels: '1', '2', '3' and 2 more" in refused.value.message
    assert "--task single_label" in str(refused.value.hint)


def test_the_command_line_ends_with_2(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, out = written(tmp_path, TARGETS["ids"]), tmp_path / "run"
    assert main(["tune", rows, "--start", str(models / "words"), "--out", str(out)]) == 2
    assert "are numbers: '0', '1'" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(("model", "targets"), [("words", "ids"), ("stars", "halves")])
def test_numbers_are_labels_where_that_is_said(model: str, targets: str, models: Path, tmp_path: Path) -> None:
    found = begun(models, tmp_path, model, targets, task="single_label")
    assert set(found.splits.labels) == {*MODELS[model][1], *(each.removesuffix(".0") for each in TARGETS[targets])}
    assert any("taken as a label" in note or "taken as labels" in note for note in found.notes)


def test_names_for_numbers_can_be_given_as_the_hint_says(models: Path, tmp_path: Path) -> None:
    found = begun(models, tmp_path, "words", "ids", label_names="anger,joy")
    assert found.added == ()
    assert found.splits.labels == ("anger", "joy")


@pytest.mark.parametrize(
    ("model", "targets", "said"),
    [
        ("stars", "zero", "of the new labels '0' is a number and is taken as a label"),
        ("words", "mixed", "of the new labels '7' is a number and is taken as a label"),
        ("codes", "codes", "of the new labels '130' is a number and is taken as a label"),
        ("stars", "stars", None),
        ("words", "words", None),
    ],
)
def test_single_numbers_are_taken_as_labels_and_that_is_said(
    model: str, targets: str, said: str | None, models: Path, tmp_path: Path
) -> None:
    """A model of thirty codes gets one more: such a column would be numbers to predict, as the model's own would."""
    notes = " ".join(begun(models, tmp_path, model, targets).notes)
    assert (said in notes) if said else ("number" not in notes)


def test_what_would_be_classes_is_read_as_numbers_for_a_model_of_numbers_and_that_is_said(
    models: Path, tmp_path: Path
) -> None:
    said = "targets of 5 values are read as numbers, as"
    assert any(said in note for note in begun(models, tmp_path, "numbers", "stars").notes)
    assert not any(said in note for note in begun(models, tmp_path, "numbers", "stars", task="regression").notes)
    assert not any("are read as numbers" in note for note in begun(models, tmp_path, "numbers", "decimals").notes)


def test_words_are_no_numbers_and_the_hint_names_nothing_that_is_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        begun(models, tmp_path, "numbers", "words")
    assert "--task" not in str(refused.value.hint)
    assert "a model of another task is tuned anew, without --start" in str(refused.value.hint)


@pytest.mark.parametrize(("old", "said"), [((0.0, 1.0), True), ((0.0, 40.0), False)])
def test_targets_in_another_unit_are_said(old: tuple[float, float], said: bool, models: Path, tmp_path: Path) -> None:
    splits = begun(models, tmp_path, "numbers", "many").splits
    part = Split(("test:0", "test:1"), ("one", "two"), old)
    notes = targets_said(find_start(str(models / "numbers")), RunSpec.of().data, None, splits, (part,))
    assert any("lie outside 0 to 1, the range of the validation and test rows" in note for note in notes) is said


def test_a_task_that_follows_from_the_model_is_not_given(models: Path, tmp_path: Path) -> None:
    """Else every run would say that numbers are labels."""
    spec = with_start(RunSpec.of(data=written(tmp_path, TARGETS["ids"]), start=str(models / "words")))
    assert spec.data.task is TaskKind.SINGLE_LABEL
    assert "task" not in with_start(spec).data.model_fields_set
    with pytest.raises(DataError):
        rows_to_go_on(with_start(spec))


@pytest.mark.parametrize(("model", "targets"), [("words", "ids"), ("stars", "halves")])
def test_the_guide_names_what_the_hint_names(model: str, targets: str, models: Path, tmp_path: Path) -> None:
    """An option that the refusal names is explained, and none that would be refused is."""
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "tuning.md").read_text(encoding="utf-8")
    line = guide.split("- **Numbers are no new labels**")[1].split("\n- ")[0]
    with pytest.raises(DataError) as refused:
        begun(models, tmp_path, model, targets)
    named = set(options_in(str(refused.value.hint))) - {"start"}
    assert named
    assert named <= set(options_in(line.replace("`", "")))
