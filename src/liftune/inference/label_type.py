"""Predicted labels in the type of a table's own label column, so that the two can be compared.

In: a Predictor, a Stream of the table.  Out: a LabelType.
Not here: how a label column is read for tuning (data/targets.py), adding columns (tables.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liftune.data.column_names import LABELS, known_name
from liftune.data.readers.streams import Stream
from liftune.data.targets import CellError, Reading
from liftune.errors import LiftuneError, first_of
from liftune.inference.predictor import Predictor
from liftune.run_folder import RunFolder, run_around
from liftune.spec import DataSpec
from liftune.tasks import TaskKind, task_of

_KINDS = ({bool}, {int}, {float}, {int, float})
#: Characters of a value in a note.
_SHOWN = 40
_READING = Reading(TaskKind.SINGLE_LABEL, "")


@dataclass(frozen=True)
class LabelType:
    """What a predicted label is given back as.

    Args:
        column: the table's label column; empty where it has none.
        values: label -> what stands in that column for it; empty leaves labels what they are, texts.
        kind: of the values; str where they are texts.
        declared: whether the column is one of numbers with declared names.
        notes: what is to be said of labels that could not be given in its type.
    """

    column: str = ""
    values: tuple[tuple[str, Any], ...] = ()
    kind: type = str
    declared: bool = False
    notes: tuple[str, ...] = ()

    @property
    def arrow(self) -> Any:
        """The pyarrow type of a column of such labels."""
        import pyarrow as pa

        return {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}.get(self.kind, pa.string())

    def of(self, label: Any) -> Any:
        """A label of the model as the column would hold it."""
        return dict(self.values).get(label, label) if isinstance(label, str) else label


def own_type(predictor: Predictor, stream: Stream) -> LabelType:
    """The type of a table's label column: the one that the run was asked for, else one of a usual name.

    Where its cells are texts, labels stay texts. Where they are not, and the model's labels are not their text forms,
    labels stay texts too, and a note says so.
    """
    asked = _asked(predictor)
    named = (asked.label,) if asked and isinstance(asked.label, str) else ()
    column = known_name((*named, *LABELS), stream.columns)
    if column is None or task_of(predictor.task).shape != "label":
        return LabelType()
    declared = stream.class_names.get(column, ())
    names = declared or (asked.label_names if asked else ())
    cells = [cell for cell in stream.column(column) if cell is not None and cell == cell]
    cells = [cell for cell in cells if not (names and _is_no_class(cell))]
    kinds = {type(cell) for cell in cells} or _declared_kind(stream.kinds.get(column))
    if kinds == {str} and not names and {each.strip() for each in cells}.isdisjoint(predictor.labels):
        return LabelType(column, notes=(_of_others(column, cells, predictor),))
    if kinds not in _KINDS:
        return LabelType(column)
    try:
        seen = {_READING.label(cell, names): cell for cell in set(cells)}
    except CellError:
        seen = {}
    kind = next(iter(kinds)) if len(kinds) == 1 else float
    made = {label: _value(label, kind, names) for label in predictor.labels}
    values = {label: value for label, value in made.items() if value is not None}
    fits = len(values) == len(made) and all(values.get(label) == cell for label, cell in seen.items() if label in made)
    if fits and (set(seen) & set(made) or not cells):
        return LabelType(column, tuple(values.items()), kind, bool(declared))
    return LabelType(column, notes=(_of_others(column, cells, predictor),))


def _of_others(column: str, cells: list[Any], predictor: Predictor) -> str:
    """That the column holds none of the model's labels."""
    shown = first_of([repr(each)[:_SHOWN] for each in sorted(set(cells))], 5)
    return (
        f"the column {column!r} holds {shown}, and the model's labels are {first_of(predictor.labels, 5)}: predicted "
        "labels are texts, and equal to none of these"
    )


def _is_no_class(cell: Any) -> bool:
    """Whether it is -1, by which data sets with named classes mark rows without a label."""
    return cell == -1 and not isinstance(cell, bool)


def _declared_kind(arrow: Any) -> set[type]:
    """What the cells of a column without any would be, by its pyarrow type."""
    if arrow is None:
        return set()
    from pyarrow import types

    arrow = arrow.value_type if types.is_dictionary(arrow) else arrow
    of_type = ((types.is_boolean, bool), (types.is_integer, int), (types.is_floating, float))
    return {kind for is_type, kind in of_type if is_type(arrow)}


def _value(label: str, kind: type, names: tuple[str, ...]) -> Any:
    """What a column of that kind holds for a label; None where it holds nothing for it."""
    if names:
        return names.index(label) if label in names else None
    if kind is bool:
        return {"true": True, "false": False}.get(label)
    try:
        value = kind(label)
    except ValueError:
        return None
    return value if _READING.label(value) == label else None


def _asked(predictor: Predictor) -> DataSpec | None:
    """How the run that the model is of was asked to read its rows; None where that is not known."""
    origin = getattr(predictor, "origin", None)  # not of an object of a caller's own
    for folder in (Path(origin.path), run_around(Path(origin.path))) if origin else ():
        if (folder / "spec.json").is_file():
            try:
                return RunFolder(folder).spec().data
            except LiftuneError:  # another version's, or damaged: no prediction depends on it
                return None
    return None
