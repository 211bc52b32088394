"""Several columns as labels: marks that say yes or no, and columns that hold the labels of a row together."""

from __future__ import annotations

import csv
import shlex

import pytest

from liftune.data.label_families import base_of
from liftune.data.load import load
from liftune.errors import DataError
from liftune.spec import DataSpec
from liftune.tasks import TaskKind

WORDS = ["parcel", "invoice", "driver", "bill", "site", "shop", "refund", "login", "order", "courier", "coat", "bag"]


def table(path, head, rows):
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("text", *head))
        out.writerows((f"the {WORDS[i % 12]} came {i} days too late", *row) for i, row in enumerate(rows))
    return str(path)


def read(source, **more):
    loaded = load(DataSpec(source=source, **more), skip_bad_rows=True)
    rows = loaded.examples["train"].split
    return loaded, dict(zip((int(id_.split(":")[1]) for id_ in rows.ids), rows.targets, strict=True))


def followed(hint, source):
    """The spec of the first command in a hint or note."""
    words = shlex.split(hint[hint.index("liftune tune") :].split(";")[0])
    assert words[2] == source
    options = {words[i].removeprefix("--").replace("-", "_"): words[i + 1] for i in range(3, len(words), 2)}
    return read(source, **options)


# Marks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("no", ["-", "\u2013", "\u2014", "n", "0", "no", "", "\u2610"])
def test_a_dash_says_no_in_columns_of_marks_as_a_blank_does(tmp_path, no):
    rows = [("x", no), ("x", "x"), (no, "X"), ("", ""), (no, no), ("x", ""), ("", "x"), ("x", no)]
    loaded, targets = read(table(tmp_path / "a.csv", ("Preis", "Service"), rows), label="Preis,Service")
    assert not loaded.bad_rows
    assert [targets[i] for i in range(5)] == [("Preis",), ("Preis", "Service"), ("Service",), (), ()]


@pytest.mark.parametrize("mark", ["(x)", "X", "x?", "[x]", "x!", "xx"])
def test_an_odd_mark_is_a_yes_and_leaves_blank_a_no(tmp_path, mark):
    rows = [("x", ""), ("x", "x"), ("", "x"), (mark, ""), ("", ""), ("x", ""), ("", "x"), ("x", "")]
    loaded, targets = read(table(tmp_path / "a.csv", ("Preis", "Service"), rows), label="Preis,Service")
    assert not loaded.bad_rows
    assert targets[3] == ("Preis",)
    assert targets[4] == ()
    said = any("marks read as yes" in note and repr(mark) in note for note in loaded.reading.notes)
    assert said == (mark not in ("X", "xx"))


def test_a_word_in_a_column_of_marks_is_a_bad_row_and_blank_stays_a_no(tmp_path):
    rows = [("x", ""), ("x", "x"), ("", "x"), ("see mail", ""), ("", ""), ("x", ""), ("", "x"), ("x", "")]
    loaded, targets = read(table(tmp_path / "a.csv", ("Preis", "Service"), rows), label="Preis,Service")
    assert [(bad.row, bad.reason) for bad in loaded.bad_rows] == [
        (4, "'see mail' for label 'Preis' is neither 0 nor 1")
    ]
    assert targets[2] == ("Service",)
    assert targets[4] == ()


def test_a_cross_says_no_beside_check_marks_and_yes_alone(tmp_path):
    rows = [
        ("\u2713", "\u2717"),
        ("\u2717", "\u2713"),
        ("\u2713", "\u2713"),
        ("\u2717", "\u2717"),
        ("\u2713", "\u2717"),
    ]
    loaded, targets = read(table(tmp_path / "a.csv", ("Preis", "Service"), rows), label="Preis,Service")
    assert [targets[i] for i in range(4)] == [("Preis",), ("Service",), ("Preis", "Service"), ()]
    assert any("read as no" in note for note in loaded.reading.notes)
    alone = [tuple("\u2717" if each == "\u2717" else "" for each in row) for row in rows]
    _, targets = read(table(tmp_path / "b.csv", ("Preis", "Service"), alone), label="Preis,Service")
    assert targets[0] == ("Service",)
    assert targets[3] == ("Preis", "Service")


def test_blank_is_still_unclear_in_columns_of_0_and_1(tmp_path):
    rows = [(1, 0), (0, 1), (1, 1), ("", 1), (0, 0), (1, 0)]
    loaded, _ = read(table(tmp_path / "a.csv", ("a", "b"), rows), label="a,b")
    assert [bad.reason for bad in loaded.bad_rows] == ["nothing for label 'a'"]


def test_columns_of_marks_are_offered_and_not_one_of_them_taken_as_classes(tmp_path):
    rows = [
        ("x", "-", "ann"),
        ("-", "x", "bob"),
        ("x", "", "cy"),
        ("-", "x", "ann"),
        ("x", "x", "bob"),
        ("-", "", "cy"),
    ]
    source = table(tmp_path / "a.csv", ("Preis", "Service", "Agent"), rows * 2)
    with pytest.raises(DataError, match="no label column") as caught:
        read(source)
    assert "columns of marks" in caught.value.hint
    loaded, targets = followed(caught.value.hint, source)
    assert loaded.columns.labels == ("Preis", "Service")
    assert targets[0] == ("Preis",)
    assert not loaded.bad_rows


def test_rows_that_cannot_be_used_are_named_where_the_others_are_too_few(tmp_path):
    rows = [("a",), ("b",)] + [("",)] * 8
    with pytest.raises(DataError, match=r"too few .*; 8 of 10 rows were dropped") as caught:
        read(table(tmp_path / "a.csv", ("label",), rows))
    assert "row 3" in caught.value.message
    assert "no label" in caught.value.message


# Labels in several columns --------------------------------------------------------------------------------------------

TAGS = [("billing", "ux"), ("billing", ""), ("mobile", "ux"), ("mobile", ""), ("login", "mobile"), ("ux", "")] * 3


@pytest.mark.parametrize(
    "names",
    [("Labels", "Labels_2"), ("Labels", "Labels.1"), ("tag 1", "tag 2"), ("Label1", "Label2"), ("Topic", "Topic (2)")],
)
def test_columns_of_one_name_are_the_labels_of_a_row_together(tmp_path, names):
    loaded, targets = read(table(tmp_path / "a.csv", names, TAGS))
    assert loaded.columns.labels == names
    assert loaded.reading.task is TaskKind.MULTI_LABEL
    assert targets[0] == ("billing", "ux")
    assert targets[1] == ("billing",)
    assert not loaded.bad_rows
    said = next(note for note in loaded.splits.audit.notes if "together" in note)
    option, value = shlex.split(said.split("; ")[-1])[:2]
    alone, targets = read(table(tmp_path / "a.csv", names, TAGS), **{option.removeprefix("--"): value})
    assert alone.columns.label == names[0]
    assert targets[0] == "billing"


def test_named_columns_that_hold_labels_are_read_together(tmp_path):
    rows = [("billing", "", "ux"), ("", "", ""), ("ux", "mobile", "2024"), ("", "login", ""), ("ux", "ux", "")] * 2
    loaded, targets = read(table(tmp_path / "a.csv", ("a", "b", "c"), rows), label="a,b,c")
    assert targets[0] == ("billing", "ux")
    assert targets[2] == ("2024", "mobile", "ux")
    assert targets[4] == ("ux",)
    assert [bad.reason for bad in loaded.bad_rows] == ["no label"] * 2


def test_columns_of_labels_may_hold_lists(tmp_path):
    rows = [("billing; ux", "mobile"), ("ux", ""), ("mobile", "billing"), ("billing", "")] * 2
    source = table(tmp_path / "a.csv", ("a", "b"), rows)
    assert read(source, label="a,b", label_separator=";")[1][0] == ("billing", "mobile", "ux")


@pytest.mark.parametrize(
    "rows",
    [
        [("good", "good"), ("bad", "good"), ("bad", "bad"), ("good", "bad"), ("bad", "bad")] * 3,  # two people
        [("food", "fruit"), ("food", "meat"), ("tool", "saw"), ("tool", ""), ("food", "fruit")]
        * 3,  # a class, its part
    ],
)
def test_columns_of_one_name_that_may_mean_something_else_are_named(tmp_path, rows):
    source = table(tmp_path / "a.csv", ("label", "label_2"), rows)
    loaded, _ = read(source)
    assert loaded.columns.label == "label"
    assert loaded.reading.task is TaskKind.SINGLE_LABEL
    note = next(note for note in loaded.splits.audit.notes if "labels too" in note)
    assert followed(note, source)[0].columns.labels == ("label", "label_2")


def test_one_label_a_row_is_as_asked(tmp_path):
    loaded, targets = read(table(tmp_path / "a.csv", ("Labels", "Labels_2"), TAGS), task=TaskKind.SINGLE_LABEL)
    assert targets[0] == "billing"
    assert any("labels too: 'Labels_2'" in note for note in loaded.splits.audit.notes)


def test_what_several_people_said_is_no_set_of_labels(tmp_path):
    rows = [("good", "good"), ("bad", "good"), ("bad", "bad"), ("good", "")] * 3
    with pytest.raises(DataError, match="what several people said"):
        read(table(tmp_path / "a.csv", ("annotator_1", "annotator_2"), rows), label="annotator_1,annotator_2")


def test_a_column_of_labels_beside_one_of_0_and_1_is_refused(tmp_path):
    rows = [("good", 1), ("bad", 0), ("bad", 1), ("good", 0)] * 3
    with pytest.raises(DataError, match="neither 0 nor 1"):
        read(table(tmp_path / "a.csv", ("mood", "spam"), rows), label="mood,spam")


def test_a_name_is_told_from_its_number():
    assert [base_of(each) for each in ("Labels", "Labels_2", "label 10", "q1", "2", "covid-19")] == [
        "labels",
        "labels",
        "label",
        "q",
        "2",
        "covid",
    ]


def test_a_refusal_names_columns_of_one_name_together(tmp_path):
    rows = [("good", "good"), ("bad", "good"), ("bad", "bad"), ("good", "bad"), ("bad", "bad")] * 3
    source = table(tmp_path / "a.csv", ("v1", "v2"), rows)
    with pytest.raises(DataError, match="no label column") as caught:
        read(source)
    hint = caught.value.hint
    assert followed(hint[hint.index("together") :], source)[0].columns.labels == ("v1", "v2")
