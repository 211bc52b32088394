"""Parts that the data name themselves are used, and what cannot be understood is asked, never passed over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from liftune.data import load_data
from liftune.data.inspect import inspect
from liftune.data.test_part import load_test
from liftune.errors import DataError
from liftune.spec import RunSpec

PLAIN = {"train": 60, "validation": 20, "test": 20}


def rows(names: list[str], column: str = "split") -> str:
    return f"text,label,{column}\n" + "".join(f"t{i},{'ab'[i % 2]},{name}\n" for i, name in enumerate(names))


def parts(**counts: int) -> list[str]:
    return [name for name, count in counts.items() for _ in range(count)]


def counts(source: Path, *options: str) -> dict[str, int]:
    given = {option.split(" ", 1)[0][2:].replace("-", "_"): option.split(" ", 1)[1] for option in options}
    return load_data(RunSpec.of(data=str(source), **given).data).counts.model_dump()


def notes(source: Path) -> str:
    return " | ".join(load_data(RunSpec.of(data=str(source)).data).audit.notes)


def options_in(hint: str) -> list[str]:
    """The options that a hint writes out."""
    return [option.rstrip(",.") for option in re.findall(r"--[a-z-]+ [^\s;]+", hint)]


@pytest.mark.parametrize(
    "names",
    [
        ("train", "eval", "test"),
        ("Training", "Dev", "Testing"),
        ("TRAIN", "VAL", "HOLDOUT"),
        ("train", "valid", "tests"),
        (" train ", "Validation Set", "hold-out"),
        ("train", "dev", "eval"),
        ("trainset", "devset", "testset"),
        ("train_2021", "validation-matched", "Held Out"),
        ("Training", "Validierung", "Test"),
        ("Trainingsdaten", "Validierungsdaten", "Testdaten"),
        ("apprentissage", "validation", "essai"),
        ("Entraînement", "Validation", "Test"),
        ("entrenamiento", "validación", "prueba"),
        ("treino", "validacao", "teste"),
        ("训练集", "验证集", "测试集"),
        ("学習データ", "検証データ", "テストデータ"),
        ("обучение", "валидация", "тест"),
    ],
)
def test_the_names_of_a_split_column_are_understood_in_any_wording(tmp_path, names):
    cells = [names[0]] * 60 + [names[1]] * 20 + [names[2]] * 20
    (tmp_path / "x.csv").write_text(rows(cells))
    assert counts(tmp_path / "x.csv") == PLAIN


@pytest.mark.parametrize("column", ["Split", " SPLIT", "set", "Partition", "subset", "fold", "data_split", "dsType"])
def test_a_column_of_another_name_is_used_where_its_cells_name_parts(tmp_path, column):
    (tmp_path / "x.csv").write_text(rows(parts(train=60, dev=20, test=20), column))
    assert counts(tmp_path / "x.csv") == PLAIN
    assert "names each row's part: train = train (60 rows); validation = dev (20 rows)" in notes(tmp_path / "x.csv")
    assert counts(tmp_path / "x.csv", "--split-column none") == {"train": 80, "validation": 10, "test": 10}


@pytest.mark.parametrize("column", ["jeu", "Datensatz", "conjunto", "whatever"])
def test_a_column_of_any_name_is_used_where_every_cell_names_a_part(tmp_path, column):
    (tmp_path / "x.csv").write_text(rows(parts(train=60, dev=20, test=20), column))
    assert counts(tmp_path / "x.csv") == PLAIN
    assert f"column {column!r} names each row's part" in notes(tmp_path / "x.csv")


def test_classes_that_are_named_as_parts_are_stay_classes(tmp_path):
    """Of two columns one is the label, and so is one that is named as labels are."""
    lines = [f"I wrote this one {i},{('train', 'test')[i % 2]},{i}" for i in range(100)]
    (tmp_path / "two.csv").write_text("text,how\n" + "".join(line.rpartition(",")[0] + "\n" for line in lines))
    (tmp_path / "three.csv").write_text("text,label,id\n" + "".join(line + "\n" for line in lines))
    for name in ("two.csv", "three.csv"):
        assert load_data(RunSpec.of(data=str(tmp_path / name), near_duplicates="none").data).labels == ("test", "train")


@pytest.mark.parametrize(
    ("column", "cells", "expected"),
    [
        ("partition", ["0"] * 60 + ["1"] * 20 + ["2"] * 20, PLAIN),
        ("fold", [str(i % 5) for i in range(100)], {"train": 60, "validation": 20, "test": 20}),
        ("subset", ["A"] * 80 + ["B"] * 20, {"train": 72, "validation": 8, "test": 20}),
        ("jeu", ["lerne"] * 60 + ["validation"] * 20 + ["test"] * 20, PLAIN),
        ("in_test", ["0"] * 80 + ["1"] * 20, {"train": 72, "validation": 8, "test": 20}),
        ("TestSet", ["FALSE"] * 80 + ["TRUE"] * 20, {"train": 72, "validation": 8, "test": 20}),
        ("train", ["yes"] * 80 + ["no"] * 20, {"train": 72, "validation": 8, "test": 20}),
    ],
)
def test_a_column_that_may_name_parts_is_never_left_out_in_silence(tmp_path, column, cells, expected):
    """Its rows may be somebody's test rows: the note says how to use it, and that works."""
    source = tmp_path / "x.csv"
    source.write_text(rows(cells, column))
    assert counts(source) == {"train": 80, "validation": 10, "test": 10}
    [note] = [each for each in notes(source).split(" | ") if f"column {column!r} is not used" in each]
    assert counts(source, *options_in(note)) == expected


@pytest.mark.parametrize(
    ("column", "names"), [("fold", ["0", "1", "2", "3"]), ("set", ["red", "blue"]), ("source", ["the train", "web"])]
)
def test_a_column_of_another_name_and_other_cells_is_no_split(tmp_path, column, names):
    (tmp_path / "x.csv").write_text(rows([names[i % len(names)] for i in range(100)], column))
    assert counts(tmp_path / "x.csv") == {"train": 80, "validation": 10, "test": 10}


@pytest.mark.parametrize("names", [["red", "blue"], [str(i) for i in range(50)]])
def test_nothing_is_said_of_columns_that_only_share_a_word_with_parts(tmp_path, names):
    (tmp_path / "x.csv").write_text(rows([names[i % len(names)] for i in range(100)], "source"))
    assert "is not used" not in notes(tmp_path / "x.csv")


def test_texts_that_speak_of_trains_and_tests_are_no_split(tmp_path):
    lines = [f"I took train number {i}" if i % 2 else f"we had a long test of it {i}" for i in range(100)]
    text = "source,label\n" + "".join(f"{line},{'ab'[i % 2]}\n" for i, line in enumerate(lines))
    (tmp_path / "x.csv").write_text(text)
    # Texts of one template are near duplicates, whose blocks do not fill the shares exactly.
    assert counts(tmp_path / "x.csv", "--text source", "--near-duplicates none")["train"] == 80


def test_yes_and_no_of_is_test_name_parts(tmp_path):
    (tmp_path / "x.csv").write_text(rows(["False"] * 80 + ["True"] * 20, "is_test"))
    assert counts(tmp_path / "x.csv") == {"train": 72, "validation": 8, "test": 20}


def test_is_valid_may_be_about_quality_and_the_note_says_how_to_use_it(tmp_path):
    (tmp_path / "x.csv").write_text(rows(["False"] * 80 + ["True"] * 20, "is_valid"))
    assert counts(tmp_path / "x.csv") == {"train": 80, "validation": 10, "test": 10}
    assert counts(tmp_path / "x.csv", *options_in(notes(tmp_path / "x.csv")))["validation"] == 20


@pytest.mark.parametrize(("cell", "value"), [("tset", "'tset'"), ("", "blank"), ("extra", "'extra'"), ("2", "'2'")])
def test_a_cell_that_names_no_part_is_refused_and_every_way_that_the_hint_names_works(tmp_path, cell, value):
    cells = parts(train=60, val=20, test=20)
    cells[7] = cell
    source = tmp_path / "x.csv"
    source.write_text(rows(cells))
    for look in (load_data, inspect):
        with pytest.raises(DataError) as caught:
            look(RunSpec.of(data=str(source)).data)
        assert value in caught.value.message
        assert "row 8 (line 9)" in (caught.value.where or "")
    meaning, left_out, ignored = options_in(caught.value.hint or "")
    assert sum(counts(source, meaning).values()) == 100
    assert counts(source, left_out) == {"train": 59, "validation": 20, "test": 20}
    assert counts(source, ignored) == {"train": 80, "validation": 10, "test": 10}


def test_names_of_which_none_is_known_are_asked_about_at_once(tmp_path):
    (tmp_path / "x.csv").write_text(rows([str(i % 5) for i in range(100)]))
    with pytest.raises(DataError, match="the column holds: 0, 1, 2, 3, 4") as caught:
        counts(tmp_path / "x.csv")
    meaning, ignored = options_in(caught.value.hint or "")
    assert counts(tmp_path / "x.csv", meaning) == {"train": 20, "validation": 20, "test": 20}
    assert counts(tmp_path / "x.csv", ignored)["train"] == 80


def test_split_names_the_cells_of_the_column(tmp_path):
    (tmp_path / "x.csv").write_text(rows(parts(a=60, b=20, c=10, d=10)))
    assert counts(tmp_path / "x.csv", "--split train=a,validation=b,test=c+d") == PLAIN
    assert counts(tmp_path / "x.csv", "--split train=A,validation=b,test=c,unused=d") == {**PLAIN, "test": 10}
    with pytest.raises(DataError, match="unknown part 'e'"):
        counts(tmp_path / "x.csv", "--split train=e")


def test_split_column_takes_any_column(tmp_path):
    (tmp_path / "x.csv").write_text(rows(parts(old=80, new=20), "when"))
    assert counts(tmp_path / "x.csv", "--split-column when", "--split train=old,test=new")["test"] == 20
    with pytest.raises(DataError, match="did you mean when"):
        counts(tmp_path / "x.csv", "--split-column wen")


def test_a_column_that_is_the_label_is_no_split(tmp_path):
    text = "text,split\n" + "".join(f"t{i},{('train', 'test')[i % 2]}\n" for i in range(100))
    (tmp_path / "x.csv").write_text(text)
    assert counts(tmp_path / "x.csv", "--label split") == {"train": 80, "validation": 10, "test": 10}


def test_a_column_of_test_rows_alone_is_no_train_but_can_be_scored(tmp_path):
    (tmp_path / "x.csv").write_text(rows(parts(test=20)))
    with pytest.raises(DataError, match=r"no rows are train; there are: test \(20 rows\)") as caught:
        counts(tmp_path / "x.csv")
    assert counts(tmp_path / "x.csv", options_in(caught.value.hint or "")[-1])["train"] == 16
    assert load_test(RunSpec.of(data=str(tmp_path / "x.csv")).data).counts.test == 20


def test_a_column_within_the_train_file_names_validation_rows(tmp_path):
    (tmp_path / "train.csv").write_text(rows(parts(train=60, dev=20)))
    (tmp_path / "test.csv").write_text(
        rows(["test"] * 20).replace("t", "u").replace("uexu", "text").replace("spliu", "split")
    )
    assert counts(tmp_path) == PLAIN


def file_of(path: Path, count: int, start: int = 0) -> None:
    path.write_text("text,label\n" + "".join(f"t{start + i},{'ab'[i % 2]}\n" for i in range(count)))


@pytest.mark.parametrize(
    "names",
    [
        ("train", "eval", "test"),
        ("Train", "Evaluation", "Holdout"),
        ("train", "dev", "eval"),
        ("tr_train", "x-val", "tests"),
    ],
)
def test_the_names_of_files_are_understood_alike(tmp_path, names):
    for name, count, start in zip(names, (60, 20, 20), (0, 100, 200), strict=True):
        file_of(tmp_path / f"{name}.csv", count, start)
    assert counts(tmp_path) == PLAIN


def test_eval_alone_is_the_test_as_validation_alone_is(tmp_path):
    file_of(tmp_path / "train.csv", 100)
    file_of(tmp_path / "eval.csv", 20, 100)
    assert counts(tmp_path) == {"train": 90, "validation": 10, "test": 20}
    assert "validation is used as test" in notes(tmp_path)
    found = inspect(RunSpec.of(data=str(tmp_path)).data)
    assert "validation" not in found.files
    assert found.files["test"].endswith("eval.csv")


def test_validation_that_was_asked_for_stays_validation(tmp_path):
    file_of(tmp_path / "train.csv", 100)
    file_of(tmp_path / "eval.csv", 20, 100)
    assert counts(tmp_path, "--split validation=eval") == {"train": 90, "validation": 20, "test": 10}


def test_what_eval_is_taken_for_is_said_with_how_to_say_otherwise(tmp_path):
    for name, start in (("train", 0), ("eval", 100), ("test", 200)):
        file_of(tmp_path / f"{name}.csv", 40, start)
    assert "'eval' is taken as validation; if it is test: --split test=eval" in notes(tmp_path)


def test_every_file_that_is_not_used_is_named(tmp_path):
    for i, name in enumerate(("train", "test", "extra", "sample_submission")):
        file_of(tmp_path / f"{name}.csv", 40, 100 * i)
    assert "not used: extra.csv, sample_submission.csv" in notes(tmp_path)


def test_parts_can_be_taken_together(tmp_path):
    file_of(tmp_path / "train_1.csv", 40)
    file_of(tmp_path / "train_2.csv", 60, 100)
    with pytest.raises(DataError, match="more than one part could be train") as caught:
        counts(tmp_path)
    alone, together = options_in(caught.value.hint or "")
    assert counts(tmp_path, alone)["train"] == 32
    assert counts(tmp_path, together)["train"] == 80


@pytest.mark.parametrize(
    "test",
    ["id,text\n1,u1\n2,u2\n", "text,label\nu1,\nu2, \n", "label,text\n-1,u1\n-1,u2\n", "label,text\n?,u1\n?,u2\n"],
)
def test_a_test_part_without_labels_counts_as_absent(tmp_path, test):
    file_of(tmp_path / "train.csv", 100)
    (tmp_path / "test.csv").write_text(test)
    assert counts(tmp_path) == {"train": 80, "validation": 10, "test": 10}
    assert "test.csv: no labels" in notes(tmp_path)
    with pytest.raises(DataError, match="no part but train has labels"):
        load_test(RunSpec.of(data=str(tmp_path)).data)


def test_a_test_part_whose_label_has_another_name_is_asked_about(tmp_path):
    file_of(tmp_path / "train.csv", 100)
    (tmp_path / "test.csv").write_text("text,sentiment\nu1,a\n")
    with pytest.raises(DataError, match="unknown column 'label'"):
        counts(tmp_path)
