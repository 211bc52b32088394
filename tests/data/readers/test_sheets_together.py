"""Merged cells hold their value in every row, and sheets with the same columns are read together where that is said."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from workbooks import write_xlsx

from liftune.data.load import load, load_data
from liftune.data.readers.formats import open_stream, read_file
from liftune.errors import DataError
from liftune.spec import DataSpec

pytest.importorskip("python_calamine")
Row = list[Any]


def quotes(count: int, start: int = 0) -> list[str]:
    return [f"What customer {i} said of the long delivery" for i in range(start, start + count)]


def blocks(count: int = 60, size: int = 6) -> tuple[list[Row], list[str]]:
    """Rows of which each block has its theme in the first one alone, and the ranges that say so."""
    rows: list[Row] = [["Customer interviews", None, None], ["Theme", "Quote", "Remark"]]
    ranges = ["A1:C1"]
    for i, quote in enumerate(quotes(count)):
        rows.append([f"theme {'ab'[i // size % 2]}" if i % size == 0 else None, quote, None])
    ranges += [f"A{3 + i}:A{2 + i + size}" for i in range(0, count, size)]
    return rows, ranges


def test_each_row_of_a_merged_range_has_its_value_and_this_is_said(tmp_path: Path):
    rows, ranges = blocks()
    write_xlsx(tmp_path / "x.xlsx", {"Coding": rows}, merged={"Coding": ranges})
    loaded = load(DataSpec(source=str(tmp_path / "x.xlsx")), skip_bad_rows=False)
    assert loaded.examples["train"].split.targets[:7] == ("theme a",) * 6 + ("theme b",)
    assert len(loaded.examples["train"].split) == 60
    assert any("merged in 'Theme'" in note and "50 cells" in note for note in loaded.splits.audit.notes)


def test_a_merged_range_over_blank_rows_adds_none_and_one_across_is_a_title(tmp_path: Path):
    rows: list[Row] = [
        ["text", "label"],
        ["one", "a"],
        ["two", None],
        [None, None],
        ["Section two", None],
        ["six", "b"],
    ]
    write_xlsx(tmp_path / "x.xlsx", {"S": rows}, merged={"S": ["B2:B4", "A5:B5"]})
    table = read_file(tmp_path / "x.xlsx")
    assert table.read("label") == ["a", "a", None, "b"]


def test_a_header_of_two_rows_takes_the_names_of_both(tmp_path: Path):
    rows: list[Row] = [["text", "Answers", None], [None, "first", "second"], *[[q, "a", "b"] for q in quotes(12)]]
    write_xlsx(tmp_path / "x.xlsx", {"S": rows}, merged={"S": ["A1:A2", "B1:C1"]})
    assert read_file(tmp_path / "x.xlsx").columns == ("text", "first", "second")


def months(**more: list[Row]) -> dict[str, list[Row]]:
    def of(start: int) -> list[Row]:
        texts = quotes(20, start)
        return [["Ticket", "Message", "Category"], *([i, each, "ab"[i % 2]] for i, each in enumerate(texts))]

    return {"Jan": of(0), "Feb, late": of(20), "Mar": of(40), **more}


LEGEND: list[Row] = [["Category", "Meaning"], ["a", "happy"], ["b", "sad"]]


@pytest.mark.parametrize("more", [{}, {"Legend": LEGEND}])
def test_sheets_of_the_same_columns_are_offered_together_and_the_hint_works(more, tmp_path):
    write_xlsx(tmp_path / "my book.xlsx", months(**more))
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path / "my book.xlsx")))
    source = shlex.split(re.sub(r".* together: ", "", caught.value.hint or ""))[0]
    loaded = load(DataSpec(source=source), skip_bad_rows=False)
    assert len(loaded.examples["train"].split) == 60
    assert loaded.columns.label == "Category"
    assert open_stream(source).rows == 60
    assert [line.cells["sheet"] for block in open_stream(source).blocks(50) for line in block][18:21] == [
        "Jan",
        "Jan",
        "Feb, late",
    ]


def test_a_bad_row_is_named_by_its_sheet(tmp_path):
    sheets = months()
    sheets["Mar"][3][2] = None
    write_xlsx(tmp_path / "x.xlsx", sheets)
    with pytest.raises(DataError, match="no label") as caught:
        load_data(DataSpec(source=str(tmp_path / "x.xlsx#all")))
    assert (caught.value.where or "").endswith("x.xlsx, sheet Mar, row 3 (line 4)")


def test_sheets_of_other_columns_are_not_put_together(tmp_path):
    write_xlsx(tmp_path / "x.xlsx", months(Legend=LEGEND))
    with pytest.raises(DataError, match="sheets 'Jan' and 'Legend' have different columns"):
        load_data(DataSpec(source=str(tmp_path / "x.xlsx#all")))
    with pytest.raises(DataError, match="unknown sheet 'Mrz'"):
        load_data(DataSpec(source=str(tmp_path / "x.xlsx#Jan,Mrz")))


def test_sheets_named_as_labels_are_labels(tmp_path):
    sheets = {name: [["comment"], *([each] for each in quotes(30, i))] for i, name in ((0, "Praise"), (30, "Blame"))}
    write_xlsx(tmp_path / "x.xlsx", sheets)
    loaded = load(DataSpec(source=str(tmp_path / "x.xlsx#all")), skip_bad_rows=False)
    assert loaded.splits.labels == ("Blame", "Praise")
    assert loaded.columns.label == "sheet"
