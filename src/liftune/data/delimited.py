"""CSV and TSV as people and Excel write them: any of `,` `;` tab, `sep=` lines, quoted line breaks, unquoted TSV.

In: text.  Out: a Table whose ragged lines are faults.  Not here: bytes to text (encoded.py).
"""

from __future__ import annotations

import csv
import io
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from liftune.data.table import Fault, Table
from liftune.errors import DataError

_DELIMITERS = (",", ";", "\t")
_SAMPLE_RECORDS = 20
_FIELD_LIMIT = threading.Lock()


class _Record(NamedTuple):
    line: int
    fields: list[str]


def read_delimited(text: str, name: str, where: str, *, prefer: str = ",") -> Table:
    """A table from delimited text whose first line names the columns.

    Args:
        prefer: the delimiter that the file's extension promises; it wins a tie, and a tab wins wherever it occurs.

    Raises:
        DataError: no rows, two columns of one name, or a quote that never closes.
    """
    text, skipped_lines, delimiter = _declared(text)
    if delimiter is None:
        delimiter = _sniffed(text, prefer)
    records = _records(text, delimiter, where)
    if not records:
        raise DataError("the file is empty", where=where, mend="give a file with a header and rows")
    columns = _header(records[0].fields, where, line=records[0].line + skipped_lines)
    body = records[1:]
    if not body:
        raise DataError(
            f"a header ({', '.join(columns)}) and no rows", where=where, mend="add rows below the header line"
        )
    faults = tuple(
        Fault(
            position,
            f"line {record.line + skipped_lines} has {len(record.fields)} field{'s' * (len(record.fields) != 1)}, "
            f"the header has {len(columns)}",
            f'put "double quotes" around a field that holds {_named(delimiter)}, a line break or a quote',
        )
        for position, record in enumerate(body)
        if len(record.fields) != len(columns)
    )
    ragged = {fault.position for fault in faults}
    index = {column: i for i, column in enumerate(columns)}

    def read(column: str) -> list[str | None]:
        i = index[column]
        return [None if position in ragged else record.fields[i] for position, record in enumerate(body)]

    lines = [record.line + skipped_lines for record in body]
    return Table(name, where, columns, len(body), read, lines=lines, faults=faults)


def _declared(text: str) -> tuple[str, int, str | None]:
    """Excel's own first line, `sep=;`: the text below it, how many lines that took, the delimiter."""
    first, _, rest = text.partition("\n")
    if first.rstrip("\r")[:4].casefold() == "sep=" and len(first.rstrip("\r")) == 5:
        return rest, 1, first[4]
    return text, 0, None


def _sniffed(text: str, prefer: str) -> str:
    """The delimiter that cuts the header into the most fields; among equals, the one that most rows agree with."""

    def fitness(delimiter: str) -> tuple[int, int, bool]:
        records = [
            record for record in islice(csv.reader(_stream(text), delimiter=delimiter), _SAMPLE_RECORDS) if record
        ]
        width = len(records[0]) if records else 0
        return width, sum(len(record) == width for record in records), delimiter == prefer

    with _unlimited_fields():
        if prefer == "\t" and fitness(prefer)[0] > 1:
            return prefer
        return max(_DELIMITERS, key=fitness)


def _records(text: str, delimiter: str, where: str) -> list[_Record]:
    """Every record with the line it starts on; blank lines are left out."""
    with _unlimited_fields():
        plain = _parsed(text, delimiter, quoted=False) if delimiter == "\t" and '"' in text else None
        try:
            records = _parsed(text, delimiter, strict=True)
        except csv.Error as error:
            if plain is not None and _even(plain):
                return plain
            if "end of data" in str(error):
                raise DataError(
                    "a quote that is opened and never closed",
                    where=f"{where}, line {_last_start(text, delimiter)}",
                    mend='close it, and write a quote inside a quoted field as ""',
                ) from None
            records = _parsed(text, delimiter)
        # Many TSV files know no quoting: there a text that begins with a quote would swallow rows up to the next one.
        # Where every physical line has the header's width, the file is of that kind.
        if plain is not None and _even(plain) and (len(plain) > len(records) or not _even(records)):
            return plain
        return records


def _parsed(text: str, delimiter: str, *, quoted: bool = True, strict: bool = False) -> list[_Record]:
    reader = csv.reader(
        _stream(text), delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=strict
    )
    records, start = [], 1
    for fields in reader:
        if fields:
            records.append(_Record(start, fields))
        start = reader.line_num + 1
    return records


def _last_start(text: str, delimiter: str) -> int:
    """The line on which the record starts that runs into the end of the file."""
    return _parsed(text, delimiter)[-1].line


def _even(records: Sequence[_Record]) -> bool:
    return len(Counter(len(record.fields) for record in records)) == 1


def _header(fields: Sequence[str], where: str, *, line: int) -> tuple[str, ...]:
    # pandas writes its index under an empty name.
    names = tuple(field.strip() or f"column {i + 1}" for i, field in enumerate(fields))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"two columns are named {twice[0]!r}",
            where=f"{where}, line {line}",
            mend="give every column its own name; line 1 must be the header",
        )
    return names


def _named(delimiter: str) -> str:
    return "a tab" if delimiter == "\t" else f"a {delimiter!r}"


def _stream(text: str) -> io.StringIO:
    return io.StringIO(text, newline="")  # line breaks inside quotes stay as they are


@contextmanager
def _unlimited_fields() -> Iterator[None]:
    """Lift the csv module's limit of 131,072 characters a field, one setting for the whole process, and put it back."""
    with _FIELD_LIMIT:
        before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        try:
            yield
        finally:
            csv.field_size_limit(before)
