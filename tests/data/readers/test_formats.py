"""Files as people write them, and as they break them: what is read, and what each error says."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from liftune.data import SOURCES, load_data
from liftune.data.readers.formats import FORMATS, OPENERS, open_stream, read_bytes, read_file
from liftune.data.readers.table import Table
from liftune.errors import DataError
from liftune.spec import DataSpec


def rows_of(table: Table) -> list[dict[str, object]]:
    columns = {name: table.read(name) for name in table.columns}
    return [{name: cells[i] for name, cells in columns.items()} for i in range(table.rows)]


def parsed(text: str | bytes, filename: str = "x.csv") -> Table:
    return read_bytes(text if isinstance(text, bytes) else text.encode(), filename, filename)


EXPECTED = [{"text": "good, really", "label": "pos"}, {"text": 'bad "stuff"', "label": "neg"}]


@pytest.mark.parametrize(
    "data",
    [
        b'text,label\n"good, really",pos\n"bad ""stuff""",neg\n',
        b'\xef\xbb\xbftext;label\r\n"good, really";pos\r\n"bad ""stuff""";neg\r\n',
        b'text\tlabel\r\ngood, really\tpos\r\n"bad ""stuff"""\tneg',
        b'sep=;\r\ntext;label\r\ngood, really;pos\r\n"bad ""stuff""";neg\r\n',
        b'text,label\r"good, really",pos\r"bad ""stuff""",neg\r',
        'text\tlabel\r\ngood, really\tpos\r\n"bad ""stuff"""\tneg\r\n'.encode("utf-16"),
        b'text,label\n\n"good, really",pos\n\n"bad ""stuff""",neg\n\n\n',
    ],
    ids=["plain", "excel-semicolon-bom", "tabs", "sep-line", "old-mac", "utf-16", "blank-lines"],
)
def test_delimited_text_is_read_as_excel_and_others_write_it(data):
    assert rows_of(parsed(data)) == EXPECTED


def test_a_quoted_line_break_belongs_to_its_cell_and_lines_are_still_counted():
    table = parsed('text,label\r\n"one\r\ntwo",a\r\nthree,b\r\n')
    assert rows_of(table)[0] == {"text": "one\r\ntwo", "label": "a"}
    assert table.lines == [2, 4]


def test_a_cell_may_be_longer_than_the_csv_modules_limit():
    long = "x" * 200_000
    assert parsed(f"text,label\n{long},a\nb,b\n").read("text")[0] == long


def test_a_tsv_without_quoting_keeps_its_quotes():
    """Read as quoted, the first text would swallow the second row."""
    table = parsed('text\tlabel\n"Hello he said\tpos\nworld"\tneg\nplain\tpos\n', "x.tsv")
    assert table.read("text") == ['"Hello he said', 'world"', "plain"]


def test_a_tsv_with_quoting_may_hold_tabs_and_line_breaks():
    table = parsed('text\tlabel\n"a\tb"\tpos\n"c\nd"\tneg\n', "x.tsv")
    assert table.read("text") == ["a\tb", "c\nd"]


def test_a_comma_in_a_semicolon_header_does_not_make_it_a_comma_file():
    assert parsed("text;label, clean;id\na;b;c\n").columns == ("text", "label, clean", "id")


def test_an_index_column_without_a_name_is_named():
    assert parsed(",text,label\n0,a,b\n").columns == ("column 1", "text", "label")


def test_json_lines_break_only_at_newlines():
    table = parsed('{"text": "a\u2028b\u0085c", "label": 1}\n\n{"text": "d", "extra": [1]}\n', "x.jsonl")
    assert table.read("text") == ["a\u2028b\u0085c", "d"]
    assert table.read("label") == [1, None]
    assert table.lines == [1, 3]


def test_json_may_be_one_list_or_lines():
    objects = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
    as_list = parsed(json.dumps(objects, indent=1), "x.json")
    as_lines = parsed("\n".join(map(json.dumps, objects)), "x.json")
    assert rows_of(as_list) == rows_of(as_lines) == objects


def write_parquet(path: Path, columns: dict[str, list[object]]) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def test_parquet_is_read_plain_and_gzipped(tmp_path):
    write_parquet(tmp_path / "x.parquet", {"text": ["a", "b"], "label": [["u"], []]})
    (tmp_path / "y.parquet.gz").write_bytes(gzip.compress((tmp_path / "x.parquet").read_bytes()))
    for name in ("x.parquet", "y.parquet.gz"):
        assert rows_of(read_file(tmp_path / name)) == [{"text": "a", "label": ["u"]}, {"text": "b", "label": []}]


def test_class_names_written_into_parquet_by_datasets_are_kept(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    rows = datasets.Dataset.from_dict(
        {"text": [f"t{i}" for i in range(40)], "label": [i % 2 for i in range(40)]}, features
    )
    rows.to_parquet(tmp_path / "x.parquet")
    assert load_data(DataSpec(source=str(tmp_path / "x.parquet"))).labels == ("neg", "pos")


@pytest.mark.parametrize("filename", ["x.csv.gz", "x.csv"])
def test_gzip_is_recognised_by_its_bytes_whatever_the_name(filename):
    assert rows_of(parsed(gzip.compress(b"text,label\na,b\n"), filename)) == [{"text": "a", "label": "b"}]


HEADER = b"text,label\n"
BROKEN = {
    "empty": ("x.csv", b"", "empty", "x.csv"),
    "blank": ("x.csv", b"\n \n", "empty", "x.csv"),
    "header only": ("x.csv", HEADER, "header (text, label) and no rows", "x.csv"),
    "empty jsonl": ("x.jsonl", b"", "empty", "x.jsonl"),
    "empty parquet": ("x.parquet", b"", "empty", "x.parquet"),
    "excel": ("x.csv", b"PK\x03\x04rest", "Excel", "x.csv"),
    "parquet as csv": ("x.csv", b"PAR1rest", "Parquet", "x.csv"),
    "csv as parquet": ("x.parquet", HEADER, "not a Parquet file", "x.parquet"),
    "cut gzip": ("x.csv.gz", gzip.compress(HEADER * 99)[:-12], "damaged gzip", "x.csv.gz"),
    "not gzip": ("x.csv.gz", HEADER, "not gzip", "x.csv.gz"),
    "open quote": ("x.csv", HEADER + b'a,b\n"c,d\ne,f\n', "never closed", "line 3"),
    "two columns of one name": ("x.csv", b"text,text\na,b\n", "two columns are named 'text'", "line 1"),
    "no json": ("x.jsonl", b"text,label\na,b\n", "line 1 is not JSON", "line 1"),
    "json list": ("x.json", b'[{"text": "a"}, 3]', "row 2 is a number", "x.json"),
    "broken json": ("x.json", b'[{"text": "a"},\n oops]', "not JSON", "line 2, character 2"),
    "deep json": ("x.json", b"[" * 100_000, "not JSON that can be read", "x.json"),
    "nothing but a byte order mark": ("x.jsonl", b"\xef\xbb\xbf\n", "no rows", "x.jsonl"),
    "unknown": ("x.zzz", b"hello", "unknown kind of file '.zzz'", "x.zzz"),
    "workbook": ("x.xlsx", b"PK", "this is not a workbook, but text", "x.xlsx"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_what_where_and_mend(case):
    filename, data, what, where = BROKEN[case]
    with pytest.raises(DataError) as caught:
        parsed(data, filename)
    assert what in caught.value.message
    assert where in (caught.value.where or "")
    assert caught.value.hint


@pytest.mark.parametrize("kind", OPENERS)
@pytest.mark.parametrize(
    "data", [b"\x00\x01\x02\x03", b"\xff\xd8\xff\xe0\x00\x10JFIF", b"\x1f\x8b\x08broken", b"{", b"[[", b'"']
)
def test_no_bytes_end_in_a_traceback(kind, data):
    with pytest.raises(DataError):
        parsed(data, f"x{kind}")


@pytest.mark.parametrize("kind", OPENERS)
def test_a_format_is_registered_once_for_every_use(kind, tmp_path):
    """One entry of FORMATS makes it a source of --data, a file of --in and a name in messages."""
    (tmp_path / f"x{kind}").write_bytes(b"?")
    source = next(each for each in reversed(SOURCES.entries()) if each.takes(str(tmp_path / f"x{kind}")))
    assert kind in next(each.openers for each in FORMATS if each.name == source.name)
    for read in (read_file, open_stream):
        with pytest.raises(DataError) as caught:
            read(tmp_path / f"x{kind}")
        assert "unknown kind" not in caught.value.message
    with pytest.raises(DataError) as caught:
        parsed("?", "x.zzz")
    assert kind in (caught.value.hint or "")


def test_a_parquet_file_is_recognised_as_gzip_when_streamed_too(tmp_path):
    write_parquet(tmp_path / "plain.parquet", {"text": ["a", "b"]})
    (tmp_path / "x.parquet").write_bytes(gzip.compress((tmp_path / "plain.parquet").read_bytes()))
    for rows in (open_stream(tmp_path / "x.parquet").rows, read_file(tmp_path / "x.parquet").rows):
        assert rows == 2


def test_a_missing_file_names_its_neighbour(tmp_path):
    (tmp_path / "reviews.csv").write_text("text,label\n")
    with pytest.raises(DataError) as caught:
        read_file(tmp_path / "review.csv")
    assert "did you mean reviews.csv?" in caught.value.message


def test_an_unreadable_file_is_an_error_of_the_data(tmp_path, monkeypatch):
    """Root reads everything, so that the refusal is staged."""

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match="permission denied"):
        read_file(tmp_path / "x.csv")


RAGGED = b"text,label\na,x\nb\nc,x,y\nd,y\n"


def test_a_ragged_line_is_named_with_its_fields(tmp_path):
    (tmp_path / "x.csv").write_bytes(RAGGED)
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path / "x.csv")))
    assert "line 3 has 1 field, the header has 2" in caught.value.message
    assert "line 4 has 3 fields, the header has 2" in caught.value.message
    assert "row 2 (line 3)" in (caught.value.where or "")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "a", ', "line 2 is not JSON"),
        ('["a", "x"]', "line 2 is a list, not a JSON object"),
        ('"a"', "line 2 is a string, not a JSON object"),
        ("17", "line 2 is a number, not a JSON object"),
        ("9" * 5000, "line 2 is not JSON"),
        ("[" * 100_000, "line 2 is not JSON"),
    ],
)
def test_a_bad_json_line_is_named_by_number(tmp_path, line, reason):
    (tmp_path / "x.jsonl").write_text(f'{{"text": "a", "label": "x"}}\n{line}\n{{"text": "b", "label": "y"}}\n')
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path / "x.jsonl")))
    assert reason in caught.value.message
    assert "row 2" in (caught.value.where or "")


def test_columns_that_nobody_reads_cost_no_cells(tmp_path):
    """A Parquet file of embeddings must not become Python lists because of its text column."""
    write_parquet(tmp_path / "x.parquet", {"text": ["a"] * 2000, "vector": [[0.5] * 64] * 2000})
    table = read_file(tmp_path / "x.parquet")
    tracemalloc.start()
    table.read("text")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
