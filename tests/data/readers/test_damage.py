"""Files that are damaged, or hold what nobody expects: found by fuzzing, each refused in words or read."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workbooks import write_xlsx

from liftune.data import load_data
from liftune.data.readers.columnar import columnar_stream
from liftune.data.readers.compression import decompressing
from liftune.data.readers.formats import open_stream, read_bytes
from liftune.data.readers.parquet import damage
from liftune.errors import DataError
from liftune.spec import DataSpec
from liftune.tasks import TaskKind


def parquet(table: pa.Table) -> bytes:
    packed = io.BytesIO()
    pq.write_table(table, packed)
    return packed.getvalue()


def arrow(table: pa.Table) -> bytes:
    packed = io.BytesIO()
    with pa.ipc.new_file(packed, table.schema) as writer:
        writer.write_table(table)
    return packed.getvalue()


@pytest.mark.parametrize("write", [parquet, arrow])
def test_a_text_that_is_not_utf8_is_a_cell_of_bytes(write: Any) -> None:
    data = write(pa.table({"text": ["good", "also good"]})).replace(b"also good", b"also \xffood")
    name = f"x.{write.__name__}"
    assert read_bytes(data, name, name).read("text") == ["good", b"also \xffood"]


@pytest.mark.parametrize("write", [parquet, arrow])
@pytest.mark.parametrize("nested", [False, True])
def test_a_name_that_is_not_utf8_is_damage(write: Any, nested: bool) -> None:
    names = pa.table({"text": ["a", "b"], "an old name": [{"x": 1}, None] if nested else [1, 2]})
    data = write(names).replace(b"an old name", b"an \xa0ld name")
    with pytest.raises(DataError, match=r"not an? (Parquet|Arrow) file"):
        read_bytes(data, f"x.{write.__name__}", "x")


def test_a_column_that_has_lost_cells_is_damage() -> None:
    whole = pa.record_batch({"text": ["a", "b"], "label": ["x", "y"]})

    def batches(names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        yield (whole.slice(1) if names == ("text",) else whole).select(list(names))

    table = columnar_stream("x", whole.schema, 2, batches).collected("rows")
    assert table.read("label") == ["x", "y"]
    with pytest.raises(DataError, match="1 cells, and the file has 2 rows"):
        table.read("text")


@pytest.mark.parametrize("write", [parquet, arrow])
def test_times_that_python_does_not_know_are_nothing(write: Any) -> None:
    columns = {
        "text": ["a", "b"],
        "day": pa.array([2**31 - 1, 0], pa.date32()),
        "length": pa.array([2**62, 1], pa.duration("s")),
        "time": pa.array([-(2**62), 1], pa.timestamp("us")),
    }
    table = read_bytes(write(pa.table(columns)), f"x.{write.__name__}", "x")
    assert [table.read(name)[0] for name in ("day", "time")] == [None, None]
    assert table.read("text") == ["a", "b"]


def test_offsets_beyond_an_arrow_file_are_damage(tmp_path: Path) -> None:
    """Reading them would leave the file's memory."""
    offsets = np.array([0, 4, 9], dtype=np.int32)
    data = arrow(pa.table({"text": ["good", "other"]}))
    broken = data.replace(offsets.tobytes(), np.array([0, 2**30, 2**31 - 1], dtype=np.int32).tobytes())
    assert broken != data
    with pytest.raises(DataError, match="Arrow"):
        read_bytes(broken, "x.arrow", "x").read("text")
    (tmp_path / "x.arrow").write_bytes(broken)
    with pytest.raises(DataError, match="Arrow"):
        [line for block in open_stream(tmp_path / "x.arrow").blocks(2) for line in block]


def test_a_length_that_no_file_can_fill_is_damage_and_no_lack_of_memory() -> None:
    """A flipped bit in an Arrow file of 700 bytes asked for 2**50 bytes."""
    for size, what in ((2**50, DataError), (2**20, pa.ArrowMemoryError)):
        with pytest.raises(what), damage("x.arrow", "Arrow", 700):
            raise pa.ArrowMemoryError(f"malloc of size {size} failed")
    with pytest.raises(pa.ArrowMemoryError), damage("x.arrow", "Arrow", 2**50):
        raise pa.ArrowMemoryError(f"malloc of size {2**50} failed")


def test_a_parquet_file_with_names_that_are_not_utf8_is_damaged() -> None:
    data = parquet(pa.table({"text": ["good"], "columnname": ["x"]}))
    broken = data.replace(b"columnname", b"column\xffame")
    assert broken != data
    with pytest.raises(DataError):
        read_bytes(broken, "x.parquet", "x").read("text")


@pytest.mark.parametrize("member", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels"])
def test_a_workbook_with_a_broken_sheet_is_refused(member: str, tmp_path: Path) -> None:
    write_xlsx(tmp_path / "x.xlsx", {"rows": [["text", "label"], ["a", "b"], ["c", "d"]]})
    for cut in (0.3, 0.6, 0.9):
        packed = io.BytesIO()
        with zipfile.ZipFile(tmp_path / "x.xlsx") as book, zipfile.ZipFile(packed, "w") as broken:
            for name in book.namelist():
                content = book.read(name)
                broken.writestr(name, content[: int(len(content) * cut)] if name == member else content)
        with pytest.raises(DataError):
            read_bytes(packed.getvalue(), "x.xlsx", "x.xlsx")


def test_archives_with_broken_heads_are_damaged() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.csv", "text,label\n" + "a,b\n" * 9)
    data = packed.getvalue()
    for at in range(len(data)):
        for bit in (1, 128):
            broken = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
            for changed in (broken, data[:at]):
                with contextlib.suppress(DataError):
                    read_bytes(changed, "x.csv.zip", "x.csv.zip")


@pytest.mark.parametrize("data", [b'{"id": 0\r\n', b'[{"id": 0},\x0b\x0c\r\n', b'{"id": 0\r', b'{"id": 0\n\n'])
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_json_that_ends_within_a_value_is_refused(data: bytes, name: str) -> None:
    with pytest.raises(DataError):
        read_bytes(data, name, name)


TEXTS: dict[str, bytes] = {
    "UTF-16 with an odd byte": "text,label\na,b\nc,d\n".encode("utf-16") + b"x",
    "UTF-16 without its mark, with an odd byte": "text,label\nab,b\nc,d\n".encode("utf-16-le") + b"x",
    "UTF-32 with an odd byte": "text,label\na,b\n".encode("utf-32") + b"x",
    "UTF-8 mark": b"\xef\xbb\xbf",
    "UTF-16 mark": b"\xff\xfe",
    "UTF-16 mark, other order": b"\xfe\xff",
    "UTF-32 mark": b"\xff\xfe\0\0",
    "UTF-32 mark, other order": b"\0\0\xfe\xff",
    "mark and a line end": b"\xef\xbb\xbf\n\n",
    "UTF-16 mark and a line end": "\n \n".encode("utf-16"),
    "two marks": b"\xef\xbb\xbf\xef\xbb\xbf",
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.jsonl", "x.json"])
def test_texts_that_end_within_a_character_or_before_one(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(TEXTS[kind])
    for read in (
        lambda: read_bytes(TEXTS[kind], name, name),
        lambda: [line for block in open_stream(tmp_path / name).blocks(3) for line in block],
    ):
        with pytest.raises(DataError):
            read()


CELLS: dict[str, list[Any]] = {
    "60,000 brackets": ["a", "b"] * 6 + ["[" * 60_000],
    "brackets that close": ["a", "b"] * 6 + ["[" * 30_000 + "]" * 30_000],
    "short brackets": ["a", "b"] * 6 + ["[" * 9_000 + "]" * 9_000, "(" * 300 + ")" * 300, "{" * 400 + "}" * 400],
    "401 digits": ["1", "2"] * 6 + ["1" * 401],
    "5,000 digits": ["1", "2"] * 6 + ["1" * 5_000, "[" + "1" * 5_000 + "]", "[1 " + "2" * 5_000 + "]"],
    "1e308": ["0.5", "1.5"] * 6 + ["1e308", "-1e308"],
    "all 1e308": [f"{i}e307" for i in range(1, 18)],
    "floats": [0.5, 1.5] * 6 + [1e308, -1e308],
    "superscripts": ["1", "2"] * 6 + ["²", "٣"],
}


@pytest.mark.parametrize("task", [None, *TaskKind])
@pytest.mark.parametrize("kind", CELLS)
def test_labels_of_any_length_are_read_or_refused(kind: str, task: TaskKind | None, tmp_path: Path) -> None:
    rows = [{"text": f"row {i}", "label": cell} for i, cell in enumerate(CELLS[kind])]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "x.csv").write_text("text,label\n" + "".join(f'{row["text"]},"{row["label"]}"\n' for row in rows))
    for name in ("x.jsonl", "x.csv"):
        for more in ({}, {"label_names": ("a", "b", "c")}, {"label_threshold": 0.5}):
            with contextlib.suppress(DataError):
                load_data(DataSpec(source=str(tmp_path / name), task=task, **more))


@pytest.mark.parametrize(
    ("guard", "error"),
    [
        (lambda: damage("x.parquet", "Parquet", 1_000), pa.lib.ArrowMemoryError("malloc of size 9 failed")),
        (lambda: damage("x.arrow", "Arrow", 1_000), OSError(errno.ENOMEM, "Cannot allocate memory")),
        (lambda: decompressing("x.gz"), OSError(errno.ENOMEM, "Cannot allocate memory")),
        (lambda: decompressing("x.gz"), zlib.error("Error -4 while preparing to decompress data: insufficient memory")),
    ],
)
def test_a_lack_of_memory_is_no_damage(guard: Any, error: Exception) -> None:
    """To write a whole file again helps nobody."""
    with pytest.raises(type(error)), guard():
        raise error
