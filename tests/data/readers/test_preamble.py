"""Titles above a header, headers in several lines, footers: said, never read as rows, never a header read as a row."""

from __future__ import annotations

import csv
import io

import pytest

from liftune.data import load_data
from liftune.data.readers.formats import open_stream, read_bytes, read_file
from liftune.data.readers.options import FileOptions
from liftune.data.readers.table import Table
from liftune.errors import DataError
from liftune.spec import DataSpec
from tests.support.workbooks import write_xlsx

THINGS = ("printer", "mailbox", "screen", "router", "phone")
ROWS = [
    [str(100 + i), f"The {THINGS[i % 5]} does not start, I tried it {i} times", "hardware" if i % 3 else "mail", "open"]
    for i in range(30)
]
HEADER = ["id", "text", "label", "status"]
#: Names that no list of names holds.
OTHER_HEADER = ["Vorgang", "Anliegen", "Warteschlange", "Zustand"]

TITLES = {
    "a title": [["Export from HelpDesk Pro"]],
    "a title and a blank line": [["Export from HelpDesk Pro"], []],
    "a title that a column may be called": [["Review"]],
    "several": [["Export from HelpDesk Pro"], ["Created on 2024-05-01"], [], ["Internal use"]],
    "names and values": [["Report:", "Tickets"], ["Period:", "2024-01-01", "2024-05-01"], []],
    "a comment": [["# exported by hand"]],
    "groups of columns": [["Ticket", "", "Answer", ""]],
    "full lines": [["Report:", "Tickets", "Queue:", "All"], []],
}


def written(rows: list[list[str]], *, padded: bool, delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    width = max(map(len, rows))
    csv.writer(text, delimiter=delimiter).writerows([*row, *[""] * ((width - len(row)) * padded)] for row in rows)
    return text.getvalue().encode()


def read(data: bytes, name: str = "x.csv", **options: object) -> Table:
    return read_bytes(data, name, name, options=FileOptions(**options))  # type: ignore[arg-type]


def check(table: Table, header: list[str]) -> None:
    assert table.columns == tuple(header)
    assert table.rows == 30
    assert [str(cell) for cell in table.read(header[1])] == [row[1] for row in ROWS]


@pytest.mark.parametrize("titles", TITLES)
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("header", [HEADER, OTHER_HEADER])
@pytest.mark.parametrize(("name", "delimiter"), [("x.csv", ","), ("x.csv", ";"), ("x.tsv", "\t")])
def test_lines_above_a_header_are_left_out_and_said_or_the_hint_works(titles, padded, header, name, delimiter):
    data = written([*TITLES[titles], header, *ROWS], padded=padded, delimiter=delimiter)
    skipped = len(TITLES[titles])
    if titles == "full lines" and header == OTHER_HEADER:  # it may as well be the header
        with pytest.raises(DataError) as caught:
            read(data, name)
        assert f"if line {skipped + 1} is the header: --skip-lines {skipped}" in (caught.value.hint or "")
        check(read(data, name, skip_lines=skipped), header)
        return
    table = read(data, name)
    check(table, header)
    said = "left out at the start, as comments" if titles == "a comment" else "left out above it"
    [note] = [note for note in table.notes if said in note]
    assert f"line {skipped + 1} is taken as the header" in note or titles == "a comment"
    assert TITLES[titles][0][0] in note
    assert "--skip-lines 0" in note
    assert not table.faults


@pytest.mark.parametrize("titles", TITLES)
def test_workbooks_have_titles_too(titles, tmp_path):
    write_xlsx(
        tmp_path / "x.xlsx", {"Tickets": [[each or None for each in row] for row in [*TITLES[titles], HEADER, *ROWS]]}
    )
    table = read_file(tmp_path / "x.xlsx")
    check(table, HEADER)
    assert "is taken as the header" in table.notes[0]
    skipped = FileOptions(skip_lines=len(TITLES[titles]))
    check(read_file(tmp_path / "x.xlsx", options=skipped), HEADER)


@pytest.mark.parametrize(
    "header", [["Satz", "Klasse", ""], ["", "Satz", "Klasse"], ["a", "", ""], ["text", "", "label"]]
)
def test_a_header_that_does_not_name_every_column_stays_the_header(header):
    table = read(written([header, *([row[1], row[2], row[0]] for row in ROWS)], padded=True))
    assert table.rows == 30
    assert [name for name in table.columns if not name.startswith("column ")] == [name for name in header if name]


def test_where_it_may_be_either_both_hints_work():
    rows = [["fine", "yes", "no"], ["good", "no", "no"], ["bad", "no", "yes"], ["poor", "yes", "yes"]] * 3
    data = written([["one", "two", ""], ["this", "that", "other"], *rows], padded=True)
    with pytest.raises(DataError) as caught:
        read(data)
    assert "if line 2 is the header: --skip-lines 1; if line 1 is: --skip-lines 0" in (caught.value.hint or "")
    assert read(data, skip_lines=1).columns == ("this", "that", "other")
    assert read(data, skip_lines=0).rows == 13


def test_a_title_above_rows_without_a_header_is_said():
    rows = [row[1:3] for row in ROWS]
    table = read(written([["Export"], *rows], padded=True))
    [_] = [note for note in table.notes if "--skip-lines 1 and the names" in note]
    assert read(written([["Export"], *rows], padded=True), skip_lines=1, columns=("text", "label")).rows == 30
    noted = read(written([["Export of tickets"], ["text", "label"], *rows], padded=True), columns=("a", "b"))
    assert any("is read as a row" in note and "--skip-lines 1" in note for note in noted.notes)


def test_texts_alone_have_titles_too():
    texts = [row[1].replace(",", "") for row in ROWS]
    table = read(("Export of tickets\n\ntext\n" + "\n".join(texts) + "\n").encode())
    assert table.columns == ("text",)
    assert table.read("text") == texts
    short = read(("utterance\nyes\ntext\nmessage\n" + "\n".join(texts)).encode())
    assert short.columns == ("utterance",)


def test_lines_are_skipped_as_told():
    data = b"one,two\nthree,four\ntext,label\nfive,six\nseven,eight\n"
    assert read(data, skip_lines=2).columns == ("text", "label")
    assert read(data, skip_lines=3, columns=("text", "label")).read("label") == ["six", "eight"]
    with pytest.raises(DataError, match="the file is empty"):
        read(data, skip_lines=9)


FOOTERS = [
    ["Total rows: 30"],
    ["Total", "30"],
    ["Grand total", "", "30"],
    ["30 rows"],
    ["Exported on 2024-05-01 by Ann"],
    ["Source: survey of 2024, do not distribute", "confidential"],
    ["Note: internal, see the wiki"],
    ["Summe", "30"],
    ["Summe", "1.234,50 \u20ac"],
    ["Total", "\u00a36,123,456.00"],
    ["Gesamt: 30"],
    ["Erstellt am 03.05.2024"],
    ["Stand: 03.05.2024"],
    ["Total g\u00e9n\u00e9ral", "30"],
    ["Export\u00e9 le 03/05/2024"],
    ["Seite 1 von 3"],
    ["", "confidential"],
    ["Streng vertraulich"],
]


@pytest.mark.parametrize("footer", FOOTERS)
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("order", [(1, 2), (2, 1), (1, 2, 3)])
def test_a_footer_is_a_bad_row(footer, padded, order, tmp_path):
    rows = [[row[i] for i in order] for row in ROWS]
    data = written([[HEADER[i] for i in order], *rows, [], footer], padded=padded)
    table = read(data.replace(b"\r\n,\r\n", b"\r\n\r\n").replace(b"\r\n,,\r\n", b"\r\n\r\n"))
    assert [fault.position for fault in table.faults] == [30]
    (tmp_path / "x.csv").write_bytes(data)
    *_, last = next(open_stream(tmp_path / "x.csv").blocks(100))
    assert last.fault


def test_what_stands_below_a_footer_is_no_row_either():
    rows = [[row[1], row[2]] for row in ROWS]
    table = read(
        written([["text", "label"], *rows, ["Total rows: 30", ""], ["Ann of the support team", "x"]], padded=True)
    )
    assert [fault.position for fault in table.faults] == [30, 31]


def test_a_text_that_begins_like_a_remark_is_a_row():
    rows = [[row[1], row[2]] for row in ROWS]
    for label in ("mail", "3", "n/a"):
        table = read(written([["text", "label"], *rows, ["Note: the printer burns", label]], padded=True))
        assert not table.faults


def test_a_text_that_begins_like_a_footer_is_a_row():
    rows = [[row[1], row[2]] for row in ROWS]
    table = read(written([["text", "label"], *rows, ["Total loss of time", ""], ["Report on it", "mail"]], padded=True))
    assert not table.faults


@pytest.mark.parametrize("header", [["", "text", "label"], [" text", "label"], ["text", "label"]])
def test_a_header_that_comes_again_is_a_bad_row_with_a_mark_too(header):
    rows = [["0", row[1], row[2]][-len(header) :] for row in ROWS]
    part = written([header, *rows], padded=False)
    table = read(b"\xef\xbb\xbf" + part + b"\xef\xbb\xbf" + part)
    assert [fault.reason for fault in table.faults] == ["line 32 is the header once more"]


def test_a_header_that_comes_again_in_another_order_is_refused():
    one = written([["text", "label"], *([row[1], row[2]] for row in ROWS)], padded=False)
    other = written([["label", "text"], *([row[2], row[1]] for row in ROWS)], padded=False)
    with pytest.raises(DataError) as caught:
        read(one + other)
    assert "line 32 names the columns once more, in another order" in caught.value.message


def test_the_hint_of_another_order_works(tmp_path):
    rows = [[row[1], row[2]] for row in ROWS]
    (tmp_path / "train-00000-of-00002.csv").write_bytes(written([["text", "label"], *rows], padded=False))
    (tmp_path / "train-00001-of-00002.csv").write_bytes(
        written([["label", "text"], *(row[::-1] for row in rows)], padded=False)
    )
    splits = load_data(DataSpec(source=str(tmp_path)))
    assert splits.labels == ("hardware", "mail")


QUALTRICS = [
    ["StartDate", "Q1", "Q2"],
    ["Start Date", "What did you like?", "How satisfied are you?"],
    ['{"ImportId":"startDate"}', '{"ImportId":"QID1_TEXT"}', '{"ImportId":"QID2"}'],
]
MONKEY = [["Respondent ID", "What did you like?", "How satisfied are you?"], ["", "Open-Ended Response", "Response"]]


@pytest.mark.parametrize("header", [QUALTRICS, MONKEY])
def test_headers_of_survey_tools_take_several_lines(header, tmp_path):
    rows = [["2024-01-01", row[1], row[2]] for row in ROWS]
    table = read(written([*header, *rows], padded=False))
    assert table.columns == tuple(header[0])
    assert table.rows == 30
    assert "left out below the header" in table.notes[0]
    write_xlsx(tmp_path / "x.xlsx", {"A": [[each or None for each in row] for row in [*header, *rows]]})
    assert read_file(tmp_path / "x.xlsx").rows == 30
