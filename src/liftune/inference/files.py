"""Predictions for files of any size, a block of rows at a time: order kept, errors reported in place, resumable.

    OUT.part         what is written so far
    OUT.part.json    how many rows and bytes of it are complete, and of which input, model and options they are

In: a Predictor, a file of rows.  Out: the file of predictions, in place once it is complete.
Not here: reading (data/readers/streams.py), file formats (writers.py), predicting (predictor.py, onnx_bundle.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from liftune.data.column_names import named_columns
from liftune.data.columns import find_texts, remembered
from liftune.data.readers.formats import open_stream, path_of, sheet_of
from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.data.readers.streams import Line, Stream, piped
from liftune.data.targets import CellError
from liftune.data.texts import joined_text, text_of
from liftune.errors import DataError, SpecError
from liftune.inference.prediction import Prediction, predictions_of_logits
from liftune.inference.predictor import Predictor
from liftune.inference.writers import JsonLines, PartialFile, Records, check_out, writer_for
from liftune.option_values import fields
from liftune.progress import Advance, Progress
from liftune.records.base import TextColumns
from liftune.tasks import task_of
from liftune.types import Row

#: Rows of one block. A resumed file is cut in the same places, so that its predictions are the same to the last digit.
CHUNK = 2_048
#: As --in: standard input, one text per line; as --out: standard output, one JSON object per line.
PIPE = "-"
ERROR = "error"


@dataclass(frozen=True)
class Texts:
    """Which cells of a row are its texts."""

    text: str
    text_pair: str | None
    blank: bool = False
    """Whether a blank cell is a text: a blank line of a pipe is, so that output and input have the same lines."""
    joined: tuple[tuple[str, str], ...] = ()
    """Of several columns that are joined: each as the file spells it, and its name in the text."""

    @classmethod
    def of(
        cls,
        source: Stream,
        *,
        pairs: bool,
        text: str | None = None,
        text_pair: str | None = None,
        known: TextColumns | None = None,
    ) -> Texts:
        """Find them by name, else as the model was tuned, else by the usual names.

        Args:
            known: the columns that the model was tuned on.

        Raises:
            DataError: they are unclear, or a named one is missing.
        """
        head = source.head
        before = None if text or text_pair else remembered(head, known)
        first, second = before or find_texts(head, text=text, text_pair=text_pair)
        if first is None or (pairs and second is None):
            option = "--text" if first is None else "--text-pair"
            raise DataError(
                f"which column holds the {'text' if first is None else 'second text'} is unclear; "
                f"the file has: {', '.join(source.columns)}",
                where=source.where,
                hint=f"name it with {option}",
            )
        columns = named_columns(head, first, "--text")
        names = columns
        if known and [each.casefold() for each in columns] == [each.casefold() for each in known.texts]:
            names = known.texts
        joined = tuple(zip(columns, names, strict=True)) if len(columns) > 1 else ()
        return cls(first, second if pairs else None, joined=joined)

    def row(self, line: Line) -> tuple[Row, str | None]:
        """The row, or why the model cannot read it."""
        if line.fault:
            return "", line.fault
        try:
            if self.joined:
                names = [name for _, name in self.joined]
                first = joined_text([line.cells.get(column) for column, _ in self.joined], names)
            else:
                first = text_of(line.cells.get(self.text), self.text, blank=self.blank)
            if self.text_pair is None:
                return first, None
            return (first, text_of(line.cells.get(self.text_pair), self.text_pair, blank=self.blank)), None
        except CellError as error:
            return "", str(error)


def predict_file(
    predictor: Predictor,
    source: str,
    out: str,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    options: FileOptions = NONE_GIVEN,
    resume: bool = False,
    about: Mapping[str, Any] | None = None,
    progress: Progress,
) -> tuple[int, int]:
    """Write every row of a file with all its columns and its prediction, or its `error`.

    Args:
        source: a file, or `-` for standard input: one text per line, or two separated by a tab.
        out: a file, or `-` for standard output: one JSON object per line.
        options: how to read the file, as far as the user says.
        resume: continue where an earlier call was interrupted.
        about: what the predictions depend on besides the input; a resumed call must have the same.

    Returns:
        rows written, and how many of them have an error.

    Raises:
        DataError: the file cannot be read, or its text column is unclear.
        SpecError: the interrupted call had another input or model, or liftune cannot write the format of `out`.
    """
    if resume and PIPE in (source, out):
        raise SpecError("a pipe cannot be resumed", where="--resume", hint="give --in and --out a file")
    if out != PIPE:
        check_out(out)
    rows = _read(predictor, source, text=text, text_pair=text_pair, options=options, progress=progress)
    builder = RecordBuilder(rows, predictor)
    with progress.bar("predict", rows.count) as advance:
        if out == PIPE:
            return _to_pipe(builder, rows, advance)
        texts = [rows.texts.text, rows.texts.text_pair]
        settings = {"liftune": version("liftune"), "chunk": CHUNK, "texts": texts, **(about or {}), **_identity(source)}
        if options.given:  # not where none is: files begun by an earlier version do not know of them
            settings["read as"] = [options.encoding, options.no_header, options.columns]
        writer = writer_for(out, builder.template, builder.schema)
        partial = PartialFile(Path(out), settings, writer)
        done, errors = partial.begin(resume=resume)
        advance(done)
        with partial.open() as file:
            for block in islice(rows.blocks(), -(-done // CHUNK), None):
                records, faulty = builder.records(block)
                done, errors = done + len(block), errors + faulty
                partial.add(file, writer.block(records), done, errors)
                advance(len(block))
        partial.finish()
    return done, errors


def iter_predictions(
    predictor: Predictor,
    source: str,
    *,
    text: str | None,
    text_pair: str | None,
    options: FileOptions = NONE_GIVEN,
    progress: Progress,
) -> Iterator[Prediction]:
    """The prediction of every row, as soon as it is known; the first row that cannot be read ends it.

    Raises:
        DataError: the file or a row of it cannot be read, or its text column is unclear.
    """
    rows = _read(predictor, source, text=text, text_pair=text_pair, options=options, progress=progress)
    with progress.bar("predict", rows.count) as advance:
        for block in rows.blocks():
            texts = []
            for line in block:
                row, fault = rows.texts.row(line)
                if fault:
                    raise DataError(fault, where=line.place, hint="fix the row, or write to a file with --out")
                texts.append(row)
            yield from predictor.predict(texts)
            advance(len(block))


@dataclass(frozen=True)
class InputRows:
    """Rows to predict."""

    columns: tuple[str, ...]
    texts: Texts
    count: int | None
    """How many; None where that is not known beforehand."""
    blocks: Callable[[], Iterator[list[Line]]]
    nested: bool = False
    """Whether cells may be mappings."""


def _read(
    predictor: Predictor,
    source: str,
    *,
    text: str | None,
    text_pair: str | None,
    options: FileOptions,
    progress: Progress,
) -> InputRows:
    """The rows of a file, after saying what its reader notes of it."""
    if source == PIPE:
        if options.given:
            raise SpecError(
                "standard input is UTF-8, one text per line, and has no columns",
                where=", ".join(options.given),
                hint="give a file with --in FILE, or leave the option out",
            )
        second = "text_pair" if predictor.pairs else None
        columns = ("text", "text_pair") if predictor.pairs else ("text",)
        return InputRows(columns, Texts("text", second, blank=True), None, lambda: piped(CHUNK, pairs=predictor.pairs))
    given = [each for each in (text, text_pair) if each]
    named = options.named | {*given, *(name for each in given for name in fields(each))}
    stream = open_stream(source, replace(options, named=named).checked())
    for note in stream.notes:
        progress.log(note)
    texts = Texts.of(stream, pairs=predictor.pairs, text=text, text_pair=text_pair, known=predictor.columns)
    return InputRows(stream.columns, texts, stream.rows, lambda: stream.blocks(CHUNK), stream.nested)


class RecordBuilder:
    """Makes a record of a row and its prediction: the columns of the input, then those of the prediction, then `error`.

    A column of the prediction whose name the input has too becomes `predicted_...`.
    """

    def __init__(self, rows: InputRows, predictor: Predictor) -> None:
        self._rows, self._predictor = rows, predictor
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
        return self._named(f"predicted_{name}") if name in self._rows.columns else name

    @property
    def template(self) -> dict[str, Any]:
        """Every column, in order; the keys of mappings in cells are found by reading the file once more."""
        cells = {column: self._mappings.get(column, "") for column in self._rows.columns}
        return {**cells, **{self._named(name): cell for name, cell in self._blank.items()}, self._named(ERROR): ""}

    @cached_property
    def _mappings(self) -> dict[str, Any]:
        """Column -> all keys of the mappings that it holds, for tables, where each becomes a column."""
        keys: dict[str, Any] = {}
        if self._rows.nested:
            for line in (line for block in self._rows.blocks() for line in block):
                for column, cell in line.cells.items():
                    if isinstance(cell, dict):
                        merge(keys.setdefault(column, {}), cell)
        return keys

    def schema(self) -> Any:
        """The same as a pyarrow.Schema, by reading the file once more."""
        import pyarrow as pa

        fields: dict[str, Any] = dict.fromkeys(self._rows.columns, pa.null())
        for block in self._rows.blocks():
            for column in fields:
                kind = pa.array([line.cells.get(column) for line in block]).type
                schemas = pa.schema([(column, fields[column])]), pa.schema([(column, kind)])
                fields[column] = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
        predicted = pa.Table.from_pylist([{self._named(name): cell for name, cell in self._blank.items()}]).schema
        return pa.schema([*fields.items(), *predicted, (self._named(ERROR), pa.string())])

    def records(self, block: Sequence[Line]) -> tuple[Records, int]:
        """A block's records, and how many of them have an error."""
        read = [self._rows.texts.row(line) for line in block]
        predictions = iter(self._predictor.predict([row for row, fault in read if fault is None]))
        records = []
        for line, (_, fault) in zip(block, read, strict=True):
            added = {ERROR: fault} if fault else next(predictions).to_json(with_row=False)
            records.append({**line.cells, **{self._named(name): cell for name, cell in added.items()}})
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


def _to_pipe(builder: RecordBuilder, rows: InputRows, advance: Advance) -> tuple[int, int]:
    """One JSON object per line on standard output."""
    writer, done, errors = JsonLines(), 0, 0
    for block in rows.blocks():
        records, faulty = builder.records(block)
        sys.stdout.write(writer.block(records).decode())
        sys.stdout.flush()
        done, errors = done + len(block), errors + faulty
        advance(len(block))
    return done, errors


def _identity(source: str) -> dict[str, Any]:
    """Which file: its path, its size and when it was last written."""
    path, sheet = path_of(source), sheet_of(source)
    stat = path.stat()
    return {
        "in": f"{path.resolve()}#{sheet}" if sheet else str(path.resolve()),
        "bytes": stat.st_size,
        "modified": stat.st_mtime_ns,
    }
