"""One file -> a Table, by its extension: CSV, TSV, JSON lines, JSON, Parquet, each plain or gzipped.

In: a path, or bytes and a name.  Out: a Table.
Not here: folders and hub sets (sources.py, hub.py), what the columns mean (columns.py, targets.py).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from liftune.data.readers.delimited import read_delimited
from liftune.data.readers.table import Fault, Table
from liftune.data.readers.text_encoding import text_of, unpacked
from liftune.errors import DataError, choose, nearest

Reader = Callable[[bytes, str, str], Table]


def _csv(data: bytes, name: str, where: str) -> Table:
    return read_delimited(text_of(data, where), name, where)


def _tsv(data: bytes, name: str, where: str) -> Table:
    return read_delimited(text_of(data, where), name, where, prefer="\t")


def _jsonl(data: bytes, name: str, where: str) -> Table:
    # Only \n ends a line: JSON allows U+2028 and its kin inside a string.
    lines = [(number, line) for number, line in enumerate(text_of(data, where).split("\n"), 1) if line.strip()]
    objects: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for position, (number, line) in enumerate(lines):
        value, fault = read_object(line, number)
        objects.append(value)
        if fault:
            faults.append(Fault(position, *fault))
    if len(faults) == len(lines):
        raise DataError(faults[0].reason, where=f"{where}, line {lines[0][0]}", hint=faults[0].hint)
    return _of_objects(objects, name, where, lines=[number for number, _ in lines], faults=faults)


def read_object(line: str, number: int) -> tuple[dict[str, Any], tuple[str, str] | None]:
    """The line's object, or an empty one and what is wrong with the line, and the hint."""
    hint = "write one JSON object a line"
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        return {}, (f"line {number} is not JSON: {error.msg} at character {error.colno}", hint)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; thousands of brackets
        return {}, (f"line {number} is not JSON that can be read: {error}", hint)
    if isinstance(value, dict):
        return value, None
    return {}, (
        f"line {number} is {kind_of(value)}, not a JSON object",
        f'{hint}, such as {{"text": "...", "label": "..."}}',
    )


def kind_of(value: Any) -> str:
    """What a JSON value that is no object is, as a message says it."""
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _json(data: bytes, name: str, where: str) -> Table:
    """A list of objects, or JSON lines under the shorter extension."""
    text = text_of(data, where)
    if not text.lstrip().startswith("["):
        return _jsonl(data, name, where)
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"not JSON: {error.msg}",
            where=f"{where}, line {error.lineno}, character {error.colno}",
            hint="give a list of objects, or one JSON object a line",
        ) from None
    for position, value in enumerate(values):
        if not isinstance(value, dict):
            raise DataError(
                f"row {position + 1} is {kind_of(value)}, not a JSON object", where=where, hint="give a list of objects"
            )
    return _of_objects(values, name, where)


def _of_objects(
    objects: Sequence[dict[str, Any]],
    name: str,
    where: str,
    *,
    lines: Sequence[int] | None = None,
    faults: Sequence[Fault] = (),
) -> Table:
    if not objects:
        raise DataError("no rows", where=where, hint="give at least a few rows of each label")
    columns = tuple(dict.fromkeys(key for each in objects for key in each))
    return Table(
        name,
        where,
        columns,
        len(objects),
        lambda column: [each.get(column) for each in objects],
        lines=lines,
        faults=tuple(faults),
    )


def _parquet(data: bytes, name: str, where: str) -> Table:
    import pyarrow.parquet

    if not data:
        raise DataError("the file is empty", where=where, hint="give a Parquet file with rows")
    with parquet_faults(where):
        table = pyarrow.parquet.read_table(io.BytesIO(data))
    if not table.num_rows:
        raise DataError(
            f"columns ({', '.join(table.column_names)}) and no rows", where=where, hint="give a file with rows"
        )
    if len(set(table.column_names)) < table.num_columns:
        raise DataError("two columns have one name", where=where, hint="give every column its own name")
    return Table(
        name,
        where,
        tuple(table.column_names),
        table.num_rows,
        lambda column: list(table.column(column).to_pylist()),
        class_names=_declared_names(table.schema.metadata or {}),
    )


@contextmanager
def parquet_faults(where: str) -> Iterator[None]:
    """Turn what pyarrow raises over a damaged file into a DataError."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"not a Parquet file: {str(error).splitlines()[0]}",
            where=where,
            hint="write it again as Parquet, or name it by what it is (.csv, .tsv, .jsonl)",
        ) from None


def _declared_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """ClassLabel names that `datasets` writes into a Parquet file's schema, by column."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {column: names for column, feature in features.items() if (names := _names(feature))}
    except (KeyError, TypeError, AttributeError, ValueError):
        return {}  # written by another tool, or by a version with another layout: numbers stay numbers


def _names(feature: Any) -> tuple[str, ...]:
    if isinstance(feature, list):  # how older versions write a list of labels
        return _names(feature[0])
    if feature.get("_type") in ("Sequence", "List", "LargeList"):
        return _names(feature["feature"])
    return tuple(feature["names"]) if feature.get("_type") == "ClassLabel" else ()


#: Extension -> its reader. A trailing .gz is taken off first.
READERS: dict[str, Reader] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _json,
    ".parquet": _parquet,
}


def extension(name: str) -> str:
    """The extension that says how to read a file, without .gz, in lower case.

    >>> extension("train.JSONL.gz"), extension("notes")
    ('.jsonl', '')
    """
    return PurePath(name.lower().removesuffix(".gz")).suffix


def stem(name: str) -> str:
    """The file's name without its extension and .gz.

    >>> stem("data/train.csv.gz")
    'train'
    """
    base = PurePath(name).name
    base = base[:-3] if base.lower().endswith(".gz") else base
    return base[: -len(extension(base))] if extension(base) else base


def read_bytes(data: bytes, filename: str, where: str, *, name: str = "rows") -> Table:
    """A table from a file's bytes.

    Raises:
        DataError: an extension that nothing reads, or contents that do not fit it.
    """
    kind = extension(filename)
    hint = f"give one of {', '.join(READERS)}, plain or with .gz"
    if kind.startswith(".xls"):
        hint = "save the sheet as CSV (UTF-8)"
    choose(kind or "no extension", READERS, "kind of file", where, error=DataError, hint=hint)
    return READERS[kind](unpacked(data, where, gzipped=filename.lower().endswith(".gz")), name, where)


def read_file(path: str | Path, *, name: str = "rows", where: str | None = None) -> Table:
    """A table from a file on disk.

    Args:
        where: what messages call it; None names the path.

    Raises:
        DataError: missing, unreadable, of an unknown kind, or contents that do not fit its kind.
    """
    path = Path(path).expanduser()
    where = str(path) if where is None else where
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise missing(path) from None
    except IsADirectoryError:
        raise DataError("this is a folder, not a file", where=where, hint="name a file in it") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(
            f"the file cannot be read: {reason}", where=where, hint="check the file and its permissions"
        ) from None
    return read_bytes(data, path.name, where, name=name)


def missing(path: Path) -> DataError:
    """The error for a file or folder that is not there, with the nearest name that is."""
    folder = path.parent
    hint = "check the path; a hub data set is named OWNER/NAME"
    if not folder.is_dir():
        hint = f"check the path: there is no folder {folder} either"
    return DataError(f"no such file or folder: {path}{beside(path)}", where=str(path), hint=hint)


def beside(path: Path) -> str:
    """', did you mean X?' for the nearest data file or folder in the same folder, or nothing."""
    folder = path.parent
    try:
        names = [each.name for each in folder.iterdir() if extension(each.name) in READERS or each.is_dir()]
    except OSError:
        return ""
    kind = extension(path.name)
    return nearest(path.name, (name for name in names if kind not in READERS or extension(name) in READERS))
