"""JSON as tools write it, under either extension: read, or refused with what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from liftune.data import load_data
from liftune.data.readers.formats import read_bytes
from liftune.data.readers.options import FileOptions
from liftune.data.readers.table import Table
from liftune.errors import DataError
from liftune.spec import DataSpec

ROWS = [{"text": f"The meal {i} was fine", "label": "ab"[i % 2]} for i in range(12)]
COLUMNS = {name: [row[name] for row in ROWS] for name in ("text", "label")}
INDEXED = {name: {str(i): cell for i, cell in enumerate(cells)} for name, cells in COLUMNS.items()}
VALUES = [list(row.values()) for row in ROWS]


def read(value: Any, name: str = "x.json", **options: Any) -> Table:
    data = value if isinstance(value, str) else json.dumps(value)
    return read_bytes(data.encode(), name, name, options=FileOptions(**options))


SHAPES: dict[str, Any] = {
    "list": ROWS,
    "list, indented": json.dumps(ROWS, indent=2),
    "lines": "\n".join(map(json.dumps, ROWS)),
    "objects of several lines, one after the other": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "objects without line breaks": "".join(map(json.dumps, ROWS)),
    "data": {"data": ROWS},
    "data and more": {"version": "1.0", "data": ROWS, "meta": {"rows": 12}},
    "deeper": {"status": "ok", "result": {"count": 12, "items": ROWS}},
    "the hub's viewer": {"features": [], "rows": [{"row_idx": i, "row": row} for i, row in enumerate(ROWS)]},
    "Elasticsearch": {"took": 1, "hits": {"total": 12, "hits": [{"_id": "x", "_source": row} for row in ROWS]}},
    "dict of lists": COLUMNS,
    "wrapped dict of lists": {"data": COLUMNS},
    "pandas columns": INDEXED,
    "pandas index": {str(i): row for i, row in enumerate(ROWS)},
    "pandas split": {"columns": ["text", "label"], "index": list(range(12)), "data": VALUES},
    "pandas table": {"schema": {"fields": [{"name": "text"}]}, "data": ROWS},
    "by id": {f"review-{i}": row for i, row in enumerate(ROWS)},
    "lists with names": [["text", "label"], *VALUES],
    "JSON in JSON": json.dumps(json.dumps(ROWS)),
}


@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_in_every_shape_are_the_same_rows(shape, name):
    table = read(SHAPES[shape], name)
    assert {column: table.read(column) for column in ("text", "label")} == COLUMNS


@pytest.mark.parametrize("shape", ["data and more", "deeper", "by id", "JSON in JSON", "the hub's viewer"])
def test_what_was_taken_is_said(shape):
    assert read(SHAPES[shape]).notes


def test_other_names_are_told_by_how_many_there_are():
    indexed = {"satz": INDEXED["text"], "klasse": INDEXED["label"]}
    assert read(indexed).columns == ("satz", "klasse")
    by_id = {f"r{i}": {"satz": "a", "klasse": "b"} for i in range(9)}
    assert read(by_id).columns == ("id", "satz", "klasse")
    assert read({"satz": COLUMNS["text"], "klasse": COLUMNS["label"]}).columns == ("satz", "klasse")


def test_the_texts_of_each_label_are_rows():
    table = read({"good": ["a", "b", "c"], "bad": ["d", "e"]})
    assert (table.read("text"), table.read("label")) == (list("abcde"), ["good"] * 3 + ["bad"] * 2)
    assert "each key is taken as a label" in table.notes[0]


def test_rows_without_names_are_refused_and_the_hint_reads_them():
    for value in (VALUES, "\n".join(map(json.dumps, VALUES))):
        with pytest.raises(DataError) as caught:
            read(value)
        assert "--columns text,label" in (caught.value.hint or "")
        assert read(value, columns=("text", "label")).read("label") == COLUMNS["label"]


def test_parts_in_one_file_are_its_parts(tmp_path):
    def part(start: int, count: int) -> list[dict[str, str]]:
        return [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(start, start + count)]

    for train in (part(0, 40), {name: [row[name] for row in part(0, 40)] for name in ("text", "label")}):
        value = {"train": train, "dev": part(100, 6), "test": part(200, 8)}
        (tmp_path / "x.json").write_text(json.dumps(value))
        counts = load_data(DataSpec(source=str(tmp_path / "x.json"))).counts
        assert (counts.train, counts.validation, counts.test) == (40, 6, 8)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"text": ["a", "b"], "label": ["x"]}, "'text' has 2, 'label' has 1"),
        ({"a": ROWS, "b": ROWS}, "which of them holds rows is unclear"),
        ({}, "unclear"),
        ([], "no rows"),
        ("7", "a number"),
        ([ROWS[0], 3], "row 2 is a number"),
        ([["text", "label"], ["a"]], "row 1 is 1 values"),
        ('"just a text"', "a JSON text, not rows"),
    ],
)
def test_other_json_is_refused(value, what):
    with pytest.raises(DataError) as caught:
        read(value)
    assert what in caught.value.message
    assert caught.value.hint


def test_names_are_refused_where_rows_have_their_own():
    for value in (ROWS, "\n".join(map(json.dumps, ROWS))):
        with pytest.raises(DataError) as caught:
            read(value, columns=("text", "label"))
        assert caught.value.hint == "leave --columns out"


def test_json_under_the_name_of_a_table_is_told_its_name():
    with pytest.raises(DataError) as caught:
        read("\n".join(map(json.dumps, ROWS)), "x.csv")
    assert "name the file .jsonl" in (caught.value.hint or "")
