"""Small files that would fill the memory are refused as soon as it shows, and what data look like is read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from liftune.data.readers import unpacked
from liftune.data.readers.formats import open_stream, read_bytes
from liftune.data.targets import CellError
from liftune.data.texts import MOST_CHARACTERS, text_of
from liftune.errors import DataError
from liftune.inference.rows import rows_of

TEXT = b"text,label\n" + b"a,b\n" * 100_000


def zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", data)
    return packed.getvalue()


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": zipped}
PACKERS[".zst"] = lambda data: bytes(pa.compress(data, "zstd", asbytes=True))


@pytest.mark.parametrize("ending", PACKERS)
def test_a_bomb_is_refused_and_the_hint_reads_it(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"x.csv{ending}"
    path.write_bytes(PACKERS[ending](TEXT))
    assert read_bytes(path.read_bytes(), path.name, "x").rows == 100_000, "small enough whatever the ratio"
    monkeypatch.setattr(unpacked, "ALWAYS_BYTES", 100_000)
    for read in (lambda: read_bytes(path.read_bytes(), path.name, "x"), lambda: open_stream(path)):
        with pytest.raises(DataError, match="unpack to") as caught:
            read()
        assert caught.value.hint is not None
    name, value = str(caught.value.hint).rsplit(" ", 1)[1].split("=")
    monkeypatch.setenv(name, value)
    assert open_stream(path).rows == 100_000


def test_a_workbook_and_a_parquet_file_may_be_bombs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "ALWAYS_BYTES", 10_000)
    packed = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"] * 200_000}), packed)
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * 2_000_000)
    for name, data in (("x.parquet", packed.getvalue()), ("x.xlsx", book.getvalue())):
        with pytest.raises(DataError, match="unpack to"):
            read_bytes(data, name, name)


def test_a_text_that_no_model_reads_is_refused_before_its_tokenizer_takes_the_memory() -> None:
    long = "a" * (MOST_CHARACTERS + 1)
    assert text_of(long[1:], "text") == long[1:]
    with pytest.raises(CellError, match="2,000,001 characters"):
        text_of(long, "text")
    with pytest.raises(DataError, match="2,000,001 characters"):
        rows_of([long], pairs=False)
