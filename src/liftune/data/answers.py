"""Answers that were made elsewhere, a GPT's or an old system's, held against the rows of a run.

In: a file, an address or a table, the rows.  Out: Answers: for each row that was found its answer, in the labels of the
data, and what to say of the others.
Not here: which row an answer is for (answer_rows.py), what its cells mean (answer_cells.py), its scores (evaluation/).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from liftune.addresses import Address
from liftune.data.answer_cells import AnswerColumns, answer_columns, targets_of
from liftune.data.answer_rows import Found, KeptIds, find_rows
from liftune.data.answer_shares import shares_of
from liftune.data.readers.formats import OPENERS, extension
from liftune.data.readers.memory import tables_of
from liftune.data.readers.options import NONE_GIVEN
from liftune.data.readers.sources import find_parts
from liftune.data.readers.table import Table, joined
from liftune.data.splits import Split, Splits
from liftune.errors import DataError, LiftuneError, SpecError, amount, first_of, pasted
from liftune.files import expanded
from liftune.option_values import Held
from liftune.spec import IN_MEMORY, DataSpec
from liftune.tasks import task_of
from liftune.types import Target

_NAMED = 3
#: Answers may be a copy of the labels if no more of them differ than this share. Test sets that people labelled have
#: wrong labels themselves, 3.3% on average (Northcutt et al. 2021, "Pervasive Label Errors in Test Sets"), with which
#: answers that were made without them have no reason to agree.
MOST_OTHER = 0.005
#: Of fewer test rows that tells nothing: with 3.3% of wrong labels, 89 rows have none of them in 5 of 100 draws. A
#: column that is named as labels are needs less.
LEAST_ROWS, LEAST_OF_LABELS = 90, 20
_GIVE = "give a file with a line of column names above its rows, in UTF-8"
_GIVE_TABLE = (
    "give a table that holds what each answer is for, a text or an id, such as "
    'pandas.DataFrame({"text": texts, "answer": answers})'
)


@dataclass(frozen=True)
class Answers:
    """What someone or something else answered for rows of the data.

    Args:
        name: of the contender.
        source: the file, as it may be shown.
        by: how its rows were found, in words.
        targets: row id -> answer, in the data's own labels.
        labels, shares: row id -> probability of each of these labels; None where there are none.
        notes: what was taken, and how to say otherwise.
        warnings: why its score may say nothing.
    """

    name: str
    source: str
    by: str
    targets: Mapping[str, Target]
    labels: tuple[str, ...] = ()
    shares: Mapping[str, Sequence[float]] | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def answered(self, split: Split) -> int:
        """How many rows of a part have an answer."""
        return sum(each in self.targets for each in split.ids)


def where_of(name: str) -> str:
    """What messages call the answers of that name."""
    return f"--answers {pasted(name)}"


def read_answers(name: str, source: str, splits: Splits, spec: DataSpec, kept: KeptIds) -> Answers:
    """The answers of one contender.

    Args:
        source: a file, an address, or a table that is held.
        kept: the columns of the data, in which an id may be found.

    Raises:
        DataError: it cannot be read; no column holds answers; no test row is found in it; an answer is no label of the
            data; a row has two answers that differ.
        SpecError: the rows were in memory, and are not there.
    """
    table = _table(name, source)
    found = find_rows(table, splits, kept, name)
    columns = answer_columns(table, splits, found.columns, name)
    targets, notes = targets_of(table, columns, splits, spec, sorted(found.ids), name)
    shares, said = shares_of(table, columns.shares, splits, targets)
    if not targets and shares:
        raise DataError(f"no row of {name} has an answer", where=table.where, hint="fill in the answers")
    chosen, twice = _one_a_row(found, targets, table, name)
    by_row = {row: targets[position] for row, position in chosen.items()}
    _refuse_no_test_rows(by_row, splits, found, table, name)
    notes = (*table.notes, *found.notes, *columns.notes, *notes, *said, *twice)
    return Answers(
        name,
        str(source),
        found.by,
        by_row,
        splits.labels,
        None if shares is None else {row: shares[position] for row, position in chosen.items()},
        notes,
        _suspiciously_right(by_row, splits, columns),
    )


def _table(name: str, source: str) -> Table:
    """All rows of a source, whatever their parts."""
    where = where_of(name)
    if isinstance(source, Held):
        try:
            parts = tables_of(source.rows).parts(NONE_GIVEN)
            tables = [read() for read in parts.values()]
        except LiftuneError as error:
            raise type(error)(error.message, where=where, hint=_GIVE_TABLE) from None
    elif source == IN_MEMORY and not isinstance(source, Address):
        raise SpecError(
            f"the answers of {name} were in memory, and are not kept", where=where, hint="give them again, or a file"
        )
    else:
        tables = _read(source, name)
    table = joined(tables, "answers")
    if table.faults:
        first = table.faults[0]
        raise DataError(first.reason, where=table.place(first.position), hint=first.hint)
    return table


def check_source(name: str, source: str) -> None:
    """Refuse a file of answers that is not there, before anything is read.

    Raises:
        DataError: it is not, or is a folder.
    """
    if isinstance(source, Held | Address) or source == IN_MEMORY or expanded(source).is_file():
        return
    if expanded(source).is_dir() or extension(source) in OPENERS:
        _read(source, name)


def _read(source: str, name: str) -> list[Table]:
    """Every part."""
    with _worded(name, source):
        return [read() for read in find_parts(source).values()]


@contextmanager
def _worded(name: str, source: str) -> Iterator[None]:
    """The options that say how to read the data are not for this file: no error in the block names them in its hint."""
    where = f"{where_of(name)}={pasted(source)}"
    try:
        yield
    except DataError as error:
        path = None if isinstance(source, Address) else expanded(source)
        if path is not None and path.is_dir():
            raise DataError(f"{source} is a folder, not a file of answers", where=where, hint=_GIVE) from None
        if path is not None and not path.exists() and error.where == str(source):
            raise DataError(error.message, where=where, hint=f"check the path; {_GIVE}") from None
        if "--" not in (error.hint or ""):
            raise
        raise DataError(error.message, where=error.where, hint=_GIVE) from None


def _one_a_row(
    found: Found, targets: Mapping[int, Target], table: Table, name: str
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Row id -> the position of its answer; a note on rows that are answered twice alike.

    Raises:
        DataError: two answers for one row differ.
    """
    chosen: dict[str, int] = {}
    alike, differing = set(), []
    for position in sorted(targets):
        for row in found.ids[position]:
            if row not in chosen:
                chosen[row] = position
            elif targets[chosen[row]] == targets[position]:
                alike.add(position)
            else:
                differing.append((chosen[row], position))
    if differing:
        first, second = differing[0]
        more = f"; and so {amount(len(differing) - 1, 'more', 'more')}" if len(differing) > 1 else ""
        by_text = "; where a text has several rows in the data, tell them apart by a column of ids" * found.by_text
        raise DataError(
            f"{name} answers one row twice, differently: {targets[first]!r} in row {first + 1:,}, "
            f"{targets[second]!r} in row {second + 1:,}{more}",
            where=table.place(second),
            hint=f"keep one answer for each row{by_text}",
        )
    repeat = amount(len(alike), "row of the file repeats", "rows of the file repeat")
    said = f"{repeat} an answer that another one gives" if alike else ""
    return chosen, (said,) if said else ()


def _refuse_no_test_rows(by_row: Mapping[str, Target], splits: Splits, found: Found, table: Table, name: str) -> None:
    if any(each in by_row for each in splits.test.ids):
        return
    elsewhere = sum(each in by_row for part in (splits.train, splits.validation) for each in part.ids)
    if elsewhere:
        rows, test = amount(elsewhere, "row"), len(splits.test)
        what = f"{name} answers {rows}, of train or validation alone: none of the {test:,} test"
        hint = (
            "give answers for the test rows: rows/test.jsonl of an earlier run on the same data lists them, and --test "
            "FILE says which rows these are"
        )
    elif found.ids:
        what, hint = f"no row of {name} that was found in the data has an answer", "fill in the answers"
    else:
        what = f"no row of {name} is one of the data (looked for {found.by})"
        hint = (
            "give the texts as they are in the data, or ids: those of rows/test.jsonl of a run, or a column that the "
            "data have as well"
        )
    raise DataError(what, where=table.where, hint=hint)


def _suspiciously_right(by_row: Mapping[str, Target], splits: Splits, columns: AnswerColumns) -> tuple[str, ...]:
    """A warning where answers are the data's labels in so many rows that they are hardly anything else."""
    test = [
        (by_row[row], truth) for row, truth in zip(splits.test.ids, splits.test.targets, strict=True) if row in by_row
    ]
    other = sum(answer != truth for answer, truth in test)
    least = LEAST_ROWS if columns.named else LEAST_OF_LABELS
    if len(test) < least or other > MOST_OTHER * len(test):
        return ()
    what = "label" if task_of(splits.task).outputs_labels else "value"
    rows = f"all {len(test):,}" if not other else f"all but {other:,} of {len(test):,}"
    copied = "check that it is no copy of it, whose score would say nothing"
    said = f"in {rows} test rows the answer is the data's own {what}: {copied}"
    if columns.answer is None:
        return (f"{said} (read by the {'marks' if columns.marks else 'probabilities'} of each label)",)
    otherwise = "" if columns.named else "; if another column holds the answers, name that one answer"
    return (f"{said} (read from the column {columns.answer!r}{otherwise})",)


def coverage_notes(answers: Answers, splits: Splits) -> tuple[str, ...]:
    """How many rows are answered, and what the others count as."""
    said = []
    test, every = answers.answered(splits.test), len(splits.test)
    said.append(f"answers from {answers.source}, found {answers.by}: {test:,} of {every:,} test rows have one")
    if test < every:
        as_what = "wrong" if task_of(splits.task).outputs_labels else "the mean of train"
        lacking = [row for row in splits.test.ids if row not in answers.targets]
        said.append(
            f"{amount(every - test, 'other test row counts', 'other test rows count')} as {as_what}, such as "
            f"{first_of(lacking[:_NAMED], _NAMED)}{', ...' if len(lacking) > _NAMED else ''}"
        )
    strange = Counter(
        label for row in splits.test.ids for label in _labels(answers.targets.get(row)) if label in splits.unseen
    )
    if strange:
        named = ", ".join(f"{label!r} ({rows:,})" for label, rows in strange.most_common(_NAMED))
        said.append(f"answers with a label that train does not have count as wrong: {named}")
    return tuple(said)


def _labels(target: Target | None) -> tuple[str, ...]:
    if isinstance(target, str):
        return (target,)
    return target if isinstance(target, tuple) else ()
