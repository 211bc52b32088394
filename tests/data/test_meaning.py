"""What columns and cells mean: which is the text, what task the labels make, which rows cannot be used."""

from __future__ import annotations

import json

import pytest

from liftune.data import load_data
from liftune.data.column_search import find_columns
from liftune.data.columns import Columns, find_texts
from liftune.data.load import load
from liftune.data.readers.table import Table
from liftune.data.recognise import MOST_NUMBERED_CLASSES, recognise
from liftune.data.targets import CellError, Reading
from liftune.errors import DataError
from liftune.spec import DataSpec
from liftune.tasks import TaskKind

SINGLE, MULTI, REGRESSION = TaskKind


def table(*columns: str) -> Table:
    return Table("rows", "x.csv", columns, 1, lambda _: ["a"])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("text", "label"), Columns("text", None, "label")),
        (("Label", "Text"), Columns("Text", None, "Label")),
        (("id", "review", "sentiment"), Columns("review", None, "sentiment")),
        (("text", "text_pair", "label"), Columns("text", "text_pair", "label")),
        (("idx", "sentence1", "sentence2", "label"), Columns("sentence1", "sentence2", "label")),
        (("premise", "hypothesis", "label", "idx"), Columns("premise", "hypothesis", "label")),
        (("question1", "question2", "label"), Columns("question1", "question2", "label")),
        (("Beitrag", "label"), Columns("Beitrag", None, "label")),
        (("text", "Urteil"), Columns("text", None, "Urteil")),
        (("text", "labels", "id"), Columns("text", None, "labels")),
    ],
)
def test_columns_are_found_by_convention(names, expected):
    assert find_columns(table(*names)) == expected


def test_a_text_named_alone_is_not_paired():
    found = find_columns(table("sentence1", "sentence2", "label"), text="sentence2")
    assert found == Columns("sentence2", None, "label")


def test_named_columns_win_over_convention():
    found = find_columns(table("text", "title", "stars", "label"), text="title", text_pair="text", label="stars")
    assert found == Columns("title", "text", "stars")


def test_a_wrong_column_is_refused_with_those_there_are_and_the_nearest():
    with pytest.raises(DataError) as caught:
        find_columns(table("review", "rating"), text="reviews")
    assert "did you mean review?" in str(caught.value)
    assert "review, rating" in str(caught.value)
    assert "--text" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("names", "option"), [(("a", "b", "label"), "--text"), (("text", "a", "b"), "--label"), (("a", "b"), "--label")]
)
def test_columns_that_cannot_be_told_are_asked_for(names, option):
    with pytest.raises(DataError) as caught:
        find_columns(table(*names))
    assert option in (caught.value.hint or "")
    assert ", ".join(names) in caught.value.message


def test_one_column_has_not_two_roles():
    with pytest.raises(DataError, match="two roles"):
        find_columns(table("text", "label"), text="label", label="label")


def test_a_file_of_texts_alone_needs_no_convention():
    assert find_texts(table("Beitrag")) == ("Beitrag", None)


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["a", "b", "a"], SINGLE),
        ([0, 1, 1], SINGLE),
        (["0", "1"], SINGLE),
        ([True, False], SINGLE),
        ([1.0, 2.0, 5.0], SINGLE),
        (list(range(MOST_NUMBERED_CLASSES)), SINGLE),
        (list(range(MOST_NUMBERED_CLASSES + 1)), REGRESSION),
        ([str(i) for i in range(MOST_NUMBERED_CLASSES + 1)], REGRESSION),
        ([0.5, 1, 2.25], REGRESSION),
        (["0.5", "1", "2.25", "oops"], REGRESSION),
        (["2,5", "3,75", "4"], REGRESSION),
        (["v1.5", "v2.0"], SINGLE),
        ([["a"], ["a", "b"], []], MULTI),
        (["a|b", "b", "a", "c"], MULTI),
        (['["a", "b"]', "[]"], MULTI),
        (["a", "b"] * 50 + ["a|b"], MULTI),
        (["news", "sport"] * 50 + ["tv|radio"], SINGLE),
        ([None, "a", "", "b"], SINGLE),
    ],
)
def test_the_task_is_told_from_the_labels(cells, task):
    assert recognise(cells).task is task


def test_declared_class_names_make_classes_however_many():
    assert recognise(list(range(77)), [f"c{i}" for i in range(77)]).task is SINGLE


@pytest.mark.parametrize(
    ("task", "cell", "names", "target"),
    [
        (SINGLE, 3, (), "3"),
        (SINGLE, 3.0, (), "3"),
        (SINGLE, "3.0", (), "3"),
        (SINGLE, " pos ", (), "pos"),
        (SINGLE, True, (), "true"),
        (SINGLE, 1, ("neg", "pos"), "pos"),
        (SINGLE, ["only"], (), "only"),
        (SINGLE, 2.5, (), "2.5"),
        (MULTI, ["b", "a", "b"], (), ("a", "b")),
        (MULTI, [], (), ()),
        (MULTI, [1, 0], ("x", "y"), ("x", "y")),
        (MULTI, "b| a", (), ("a", "b")),
        (MULTI, '["b", "a"]', (), ("a", "b")),
        (MULTI, "[]", (), ()),
        (MULTI, "a", (), ("a",)),
        (REGRESSION, "2.5", (), 2.5),
        (REGRESSION, "2,5", (), 2.5),
        (REGRESSION, 4, (), 4.0),
    ],
)
def test_a_cell_becomes_a_target(task, cell, names, target):
    assert Reading(task, "").target(cell, names) == target


@pytest.mark.parametrize(
    ("task", "cell", "names", "reason"),
    [
        (SINGLE, None, (), "no label"),
        (SINGLE, float("nan"), (), "no label"),
        (SINGLE, "  ", (), "no label"),
        (SINGLE, -1, ("a", "b"), "no label"),
        (SINGLE, 2, ("a", "b"), "no name"),
        (SINGLE, ["a", "b"], (), "2 labels instead of one"),
        (SINGLE, {"a": 1}, (), "not a text or a number"),
        (MULTI, "|", (), "no label"),
        (MULTI, [None], (), "not a text or a number"),
        (MULTI, [["a"]], (), "not a text or a number"),
        (REGRESSION, "high", (), "'high' is not a finite number"),
        (REGRESSION, float("inf"), (), "not a finite number"),
        (REGRESSION, "1,000", (), "not a finite number"),
        (REGRESSION, True, (), "not a finite number"),
    ],
)
def test_a_cell_without_a_target_says_why(task, cell, names, reason):
    with pytest.raises(CellError, match=reason):
        Reading(task, "").target(cell, names)


def test_a_bare_label_among_lists_is_a_bad_row():
    with pytest.raises(CellError, match="not a list, as in other rows"):
        Reading(MULTI, "", lists=True).target("a")


def lines(path, objects):
    path.write_text("".join(json.dumps(each) + "\n" for each in objects))
    return str(path)


def good(n=40):
    return [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(n)]


BAD = {
    "null text": ({"text": None, "label": "a"}, "no text"),
    "missing text": ({"label": "a"}, "no text"),
    "blank text": ({"text": " \t", "label": "a"}, "no text"),
    "list for text": ({"text": ["x"], "label": "a"}, "holds a list"),
    "half a character": ({"text": "\ud83d", "label": "a"}, "half a character"),
    "null label": ({"text": "x", "label": None}, "no label"),
    "missing label": ({"text": "x"}, "no label"),
    "blank label": ({"text": "x", "label": ""}, "no label"),
    "object for label": ({"text": "x", "label": {}}, "not a text or a number"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_row_that_cannot_be_used_is_refused_by_its_number(tmp_path, case):
    row, reason = BAD[case]
    source = lines(tmp_path / "x.jsonl", [*good(), row])
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=source))
    assert "row 41" in caught.value.message
    assert reason in caught.value.message
    assert (caught.value.where or "").endswith("x.jsonl, row 41")
    assert "--skip-bad-rows" in (caught.value.hint or "")


@pytest.mark.parametrize("case", BAD)
def test_a_row_that_cannot_be_used_is_dropped_and_counted_when_asked(tmp_path, case):
    source = lines(tmp_path / "x.jsonl", [BAD[case][0], *good()])
    splits = load_data(DataSpec(source=source, skip_bad_rows=True))
    assert splits.audit.skipped_rows == 1
    assert sum((splits.counts.train, splits.counts.validation, splits.counts.test)) == 40
    assert "rows:0" not in {*splits.train.ids, *splits.validation.ids, *splits.test.ids}


def test_many_bad_rows_are_counted_and_the_first_named(tmp_path):
    source = lines(tmp_path / "x.jsonl", [*good(), *[{"text": "", "label": "a"}] * 9])
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=source))
    assert "9 rows cannot be used" in caught.value.message
    assert "row 45" in caught.value.message
    assert "row 46" not in caught.value.message
    assert "and 4 more" in caught.value.message


def test_a_file_whose_every_row_is_bad_is_refused_even_when_skipping(tmp_path):
    source = lines(tmp_path / "x.jsonl", [{"text": "", "label": "a"}] * 3)
    with pytest.raises(DataError, match="3 rows cannot be used"):
        load_data(DataSpec(source=source, skip_bad_rows=True))


def test_a_regression_target_that_is_no_number_says_how_to_read_it_as_a_class(tmp_path):
    rows = [{"text": f"t{i}", "score": i % 4 / 2} for i in range(40)]
    source = lines(tmp_path / "x.jsonl", [*rows, {"text": "u", "score": "high"}])
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=source))
    assert "'high' is not a finite number" in caught.value.message
    assert "--task single_label" in (caught.value.hint or "")
    assert load_data(DataSpec(source=source, task=SINGLE)).task is SINGLE


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([{"text": f"t{i}", "label": "a"} for i in range(30)], "one class only: 'a'"),
        ([{"text": f"t{i}", "label": 0.5} for i in range(30)], "target 0.5"),
        ([{"text": f"t{i}", "label": ["a"]} for i in range(30)], "one class only"),
    ],
)
def test_a_single_class_is_refused_and_yet_can_be_looked_at(tmp_path, rows, what):
    source = lines(tmp_path / "x.jsonl", rows)
    with pytest.raises(DataError, match=what):
        load_data(DataSpec(source=source))
    assert load(DataSpec(source=source), skip_bad_rows=True).splits.counts.train


def test_pairs_become_tuples_and_multi_labels_sorted_tuples(tmp_path):
    rows = [{"premise": f"p{i}", "hypothesis": f"h{i}", "labels": ["b", "a"][: i % 3]} for i in range(40)]
    splits = load_data(DataSpec(source=lines(tmp_path / "x.jsonl", rows)))
    assert splits.pairs
    assert splits.task is MULTI
    assert splits.labels == ("a", "b")
    assert ("p2", "h2") in splits.train.rows + splits.validation.rows + splits.test.rows
    assert set(splits.train.targets) == {(), ("b",), ("a", "b")}
