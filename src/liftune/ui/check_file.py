"""Reads a file once, in a process of its own that may take so much memory and time: python -m liftune.ui.check_file.

In: a path, limits as JSON.  Out: one JSON object: its columns, rows and first rows; or what is wrong with it.
Not here: receiving the file (incoming.py), what its rows mean (data/inspect.py), counting rows early (row_count.py).

A small file can unpack to a huge one: gzip and zip a thousandfold, Parquet by a dictionary without limit. So what comes
out is counted while it is read, block by block, and this process is the one that runs out of memory.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from liftune.data.readers.compression import compression_of, decompressing, open_contents
from liftune.data.readers.formats import open_stream
from liftune.data.readers.streams import Stream
from liftune.errors import DataError, LiftuneError, lacks_memory
from liftune.json_text import parse_json
from liftune.ui.row_count import least_rows

#: Rows that are read at a time, and shown of a file; characters that are shown of a cell.
_BLOCK, _SHOWN, _CELL = 256, 5, 200
#: First bytes of what is a zip of several files: a workbook.
_ZIP = b"PK\x03\x04"
#: What the hints name: an option of `liftune ui`.
_RAISE = "send a smaller file; or start `liftune ui` with --limit {}=N"


def check(path: Path, limits: Mapping[str, int]) -> dict[str, Any]:
    """What a file holds.

    Args:
        limits: rows, columns and unpacked_bytes, of UiLimits.

    Raises:
        DataError: liftune cannot read it, or it holds more than the limits allow.
    """
    where = path.name
    with decompressing(where):
        _check_unpacked(path, where, limits["unpacked_bytes"])
        if least_rows(path, limits["rows"], where) > limits["rows"]:
            raise _too_many_rows(limits, where)
    stream = open_stream(path, where=where)
    if len(stream.columns) > limits["columns"]:
        raise _too_much(f"{len(stream.columns):,} columns", limits, "columns", where)
    if stream.rows > limits["rows"]:
        raise _too_many_rows(limits, where)
    if not stream.rows:
        raise DataError("the file has no rows", where=where, hint="send a file whose first line names the columns")
    return _read(stream, limits, where)


def _read(stream: Stream, limits: Mapping[str, int], where: str) -> dict[str, Any]:
    rows, size = 0, 0
    first: list[list[str]] = []
    for block in stream.blocks(_BLOCK):
        rows += len(block)
        if rows > limits["rows"]:
            raise _too_many_rows(limits, where)
        for line in block:
            size += sum(len(each) if isinstance(each, str | bytes) else 8 for each in line.cells.values())
            if len(first) < _SHOWN:
                first.append([_shown(line.cells.get(name)) for name in stream.columns])
        if size > limits["unpacked_bytes"]:
            raise _too_much(f"more than {limits['unpacked_bytes']:,} bytes of text", limits, "unpacked_bytes", where)
    return {"columns": list(stream.columns), "rows": rows, "first": first, "notes": list(stream.notes)}


def _check_unpacked(path: Path, where: str, most: int) -> None:
    """Refuse a compressed file or a workbook whose contents are larger, by what really comes out of it."""
    with path.open("rb") as file:
        head = file.read(8)
    if compression_of(head, path.name):
        with open_contents(path, path.name, where) as contents:
            _count(contents, 0, most, where)
    elif head.startswith(_ZIP):
        import zipfile

        with zipfile.ZipFile(path) as archive:
            size = 0
            for each in archive.infolist():
                with archive.open(each) as contents:
                    size = _count(contents, size, most, where)


def _count(contents: Any, size: int, most: int, where: str) -> int:
    while part := contents.read(1 << 20):
        size += len(part)
        if size > most:
            limits = {"unpacked_bytes": most}
            raise _too_much(f"more than {most:,} bytes when it is unpacked", limits, "unpacked_bytes", where)
    return size


def _too_much(what: str, limits: Mapping[str, int], name: str, where: str) -> DataError:
    return DataError(f"{what}; at most {limits[name]:,} are taken here", where=where, hint=_RAISE.format(name))


def _too_many_rows(limits: Mapping[str, int], where: str) -> DataError:
    return DataError(
        f"the file has more than {limits['rows']:,} rows, the most that are taken here",
        where=where,
        hint=_RAISE.format("rows"),
    )


def _shown(cell: Any) -> str:
    text = "" if cell is None else str(cell)[: _CELL + 1]
    return text if len(text) <= _CELL else text[:_CELL] + "…"


def _limit_process(memory: int, seconds: int) -> None:
    """Let this process take no more, where the system can hold it to that."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(path: str, limits_as_json: str) -> None:
    """Print what is in the file, or the fault."""
    limits = parse_json(limits_as_json)
    _limit_process(limits["check_memory"], int(limits["check_seconds"]) + 1)
    try:
        found = check(Path(path), limits)
    except Exception as error:  # the process that asked shows it, whatever it is
        found = {"fault": _fault(error, Path(path).name)}
    print(json.dumps(found, default=str))


def _fault(error: Exception, where: str) -> dict[str, str | None]:
    if isinstance(error, LiftuneError):
        return {"message": error.message, "where": error.where, "hint": error.hint}
    if lacks_memory(error):
        return {
            "message": "the file takes too much memory to read",
            "where": where,
            "hint": _RAISE.format("check_memory"),
        }
    # A file made to break a library: whatever that raises is the file's fault, and only this process saw it.
    return {
        "message": f"the file cannot be read: {type(error).__name__}",
        "where": where,
        "hint": "write it again, as CSV in UTF-8",
    }


if __name__ == "__main__":
    main(*sys.argv[1:3])
