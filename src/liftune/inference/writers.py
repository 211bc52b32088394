"""Formats of files of predictions, written a block at a time.

In: records.  Out: bytes to append to each other; for Parquet, the file that is made of them at the end.
Not here: what a record holds (files.py), how much of a file is written (partial_file.py).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias

from liftune.addresses import refuse_as_output
from liftune.data.readers.compression import COMPRESSIONS, promised
from liftune.data.readers.formats import extension
from liftune.data.row_lines import as_columns
from liftune.errors import ArtifactError, DataError, SpecError, lacks_memory
from liftune.files import atomic_write, check_writable
from liftune.inference.prediction import Prediction
from liftune.inference.safe_cells import escaped

Records: TypeAlias = list[dict[str, Any]]
#: Extensions of files that can be written, plain or compressed -> that of their format.
_FORMATS = {each: each for each in (".jsonl", ".csv", ".tsv", ".parquet")}
_FORMATS |= {".ndjson": ".jsonl", ".tab": ".tsv", ".pq": ".parquet", ".parq": ".parquet"}
#: Those whose first line names the columns.
TABLES = frozenset(each for each, form in _FORMATS.items() if form in (".csv", ".tsv"))
_PACKED = tuple(each.ending for each in COMPRESSIONS if each.packed)


def unwritable(name: str) -> str | None:
    """What of a file's name says that it cannot be written; None where it can."""
    packed = promised(name)
    if packed and not packed.packed:
        return packed.ending
    return None if extension(name) in _FORMATS else extension(name) or "a file without an extension"


def check_out(out: str) -> None:
    """Refuse a file that cannot be written, before anything is computed.

    Raises:
        SpecError: its extension names no format that can be written.
        ArtifactError: it is a folder, or the disk is full or read-only.
    """
    refuse_as_output(out)
    if Path(out).is_dir():
        raise ArtifactError(f"{out} is a folder", where="--out", hint="name a file in it")
    if wrong := unwritable(out):
        raise SpecError(
            f"cannot write {wrong}",
            where="--out",
            hint=f"use one of: {', '.join(dict.fromkeys(_FORMATS.values()))}, plain or with {', '.join(_PACKED)}",
        )
    check_writable(Path(out).absolute().parent)


def holds_objects(out: str) -> bool:
    """Whether a cell of a file may be a list of objects.

    >>> holds_objects("out.ndjson.gz"), holds_objects("out.csv")
    (True, False)
    """
    return _FORMATS.get(extension(out)) == ".jsonl"


class Writer(Protocol):
    """A file format."""

    def start(self) -> bytes:
        """What comes before the first record."""
        ...

    def block(self, records: Records) -> bytes:
        """The records, to be appended to what is written."""
        ...

    needs_finalize: bool
    """Whether the appended bytes are not yet a file of this format."""

    def finalize(self, partial: IO[bytes], file: IO[bytes]) -> None:
        """Write the file from the appended bytes, where it `needs_finalize`."""
        ...


def _json_line(record: Mapping[str, Any]) -> str:
    try:
        return json.dumps(record, ensure_ascii=False, default=str, allow_nan=False) + "\n"
    except ValueError:
        return json.dumps(_finite(record), ensure_ascii=False, default=str) + "\n"


def _finite(value: Any) -> Any:
    """The same with null in the place of numbers that JSON lacks."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


class JsonLines:
    """One object per line; a key that a record lacks is left out. JSON has no NaN and no infinity: they become null."""

    needs_finalize = False

    def start(self) -> bytes:
        """Nothing."""
        return b""

    def block(self, records: Records) -> bytes:
        """One line per record."""
        return "".join(_json_line(each) for each in records).encode()

    def finalize(self, partial: IO[bytes], file: IO[bytes]) -> None:
        """The appended bytes are the file."""


class Delimited:
    """CSV or TSV.

    Args:
        columns: in order; a record may lack some of them.
        safe: write no cell that a spreadsheet would compute.
    """

    needs_finalize = False

    def __init__(self, columns: Sequence[str], delimiter: str, *, safe: bool = False) -> None:
        self._columns, self._known, self._delimiter, self._safe = list(columns), frozenset(columns), delimiter, safe

    def _writer(self, text: io.StringIO) -> csv.DictWriter[str]:
        return csv.DictWriter(text, self._columns, delimiter=self._delimiter)

    def start(self) -> bytes:
        """The header; nothing where there is no column."""
        if not self._columns:
            return b""
        text = io.StringIO(newline="")
        self._writer(text).writerow({name: self._cell(name) for name in self._columns})
        return text.getvalue().encode()

    def block(self, records: Records) -> bytes:
        """One line per record."""
        text = io.StringIO(newline="")
        self._writer(text).writerows(self._cells(each) for each in records)
        return text.getvalue().encode()

    def _cells(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Without what is null where other rows have a mapping, whose keys are the columns."""
        cells = flat(dict(record))
        return {name: self._cell(cell) for name, cell in cells if cell is not None or name in self._known}

    def _cell(self, cell: Any) -> Any:
        return escaped(cell) if self._safe else cell

    def finalize(self, partial: IO[bytes], file: IO[bytes]) -> None:
        """The appended bytes are the file."""


class Compressed:
    """Another format, each block packed by itself: packed blocks that follow each other are one packed file."""

    needs_finalize = False

    def __init__(self, inner: Writer, packed: Callable[[bytes], bytes]) -> None:
        self._inner, self._packed = inner, packed

    def start(self) -> bytes:
        """As inside."""
        data = self._inner.start()
        return self._packed(data) if data else b""

    def block(self, records: Records) -> bytes:
        """As inside."""
        return self._packed(self._inner.block(records))

    def finalize(self, partial: IO[bytes], file: IO[bytes]) -> None:
        """The appended bytes are the file."""


class Parquet:
    """Blocks are an Arrow stream, as a Parquet file cannot be appended to; the file is made of it at the end.

    Args:
        schema: a pyarrow.Schema.
        packing: as of Compression; None writes it as it is.
    """

    needs_finalize = True

    def __init__(self, schema: Any, *, packing: Callable[[Any], Any] | None) -> None:
        self._schema, self._packing = schema, packing

    def start(self) -> bytes:
        """The stream's schema."""
        return bytes(self._schema.serialize())

    def block(self, records: Records) -> bytes:
        """A batch of the stream."""
        import pyarrow as pa

        with _fitting():
            columns = [pa.array([each.get(field.name) for each in records], field.type) for field in self._schema]
            return bytes(pa.RecordBatch.from_arrays(columns, schema=self._schema).serialize())

    def finalize(self, partial: IO[bytes], file: IO[bytes]) -> None:
        """One row group per batch."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        target: Any = self._packing(file) if self._packing else file
        with pq.ParquetWriter(target, self._schema) as writer:
            for batch in pa.ipc.open_stream(partial):
                writer.write_batch(batch)
        if self._packing:
            target.close()


def writer_for(
    out: str, columns: Callable[[], Sequence[str]], schema: Callable[[], Any], *, csv_safe: bool = False
) -> Writer:
    """The writer of a file, by its extension.

    Args:
        columns: gives the columns of a table, in order, where they are needed.
        csv_safe: in CSV and TSV, write no cell that a spreadsheet would compute.
        schema: gives the pyarrow.Schema, where it is needed.
    """
    kind, packing = _FORMATS[extension(out)], promised(out)
    if kind == ".parquet":
        with _fitting():
            return Parquet(schema(), packing=packing.packing if packing else None)
    writer: Writer = JsonLines()
    if kind != ".jsonl":
        names = columns()
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            raise DataError(
                f"two columns would be named {twice!r} in a {kind} file", where="--out", hint="use .jsonl or .parquet"
            )
        writer = Delimited(names, "\t" if kind == ".tsv" else ",", safe=csv_safe)
    return Compressed(writer, packing.packed) if packing and packing.packed else writer


def check_csv_safe(out: str | None) -> None:
    """Refuse to make safe what no spreadsheet computes.

    Raises:
        SpecError: the file is neither CSV nor TSV.
    """
    if out is None or extension(out) not in TABLES:
        raise SpecError("--csv-safe is about cells of CSV and TSV", where="--csv-safe", hint="give --out FILE.csv")


def write(out: str, predictions: Sequence[Prediction], *, csv_safe: bool = False) -> None:
    """A few predictions, each beside its text, at once."""
    import pyarrow as pa

    check_out(out)
    records = [{**as_columns(each.row), **each.to_json(with_row=False)} for each in predictions]
    columns = list(dict(flat(records[0]))) if records else []
    writer = writer_for(out, lambda: columns, lambda: pa.Table.from_pylist(records).schema, csv_safe=csv_safe)
    data = writer.start() + writer.block(records)
    with atomic_write(Path(out)) as file:
        if writer.needs_finalize:
            writer.finalize(io.BytesIO(data), file)
        else:
            file.write(data)


def flat(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Cells that a table can hold: `probabilities.joy`, and labels joined by `|` as they are read."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "|".join(map(str, value)) if isinstance(value, list | tuple) else value


@contextmanager
def _fitting() -> Iterator[None]:
    """Turn what pyarrow raises over cells of several types into a message."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OverflowError) as error:
        if lacks_memory(error):
            raise
        raise DataError(
            f"the rows do not fit into a Parquet file: {str(error).splitlines()[0]}",
            where="--out",
            hint="use .jsonl, whose values may be of any type",
        ) from None
