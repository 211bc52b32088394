"""A file's bytes -> its text, or a DataError that says at which byte and line it stops being text.

In: a RawFile, on disk or in memory, gzipped or not.  Out: str without byte order mark.
Not here: rows and columns (delimited.py, json_objects.py).
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TypeAlias, cast

from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.errors import DataError

Opened: TypeAlias = Callable[[], IO[str]]
"""Opens a text from its start."""

#: Bytes of a file that are checked before it is streamed.
_FIRST = 65_536
_GZIP = b"\x1f\x8b"
# First bytes of files that people rename: what the file really is, and what to do.
_MAGIC = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "save the sheet as CSV (UTF-8)"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV (UTF-8)"),
    b"PAR1": ("a Parquet file", "name it .parquet"),
    b"ARROW1": ("an Arrow file", "save it as Parquet"),
    b"%PDF": ("a PDF", "give a CSV, TSV, JSONL or Parquet file"),
}


@dataclass(frozen=True)
class RawFile:
    """A file's bytes, which can be read from their start as often as needed.

    In memory, its text is decoded at once: liftune refuses a file that is not UTF-8. On disk, it is decoded block by
    block, in constant memory: a byte that is not UTF-8 becomes a lone surrogate, a fault of the row that holds it.
    """

    filename: str
    where: str
    """What messages call it."""
    data: bytes | Path
    options: FileOptions = NONE_GIVEN

    def read(self) -> bytes:
        """All bytes, decompressed.

        Raises:
            DataError: the gzip stream is damaged, or the file is named .gz and is not gzip.
        """
        data = self.data if isinstance(self.data, bytes) else self.data.read_bytes()
        return unpacked(data, self.where, gzipped=self.filename.lower().endswith(".gz"))

    @property
    def plain_path(self) -> Path | None:
        """Where the file is on disk, if it is there and not gzipped."""
        return self.data if isinstance(self.data, Path) and not _is_packed(self.data) else None

    @cached_property
    def text(self) -> str:
        """The whole text. Raises DataError as `text_of`."""
        return text_of(self.read(), self.where)

    def text_opener(self, *, newline: str) -> Opened:
        """A function that opens the text from its start.

        Args:
            newline: as for `open`.

        Raises:
            DataError: empty or binary; in memory also if not UTF-8.
        """
        if isinstance(self.data, Path):
            return _streaming(self.data, self.where, newline=newline)
        text = self.text
        return lambda: io.StringIO(text, newline=newline)

    def lines(self) -> Iterator[str]:
        """The text's lines, which end only at \\n. Raises DataError as `text_opener`."""
        if isinstance(self.data, Path):
            with self.text_opener(newline="\n")() as text:
                yield from text
        else:
            yield from self.text.split("\n")


def unpacked(data: bytes, where: str, *, gzipped: bool) -> bytes:
    """The bytes, decompressed if they are gzip, whatever the file's name says.

    Raises:
        DataError: the gzip stream is damaged, or the name promises `gzipped` and the bytes are not.
    """
    if data.startswith(_GZIP):
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
        DataError: empty, binary, or not UTF-8; with the byte (from 0) and the line (from 1).
    """
    if not data.strip():
        raise _empty(where)
    _refuse_renamed(data, where)
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


def _streaming(path: Path, where: str, *, newline: str) -> Opened:
    """Opens a text on disk, decompressed and decoded as it is read. Only its first block is checked here."""
    packed = _is_packed(path)

    def unpacked_file() -> IO[bytes]:
        return cast("IO[bytes]", gzip.open(path, "rb") if packed else path.open("rb"))

    with unpacked_file() as start:
        first = start.read(_FIRST)
        if not first.strip() and not start.read(1):
            raise _empty(where)
    _refuse_renamed(first, where)
    wide = first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not wide and b"\0" in first:
        text_of(first, where)  # raises, with the byte
    encoding = "utf-16" if wide else "utf-8-sig"

    def opened() -> IO[str]:
        return io.TextIOWrapper(unpacked_file(), encoding=encoding, errors="surrogateescape", newline=newline)

    return opened


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def _empty(where: str) -> DataError:
    return DataError("the file is empty", where=where, hint="give a file with a header and rows")


def _refuse_renamed(data: bytes, where: str) -> None:
    """Refuse a file whose first bytes are those of another kind."""
    for magic, (kind, hint) in _MAGIC.items():
        if data.startswith(magic):
            raise DataError(f"this is {kind}, not text", where=where, hint=hint)


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
