"""The rows of a run, read again from its data, so that new labels can be joined to them.

In: a RunFolder.  Out: OldRows: lines of each part, as `liftune tune` reads them; the command that tunes on a folder of
them.
Not here: new labels (filled_in.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liftune.data.audit import fingerprint
from liftune.data.load import LoadedData, load
from liftune.data.splits import Split
from liftune.data.tuned_on import hashes_of
from liftune.errors import DataError, LiftuneError
from liftune.option_values import joined_fields
from liftune.run_folder import RunFolder
from liftune.spec import IN_MEMORY, DataSpec, RunSpec
from liftune.spec_text import command_line

#: Of the label, whatever the run's data call it: a column of each label is one here.
LABEL = "label"


@dataclass(frozen=True)
class OldRows:
    """The parts of a run.

    Args:
        parts: train, and validation and test where the run had them -> its rows by column.
        texts: the columns of their texts, in order, the second of a pair last.
    """

    parts: Mapping[str, Sequence[Mapping[str, Any]]]
    texts: tuple[str, ...]
    data: DataSpec

    @property
    def labels(self) -> list[Any]:
        """Of every row of every part."""
        return [each[LABEL] for rows in self.parts.values() for each in rows]

    def with_new(self, cells: Sequence[Mapping[str, Any]], labels: Sequence[Any]) -> dict[str, list[dict[str, Any]]]:
        """Part -> its rows, new ones behind those of train.

        Args:
            cells: of each new row its texts by column, in the same order.
        """
        new = [
            {**dict(zip(self.texts, each.values(), strict=True)), LABEL: label}
            for each, label in zip(cells, labels, strict=True)
        ]
        parts = {name: [dict(each) for each in rows] for name, rows in self.parts.items()}
        return {**parts, "train": [*parts["train"], *new]}


def old_rows(folder: RunFolder) -> OldRows:
    """Read the run's data again.

    Raises:
        DataError: they are not at hand, or no longer those that the run was tuned on; or rows are in groups.
    """
    record, data = folder.record(), folder.spec().data
    hint = "give --out a .jsonl file: it gets the new rows alone, to be joined to your data"
    if data.source == IN_MEMORY:
        raise DataError("the run's rows were in memory, and are in no file", where=str(folder.path), hint=hint)
    if data.group:
        raise DataError("the run's rows are in groups, and new ones in none", where=str(folder.path), hint=hint)
    try:
        loaded = load(data, skip_bad_rows=data.skip_bad_rows, in_one=record.folds is not None)
    except LiftuneError as error:
        raise DataError(f"the run's data cannot be read again: {error.message}", where=error.where, hint=hint) from None
    splits = loaded.splits
    parts = {"train": splits.train}
    if record.folds is None:
        parts |= {"validation": splits.validation, "test": splits.test}
        same = fingerprint(splits.test) == record.data_fingerprint
        same = same and folder.tuned_on().train == frozenset(_each(hashes_of(splits.train.rows)))
    else:
        same = sorted(splits.train.rows, key=str) == sorted(folder.split("test").rows, key=str)
    if not same:
        raise DataError(
            f"{data.source} no longer holds the rows that the run was tuned on", where=data.source, hint=hint
        )
    columns = loaded.columns
    texts = (*(columns.texts or (columns.text,)), *filter(None, (columns.text_pair,)))
    lines = {name: _lines(split, loaded, texts) for name, split in parts.items()}
    second = {"text_pair": columns.text_pair} if columns.text_pair else {}
    first = joined_fields(columns.texts) if columns.texts else columns.text
    return OldRows(
        lines, texts, DataSpec.model_validate({"text": first, **second, "label": LABEL, "task": record.task})
    )


def command(spec: RunSpec, data: DataSpec, source: str, out: str) -> str:
    """The command that tunes on a folder of such rows as the run was tuned."""
    kept = {
        "seed": spec.data.seed,
        "near_duplicates": spec.data.near_duplicates,
        "merge_labels": spec.data.merge_labels,
    }
    fresh = data.model_copy(update={**kept, "source": source})
    return command_line(spec.model_copy(update={"data": fresh, "out": out}))


def _each(hashes: bytes) -> list[bytes]:
    return [hashes[i : i + 8] for i in range(0, len(hashes), 8)]


def _lines(split: Split, loaded: LoadedData, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Each row's texts as its file has them, and its label as it was read."""
    cells = {
        examples.table.name: {name: examples.table.read(name) for name in texts}
        for examples in loaded.examples.values()
    }
    found = []
    for id_, target in zip(split.ids, split.targets, strict=True):
        part, _, position = id_.rpartition(":")
        own = {name: each[int(position)] for name, each in cells[part].items()}
        found.append({**own, LABEL: list(target) if isinstance(target, tuple) else target})
    return found
