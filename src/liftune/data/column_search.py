"""Which column is the text, which the second text of a pair, which the label, as far as nobody named them.

In: a Table, the names given.  Out: Columns, with notes on what was guessed.
Not here: finding those that nobody named (column_finder.py), what the cells mean (targets.py).
"""

from __future__ import annotations

from collections.abc import Callable

from liftune.data.column_finder import Finder
from liftune.data.column_names import NAME_ONE, as_one, named_column, named_columns
from liftune.data.columns import Columns
from liftune.data.readers.table import Table
from liftune.data.slices import refuse_slices, surely
from liftune.errors import DataError
from liftune.spec import DataSpec
from liftune.spec_text import TUNE, Asked
from liftune.tasks import TaskKind, task_of


def columns_of(table: Table, spec: DataSpec, task: TaskKind | None = None, asked: Asked = TUNE) -> Columns:
    """The columns of a table, as far as a spec names them and otherwise as they are found: see `find_columns`.

    Args:
        task: where the spec names none.
        asked: the verb that hints are to name.
    """

    def command(**named: str | None) -> str:
        return asked.with_data(spec.model_copy(update=named))

    kind = spec.task or task
    return find_columns(
        table,
        text=spec.text,
        text_pair=spec.text_pair,
        label=spec.label,
        group=spec.group,
        slices=spec.slices,
        command=command,
        sets=kind is None or task_of(kind).shape == "labels",
    )


def find_columns(
    table: Table,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    group: str | None = None,
    slices: str | None = None,
    command: Callable[..., str] | None = None,
    sets: bool = True,
) -> Columns:
    """The named columns; the others by names that are known, ignoring case; then by words of the name and by content.

    A pair is recognised by the names in PAIRS where no other column is a text; naming `text` alone selects that one
    column. Names with commas between them are several columns. The group's column is no label, and is a text only if it
    is one of a pair or is named as one too; a slice's column is neither.

    Args:
        command: what to type to name columns: keyword arguments `text`, `text_pair`, `label`.
        sets: whether a row may have several labels.

    Raises:
        DataError: a named column is missing, or it is unclear which is the text or the label.
    """
    labels = named_columns(table, label, "--label") if label else ()
    group = named_column(table, group, NAME_ONE + "--group") if group else None
    by = named_columns(table, slices, "--slices") if slices else ()
    texts = named_columns(table, text, "--text") if text else ()
    refuse_slices(table, by, texts or surely(by, "text"), labels or surely(by, "label"))
    finder = Finder(table, group, by, command)
    second = named_column(table, text_pair, NAME_ONE + "--text-pair") if text_pair else None
    first, second, found = finder.texts(texts, second, labels)
    of_labels = labels or (found,)
    if found is None:
        found = finder.label(first, texts or (first,), second)
        of_labels = (found,)
    of_texts = texts or (first,)
    if not labels:
        of_labels = labels = finder.together(found, (*of_texts, second), sets=sets)
        found = as_one(labels) or found
    twice = {*of_labels} & {*of_texts, second, group} or {*of_texts} & {second}
    if twice:
        raise DataError(
            f"column {min(map(str, twice))!r} cannot have two roles",
            where=table.where,
            hint="name different columns with --text, --text-pair, --label and --group",
        )
    refuse_slices(table, by, (*of_texts, second), of_labels)
    if not text and second is None:
        finder.note_other_texts(first, found, of_labels)
    several_texts, several_labels = (each if len(each) > 1 else () for each in (texts, labels))
    return Columns(first, second, found, group, by, several_texts, several_labels, finder.notes(first, second, found))
