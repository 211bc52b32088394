"""A first line that is a row is never lost in silence, and a header is never taken for a row."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from liftune.data import load_data
from liftune.data.readers.formats import open_stream, read_bytes
from liftune.data.readers.options import FileOptions
from liftune.data.readers.table import Table
from liftune.errors import DataError
from liftune.spec import DataSpec

THINGS = ("meal", "bridge", "garden", "street", "book")
TEXTS = [
    f"The {THINGS[i % 5]} was {'fine and quiet' if i % 3 else 'late and dreary'}, I find, on day {i}" for i in range(40)
]
LABELS = ["pos" if i % 3 else "neg" for i in range(40)]
SCORES = [str(1 + i % 5) for i in range(40)]
IDS = [str(1467810369 + 17 * i) for i in range(40)]
DATES = [f"2024-03-{1 + i % 28:02d} 10:{i:02d}" for i in range(40)]
WORDS = ["great", "bad", "fine", "awful"] * 10


def lines(*columns: list[str], header: str | None = None, delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    rows = list(zip(*columns, strict=True))
    csv.writer(text, delimiter=delimiter).writerows(([header.split(",")] if header else []) + rows)
    return text.getvalue().encode()


def read(data: bytes, **options: object) -> Table:
    return read_bytes(data, "x.csv", "x.csv", options=FileOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ((TEXTS, LABELS), "text,label"),
        ((LABELS, TEXTS), "label,text"),
        ((SCORES, TEXTS), "label,text"),
        ((SCORES, WORDS, TEXTS), "column1,column2,text"),
        ((IDS, TEXTS), "label,text"),
        ((DATES, TEXTS, LABELS), "column1,text,label"),
        ((TEXTS,), "text"),
        ((TEXTS, TEXTS[::-1], SCORES), "text,column2,label"),
        ((WORDS, LABELS), None),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_first_line_that_is_a_row_is_refused_and_the_hint_reads_all_rows(columns, names, delimiter):
    data = lines(*columns, delimiter=delimiter)
    with pytest.raises(DataError) as caught:
        read(data)
    assert "line 1 looks like a row" in caught.value.message
    hint = caught.value.hint or ""
    given = hint.split("--columns ")[1].split(";")[0]
    assert names in (given, None)
    table = read(data, columns=tuple(given.split(",")))
    assert table.rows == 40
    assert sorted(map(table.read, table.columns)) == sorted(map(list, columns))
    assert read(data, no_header=True).rows == 40


@pytest.mark.parametrize(
    ("columns", "header"),
    [
        ((TEXTS, LABELS), "text,label"),
        ((TEXTS, LABELS), "Satz,Klasse"),
        ((TEXTS, LABELS), "v2,v1"),
        ((TEXTS, LABELS), "OriginalTweet,airline_sentiment"),
        ((TEXTS, SCORES), "Was hat Ihnen am besten gefallen?,How many stars do you give?"),
        ((DATES, TEXTS, SCORES), "Timestamp,What did you like about the course?,How satisfied are you?"),
        ((IDS, DATES, TEXTS, LABELS), "tweet_id,tweet_created,content,queue"),
        ((TEXTS, SCORES), "0,1"),
        ((IDS, TEXTS, SCORES), ",0,1"),
        ((TEXTS, SCORES, SCORES), "text,0,1"),
        ((TEXTS,), "text"),
        ((TEXTS,), "Kommentar"),
        ((TEXTS, ["spam" if i % 2 else "ham" for i in range(40)]), "text,spam"),
        ((IDS, LABELS), "nr,mood"),
        ((WORDS, LABELS), "word,mood"),
    ],
)
def test_a_header_is_taken_as_one(columns, header):
    table = read(lines(*columns, header=header))
    assert table.rows == 40
    assert table.columns == tuple(name or "column 1" for name in header.split(","))
    assert not table.notes


@pytest.mark.parametrize("texts", [WORDS, ["ok"] * 3 + ["so so"]])
def test_where_nothing_tells_what_was_taken_is_said(texts):
    table = read(lines(texts, header="brilliant"))
    assert table.rows == len(texts)
    assert "line 1 is taken as the header ('brilliant')" in table.notes[0]
    assert "--columns text" in table.notes[0]
    assert read(lines(texts, header="brilliant"), columns=("text",)).read("text") == ["brilliant", *texts]


def test_a_header_that_looks_like_a_row_is_taken_where_an_option_names_a_column_of_it():
    data = lines(WORDS, ["spam" if i % 2 else "ham" for i in range(40)], header="mails,spam")
    with pytest.raises(DataError) as caught:
        read(data)
    assert "name a column of it with --text or --label" in (caught.value.hint or "")
    assert read(data, named=frozenset({"Spam"})).columns == ("mails", "spam")


def test_signs_that_contradict_each_other_are_said():
    table = read(lines(TEXTS, ["spam" if i % 2 else "ham" for i in range(40)], header="mails,spam"))
    assert table.columns == ("mails", "spam")
    assert "line 1 is taken as the header" in table.notes[0]


@pytest.mark.parametrize("option", [{"no_header": True}, {"columns": ("text", "label")}])
def test_no_header_is_refused_where_there_is_one(option):
    with pytest.raises(DataError) as caught:
        read(lines(TEXTS, LABELS, header="text,label"), **option)
    assert "line 1 does: 'text', 'label'" in caught.value.message
    assert "leave --" in (caught.value.hint or "")


def test_without_names_columns_are_numbered():
    assert read(lines(TEXTS, LABELS), no_header=True).columns == ("column 1", "column 2")
    assert read(lines(TEXTS), no_header=True).columns == ("text",)


@pytest.mark.parametrize(
    ("columns", "what"), [("a,a", "named 'a'"), ("a,,b", "has no name"), ("a,b,c", "names 3 fields")]
)
def test_columns_must_be_those_of_the_file(columns, what, tmp_path):
    (tmp_path / "x.csv").write_bytes(lines(TEXTS, LABELS))
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path / "x.csv"), columns=columns))
    assert what in caught.value.message
    assert caught.value.hint


def test_a_run_reads_what_the_options_say(tmp_path):
    (tmp_path / "x.csv").write_bytes(lines(TEXTS, LABELS))
    spec = DataSpec(source=str(tmp_path / "x.csv"), columns="text,label")
    splits = load_data(spec)
    assert splits.counts.train + splits.counts.validation + splits.counts.test == 40
    assert splits.labels == ("neg", "pos")


def test_options_for_files_of_text_are_refused_elsewhere(tmp_path):
    for source in ("sample:emotions", "owner/name"):
        with pytest.raises(DataError) as caught:
            load_data(DataSpec(source=source, encoding="cp1252", no_header=True))
        assert "leave --encoding and --no-header out" in (caught.value.hint or "")


def test_a_header_that_comes_again_is_a_bad_row(tmp_path):
    """Files put together by `cat`."""
    (tmp_path / "x.csv").write_bytes(lines(TEXTS, LABELS, header="text,label") * 2)
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path / "x.csv")))
    assert "line 42 is the header once more" in caught.value.message


def test_a_header_of_too_few_names_is_refused_by_its_line():
    """Lines above a header are left out and said: test_preamble.py."""
    with pytest.raises(DataError) as caught:
        read(lines(LABELS, TEXTS, LABELS, TEXTS, header="text,label"))
    assert "line 1 has 2 fields, and no row has so many: 40 rows have 4" in caught.value.message
    assert "give every column a name in line 1" in (caught.value.hint or "")
    assert read(b"Terms of use\n" * 25 + lines(TEXTS, LABELS, header="text,label")).rows == 40


def test_row_names_as_r_writes_them_are_a_column_and_empty_fields_at_the_end_are_none():
    rows = lines([str(i) for i in range(1, 41)], TEXTS, LABELS)
    table = read(b"text,label\n" + rows)
    assert table.columns == ("row name", "text", "label")
    assert table.read("text") == TEXTS
    assert "row names" in table.notes[0]
    trailing = read(lines(TEXTS, LABELS, [""] * 40, [""] * 40).replace(b"\r\n", b"\n"), columns=("text", "label"))
    assert trailing.read("label") == LABELS


def test_texts_alone_are_all_answered_or_refused(tmp_path: Path):
    (tmp_path / "x.csv").write_bytes(lines(TEXTS))
    with pytest.raises(DataError, match="looks like a row"):
        open_stream(tmp_path / "x.csv")
    assert open_stream(tmp_path / "x.csv", FileOptions(columns=("text",))).rows == 40
