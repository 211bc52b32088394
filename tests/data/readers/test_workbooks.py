"""Workbooks are read sheet by sheet; which one is asked where it is not clear."""

from __future__ import annotations

import re

import pytest
from workbooks import write_ods, write_xlsx

from liftune.data import load_data
from liftune.data.readers.formats import open_stream, read_file
from liftune.errors import DataError, MissingExtra
from liftune.spec import DataSpec

pytest.importorskip("python_calamine")


def sheet(count: int, start: int = 0) -> list[list[object]]:
    return [["text", "label"], *([f"t{start + i}", "ab"[i % 2]] for i in range(count))]


def counts(source: object, **options: object) -> tuple[int, int, int]:
    found = load_data(DataSpec(source=str(source), **options)).counts
    return found.train, found.validation, found.test


@pytest.mark.parametrize(("name", "write"), [("x.xlsx", write_xlsx), ("X.XLSX", write_xlsx), ("x.ods", write_ods)])
def test_the_only_sheet_is_read(tmp_path, name, write):
    write(tmp_path / name, {"Sheet1": sheet(100), "Sheet2": []})
    assert counts(tmp_path / name) == (80, 10, 10)


@pytest.mark.parametrize(("name", "write"), [("x.xlsx", write_xlsx), ("x.ods", write_ods)])
def test_one_of_several_sheets_is_asked_for_and_the_hint_works(tmp_path, name, write):
    write(tmp_path / name, {"Old": sheet(50), "New one": sheet(100)})
    with pytest.raises(DataError, match=re.escape("Old (50 rows), New one (100 rows)")) as caught:
        counts(tmp_path / name)
    first, second, both = re.findall(r"'([^']+)'", caught.value.hint or "")
    assert counts(first) == (40, 5, 5)
    assert counts(second) == (80, 10, 10)
    assert open_stream(second).rows == 100
    assert open_stream(both).rows == 150
    with pytest.raises(DataError, match="unknown sheet 'Nw one', did you mean New one"):
        counts(tmp_path / f"{name}#Nw one")


def test_sheets_named_train_and_test_are_parts(tmp_path):
    write_xlsx(tmp_path / "x.xlsx", {"Train": sheet(60), "Dev": sheet(20, 100), "Test": sheet(10, 200)})
    assert counts(tmp_path / "x.xlsx") == (60, 20, 10)


def test_files_of_sheets_are_parts_of_a_folder_and_of_options(tmp_path):
    write_xlsx(tmp_path / "train.xlsx", {"Sheet1": sheet(60)})
    write_ods(tmp_path / "test.ods", {"Sheet1": sheet(10, 200)})
    assert counts(tmp_path) == (54, 6, 10)
    write_xlsx(tmp_path / "y.xlsx", {"a": sheet(60), "b": sheet(20, 100)})
    assert counts(tmp_path / "y.xlsx#a", test=str(tmp_path / "y.xlsx#b")) == (54, 6, 20)


def test_a_hidden_sheet_is_not_read_and_this_is_said(tmp_path):
    write_xlsx(tmp_path / "x.xlsx", {"secret": sheet(50), "Data": sheet(100)}, hidden=["secret"])
    splits = load_data(DataSpec(source=str(tmp_path / "x.xlsx")))
    assert splits.counts.train == 80
    assert "sheet 'Data' is read; not read: secret" in splits.audit.notes[0]


def test_cells_are_numbers_texts_and_blanks(tmp_path):
    rows = [
        ["All reviews of March", None, None],
        [None, None, None],
        ["text", "label", None],
        ["one", 1, None],
        [None, None, None],
        [2.5, 2, "note"],
        ["#N/A", None, None],
    ]
    write_xlsx(tmp_path / "x.xlsx", {"Sheet1": rows})
    table = read_file(tmp_path / "x.xlsx")
    assert table.columns == ("text", "label", "column 3")
    assert [table.read(name) for name in table.columns] == [["one", 2.5, None], [1, 2, None], [None, "note", None]]
    assert table.place(1).endswith("x.xlsx, sheet Sheet1, row 2 (line 6)")
    assert "All reviews of March" in table.notes[0]


@pytest.mark.parametrize(
    ("data", "what"),
    [(b"text,label\na,b\n", "not a workbook, but text"), (b"PK\x03\x04 damaged", "cannot be read"), (b"", "empty")],
)
def test_what_is_no_workbook_is_said(tmp_path, data, what):
    (tmp_path / "x.xlsx").write_bytes(data)
    with pytest.raises(DataError, match=what):
        counts(tmp_path / "x.xlsx")


def test_a_sheet_of_a_header_alone_is_refused(tmp_path):
    write_xlsx(tmp_path / "x.xlsx", {"Sheet1": sheet(0)})
    with pytest.raises(DataError, match="no sheet of the workbook holds a header and rows"):
        counts(tmp_path / "x.xlsx")


def test_without_the_extra_the_pip_line_is_named(tmp_path, monkeypatch):
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "calamine" in name else find_spec(name))
    write_xlsx(tmp_path / "x.xlsx", {"Sheet1": sheet(10)})
    with pytest.raises(MissingExtra) as caught:
        counts(tmp_path / "x.xlsx")
    assert caught.value.hint == "pip install 'liftune[sheets]'"
