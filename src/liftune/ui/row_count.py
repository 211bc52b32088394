"""How many rows a file has at least, counted as its lines pass by or read from its footer, before it is parsed.

In: a file.  Out: a number that is never above that of its rows, and often that of its rows.
Not here: reading the rows, and refusing too many (check_file.py).

Millions of short rows fit into a small file, and parsing them takes minutes. Lines pass by a hundred times as fast, and
no further than to the limit.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from liftune.data.readers.compression import open_contents, zipped_name
from liftune.data.readers.fasttext import EXTENSIONS as FASTTEXT
from liftune.data.readers.formats import extension

#: Lines that may stand above the rows: a header, titles.
_ABOVE = 100
#: Bytes of a line that are looked at together.
_PIECE = 1 << 20
_DELIMITED = frozenset({".csv", ".tsv", ".tab"})
_OF_LINES = frozenset({".jsonl", ".ndjson", ".manifest", ".json"})
_SHEET = b"<row "
#: What begins a text of two bytes a character: its line ends cannot be told from other characters.
_WIDE = (b"\xff\xfe", b"\xfe\xff")


def least_rows(path: Path, most: int, where: str) -> int:
    """Rows that a file has at least; counting ends beyond `most`. 0 of a kind whose rows cannot be told so soon.

    Raises:
        DataError: it is damaged, or packed in a way that is not read.
    """
    kind = extension(path.name) or extension(zipped_name(path) or "")
    if kind in (".parquet", ".pq", ".parq"):
        return _of_parquet(path)
    if kind == ".xlsx":
        return _of_sheets(path, most)
    if kind not in _DELIMITED | _OF_LINES | {*FASTTEXT}:
        return 0
    with open_contents(path, path.name, where) as contents:
        lines = _lines(contents)
        if kind in _OF_LINES:
            return _counted((line.startswith(b"{") for line in lines), most)
        return max(0, _counted(_ends_of_rows(lines), most + _ABOVE) - _ABOVE)


def _counted(found: Iterator[bool], most: int) -> int:
    count = 0
    for each in found:
        count += each
        if count > most:
            break
    return count


def _lines(contents: IO[bytes]) -> Iterator[bytes]:
    """Lines without those that are blank; of a text of two bytes a character none."""
    first = True
    while line := contents.readline(_PIECE):
        if first and (line.startswith(_WIDE) or b"\0" in line):
            return
        first = False
        if line.strip():
            yield line


def _ends_of_rows(lines: Iterator[bytes]) -> Iterator[bool]:
    """Whether each line ends a row: within double quotes it does not. Where quotes do not match, few do."""
    quotes = 0
    for line in lines:
        quotes += line.count(b'"')
        yield line.endswith((b"\n", b"\r")) and not quotes % 2


def _of_parquet(path: Path) -> int:
    """By the file's own word; a file whose word cannot be read is refused by its reader."""
    import pyarrow
    import pyarrow.parquet

    with contextlib.suppress(pyarrow.ArrowException, OSError):
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    return 0


def _of_sheets(path: Path, most: int) -> int:
    """Of a workbook with one sheet; of several it is not known which one will be read."""
    with contextlib.suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
        sheets = [each for each in archive.namelist() if each.startswith("xl/worksheets/sheet")]
        if len(sheets) == 1:
            with archive.open(sheets[0]) as contents:
                return max(0, _rows_of_sheet(contents, most + _ABOVE) - _ABOVE)
    return 0


def _rows_of_sheet(contents: IO[bytes], most: int) -> int:
    count, rest = 0, b""
    while count <= most and (part := contents.read(_PIECE)):
        count += (rest + part).count(_SHEET)
        rest = part[-len(_SHEET) + 1 :]
    return count
