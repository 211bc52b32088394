"""Quotes that do not match never make several rows one; quotes that do are read as ever."""

from __future__ import annotations

import pytest

from liftune.data.readers.formats import open_stream, read_bytes
from liftune.data.readers.table import Table
from liftune.errors import DataError

ROWS = [f"The meal {i} was {'fine' if i % 2 else 'poor'},{'pos' if i % 2 else 'neg'}" for i in range(40)]


def csv_of(changed: dict[int, str], rows: list[str] = ROWS, header: str = "text,label") -> bytes:
    return "\n".join([header, *(changed.get(i, row) for i, row in enumerate(rows)), ""]).encode()


def read(data: bytes, name: str = "x.csv") -> Table:
    return read_bytes(data, name, name)


STRAY = {
    "one opens in a row and one closes in another": {5: '"What a day,pos', 20: 'half of 6",neg'},
    "the second one within a field": {5: '"What a day,pos', 20: 'he said "never" to me,neg'},
    "the second one at the start of a row": {5: '"What a day,pos', 20: '"Never again,neg'},
    "one row further": {5: '"What a day,pos', 6: 'six feet 6",neg'},
    "one that is never closed": {5: '"What a day,pos'},
    "three": {5: '"What a day,pos', 9: 'half of 6",neg', 20: '"Again,pos'},
    "text after a closing quote": {5: '"What" a day,pos'},
    "a backslash": {5: '"He said \\"hi\\", twice",pos'},
}


@pytest.mark.parametrize("case", STRAY)
def test_a_stray_quote_is_refused_by_its_line(case, tmp_path):
    data = csv_of(STRAY[case])
    with pytest.raises(DataError) as caught:
        read(data)
    assert caught.value.where == f"x.csv, line {22 if case == 'three' else 7}"
    assert '""' in (caught.value.hint or "")
    (tmp_path / "x.csv").write_bytes(data)
    with pytest.raises(DataError):
        open_stream(tmp_path / "x.csv")


def test_the_hint_followed_reads_every_row():
    data = csv_of({5: '"""What a day",pos', 20: '"half of 6""",neg'})
    table = read(data)
    assert table.rows == 40
    assert (table.read("text")[5], table.read("text")[20]) == ('"What a day', 'half of 6"')


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ([f"{i},text {i}" for i in range(40)], "id,text"),
        ([f"text {i},{i}.5" for i in range(40)], "text,score"),
        ([f"{i};text {i};{'a' if i % 2 else 'b'}" for i in range(40)], "id;text;label"),
    ],
)
def test_rows_are_known_by_their_other_columns(rows, header):
    changed = {5: rows[5].replace("text", '"text'), 9: rows[9].replace("text 9", 'text 9"')}
    with pytest.raises(DataError) as caught:
        read(csv_of(changed, rows, header))
    assert "a quote that opens in line 7 closes only in line 11: 5 rows would become one" in caught.value.message


def test_cells_of_several_lines_are_read():
    """Also where their lines hold a comma each, as rows do."""
    cells = ["Dear all,\nthanks, and see you\nBob, Ann", "one\n\ntwo", 'she said: "so,\nwhat"', "a,\nb", ",\n,"]
    rows = {i: f'"{cell.replace(chr(34), chr(34) * 2)}",pos' for i, cell in enumerate(cells)}
    table = read(csv_of(rows))
    assert table.rows == 40
    assert table.read("text")[:5] == cells
    assert not table.notes


def test_quotes_within_an_unquoted_field_are_characters():
    table = read(csv_of({5: 'a 5" screen,pos', 9: 'he said "never",neg'}))
    assert (table.read("text")[5], table.read("text")[9]) == ('a 5" screen', 'he said "never"')


def test_a_single_column_says_which_rows_take_several_lines():
    """Nothing else can tell whether these are several rows."""
    table = read(b'text\n"first of all\nsecond"\nthird one here\n')
    assert table.rows == 2
    assert "a quote opens in line 2" in table.notes[0]


@pytest.mark.parametrize(
    "changed",
    [
        {5: '"What a day\tpos', 20: 'half of 6"\tneg'},
        {5: '"What a day\tpos'},
        {5: '"What" a day\tpos', 7: '"open\tneg'},
        {5: '"What a day\tpos', 20: 'half of 6"\tneg', 30: "one field"},
    ],
)
def test_tsv_with_stray_quotes_keeps_them_and_says_so(changed):
    """Most TSV files have no quoting."""
    rows = [row.replace(",", "\t") for row in ROWS]
    table = read(csv_of(changed, rows, "text\tlabel"), "x.tsv")
    assert table.rows == 40
    assert [fault.position for fault in table.faults] == ([30] if 30 in changed else [])
    assert (table.read("text")[5] or "").startswith('"What')
    assert "quotes are read as they stand" in table.notes[0]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("Timestamp,How are you; really; honest?\n1,ok\n2,ok\n3,no\n", ("Timestamp", "How are you; really; honest?")),
        ("text;score\nso good;3,5\nso bad;1,5\nmeh;2,5\n", ("text", "score")),
        ("text|label\na, b|x\nc, d|y\n", ("text", "label")),
        ("text,label\na|b,x\nc|d,y\ne,z\n", ("text", "label")),
        ("text,label\na,x\nb, c,y\nd, e,x\nf, g, h,y\n", ("text", "label")),
        ("text\na, b\nc\nd, e, f\n", ("text",)),
    ],
)
def test_the_delimiter_is_the_one_that_divides_rows_alike(text, columns):
    assert read(text.encode()).columns == columns


def test_mixed_line_ends_end_rows_alike():
    table = read(b"text,label\r\na,x\nb,y\rc,x\r\nd,y")
    assert table.read("text") == ["a", "b", "c", "d"]
