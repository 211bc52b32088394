"""Files of answers written a block at a time, so that what is written can be kept and gone on with.

In: records.  Out: bytes to put behind each other; for Parquet, the file that they become in the end.
Not here: what a record holds (bulk.py).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias

from liftune.data.readers.formats import extension
from liftune.errors import ArtifactError, DataError, SpecError
from liftune.files import atomic_write, check_writable, disk_errors
from liftune.inference.prediction import Prediction
from liftune.run_folder import as_columns

Records: TypeAlias = list[dict[str, Any]]
#: Endings of files that can be written, plain or with .gz.
ENDINGS = (".jsonl", ".csv", ".tsv", ".parquet")


def check_out(out: str) -> None:
    """Refuse a file that cannot be written, before anything is computed.

    Raises:
        SpecError: its ending names no kind of file that can be written.
        ArtifactError: it is a folder, or the disk is full or read-only.
    """
    if Path(out).is_dir():
        raise ArtifactError(f"{out} is a folder", where="--out", hint="name a file in it")
    if extension(out) not in ENDINGS:
        raise SpecError(
            f"cannot write {extension(out) or 'a file without ending'}",
            where="--out",
            hint=f"end it in one of: {', '.join(ENDINGS)}, plain or with .gz",
        )
    check_writable(Path(out).absolute().parent)


class Writer(Protocol):
    """A kind of file."""

    def start(self) -> bytes:
        """What comes before the first record."""
        ...

    def block(self, records: Records) -> bytes:
        """The records, to be put behind what is there."""
        ...

    turns: bool
    """Whether the parts are not the file yet."""

    def turn(self, part: IO[bytes], file: IO[bytes]) -> None:
        """Write the file from its parts, where it `turns`."""
        ...


class PartialFile:
    """A file on its way: what is written of it, kept beside it until it is whole.

    Args:
        settings: what its contents depend on; JSON.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any], sink: Writer) -> None:
        self._out, self._settings, self._sink = out, json.loads(json.dumps(settings)), sink
        self.path = out.with_name(f"{out.name}.part")
        self._state = out.with_name(f"{out.name}.part.json")

    def begin(self, *, resume: bool) -> tuple[int, int]:
        """Rows that are there already, and how many of them have an error; anew unless asked to go on.

        Raises:
            SpecError: what is there is of other rows, another model or other options.
        """
        with disk_errors(self.path):
            if resume and self._state.is_file() and self.path.is_file():
                state = json.loads(self._state.read_text(encoding="utf-8"))
                changed = [name for name, value in self._settings.items() if state["settings"].get(name) != value]
                if changed:
                    raise SpecError(
                        f"{self.path.name} was begun otherwise: {', '.join(changed)} differ",
                        where="--resume",
                        hint="give the same options as before, or leave --resume out to begin again",
                    )
                os.truncate(self.path, state["bytes"])
                return int(state["rows"]), int(state["errors"])
            self._state.unlink(missing_ok=True)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(self._sink.start())
        return 0, 0

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The part, to be added to; what ends it early is told that it can be gone on with."""
        try:
            with disk_errors(self.path), self.path.open("ab") as file:
                yield file
        except BaseException as error:  # Ctrl-C too
            if self._state.is_file():
                error.add_note(f"kept: {self.path}; go on with --resume")
            raise

    def add(self, file: IO[bytes], data: bytes, rows: int, errors: int) -> None:
        """Add a block; so many rows are there now."""
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        with atomic_write(self._state) as state:
            found = {"rows": rows, "errors": errors, "bytes": file.tell(), "settings": self._settings}
            state.write(json.dumps(found).encode())

    def finish(self) -> None:
        """Put the file in place."""
        with disk_errors(self._out):
            if self._sink.turns:
                with atomic_write(self._out) as file, self.path.open("rb") as part:
                    self._sink.turn(part, file)
                self.path.unlink()
            else:
                os.replace(self.path, self._out)
            self._state.unlink(missing_ok=True)


class JsonLines:
    """An object a line; a key that a record lacks is left out."""

    turns = False

    def start(self) -> bytes:
        """Nothing."""
        return b""

    def block(self, records: Records) -> bytes:
        """A line each."""
        return "".join(json.dumps(each, ensure_ascii=False, default=str) + "\n" for each in records).encode()

    def turn(self, part: IO[bytes], file: IO[bytes]) -> None:
        """The parts are the file."""


class Delimited:
    """CSV or TSV.

    Args:
        columns: in order; a record may lack some of them.
    """

    turns = False

    def __init__(self, columns: Sequence[str], delimiter: str) -> None:
        self._columns, self._delimiter = list(columns), delimiter

    def _writer(self, text: io.StringIO) -> csv.DictWriter[str]:
        return csv.DictWriter(text, self._columns, delimiter=self._delimiter)

    def start(self) -> bytes:
        """The header."""
        text = io.StringIO(newline="")
        self._writer(text).writeheader()
        return text.getvalue().encode()

    def block(self, records: Records) -> bytes:
        """A line each."""
        text = io.StringIO(newline="")
        self._writer(text).writerows(dict(flat(each)) for each in records)
        return text.getvalue().encode()

    def turn(self, part: IO[bytes], file: IO[bytes]) -> None:
        """The parts are the file."""


class Gzipped:
    """Another kind, each part a gzip member of its own: members behind each other are a gzip file."""

    turns = False

    def __init__(self, inner: Writer) -> None:
        self._inner = inner

    def start(self) -> bytes:
        """As inside."""
        found = self._inner.start()
        return gzip.compress(found, mtime=0) if found else b""

    def block(self, records: Records) -> bytes:
        """As inside."""
        return gzip.compress(self._inner.block(records), mtime=0)

    def turn(self, part: IO[bytes], file: IO[bytes]) -> None:
        """The parts are the file."""


class Parquet:
    """Parts are an Arrow stream, as a Parquet file cannot be gone on with; the file is made of it in the end.

    Args:
        schema: a pyarrow.Schema.
    """

    turns = True

    def __init__(self, schema: Any, *, packed: bool) -> None:
        self._schema, self._packed = schema, packed

    def start(self) -> bytes:
        """The stream's schema."""
        return bytes(self._schema.serialize())

    def block(self, records: Records) -> bytes:
        """A batch of the stream."""
        import pyarrow as pa

        with _fitting():
            columns = [pa.array([each.get(field.name) for each in records], field.type) for field in self._schema]
            return bytes(pa.RecordBatch.from_arrays(columns, schema=self._schema).serialize())

    def turn(self, part: IO[bytes], file: IO[bytes]) -> None:
        """A row group a batch."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        target: Any = gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) if self._packed else file
        with pq.ParquetWriter(target, self._schema) as writer:
            for batch in pa.ipc.open_stream(part):
                writer.write_batch(batch)
        if self._packed:
            target.close()


def writer_for(out: str, template: Mapping[str, Any], types: Callable[[], Any]) -> Writer:
    """What writes a file by its ending.

    Args:
        template: a record with every column, in order.
        types: gives the pyarrow.Schema, where it is needed.
    """
    kind, packed = extension(out), out.lower().endswith(".gz")
    if kind == ".parquet":
        with _fitting():
            return Parquet(types(), packed=packed)
    found: Writer = JsonLines()
    if kind != ".jsonl":
        found = Delimited(list(dict(flat(dict(template)))), "\t" if kind == ".tsv" else ",")
    return Gzipped(found) if packed else found


def write(out: str, answers: Sequence[Prediction]) -> None:
    """A few answers, each beside its text, at once."""
    import pyarrow as pa

    check_out(out)
    records = [{**as_columns(each.row), **each.to_json(with_row=False)} for each in answers]
    sink = writer_for(out, records[0] if records else {}, lambda: pa.Table.from_pylist(records).schema)
    parts = sink.start() + sink.block(records)
    with atomic_write(Path(out)) as file:
        if sink.turns:
            sink.turn(io.BytesIO(parts), file)
        else:
            file.write(parts)


def flat(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Cells that a table can hold: `probabilities.joy`, and labels joined by `|` as they are read."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "|".join(map(str, value)) if isinstance(value, list | tuple) else value


@contextmanager
def _fitting() -> Iterator[None]:
    """Turn what pyarrow raises over cells of several kinds into a message."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OverflowError) as error:
        raise DataError(
            f"the rows do not fit a Parquet file: {str(error).splitlines()[0]}",
            where="--out",
            hint="end it in .jsonl, whose cells may be of any kind",
        ) from None
