"""Predictions for files of any size, a block of rows at a time: order kept, errors reported in place, resumable.

In: a Predictor, a file of rows.  Out: the file of predictions, in place once it is complete.
Not here: reading (data/readers/streams.py), which cells are texts (row_texts.py), file formats (writers.py), what is
kept of an interrupted file (partial_file.py), predicting (predictor.py).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from liftune.addresses import addressed
from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.data.readers.remote import open_rows
from liftune.data.readers.streams import Line, piped
from liftune.data.readers.table import NoRows
from liftune.errors import DataError, SpecError
from liftune.formatting import visible_json
from liftune.inference.explaining import Explaining
from liftune.inference.explanation import Explanation
from liftune.inference.partial_file import PartialFile
from liftune.inference.prediction import Prediction, predictions_of_logits
from liftune.inference.predictor import Predictor
from liftune.inference.row_texts import Texts
from liftune.inference.source_file import identity, unchanged
from liftune.inference.writers import JsonLines, Records, check_out, flat, writer_for
from liftune.option_values import fields
from liftune.progress import Advance, Progress
from liftune.tasks import task_of

#: Rows of one block. A resumed file is cut in the same places, so that its predictions are the same to the last digit.
CHUNK = 2_048
#: As --in: standard input, one text per line; as --out: standard output, one JSON object per line.
PIPE = "-"
ERROR = "error"


def predict_file(
    predictor: Predictor,
    source: str,
    out: str,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    options: FileOptions = NONE_GIVEN,
    resume: bool = False,
    or_anew: bool = False,
    or_empty: bool = False,
    csv_safe: bool = False,
    about: Mapping[str, Any] | None = None,
    progress: Progress,
    counts: Counter[str] | None = None,
) -> tuple[int, int]:
    """Write every row of a file with all its columns and its prediction, or its `error`.

    Args:
        source: a file, an address, or `-` for standard input: one text per line, or two separated by a tab.
        out: a file, or `-` for standard output: one JSON object per line.
        options: how to read the file, as far as the user says.
        or_empty: write a file without rows for one without, instead of refusing it.
        csv_safe: as of writer_for.
        resume: continue where an earlier call was interrupted.
        or_anew: begin anew what cannot be continued, instead of refusing it.
        about: what the predictions depend on besides the input; a resumed call must have the same.
        counts: gets the number of rows that were given each label, where they are written to a file.

    Returns:
        rows written, and how many of them have an error.

    Raises:
        DataError: the file cannot be read, changes meanwhile, or its text column is unclear.
        SpecError: the interrupted call had another input or model, or liftune cannot write the format of `out`.
    """
    if resume and PIPE in (source, out):
        raise SpecError("a pipe cannot be resumed", where="--resume", hint="give --in and --out a file")
    if out != PIPE:
        check_out(out)
    source = addressed(source)
    with unchanged(source):
        try:
            rows = _read(predictor, source, text=text, text_pair=text_pair, options=options, progress=progress)
        except NoRows as error:
            if not or_empty:
                raise
            rows = _without_rows(error, source, progress)
        builder = RecordBuilder(rows, predictor)
        for name, fresh in builder.renamed.items():
            progress.log(f"{source} has a column {name!r} already: that of the prediction is {fresh!r}")
        if out == PIPE:
            with progress.bar("predict", rows.count) as advance:
                return _to_pipe(builder, rows, advance)
        settings = _settings(source, rows.texts, options, csv_safe=csv_safe, about=about or {})
        writer = writer_for(out, lambda: builder.columns if rows.columns else (), builder.schema, csv_safe=csv_safe)
        partial = PartialFile(Path(out), settings, writer)
        if not or_anew and (note := partial.note(resume=resume)):
            progress.log(note)
        with progress.bar("predict", rows.count) as advance:
            done, errors = _to_file(builder, rows, partial, advance, resume=resume, or_anew=or_anew)
    partial.finish()
    if counts is not None:
        counts.update(partial.counts)
    return done, errors


def _without_rows(found: NoRows, source: str, progress: Progress) -> InputRows:
    """Of a file that has columns at most."""
    if not found.columns:
        progress.log(f"{source} is empty, and so is what is written of it")
    return InputRows(found.columns, Texts("", None), 0, lambda: iter(()), kinds=found.kinds)


def _settings(
    source: str, texts: Texts, options: FileOptions, *, csv_safe: bool, about: Mapping[str, Any]
) -> dict[str, Any]:
    """What decides the file that is written: a call that goes on with it must have the same."""
    columns = [texts.text, texts.text_pair]
    settings = {"liftune": version("liftune"), "chunk": CHUNK, "texts": columns, **about, **identity(source)}
    if options.given:  # not where none is: files begun by an earlier version do not know of them
        settings["read as"] = [options.encoding, options.no_header, options.columns]
        if options.skip_lines is not None:
            settings["skip lines"] = options.skip_lines
    if csv_safe:
        settings["csv safe"] = True
    return settings


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
    source = addressed(source)
    with unchanged(source):
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
    kinds: Mapping[str, Any] = field(default_factory=dict)
    """As of Stream."""


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
    stream = open_rows(source, replace(options, named=named).checked())
    for note in stream.notes:
        progress.log(note)
    texts = Texts.of(stream, pairs=predictor.pairs, text=text, text_pair=text_pair, known=predictor.columns)
    return InputRows(stream.columns, texts, stream.rows, lambda: stream.blocks(CHUNK), stream.nested, stream.kinds)


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
        if isinstance(predictor, Explaining):
            blank = replace(blank, explanation=Explanation("word", (), ()))
        self._blank = blank.to_json(with_row=False)

    @cached_property
    def renamed(self) -> dict[str, str]:
        """Column of the prediction -> its name in the file, where the input has a column of that name too."""
        columns = self._rows.columns

        def is_taken(name: str, value: Any) -> bool:
            # In a table, a mapping is columns such as `probabilities.joy`.
            return name in columns or (isinstance(value, dict) and any(each.startswith(f"{name}.") for each in columns))

        names = {}
        for name, value in {**self._blank, ERROR: ""}.items():
            fresh = name
            while is_taken(fresh, value):
                fresh = f"predicted_{fresh}"
            names[name] = fresh
        return {name: fresh for name, fresh in names.items() if fresh != name}

    @cached_property
    def kinds(self) -> dict[str, Any]:
        """Column of a table that is added -> its pyarrow type, whichever rows there are: texts for the error."""
        import pyarrow as pa

        blank = dict(flat({self._named(name): cell for name, cell in self._blank.items()}))
        found = {name: pa.array([cell]).type for name, cell in blank.items()}
        return {**found, self._named(ERROR): pa.string()}

    @property
    def of_label(self) -> tuple[str, ...]:
        """The columns that hold one predicted label: the model's, and the base's in a table."""
        return tuple(self._named(name) for name in ("label",) if name in self._blank)

    def _named(self, name: str) -> str:
        return self.renamed.get(name, name)

    @cached_property
    def columns(self) -> list[str]:
        """Every column of a table, in order; the keys of mappings in cells are found by reading the file once more."""
        names: dict[str, dict[str, None]] = {column: {} for column in self._rows.columns}
        if self._rows.nested:
            for line in (line for block in self._rows.blocks() for line in block):
                for column, cell in line.cells.items():
                    if isinstance(cell, dict):
                        names[column].update(dict.fromkeys(name for name, _ in flat({column: cell})))
                    elif cell is not None:
                        names[column][column] = None
        own = [name for column, found in names.items() for name in found or (column,)]
        added = {self._named(name): cell for name, cell in self._blank.items()}
        return [*own, *(name for name, _ in flat(added)), self._named(ERROR)]

    def schema(self) -> Any:
        """The same as a pyarrow.Schema, by reading the file once more; a column of nulls is of the file's type."""
        import pyarrow as pa

        fields: dict[str, Any] = dict.fromkeys(self._rows.columns, pa.null())
        for block in self._rows.blocks():
            for column in fields:
                kind = pa.array([line.cells.get(column) for line in block]).type
                schemas = pa.schema([(column, fields[column])]), pa.schema([(column, kind)])
                fields[column] = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
        known = self._rows.kinds
        fields = {name: known.get(name, kind) if pa.types.is_null(kind) else kind for name, kind in fields.items()}
        predicted = pa.Table.from_pylist([{self._named(name): cell for name, cell in self._blank.items()}]).schema
        return pa.schema([*fields.items(), *predicted, (self._named(ERROR), pa.string())])

    def records(self, block: Sequence[Line]) -> tuple[Records, int]:
        """A block's records, and how many of them have an error."""
        added = self.added(block)
        records = [{**line.cells, **more} for line, more in zip(block, added, strict=True)]
        return records, sum(self._named(ERROR) in more for more in added)

    def labels(self, records: Records) -> Iterator[str]:
        """The labels that records were given, one after the other."""
        of_one, of_many = (self._named(name) if name in self._blank else None for name in ("label", "labels"))
        for each in records:
            if of_many and of_many in each and self._named(ERROR) not in each:
                yield from each[of_many]
            elif of_one and each.get(of_one) is not None and self._named(ERROR) not in each:
                yield each[of_one]

    def added(self, block: Sequence[Line]) -> Records:
        """What is added to each row of a block."""
        read = [self._rows.texts.row(line) for line in block]
        predictions = iter(self._predictor.predict([row for row, fault in read if fault is None]))
        added = [{ERROR: fault} if fault else next(predictions).to_json(with_row=False) for _, fault in read]
        return [{self._named(name): cell for name, cell in each.items()} for each in added]


def _to_file(
    builder: RecordBuilder, rows: InputRows, partial: PartialFile, advance: Advance, *, resume: bool, or_anew: bool
) -> tuple[int, int]:
    """What is missing of a partial file, a block at a time."""
    done, errors = partial.begin(resume=resume, or_anew=or_anew)
    advance(done)
    with partial.open() as file:
        for block in islice(rows.blocks(), -(-done // CHUNK), None):
            records, faulty = builder.records(block)
            done, errors = done + len(block), errors + faulty
            partial.counts.update(builder.labels(records))
            partial.add(file, partial.writer.block(records), done, errors)
            advance(len(block))
    return done, errors


def _to_pipe(builder: RecordBuilder, rows: InputRows, advance: Advance) -> tuple[int, int]:
    """One JSON object per line on standard output."""
    writer, done, errors = JsonLines(), 0, 0
    for block in rows.blocks():
        records, faulty = builder.records(block)
        sys.stdout.write(visible_json(writer.block(records).decode()))
        sys.stdout.flush()
        done, errors = done + len(block), errors + faulty
        advance(len(block))
    return done, errors
