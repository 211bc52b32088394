"""Bytes of a file -> its text, or a DataError that says at which byte and line it stops being text.

In: raw bytes, or a file of any size, gzipped or not.  Out: str without byte order mark.
Not here: rows and columns (delimited.py, formats.py).
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from liftune.errors import DataError

#: What is looked at of a file before it is read.
_FIRST = 65_536
# First bytes of files that people rename: what the file really is, and what to do.
_MAGIC = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "save the sheet as CSV (UTF-8)"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV (UTF-8)"),
    b"PAR1": ("a Parquet file", "name it .parquet"),
    b"ARROW1": ("an Arrow file", "save it as Parquet"),
    b"%PDF": ("a PDF", "give a CSV, TSV, JSONL or Parquet file"),
}


def unpacked(data: bytes, where: str, *, gzipped: bool) -> bytes:
    """The bytes, decompressed where they are gzip, whatever the file's name says.

    Raises:
        DataError: the gzip stream is damaged, or `gzipped` was promised by the name and is not so.
    """
    if data[:2] == b"\x1f\x8b":
        try:
            return gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"damaged gzip file: {error}", where=where, hint="write or download the file again"
            ) from None
    if gzipped and data:
        raise DataError("named .gz but not gzip", where=where, hint="take .gz off its name, or compress it")
    return data


def text_of(data: bytes, where: str) -> str:
    """UTF-8 (or UTF-16 with its byte order mark, as Excel's "Unicode text") as str.

    Raises:
        DataError: empty, binary, or not UTF-8; byte (from 0) and line (from 1) are named.
    """
    if not data.strip():
        raise DataError("the file is empty", where=where, hint="give a file with a header and rows")
    refuse_renamed(data, where)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _decoded(data, "utf-16", where)
    nul = data.find(b"\0")
    if nul >= 0:
        raise DataError(
            "a NUL byte: this is a binary file, or text in UTF-16",
            where=_place(data, nul, where),
            hint="give a text file in UTF-8 (from UTF-16: iconv -f UTF-16 -t UTF-8)",
        )
    return _decoded(data, "utf-8", where).removeprefix("\ufeff")


def refuse_renamed(data: bytes, where: str) -> None:
    """Refuse what begins as a file of another kind does."""
    for magic, (kind, hint) in _MAGIC.items():
        if data.startswith(magic):
            raise DataError(f"this is {kind}, not text", where=where, hint=hint)


def opener(path: Path, where: str, *, newline: str) -> Callable[[], IO[str]]:
    """What gives a file's text from its start, unpacked and decoded as it is read, for files of any size.

    A byte that is no UTF-8 becomes a lone surrogate, for the row that holds it to be told.

    Raises:
        DataError: empty, or a binary file, as far as its first block tells.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"

    def unpacked_file() -> IO[bytes]:
        return cast("IO[bytes]", gzip.open(path, "rb") if packed else path.open("rb"))

    with unpacked_file() as start:
        first = start.read(_FIRST)
        if not first.strip() and not start.read(1):
            raise DataError("the file is empty", where=where, hint="give a file with a header and rows")
    refuse_renamed(first, where)
    wide = first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not wide and b"\0" in first:
        text_of(first, where)  # says at which byte
    encoding = "utf-16" if wide else "utf-8-sig"

    def opened() -> IO[str]:
        return io.TextIOWrapper(unpacked_file(), encoding=encoding, errors="surrogateescape", newline=newline)

    return opened


def _decoded(data: bytes, encoding: str, where: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        bad = data[error.start]
        # 0x80 to 0x9f are control characters in Latin-1, quotes and dashes in Windows-1252.
        looks = "WINDOWS-1252" if any(0x80 <= byte <= 0x9F for byte in data) else "ISO-8859-1"
        raise DataError(
            f"not {encoding.upper()}: byte 0x{bad:02x} at offset {error.start}",
            where=_place(data, error.start, where),
            hint=f"save the file as UTF-8, for instance: iconv -f {looks} -t UTF-8",
        ) from None


def _place(data: bytes, offset: int, where: str) -> str:
    line = data.count(b"\n", 0, offset) + 1
    return f"{where}, byte {offset} (line {line})"
