"""Excel and LibreOffice workbooks, sheet by sheet, through python-calamine (`[sheets]`).

In: a RawFile; `book.xlsx#Sheet2` names a sheet, `book.xlsx#Jan,Feb` and `book.xlsx#all` several.
Out: a Stream; the names of sheets that hold rows.
Not here: which sheet is train (readers/sources.py), files that are named .xls and hold text (delimited.py).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from liftune.data.readers.foreign import what_and_how
from liftune.data.readers.looks import looks_of
from liftune.data.readers.merged_cells import filled_down, said_merged
from liftune.data.readers.options import FileOptions
from liftune.data.readers.preamble import (
    doubtful_titles,
    find_above,
    is_footer,
    lines_of_header,
    no_row,
    said_above,
    said_more,
    said_nameless,
    texts_of,
)
from liftune.data.readers.streams import Record, Stream
from liftune.data.readers.text_encoding import RawFile
from liftune.data.readers.together import together
from liftune.data.readers.unpacked import check_unpacked
from liftune.errors import DataError, amount, choose, lacks_memory, need, pasted
from liftune.option_values import fields, joined_fields

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

EXTENSIONS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_NAMED = re.compile(rf"(.+(?:{'|'.join(map(re.escape, EXTENSIONS))}))#(.+)", re.IGNORECASE)
#: In the place of a sheet's name: every sheet that holds rows.
ALL = "all"
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
#: What Excel shows where a formula has no value.
_ERRORS = frozenset({"#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NULL!", "#NUM!"})


_Row: TypeAlias = tuple[int, list[Any]]
"""The number of a row in its sheet, from 1, and its cells."""


def file_and_sheet(name: str) -> tuple[str, str | None]:
    """A path, and the sheet that is named after it.

    >>> file_and_sheet("data/Book.xlsx#March"), file_and_sheet("a#b.csv")
    (('data/Book.xlsx', 'March'), ('a#b.csv', None))
    """
    match = _NAMED.fullmatch(name)
    return (match[1], match[2]) if match else (name, None)


def open_sheet(file: RawFile) -> Stream:
    """The rows of a workbook's sheet: the one that is named, else the only one with rows.

    Raises:
        DataError: no workbook, no such sheet, or several.
        MissingExtra: python-calamine is not installed.
    """
    with _damage(file):
        return _open_sheet(file)


def _open_sheet(file: RawFile) -> Stream:
    book = _opened(file)
    given = file_and_sheet(file.filename)[1]
    with_rows = _with_rows(book)
    path = file_and_sheet(file.where)[0]
    if given is None and len(with_rows) != 1:
        raise _which(with_rows, path, _alike(file, book, with_rows))
    names = list(with_rows) if given is None else _asked(given, book, list(with_rows), path)
    if len(names) > 1:
        streams = [_stream(file, book.get_sheet_by_name(each), f"{path}, sheet {each}", ()) for each in names]
        return together(streams, names, path)
    [name] = names
    left = [each for each in book.sheet_names if each != name and book.get_sheet_by_name(each).height]
    note = (
        f"{path}: sheet {name!r} is read; not read: {', '.join(left)} (name a sheet as {path}#{left[0]})"
        if left
        else ""
    )
    notes = (note,) if note and given is None else ()
    return _stream(file, book.get_sheet_by_name(name), f"{path}, sheet {name}", notes)


def _asked(given: str, book: CalamineWorkbook, with_rows: list[str], path: str) -> list[str]:
    """The sheets that are named after a path: one, several with commas between them, or all that hold rows.

    Raises:
        DataError: there is no such sheet.
    """
    folded = {each.casefold(): each for each in reversed(book.sheet_names)}
    if given.casefold() in folded:
        return [folded[given.casefold()]]
    if given.casefold() == ALL and with_rows:
        return with_rows
    hint = f"name one of: {', '.join(f'{path}#{each}' for each in book.sheet_names)}"
    names = fields(given)
    if len(names) < 2 or not any(each.casefold() in folded for each in names):
        names = (given,)
    found = [
        folded.get(each.casefold()) or choose(each, book.sheet_names, "sheet", path, error=DataError, hint=hint)
        for each in names
    ]
    return list(dict.fromkeys(found))


def _alike(file: RawFile, book: CalamineWorkbook, names: Iterable[str]) -> list[str]:
    """The sheets that have the columns of most."""
    columns: dict[str, tuple[str, ...]] = {}
    for name in names:
        with suppress(DataError):
            columns[name] = tuple(sorted(_stream(file, book.get_sheet_by_name(name), name, ()).columns))
    if not columns:
        return []
    [(usual, count)] = Counter(columns.values()).most_common(1)
    return [name for name, each in columns.items() if each == usual] if count > 1 else []


def sheets_with_rows(file: RawFile) -> list[str]:
    """The visible sheets that hold a header and rows. Raises as `open_sheet`."""
    with _damage(file):
        return list(_with_rows(_opened(file)))


@contextmanager
def _damage(file: RawFile) -> Iterator[None]:
    """Turn what python-calamine raises over a damaged workbook or sheet into a DataError."""
    need("python_calamine")
    import python_calamine

    try:
        yield
    except python_calamine.PasswordError:
        raise DataError("the workbook has a password", where=file.where, hint="save it without one") from None
    except (python_calamine.CalamineError, zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        if lacks_memory(error):
            raise
        raise DataError(
            f"the workbook cannot be read: {error}", where=file.where, hint="save it again as .xlsx, or as CSV (UTF-8)"
        ) from None


def _which(with_rows: dict[str, int], path: str, alike: Sequence[str]) -> DataError:
    if not with_rows:
        return DataError(
            "no sheet of the workbook holds a header and rows", where=path, hint="put the rows below a header"
        )
    each = ", ".join(f"{name} ({amount(rows, 'row')})" for name, rows in with_rows.items())
    names = " or ".join(pasted(f"{path}#{name}") for name in list(with_rows)[:3])
    hint = f"name one: {names}"
    if alike:
        every = ALL if len(alike) == len(with_rows) else joined_fields(alike)
        hint += f"; those with the same columns together: {pasted(f'{path}#{every}')}"
    return DataError(f"the workbook has several sheets with rows: {each}", where=path, hint=hint)


def _opened(file: RawFile) -> CalamineWorkbook:
    import python_calamine

    data = file.read()
    if not data:
        raise DataError("the file is empty", where=file.where, hint="give a workbook with rows")
    if not data.startswith((_ZIP, _OLE)):
        raise _no_workbook(data[:4_096], file)
    if data.startswith(_ZIP):
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            check_unpacked(sum(each.file_size for each in packed.infolist()), len(data), file.where)
    return python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))


def _no_workbook(head: bytes, file: RawFile) -> DataError:
    """Programs write web pages and text under the names of workbooks, as spreadsheet programs open these too."""
    looks = looks_of(head)
    what, hint = "this is not a workbook", "save it from the spreadsheet program again, as .xlsx"
    if looks == ".html":
        page, hint = what_and_how(looks, file.where)
        what += f", but {page}"
    elif looks:
        what += ", but text"
        if looks in (".csv", ".tsv"):
            hint = f"name it {looks}, or {hint}"
    return DataError(what, where=file.where, hint=hint)


def _with_rows(book: CalamineWorkbook) -> dict[str, int]:
    """Visible sheet -> its rows below a header, for those that have some."""
    visible = [each.name for each in book.sheets_metadata if str(each.visible).endswith("Visible")]
    rows = {name: len(_filled(book.get_sheet_by_name(name))) - 1 for name in visible if name in book.sheet_names}
    return {name: count for name, count in rows.items() if count > 0}


def _filled(sheet: CalamineSheet, merged: dict[int, int] | None = None) -> list[_Row]:
    """The rows with something in them, each with its number in the sheet.

    Args:
        merged: takes column -> its cells that got the value of a merged one.
    """
    start = sheet.start or (0, 0)
    rows: list[list[Any]] = sheet.to_python()
    counts = filled_down(rows, sheet.merged_cell_ranges or (), start)
    if merged is not None:
        merged.update(counts)
    return [
        (start[0] + 1 + i, [_cell(each) for each in row])
        for i, row in enumerate(rows)
        if any(not isinstance(each, str) or each.strip() for each in row)
    ]


def _without_titles(rows: list[_Row], where: str, options: FileOptions) -> tuple[list[_Row], tuple[str, ...]]:
    """From the header on, with a note on what stands above it.

    Raises:
        DataError: the first rows may be titles, or a header and rows.
    """
    if options.skip_lines is not None:
        return [(number, row) for number, row in rows if number > options.skip_lines], ()
    found = find_above([row for _, row in rows], options.named, [number for number, _ in rows])
    if options.headerless or not found.rows:
        return rows, said_nameless(rows[0][1], found, rows[0][0], where, options) if rows else ()
    line, header = rows[found.rows]
    if found.doubtful:
        raise doubtful_titles(rows[0][0], line, where)
    note = said_above([row for _, row in rows[: found.rows]], header, rows[0][0], line, where)
    return rows[found.rows :], (note,)


def _cell(cell: Any) -> Any:
    """A cell's value; None for a blank one. Whole numbers, which workbooks hold as decimals, become whole again."""
    if isinstance(cell, str):
        return None if not cell.strip() or cell in _ERRORS else cell
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _stream(file: RawFile, sheet: CalamineSheet, where: str, notes: tuple[str, ...]) -> Stream:
    merged: dict[int, int] = {}
    rows, said = _without_titles(_filled(sheet, merged), where, file.options)
    notes += said
    if file.options.columns:
        header: list[Any] = list(file.options.columns)
    elif file.options.no_header:
        header = [f"column {i + 1}" for i in range(len(rows[0][1]) if rows else 0)]
    else:
        header = rows.pop(0)[1] if rows else []
        if more := lines_of_header(header, [row for _, row in rows[:3]]):
            notes += (said_more([row for _, row in rows[:more]], where),)
            rows = rows[more:]
    notes += said_merged(merged, header, where)
    if not rows:
        raise DataError("no rows below the header", where=where, hint="give a sheet with rows")
    width = len(rows[0][1])
    if file.options.columns and len(header) != width:
        raise DataError(
            f"--columns names {len(header)}, and the sheet has {width} columns",
            where=where,
            hint="name every column of the sheet",
        )
    kept = [i for i, name in enumerate(header) if name is not None or any(row[i] is not None for _, row in rows)]
    columns = tuple(str(header[i]).strip() if header[i] is not None else f"column {i + 1}" for i in kept)
    if len(set(columns)) < len(columns):
        raise DataError("two columns have one name", where=where, hint="give every column its own name")
    held = texts_of(header)

    def records() -> Iterator[Record[list[Any]]]:
        below = False
        for position, (number, row) in enumerate(rows):
            problem = no_row(row, held, number, position, len(rows), where, below_footer=below)
            below |= bool(problem) and is_footer(row)
            yield ([], number, problem) if problem else ([row[i] for i in kept], number, None)

    def column(name: str) -> list[Any]:
        i = columns.index(name)
        return [cells[i] if cells else None for cells, _, _ in records()]

    return Stream(where, columns, len(rows), records, column, nested=False, notes=notes)
