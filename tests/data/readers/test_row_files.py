"""A folder of JSON files, one row each."""

from __future__ import annotations

import json

import pytest

from liftune.data import load_data
from liftune.data.readers.folders import find_folder_parts
from liftune.errors import DataError
from liftune.spec import DataSpec


def write(folder, number=40, **more):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(number):
        row = {"body": f"Guest {i} wrote about room {i * 7}.", "topic": "ab"[i % 2], **more}
        (folder / f"case-{i:03d}.json").write_text(json.dumps(row, indent=2))


def test_each_file_is_a_row_and_this_is_said(tmp_path):
    write(tmp_path / "cases")
    splits = load_data(DataSpec(source=str(tmp_path / "cases"), near_duplicates="none"))
    assert sum(splits.counts.model_dump().values()) == 40
    assert splits.labels == ("a", "b")
    assert any("each of its 40 JSON files is a row" in note for note in splits.audit.notes)


def test_the_folder_of_a_part_may_hold_such_files(tmp_path):
    write(tmp_path / "x" / "train")
    write(tmp_path / "x" / "test", 12)
    counts = load_data(DataSpec(source=str(tmp_path / "x"), near_duplicates="none")).counts
    assert (counts.train + counts.validation, counts.test) == (40, 12)


@pytest.mark.parametrize(
    ("content", "reason"), [("{", "is not JSON"), ("", "null"), ("[1]", "a list"), ('"text"', "a string")]
)
def test_a_file_that_is_no_row_is_named(tmp_path, content, reason):
    write(tmp_path / "cases")
    (tmp_path / "cases" / "case-020.json").write_text(content)
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path / "cases")))
    assert reason in caught.value.message
    assert "cases/case-020.json" in (caught.value.where or "")


def test_files_of_parts_and_of_many_rows_stay_what_they_are(tmp_path):
    for name in ("train", "validation", "test", "extra"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"text": "one", "label": "a"}))
    assert set(find_folder_parts(tmp_path)) == {"train", "validation", "test", "extra"}
    many = tmp_path / "many"
    many.mkdir()
    for name in "abcd":
        (many / f"{name}.json").write_text(json.dumps([{"text": "one", "label": "a"}]))
    assert set(find_folder_parts(many)) == set("abcd")
