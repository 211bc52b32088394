"""A folder of JSON files of which each is one row, as annotation tools and scrapers write them.

In: the files of a folder.  Out: a Table whose rows are the files' objects.
Not here: which part the folder is (folders.py), files of many rows (json_objects.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources.abc import Traversable
from pathlib import Path

from liftune.data.readers.formats import extension, read_bytes, read_file, stem
from liftune.data.readers.options import FileOptions
from liftune.data.readers.part_names import role_of
from liftune.data.readers.table import NoRows, Table
from liftune.data.readers.text_encoding import RawFile
from liftune.errors import DataError

#: Files from which on they are rows; how many of them are looked into.
_LEAST, _LOOKED_INTO = 4, 3


def takes_row_files(paths: Sequence[Path | Traversable]) -> bool:
    """Whether all are JSON files of one object each, and none is named as a part is."""
    files = [path for path in paths if isinstance(path, Path)]
    if len(paths) < _LEAST or len(files) < len(paths):
        return False
    if any(extension(path.name) != ".json" or role_of(stem(path.name)) for path in files):
        return False
    return all(_is_one_row(path) for path in files[:_LOOKED_INTO])


def _is_one_row(path: Path) -> bool:
    try:
        return read_file(path).rows == 1 and path.read_bytes().lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    except DataError:
        return False


def read_row_files(paths: Sequence[Path | Traversable], folder: Path, name: str, options: FileOptions) -> Table:
    """Every file's object as a row, in the order of their names. A file that holds something else is a fault."""
    lines = [_on_a_line(path, options) for path in paths if isinstance(path, Path)]
    data = "\n".join(lines).encode("utf-8", "surrogateescape")
    table = read_bytes(data, f"{folder.name}.jsonl", str(folder), name=name, options=replace(options, encoding=None))
    note = f"{folder}: each of its {len(paths):,} JSON files is a row"
    return replace(table, files=[path.name for path in paths], notes=(note, *table.notes))


def _on_a_line(path: Path, options: FileOptions) -> str:
    """A file's JSON on one line: a text in it holds no line break. Of a blank file what is no row."""
    try:
        text = RawFile(path.name, str(path), path, options).text
    except NoRows:
        return "null"
    return " ".join(text.split("\n")).replace("\r", " ").strip() or "null"
