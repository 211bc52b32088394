"""Several sheets of a workbook as one: their rows in order, and a column that names each row's sheet.

In: a Stream for each.  Out: a Stream.  Not here: shards of a part (table.joined), which sheets (sheets.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from liftune.data.readers.part_names import SHEET
from liftune.data.readers.streams import Record, Stream
from liftune.errors import DataError


def together(streams: Sequence[Stream], names: Sequence[str], path: str) -> Stream:
    """The rows of all sheets.

    Raises:
        DataError: the sheets have different columns.
    """
    columns = streams[0].columns
    for name, stream in zip(names, streams, strict=True):
        if sorted(stream.columns) != sorted(columns):
            raise DataError(
                f"sheets {names[0]!r} and {name!r} have different columns: {', '.join(columns)}; "
                f"{', '.join(stream.columns)}",
                where=path,
                hint="name only sheets of the same columns, with commas between them",
            )
    marked = (*columns, SHEET) if SHEET not in map(str.casefold, columns) else columns

    def records() -> Iterator[Record[dict[str, Any]]]:
        for name, stream in zip(names, streams, strict=True):
            for cells, line, problem in stream.records():
                named = cells if isinstance(cells, dict) else dict(zip(stream.columns, cells, strict=bool(cells)))
                yield ({SHEET: name, **named} if named else {}), line, problem

    def column(name: str) -> list[Any]:
        return [cells.get(name) for cells, _, _ in records()]

    return Stream(
        f"{path}, sheets {', '.join(names)}",
        marked,
        sum(each.rows for each in streams),
        records,
        column,
        nested=False,
        notes=tuple(dict.fromkeys(note for each in streams for note in each.notes)),
        parts=tuple(streams),
    )
