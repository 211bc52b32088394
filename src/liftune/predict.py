"""Answers for new texts: open a run, ask it, write what it says.

In: a run folder (or its adapter folder), rows or a file of rows.  Out: Answers, or the file's rows with answers.
Not here: the model (models/), reading files (data/formats.py).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.artifact import adapter_folder, as_columns, writing
from liftune.data.columns import find_texts
from liftune.data.formats import extension, read_file
from liftune.data.table import Table
from liftune.errors import EXTRAS, DataError, SpecError, need
from liftune.hardware.plan import make_plan
from liftune.hardware.probe import probe
from liftune.models.adapter import open_adapter, read_card
from liftune.models.backbones import load_backbone
from liftune.models.classifier import Classifier, attach
from liftune.report.progress import Progress
from liftune.seam import Row
from liftune.spec import ModelSpec
from liftune.task import TaskKind, decide, probabilities

#: Rows answered in one go; the progress bar moves by it.
CHUNK = 2_048


@dataclass(frozen=True)
class Answer:
    """What a model says of one row.

    Attributes:
        label: single-label tasks; None otherwise.
        labels: multi-label tasks, those whose probability reaches one half; None otherwise.
        value: regression; None otherwise.
        probabilities: label -> probability, in the model's order; empty for regression.
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


class Predictor:
    """A tuned model, ready to answer."""

    def __init__(self, classifier: Classifier, *, pairs: bool, base: Classifier | None = None) -> None:
        self._classifier, self._base, self.pairs = classifier, base, pairs

    @classmethod
    def open(cls, path: str | Path, *, device: str | None = None, with_base: bool = False) -> Predictor:
        """Load a run's adapter onto its base.

        Args:
            path: a run folder, or an adapter folder.
            device: as in ModelSpec.
            with_base: answer with the untuned model as well.

        Raises:
            ArtifactError: no adapter there, or it is damaged, or its base has changed.
        """
        need(*EXTRAS["tune"])
        folder = adapter_folder(path) or Path(path)
        card = read_card(folder)
        plan = make_plan(probe(), device=device)
        classifier = open_adapter(folder, plan=plan)
        base = None
        if with_base:
            spec = ModelSpec(name=card.base, max_length=card.max_length, trust_remote_code=card.trust_remote_code)
            untouched = load_backbone(spec, task=card.task, labels=card.labels, seed=0, plan=plan)
            base = attach(untouched, None, plan=plan)
        return cls(classifier, pairs=card.pairs, base=base)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `logits`."""
        return self._classifier.labels

    @property
    def task(self) -> TaskKind:
        """What the answers are."""
        return self._classifier.task

    def logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """(N, C) float32: a Scorer."""
        return self._classifier.logits(rows)

    def predict(self, rows: Sequence[Row]) -> list[Answer]:
        """One answer a row, in order.

        Raises:
            DataError: texts where the model was tuned on pairs, or the other way round.
        """
        for row in rows:
            self._check(row)
        answers = self._answers(self._classifier, rows)
        if self._base is None:
            return answers
        bases = self._answers(self._base, rows)
        return [Answer(**{**each.__dict__, "base": base}) for each, base in zip(answers, bases, strict=True)]

    def _check(self, row: Row) -> None:
        if isinstance(row, tuple) is not self.pairs:
            tuned = "text pairs" if self.pairs else "single texts"
            raise DataError(
                f"this model was tuned on {tuned}, and {'one text' if self.pairs else 'a pair'} was given",
                mend="give each text its --pair" if self.pairs else "leave out --pair and --text-pair",
            )

    def _answers(self, classifier: Classifier, rows: Sequence[Row]) -> list[Answer]:
        logits = classifier.logits(rows)
        if self.task is TaskKind.REGRESSION:
            return [Answer(row, value=float(value)) for row, value in zip(rows, logits[:, 0], strict=True)]
        shares, chosen = probabilities(logits, self.task), decide(logits, self.task)
        found = []
        for row, share, choice in zip(rows, shares, chosen, strict=True):
            named = {label: float(value) for label, value in zip(self.labels, share, strict=True)}
            if self.task is TaskKind.MULTI_LABEL:
                labels = tuple(label for label, taken in zip(self.labels, choice, strict=True) if taken)
                found.append(Answer(row, labels=labels, probabilities=named))
            else:
                found.append(Answer(row, label=self.labels[choice], probabilities=named))
        return found


def rows_of(table: Table, *, pairs: bool, text: str | None, text_pair: str | None) -> list[Row]:
    """The texts of a file, by convention or by name; an empty cell is an empty text."""
    first, second = find_texts(table, text=text, text_pair=text_pair)
    if first is None or (pairs and second is None):
        option = "--text" if first is None else "--text-pair"
        raise DataError(
            f"cannot tell which column holds the {'text' if first is None else 'second text'}; "
            f"it has: {', '.join(table.columns)}",
            where=table.where,
            mend=f"name it with {option}",
        )
    texts = ["" if cell is None else str(cell) for cell in table.read(first)]
    if not pairs or second is None:
        return list(texts)
    return list(zip(texts, ("" if cell is None else str(cell) for cell in table.read(second)), strict=True))


def predict_file(
    predictor: Predictor,
    source: str,
    out: str | None,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    progress: Progress,
) -> list[Answer]:
    """Answer every row of a file; with `out`, write the rows with all their columns and the answers.

    Raises:
        DataError: the file cannot be read, or its text column cannot be told.
        SpecError: `out` ends in nothing that can be written.
    """
    if out and extension(out) not in WRITERS:
        raise SpecError(
            f"cannot write {extension(out) or 'a file without ending'}",
            where="--out",
            mend=f"end it in one of: {', '.join(WRITERS)}",
        )
    table = read_file(source)
    if table.faults:
        fault = table.faults[0]
        raise DataError(fault.reason, where=table.place(fault.position), mend=fault.mend)
    rows = rows_of(table, pairs=predictor.pairs, text=text, text_pair=text_pair)
    answers: list[Answer] = []
    with progress.bar("predict", len(rows)) as advance:
        for start in range(0, len(rows), CHUNK):
            answers += predictor.predict(rows[start : start + CHUNK])
            advance(len(rows[start : start + CHUNK]))
    if out:
        write(out, answers, {name: table.read(name) for name in table.columns})
    return answers


def write(out: str, answers: Sequence[Answer], columns: dict[str, list[Any]] | None = None) -> None:
    """Answers beside the columns that came in; `label` becomes `predicted_label` where the rows bring a `label`."""
    if columns is None:
        texts = [as_columns(answer.row) for answer in answers]
        columns = {name: [each[name] for each in texts] for name in (texts[0] if texts else {})}
    kept = columns

    def named(name: str) -> str:
        return f"predicted_{name}" if name in kept else name

    records = []
    for position, answer in enumerate(answers):
        cells = {name: cells[position] for name, cells in kept.items()}
        cells.update({named(name): value for name, value in answer.to_json(with_row=False).items()})
        records.append(cells)
    path = Path(out)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[extension(out)](path, records)


def _write_jsonl(path: Path, records: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in records)


def _write_delimited(path: Path, records: list[dict[str, Any]], delimiter: str) -> None:
    flat = [dict(_flat(record)) for record in records]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(flat[0]) if flat else [], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(flat)


def _flat(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Cells that a table can hold: `probabilities.joy`, and labels joined by `|` as they are read."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "|".join(map(str, value)) if isinstance(value, list | tuple) else value


def _write_parquet(path: Path, records: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(records), path)


#: File ending -> how it is written.
WRITERS = {
    ".jsonl": _write_jsonl,
    ".csv": lambda path, records: _write_delimited(path, records, ","),
    ".tsv": lambda path, records: _write_delimited(path, records, "\t"),
    ".parquet": _write_parquet,
}
