"""Files of any size answered, a block of rows at a time: order kept, faults told in place, resumable.

    OUT.part         what is written so far
    OUT.part.json    how many rows and bytes of it are whole, and of which file, model and options they are

In: a Predictor or Bundle, a file of rows.  Out: the file of answers, in place once it is whole.
Not here: reading (data/streams.py), kinds of file (sinks.py), answering (predict.py, runtime.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from liftune.data.columns import find_texts
from liftune.data.readers.formats import extension
from liftune.data.readers.streams import Line, Stream, open_stream, piped
from liftune.errors import DataError, SpecError
from liftune.inference.prediction import Prediction, predictions_of_logits
from liftune.inference.writers import JsonLines, PartialFile, Records, check_out, writer_for
from liftune.progress import Advance, Progress
from liftune.records.base import Head
from liftune.tasks import TaskKind, task_of
from liftune.types import Row

#: Rows answered in one go. Resumed answers are cut in the same places, so that they are the same to the last digit.
CHUNK = 2_048
#: As --in: standard input, a text a line; as --out: standard output, an object a line.
PIPE = "-"
ERROR = "error"


class Answerer(Protocol):
    """A Predictor, a Bundle, or a test's fake."""

    @property
    def pairs(self) -> bool:
        """Whether a row is two texts."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of its probabilities."""
        ...

    @property
    def task(self) -> TaskKind:
        """What the answers are."""
        ...

    @property
    def base_head(self) -> Head | None:
        """Of the untuned model, where it answers too."""
        ...

    @property
    def min_precision(self) -> float | None:
        """The share of answers that must be right, where it may abstain."""
        ...

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """One answer a row, in order."""
        ...


@dataclass(frozen=True)
class Texts:
    """Which cells of a row are its texts."""

    text: str
    text_pair: str | None
    empty: bool = False
    """Whether an empty cell is a text: a blank line of a pipe is, so that answers and lines stay side by side."""

    @classmethod
    def of(cls, source: Stream, *, pairs: bool, text: str | None, text_pair: str | None) -> Texts:
        """By convention or by name.

        Raises:
            DataError: they cannot be told, or a named one is not there.
        """
        first, second = find_texts(source.head, text=text, text_pair=text_pair)
        if first is None or (pairs and second is None):
            option = "--text" if first is None else "--text-pair"
            raise DataError(
                f"cannot tell which column holds the {'text' if first is None else 'second text'}; "
                f"it has: {', '.join(source.columns)}",
                where=source.where,
                hint=f"name it with {option}",
            )
        return cls(first, second if pairs else None)

    def row(self, line: Line) -> tuple[Row, str | None]:
        """The row, and why it cannot be answered."""
        if line.fault:
            return "", line.fault
        found = []
        for column in filter(None, (self.text, self.text_pair)):
            cell = line.cells.get(column)
            if cell is None or (cell == "" and not self.empty):
                return "", f"no text in column {column!r}"
            if isinstance(cell, list | dict):
                return "", f"column {column!r} holds a {'list' if isinstance(cell, list) else 'mapping'}, not a text"
            found.append(str(cell))
        return (found[0], found[1]) if self.text_pair else found[0], None


def predict_file(
    predictor: Answerer,
    source: str,
    out: str,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    resume: bool = False,
    about: Mapping[str, Any] | None = None,
    progress: Progress,
) -> tuple[int, int]:
    """Write every row of a file with all its columns and its answer, or its `error`.

    Args:
        source: a file, or `-` for standard input, a text a line, of a pair one tab between the two.
        out: a file, or `-` for an object a line on standard output.
        resume: go on where an earlier call was stopped.
        about: what the answers depend on besides the file: a resumed call must be of the same.

    Returns:
        rows written, and how many of them have an error.

    Raises:
        DataError: the file cannot be read, or its text column cannot be told.
        SpecError: what is to be resumed is of another file or model, or `out` ends in nothing that can be written.
    """
    if resume and PIPE in (source, out):
        raise SpecError("a pipe cannot be resumed", where="--resume", hint="give --in and --out a file")
    if out != PIPE:
        check_out(out)
    given = _given(predictor, source, text=text, text_pair=text_pair)
    namer = RecordBuilder(given, predictor)
    with progress.bar("predict", given.rows) as advance:
        if out == PIPE:
            return _to_pipe(namer, given, advance)
        texts = [given.texts.text, given.texts.text_pair]
        settings = {"liftune": version("liftune"), "chunk": CHUNK, "texts": texts, **(about or {}), **_identity(source)}
        sink = writer_for(out, namer.template, namer.schema)
        part = PartialFile(Path(out), settings, sink)
        done, faulty = part.begin(resume=resume)
        advance(done)
        with part.open() as file:
            for block in islice(given.blocks(), -(-done // CHUNK), None):
                records, bad = namer.records(block)
                done, faulty = done + len(block), faulty + bad
                part.add(file, sink.block(records), done, faulty)
                advance(len(block))
        part.finish()
    return done, faulty


def answer_file(
    predictor: Answerer, source: str, *, text: str | None, text_pair: str | None, progress: Progress
) -> Iterator[Prediction]:
    """Every row's answer, as it becomes known; the first row that cannot be answered ends it.

    Raises:
        DataError: the file, a row of it, or its text column cannot be read.
    """
    given = _given(predictor, source, text=text, text_pair=text_pair)
    with progress.bar("predict", given.rows) as advance:
        for block in given.blocks():
            found = []
            for line in block:
                row, fault = given.texts.row(line)
                if fault:
                    raise DataError(fault, where=line.place, hint="fix the row, or write to a file with --out")
                found.append(row)
            yield from predictor.predict(found)
            advance(len(block))


@dataclass(frozen=True)
class Given:
    """Rows to answer."""

    columns: tuple[str, ...]
    texts: Texts
    rows: int | None
    """How many; None while they are still coming."""
    blocks: Callable[[], Iterator[list[Line]]]
    nested: bool = False
    """Whether cells may be mappings."""


def _given(predictor: Answerer, source: str, *, text: str | None, text_pair: str | None) -> Given:
    if source == PIPE:
        second = "text_pair" if predictor.pairs else None
        columns = ("text", "text_pair") if predictor.pairs else ("text",)
        return Given(columns, Texts("text", second, empty=True), None, lambda: piped(CHUNK, pairs=predictor.pairs))
    stream = open_stream(source)
    texts = Texts.of(stream, pairs=predictor.pairs, text=text, text_pair=text_pair)
    nested = extension(source) not in (".csv", ".tsv")
    return Given(stream.columns, texts, stream.rows, lambda: stream.blocks(CHUNK), nested)


class RecordBuilder:
    """Rows and answers to records: the columns that came in, then the answer's, then `error`.

    A name of the answer's that the rows bring too becomes `predicted_...`.
    """

    def __init__(self, given: Given, predictor: Answerer) -> None:
        self._given, self._predictor = given, predictor
        task, labels = task_of(predictor.task), tuple(predictor.labels)
        zeros = np.zeros((1, task.outputs(labels)), dtype=np.float32)
        above = None if predictor.min_precision is None else 0.0
        blank = predictions_of_logits([""], zeros, labels=labels, task=task.kind, above=above)[0]
        if task.shape == "labels":
            blank = replace(blank, labels=labels)
        if predictor.base_head is not None:
            blank = replace(blank, base=blank)
        self._blank = blank.to_json(with_row=False)

    def _named(self, name: str) -> str:
        return self._named(f"predicted_{name}") if name in self._given.columns else name

    @property
    def template(self) -> dict[str, Any]:
        """Every column, in order; what a cell of mappings holds is found by reading the file once more."""
        cells = {column: self._mappings.get(column, "") for column in self._given.columns}
        return {**cells, **{self._named(name): cell for name, cell in self._blank.items()}, self._named(ERROR): ""}

    @cached_property
    def _mappings(self) -> dict[str, Any]:
        """Column -> all keys of the mappings that it holds, for tables, where each becomes a column."""
        found: dict[str, Any] = {}
        if self._given.nested:
            for line in (line for block in self._given.blocks() for line in block):
                for column, cell in line.cells.items():
                    if isinstance(cell, dict):
                        merge(found.setdefault(column, {}), cell)
        return found

    def schema(self) -> Any:
        """The same as a pyarrow.Schema, by reading the file once more."""
        import pyarrow as pa

        fields: dict[str, Any] = dict.fromkeys(self._given.columns, pa.null())
        for block in self._given.blocks():
            for column in fields:
                kind = pa.array([line.cells.get(column) for line in block]).type
                found = pa.schema([(column, fields[column])]), pa.schema([(column, kind)])
                fields[column] = pa.unify_schemas(found, promote_options="permissive").field(0).type
        answers = pa.Table.from_pylist([{self._named(name): cell for name, cell in self._blank.items()}]).schema
        return pa.schema([*fields.items(), *answers, (self._named(ERROR), pa.string())])

    def records(self, block: Sequence[Line]) -> tuple[Records, int]:
        """A block's records, and how many of them have an error."""
        read = [self._given.texts.row(line) for line in block]
        answers = iter(self._predictor.predict([row for row, fault in read if fault is None]))
        records = []
        for line, (_, fault) in zip(block, read, strict=True):
            found = {ERROR: fault} if fault else next(answers).to_json(with_row=False)
            records.append({**line.cells, **{self._named(name): cell for name, cell in found.items()}})
        return records, sum(fault is not None for _, fault in read)


def merge(keys: dict[str, Any], cell: Mapping[str, Any]) -> None:
    """Add a mapping's keys, at every depth.

    >>> keys = {"a": {"b": ""}}
    >>> merge(keys, {"a": {"c": 1}, "d": 2})
    >>> keys
    {'a': {'b': '', 'c': ''}, 'd': ''}
    """
    for name, value in cell.items():
        if isinstance(value, dict):
            inner = keys.get(name)
            keys[name] = inner if isinstance(inner, dict) else {}
            merge(keys[name], value)
        else:
            keys.setdefault(name, "")


def _to_pipe(namer: RecordBuilder, given: Given, advance: Advance) -> tuple[int, int]:
    """An object a line on standard output."""
    sink, done, faulty = JsonLines(), 0, 0
    for block in given.blocks():
        records, bad = namer.records(block)
        sys.stdout.write(sink.block(records).decode())
        sys.stdout.flush()
        done, faulty = done + len(block), faulty + bad
        advance(len(block))
    return done, faulty


def _identity(source: str) -> dict[str, Any]:
    """Which file: its place, its size and when it was last written."""
    path = Path(source).expanduser()
    found = path.stat()
    return {"in": str(path.resolve()), "bytes": found.st_size, "modified": found.st_mtime_ns}
