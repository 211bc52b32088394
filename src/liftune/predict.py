"""Answers for new texts: open a run and ask it.

In: a run folder (or its adapter folder), rows or a file of rows.  Out: Answers.
Not here: the model (models/), reading files (data/formats.py), writing answers (answers.py).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from liftune.answers import Answer, answers_of_logits, write
from liftune.artifact import adapter_folder
from liftune.data.columns import find_texts
from liftune.data.encoded import text_of
from liftune.data.formats import read_file
from liftune.data.table import Table
from liftune.errors import EXTRAS, ArtifactError, DataError, need
from liftune.hardware.plan import make_plan
from liftune.hardware.probe import probe
from liftune.models.adapter import open_adapter, read_card
from liftune.models.attach import attach
from liftune.models.backbones import reload_backbone
from liftune.models.checkpoint import ALIASES
from liftune.models.classifier import Classifier
from liftune.record import Head
from liftune.report.progress import Progress
from liftune.seam import Row
from liftune.task import TaskKind

#: Rows answered in one go; the progress bar moves by it.
CHUNK = 2_048
#: As --in: standard input, a text a line.
STDIN = "-"


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
        folder = adapter_folder(path)
        if folder is None:
            raise _no_adapter(str(path))
        card = read_card(folder)
        plan = make_plan(probe(), device=device).answering
        classifier = open_adapter(folder, plan=plan)
        base = None
        if with_base:
            # With the head that it had before tuning, its outputs in the adapter's order of labels.
            base = attach(reload_backbone(card, seed=0, plan=plan), None, plan=plan)
        return cls(classifier, pairs=card.pairs, base=base)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `logits`."""
        return self._classifier.labels

    @property
    def task(self) -> TaskKind:
        """What the answers are."""
        return self._classifier.task

    @property
    def base_head(self) -> Head | None:
        """Whether the untuned model's head was trained by anyone: the answers of a fresh one are chance."""
        return self._base.backbone.head if self._base else None

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
        return [replace(each, base=base) for each, base in zip(answers, bases, strict=True)]

    def _check(self, row: Row) -> None:
        if isinstance(row, tuple) is not self.pairs:
            tuned = "text pairs" if self.pairs else "single texts"
            raise DataError(
                f"this model was tuned on {tuned}, and {'one text' if self.pairs else 'a pair'} was given",
                mend="give each text its --pair" if self.pairs else "leave out --pair and --text-pair",
            )

    def _answers(self, classifier: Classifier, rows: Sequence[Row]) -> list[Answer]:
        return answers_of_logits(rows, classifier.logits(rows), labels=self.labels, task=self.task)


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

    Args:
        source: a file, or `-` for standard input, a text a line, of a pair one tab between the two.

    Raises:
        DataError: the file cannot be read, or its text column cannot be told.
        SpecError: `out` ends in nothing that can be written.
    """
    table = read_lines(sys.stdin.buffer.read(), pairs=predictor.pairs) if source == STDIN else read_file(source)
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


def read_lines(data: bytes, *, pairs: bool) -> Table:
    """Standard input as rows; a blank line is an empty text, so that answers and lines stay side by side."""
    where = "standard input"
    lines = text_of(data, where).removesuffix("\n").split("\n") if data else []
    lines = [line.removesuffix("\r") for line in lines]
    if not lines:
        raise DataError("no rows", where=where, mend="give a text a line")
    columns = {"text": lines}
    if pairs:
        for number, line in enumerate(lines, 1):
            if "\t" not in line:
                raise DataError(
                    f"line {number} is no pair: it has no tab",
                    where=where,
                    mend="write both texts on a line with a tab between them, or give a file with two columns",
                )
        halves = [line.split("\t", 1) for line in lines]
        columns = {"text": [half[0] for half in halves], "text_pair": [half[1] for half in halves]}
    return Table("rows", where, tuple(columns), len(lines), lambda name: list(columns[name]))


def _no_adapter(path: str) -> ArtifactError:
    """Why a path is no tuned model, as far as can be seen."""
    folder, mend = Path(path), "give a folder that `liftune tune` wrote"
    if (folder / "config.json").is_file() or path in ALIASES:
        what = f"{path} is a pretrained model, not a run"
        mend = f"tune it: liftune tune DATA --model {path}; or score it: liftune evaluate DATA --model {path}"
    elif (folder / "adapter_config.json").is_file():
        what = f"{path} is an adapter without liftune.json: liftune did not write it"
    elif (folder / "spec.json").is_file():
        what, mend = f"{path} is an unfinished run: it has no adapter", "run `liftune tune` again"
    else:
        what = f"{path} holds no run" if folder.exists() else f"there is no run folder {path}"
    return ArtifactError(what, where="RUN", mend=mend)
