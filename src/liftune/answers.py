"""What a model says of a row, and files of it.

In: rows and logits, or Answers and the columns that came with their rows.  Out: Answers; JSON objects, lines, CSV,
TSV, JSONL or Parquet.
Not here: what makes the logits (predict.py, serve/).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

from liftune.artifact import as_columns, check_writable, whole
from liftune.data.formats import extension
from liftune.errors import ArtifactError, DataError, SpecError
from liftune.seam import Row
from liftune.task import TaskKind, decide, probabilities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Answer:
    """What a model says of one row.

    Attributes:
        label: single-label tasks; None otherwise.
        labels: multi-label tasks, those whose probability reaches one half; None otherwise.
        value: regression; None otherwise.
        probabilities: label -> probability, in the model's order; None for regression.
        base: the untuned model's answer, when asked for.
    """

    row: Row
    label: str | None = None
    labels: tuple[str, ...] | None = None
    value: float | None = None
    probabilities: dict[str, float] | None = None
    base: Answer | None = None

    def to_json(self, *, with_row: bool = True) -> dict[str, Any]:
        """The object that every door gives: text (and text_pair), label or labels or value, probabilities, base."""
        found: dict[str, Any] = as_columns(self.row) if with_row else {}
        if self.value is not None:
            found["value"] = self.value
        elif self.labels is not None:
            found["labels"] = list(self.labels)
        else:
            found["label"] = self.label
        if self.probabilities is not None:
            found["probabilities"] = self.probabilities
        if self.base is not None:
            found["base"] = self.base.to_json(with_row=False)
        return found

    def line(self) -> str:
        """For a person: the answer, how sure, and the text."""
        text = self.row if isinstance(self.row, str) else " | ".join(self.row)
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        base = f"   (base: {self.base.answer()})" if self.base else ""
        return f"{self.answer()}   {shown}{base}"

    def answer(self) -> str:
        """The answer alone: `joy 0.93`, `joy 0.93, love 0.61`, `3.42`."""
        if self.value is not None:
            return f"{self.value:.4g}"
        shares = self.probabilities or {}
        chosen = self.labels if self.labels is not None else (self.label or "",)
        return ", ".join(f"{label} {shares.get(label, 0.0):.2f}" for label in chosen) or "none"


def answers_of_logits(
    rows: Sequence[Row], logits: NDArray[np.floating], *, labels: Sequence[str], task: TaskKind
) -> list[Answer]:
    """One answer a row, in order.

    Args:
        logits: (N, C), of a Scorer.
        labels: names of the C columns; not read for a regression.
    """
    if task is TaskKind.REGRESSION:
        return [Answer(row, value=float(value)) for row, value in zip(rows, logits[:, 0], strict=True)]
    shares, chosen = probabilities(logits, task), decide(logits, task)
    found = []
    for row, share, choice in zip(rows, shares, chosen, strict=True):
        named = {label: float(value) for label, value in zip(labels, share, strict=True)}
        if task is TaskKind.MULTI_LABEL:
            taken = tuple(label for label, is_taken in zip(labels, choice, strict=True) if is_taken)
            found.append(Answer(row, labels=taken, probabilities=named))
        else:
            found.append(Answer(row, label=labels[choice], probabilities=named))
    return found


Records: TypeAlias = list[dict[str, Any]]


def check_out(out: str) -> None:
    """Refuse a file that cannot be written, before anything is computed.

    Raises:
        SpecError: its ending names no kind of file that can be written.
        ArtifactError: it is a folder, or the disk is full or read-only.
    """
    if Path(out).is_dir():
        raise ArtifactError(f"{out} is a folder", where="--out", mend="name a file in it")
    if extension(out) not in WRITERS:
        raise SpecError(
            f"cannot write {extension(out) or 'a file without ending'}",
            where="--out",
            mend=f"end it in one of: {', '.join(WRITERS)}, plain or with .gz",
        )
    check_writable(Path(out).absolute().parent)


def write(out: str, answers: Sequence[Answer], columns: dict[str, list[Any]] | None = None) -> None:
    """Answers beside the columns that came in; `label` becomes `predicted_label` where the rows bring a `label`."""
    check_out(out)
    if columns is None:
        texts = [as_columns(answer.row) for answer in answers]
        columns = {name: [each[name] for each in texts] for name in (texts[0] if texts else {})}
    kept = columns

    def named(name: str) -> str:
        return named(f"predicted_{name}") if name in kept else name

    records = []
    for position, answer in enumerate(answers):
        cells = {name: cells[position] for name, cells in kept.items()}
        cells.update({named(name): value for name, value in answer.to_json(with_row=False).items()})
        records.append(cells)
    with whole(Path(out)) as file:
        if out.lower().endswith(".gz"):
            with gzip.open(file, "wb") as packed:
                WRITERS[extension(out)](cast("IO[bytes]", packed), records)
        else:
            WRITERS[extension(out)](file, records)


def _write_jsonl(file: IO[bytes], records: Records) -> None:
    for record in records:
        file.write((json.dumps(record, ensure_ascii=False, default=str) + "\n").encode())


def _write_delimited(file: IO[bytes], records: Records, delimiter: str) -> None:
    flat = [dict(_flat(record)) for record in records]
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.DictWriter(text, list(dict.fromkeys(name for each in flat for name in each)), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(flat)
    text.detach()


def _flat(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Cells that a table can hold: `probabilities.joy`, and labels joined by `|` as they are read."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "|".join(map(str, value)) if isinstance(value, list | tuple) else value


def _write_parquet(file: IO[bytes], records: Records) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pa.Table.from_pylist(records)
    except pa.ArrowException as error:
        raise DataError(
            f"the rows do not fit a Parquet file: {str(error).splitlines()[0]}",
            where="--out",
            mend="end it in .jsonl, whose cells may be of any kind",
        ) from None
    pq.write_table(table, file)


#: File ending -> how it is written.
WRITERS: dict[str, Callable[[IO[bytes], Records], None]] = {
    ".jsonl": _write_jsonl,
    ".csv": lambda file, records: _write_delimited(file, records, ","),
    ".tsv": lambda file, records: _write_delimited(file, records, "\t"),
    ".parquet": _write_parquet,
}
