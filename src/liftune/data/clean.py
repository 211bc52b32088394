"""A cleaned copy of the data: which rows are dropped and why, and the rest in a form that `liftune tune` can read.

In: the parts as they were read, what to drop beyond the default.  Out: lines for files, and a Cleaned that counts.
Not here: writing them (workflows/inspect.py), finding likely label errors (diagnostics/label_errors.py), how similar
two rows are (near_duplicates.py).

A row that leaks is dropped from train, never from test: test stands for the intended use, and is left unchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from liftune.data.audit import conflicting
from liftune.data.clusters import same_text
from liftune.data.columns import Columns
from liftune.data.examples import Examples
from liftune.data.near_duplicates import find_near
from liftune.data.split_names import SPLIT_COLUMN
from liftune.data.splits import Split
from liftune.errors import DataError, SpecError, choose
from liftune.files import expanded, same_file
from liftune.records.base import Record
from liftune.types import Row, Target

#: Rows that are dropped only on request: name -> which they are.
DROPS = {
    "near": "train rows that resemble a row of test or validation, or an earlier train row of the same label",
    "suspects": "train rows whose label is likely wrong",
}
#: Part -> the parts whose rows must not also be in it.
_GUARDS = {"train": ("test", "validation"), "validation": ("test",)}


class Dropped(Record):
    """A row that is left out."""

    split: str
    row: int
    """1-based position in its part, the header not counted."""
    reason: str
    like: str | None = None
    """Id of the row that it repeats or resembles."""
    text: Row | None = None
    target: Target | None = None


class Cleaned(Record):
    """What was written."""

    files: dict[str, str]
    """Part -> file; `dropped` -> the list of what was left out."""
    kept: dict[str, int]
    """Part -> rows written."""
    dropped: dict[str, dict[str, int]]
    """Part -> reason -> rows left out."""


def check_drops(names: Iterable[str]) -> frozenset[str]:
    """Names from DROPS.

    Raises:
        SpecError: one that is not there.
    """
    names = frozenset(names)
    for name in sorted(names - set(DROPS)):
        choose(name, DROPS, "kind of rows to drop", "--drop")
    return names


def check_target(out: str, sources: Collection[str]) -> Path:
    """Where to write the cleaned data: a .jsonl file, or a folder that is new or empty.

    Raises:
        SpecError: another kind of file, a folder that is not empty, or the input itself.
    """
    path = expanded(out)
    hint = "name a new folder, or a file that ends in .jsonl"
    if path.suffix == ".jsonl" and not path.is_dir():
        if any(same_file(path, Path(each)) for each in sources):
            raise SpecError(f"{out} is the input itself", where="--out", hint=hint)
        return path
    if path.suffix and not path.is_dir():
        raise SpecError(f"{out} is neither a folder nor a .jsonl file", where="--out", hint=hint)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise SpecError(f"{out} exists and is not an empty folder", where="--out", hint=hint)
    return path


def find_dropped(
    examples: Mapping[str, Examples], *, near: float = 0.0, suspects: Collection[str] = ()
) -> dict[str, list[Dropped]]:
    """Part -> its rows to leave out, in order; each for the first reason that applies.

    Args:
        near: least similarity of a near duplicate to drop; 0 drops none.
        suspects: ids of rows to drop for their labels.
    """
    splits = {role: each.split for role, each in examples.items()}
    similar = _NearDuplicates(splits, near) if near else None
    dropped = {}
    for role, each in examples.items():
        bad = [Dropped(split=role, row=fault.position + 1, reason=fault.reason) for fault in each.faults]
        reasons = _reasons(role, splits, similar, suspects)
        others = [
            Dropped(split=role, row=_position(id_) + 1, reason=reason, like=like, text=row, target=target)
            for id_, row, target, (reason, like) in zip(
                each.split.ids, each.split.rows, each.split.targets, reasons, strict=True
            )
            if reason
        ]
        dropped[role] = sorted(bad + others, key=lambda one: one.row)
    return dropped


def _position(id_: str) -> int:
    return int(id_.rpartition(":")[2])


def _reasons(
    role: str, splits: Mapping[str, Split], similar: _NearDuplicates | None, suspects: Collection[str]
) -> Iterator[tuple[str, str | None]]:
    """Why each row is dropped, or "", and the row that it repeats or resembles."""
    split = splits[role]
    guards = {
        same_text(row): (other, id_)
        for other in reversed(_GUARDS.get(role, ()))
        if other in splits
        for id_, row in zip(splits[other].ids, splits[other].rows, strict=True)
    }
    conflicts = conflicting(split)
    kept: dict[Row, str] = {}
    for i, (id_, row) in enumerate(zip(split.ids, map(same_text, split.rows), strict=True)):
        if row in guards:
            other, like = guards[row]
            yield f"also in {other}", like
            continue
        if role == "train":
            if conflicts[i]:
                yield "its text has more than one target", None
                continue
            if row in kept:
                yield "repeats a train row", kept[row]
                continue
        if similar and (reason := similar.reason(role, i)):
            yield reason
            continue
        if role == "train" and id_ in suspects:
            yield "its label is likely wrong", None
            continue
        kept[row] = id_
        if similar:
            similar.keep(role, i)
        yield "", None


class _NearDuplicates:
    """Near duplicates across parts; knows which train rows are kept so far."""

    def __init__(self, splits: Mapping[str, Split], threshold: float) -> None:
        self._splits = splits
        self._near = find_near([row for split in splits.values() for row in split.rows], threshold)
        self._starts: dict[str, int] = {}
        self._of: dict[str, dict[int, str]] = {}
        start = 0
        for role, split in splits.items():
            self._starts[role] = start
            keys = self._near.keys[start : start + len(split)].tolist()
            self._of[role] = dict(zip(keys, split.ids, strict=True))
            start += len(split)
        self._kept: dict[tuple[int, Target], str] = {}

    def _key(self, role: str, i: int) -> int:
        return int(self._near.keys[self._starts[role] + i])

    def keep(self, role: str, i: int) -> None:
        """Remember a row that stays."""
        if role == "train":
            split = self._splits[role]
            self._kept.setdefault((self._key(role, i), split.targets[i]), split.ids[i])

    def reason(self, role: str, i: int) -> tuple[str, str] | None:
        """Why a row is dropped as a near duplicate, and the row that it resembles."""
        around = [key for key, _ in self._near.around(self._key(role, i))]
        for other in _GUARDS.get(role, ()):
            like = next((self._of[other][key] for key in around if key in self._of.get(other, {})), None)
            if like:
                return f"resembles a row of {other}", like
        if role == "train":
            target = self._splits[role].targets[i]
            like = next((self._kept[key, target] for key in around if (key, target) in self._kept), None)
            if like:
                return "resembles a train row of the same target", like
        return None


def split_clean_and_dropped(
    out: Path, examples: Mapping[str, Examples], columns: Columns, dropped: Mapping[str, Sequence[Dropped]]
) -> tuple[Cleaned, dict[Path, list[dict[str, Any]]]]:
    """The kept rows with all their columns, and the list of what was left out: what to write where.

    A folder gets one file per part. A single file holds all parts, with a column `split` that `liftune tune` reads;
    data of one part need none.

    Raises:
        DataError: nothing is left of a part.
    """
    left_out = {role: {one.row for one in each} for role, each in dropped.items()}
    kept = {
        role: [line for row, line in _lines(each, columns) if row not in left_out[role]]
        for role, each in examples.items()
    }
    for role, lines in kept.items():
        if not lines:
            raise DataError(f"nothing is left of {role}", where=examples[role].table.where, hint="drop less")
    files: dict[str, Path] = {}
    texts: dict[Path, list[dict[str, Any]]] = {}
    if out.suffix == ".jsonl":
        files = dict.fromkeys(kept, out)
        marked = len(kept) > 1
        texts[out] = [({SPLIT_COLUMN: role} if marked else {}) | line for role, lines in kept.items() for line in lines]
        listing = out.with_name(f"{out.stem}.dropped.jsonl")
    else:
        files = {role: out / f"{role}.jsonl" for role in kept}
        texts = {files[role]: lines for role, lines in kept.items()}
        listing = out / "dropped.jsonl"
    texts[listing] = [one.model_dump(mode="json") for each in dropped.values() for one in each]
    cleaned = Cleaned(
        files={role: str(path) for role, path in files.items()} | {"dropped": str(listing)},
        kept={role: len(lines) for role, lines in kept.items()},
        dropped={role: dict(Counter(one.reason for one in each)) for role, each in dropped.items() if each},
    )
    return cleaned, texts


def _lines(examples: Examples, columns: Columns) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each usable row: its 1-based position, and its cells by column, its text and target as liftune reads them."""
    table = examples.table
    # Columns that are read together stay as they are: the same options read them from the copy.
    rewritten = {columns.text_pair, *(() if columns.texts else (columns.text,))}
    rewritten |= set() if columns.labels else {columns.label}
    others = {name: table.read(name) for name in table.columns if name not in rewritten}
    for id_, row, target in zip(examples.split.ids, examples.split.rows, examples.split.targets, strict=True):
        i = _position(id_)
        first, second = (row, None) if isinstance(row, str) else row
        texts = {columns.text: first, columns.text_pair: second}
        made = {name: cell for name, cell in {**texts, columns.label: target}.items() if name in rewritten and name}
        rest = {name: cells[i] for name, cells in others.items() if name.strip().casefold() != SPLIT_COLUMN}
        yield i + 1, {**made, **rest}
