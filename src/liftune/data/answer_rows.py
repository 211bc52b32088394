"""Which row of the data each row of an answers file is for: by an id, or by the text.

In: the file's Table, the rows, the data's own columns.  Out: Found.
Not here: the answers themselves (answer_cells.py).

Ids are those that liftune gives (test:17), or a column that the data have under the same name. A text is found as
duplicates are: white space and the form of composed characters make no difference.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from liftune.data.clusters import same_text
from liftune.data.column_names import PAIRS, TEXTS, known_name
from liftune.data.continued import OLD
from liftune.data.load import RowsInMemory
from liftune.data.readers.memory import TablesInMemory
from liftune.data.readers.table import Table
from liftune.data.split_roles import read_roles
from liftune.data.splits import Splits
from liftune.data.targets import CellError, is_missing
from liftune.data.texts import joined_text, text_of
from liftune.errors import DataError, amount, first_of
from liftune.spec import DataSpec
from liftune.types import Row

#: How a column of ids may be named.
_ID = re.compile(r"(?i:(.*[_ .\-])?(id|ids|idx|index|uid|uuid|guid|key|nr|row|rowid|row_number))|.*[a-z](Id|ID)")
#: What services call the id that was sent to them, whatever it was called at home.
_SENT = ("custom_id",)
#: From this share of texts that differ on, ids are those of other rows.
_OTHER_ROWS = 0.5
_NAMED = 3


@dataclass(frozen=True)
class KeptIds:
    """The columns of the data beside texts and labels.

    Args:
        spec: that the rows were read by.
        rows: those in memory; parts that are cut already have no such columns.
        before: those of the run that this one goes on from; None where they are not at hand.
        read: the tables, where they were read before.
    """

    spec: DataSpec
    rows: RowsInMemory | None = None
    before: Callable[[], KeptIds | None] = lambda: None
    read: Mapping[str, Table] | None = None

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """Of every part."""
        if self.read is not None:
            return tuple(self.read.values())
        if self.rows is not None and not isinstance(self.rows, TablesInMemory):
            return ()
        return tuple(read_roles(self.spec, self.rows, train=False).tables.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the data that may hold ids."""
        return tuple(
            dict.fromkeys(each for table in self.tables for each in table.columns if _ID.fullmatch(each.strip()))
        )

    def of(self, column: str) -> dict[str, list[str]]:
        """Id in the column of that name -> ids of the rows that have it; empty where the data have no such column."""
        found: dict[str, list[str]] = defaultdict(list)
        for table in self.tables:
            own = known_name((column,), table.columns)
            if own is not None:
                for position, cell in enumerate(table.read(own)):
                    if (key := _key(cell)) is not None:
                        found[key].append(f"{table.name}:{position}")
        for key, rows in (self._before.of(column) if self._before else {}).items():
            found[key] += [f"{OLD}{row}" for row in rows]
        return dict(found)

    @cached_property
    def _before(self) -> KeptIds | None:
        return self.before()


@dataclass(frozen=True)
class _ById:
    """What one column of ids leads to.

    Args:
        why: it leads to nothing, where that is not because it holds no id of the data.
    """

    ids: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    by: str = ""
    notes: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Found:
    """Where the rows of a file are in the data.

    Args:
        ids: position in the file -> ids of the rows that it is for; positions of unknown rows are left out.
        by: how they were found, in words.
        columns: of the file, that ids and texts were read from: none of them holds answers.
        by_text: whether it was the text.
    """

    ids: Mapping[int, tuple[str, ...]]
    by: str
    columns: frozenset[str]
    by_text: bool = False
    notes: tuple[str, ...] = field(default=(), compare=False)


def find_rows(table: Table, splits: Splits, kept: KeptIds, name: str) -> Found:
    """Find the rows of an answers file, by an id where it has one that is known, else by the text.

    Raises:
        DataError: it has neither; or ids are of rows with other texts.
    """
    of_parts = {
        row: text
        for part in (splits.train, splits.validation, splits.test)
        for row, text in zip(part.ids, part.rows, strict=True)
    }
    texts = _text_columns(table, splits)
    of_texts = texts.all if texts else ()
    id_columns = [column for column in table.columns if _ID.fullmatch(column.strip()) and column not in of_texts]
    used = frozenset((*id_columns, *of_texts))
    read = texts.read(table) if texts else None
    unclear: list[str] = []
    for column in id_columns:
        one = _by_id(table, column, of_parts, splits, kept)
        if one.ids:
            notes = (*one.notes, *_unknown(table, one.ids, splits, f"column {column!r}"))
            if read is not None:
                notes += _same_texts(table, one.ids, of_parts, read, column, name)
            return Found(one.ids, one.by, used, notes=notes)
        unclear += [one.why] if one.why else []
    if read is None and unclear:
        raise DataError(
            f"which rows {name} answers is not known: {'; '.join(unclear)}",
            where=table.where,
            hint=f"give each row of the data an id of its own; or add to the file a column text with"
            f"{' both texts, text and text_pair,' if splits.pairs else ' the text'} as in the data",
        )
    if read is None:
        ids_said = f" (no id of the data is in {' or '.join(map(repr, id_columns))})" if id_columns else ""
        pair = " both" if splits.pairs else ""
        named = f", such as {first_of(kept.names, _NAMED)}" if kept.names else ""
        raise DataError(
            f"which rows {name} answers is not known: it has no column of ids that are in the data{ids_said}, and no "
            f"text{'s' * splits.pairs}; its columns are {', '.join(table.columns)}",
            where=table.where,
            hint=f"add a column text with{pair} the text{'s, text and text_pair,' if splits.pairs else ''} as in the "
            f"data, or a column id with the ids of rows/test.jsonl of a run, or a column that the data have{named}",
        )
    by_text: dict[Row, list[str]] = defaultdict(list)
    for row, text in of_parts.items():
        by_text[same_text(text)].append(row)
    found = {
        i: tuple(by_text[key]) for i, row in enumerate(read) if row is not None and (key := same_text(row)) in by_text
    }
    by = f"by {' and '.join(map(repr, of_texts))}"
    first = f"an id would come first, in a column that is named id{' and known to the data' * bool(kept.tables)}"
    notes = (f"rows are found {by}; {'; '.join(unclear) or first}",) if id_columns else ()
    notes += _unknown(table, found, splits, by.removeprefix("by "))
    return Found(found, by, used, by_text=True, notes=notes)


def _by_id(table: Table, column: str, of_parts: Mapping[str, Row], splits: Splits, kept: KeptIds) -> _ById:
    """By one column of the file, as liftune's own ids, else as those of the same column of the data."""
    keys = [_key(cell) for cell in table.read(column)]
    own = _own_ids(keys, of_parts, splits, column)
    if own.ids:
        return own
    own_name = column
    known = kept.of(own_name)
    if not known and column.casefold() in _SENT and len(kept.names) == 1:
        own_name = kept.names[0]
        known = kept.of(own_name)
        known = known if all(key in known for key in keys) else {}
    if not known:
        return _ById()
    tested = {*splits.test.ids, *splits.validation.ids}
    of_tested = {key: [row for row in rows if row in tested] for key, rows in known.items()}
    several = {key: rows for key in dict.fromkeys(keys) if key and len(rows := of_tested.get(key, [])) > 1}
    several = {key: rows for key, rows in several.items() if len({same_text(of_parts[row]) for row in rows}) > 1}
    if several:
        return _ById(why=_several(own_name, several))
    ids = {i: tuple(row for row in known[key] if row in of_parts) for i, key in enumerate(keys) if key in known}
    ids = {i: rows for i, rows in ids.items() if rows}
    by = "a column of the data" if own_name == column else f"which are those in {own_name!r} of the data"
    return _ById(ids, f"by {column!r}, {by}")


def _own_ids(keys: Sequence[str | None], of_parts: Mapping[str, Row], splits: Splits, column: str) -> _ById:
    """By liftune's ids: of these rows, or as the run has them that this one goes on from.

    Both may have a test:0: those are meant of which more are test rows.
    """
    known = {i: key for i, key in enumerate(keys) if key is not None}
    own = {i: key for i, key in known.items() if key in of_parts}
    old = {i: f"{OLD}{key}" for i, key in known.items() if f"{OLD}{key}" in of_parts}
    tested = frozenset(splits.test.ids)
    before = len(tested.intersection(old.values())) > len(tested.intersection(own.values()))
    first, second = (old, own) if before else (own, old)
    ids = {i: (row,) for i, row in {**second, **first}.items()}
    notes: tuple[str, ...] = ()
    if taken := [i for i, (row,) in ids.items() if i in old and row == old[i]]:
        what = amount(len(taken), "id is", "ids are")
        notes += (f"{what} of the run that is started from, such as {known[taken[0]]}, which is {old[taken[0]]} here",)
    if both := [i for i in own if i in old]:
        other = "the new rows have them too" if before else f"for old rows write {old[both[0]]}"
        which = "the old rows" if before else "the new rows"
        notes += (f"ids such as {known[both[0]]} are taken for {which}; {other}",)
    return _ById(ids, f"by row id in {column!r}", notes)


def _several(column: str, found: Mapping[str, Sequence[str]]) -> str:
    """That ids stand for rows that differ."""
    key, rows = next(iter(found.items()))
    more = f", and {amount(len(found) - 1, 'other id', 'other ids')} too" if len(found) > 1 else ""
    return (
        f"the id {key!r} occurs {len(rows):,} times in column {column!r} of the data, for different texts "
        f"({first_of(rows, _NAMED)}){more}"
    )


def _unknown(table: Table, ids: Mapping[int, object], splits: Splits, by: str) -> tuple[str, ...]:
    """A warning on rows that are none of the data's, of which `evaluate` has test rows alone."""
    unknown = [i for i in range(table.rows) if i not in ids]
    if not unknown or not ids:
        return ()
    named = first_of([f"{i + 1:,}" for i in unknown[:_NAMED]], _NAMED)
    more = ", ..." if len(unknown) > _NAMED else ""
    whose = "data's" if len(splits.train) else "test rows that are scored,"
    row = "row of the file is" if len(unknown) == 1 else "rows of the file are"
    return (f"{len(unknown):,} {row} none of the {whose} by {by}, and not used: {named}{more}",)


def _same_texts(
    table: Table,
    ids: Mapping[int, tuple[str, ...]],
    of_parts: Mapping[str, Row],
    read: list[Row | None],
    column: str,
    name: str,
) -> tuple[str, ...]:
    """Hold the texts beside the ids against those of the data.

    Raises:
        DataError: most differ: the ids are those of other rows.
    """
    with_text = [(i, rows) for i, rows in ids.items() if read[i] is not None]
    other = [i for i, rows in with_text if all(same_text(read[i] or "") != same_text(of_parts[row]) for row in rows)]
    if not other:
        return ()
    what = (
        f"{len(other):,} of {len(with_text):,} rows of {name} have another text than the row of the same id in the data"
    )
    if len(other) >= _OTHER_ROWS * len(with_text):
        raise DataError(
            f"{what}: the ids in {column!r} are those of other rows",
            where=table.place(other[0]),
            hint=f"leave the column {column!r} out, to find rows by their texts; or give the ids of these data",
        )
    return (f"{what}; the id was taken. To go by the texts, leave the column {column!r} out",)


@dataclass(frozen=True)
class _Texts:
    """The columns of the file that hold what a row of the data is made of.

    Args:
        texts: as the file spells them.
        names: those that stand in a text which several columns are joined to.
        pair: of the second text.
    """

    texts: tuple[str, ...]
    names: tuple[str, ...]
    pair: str | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.texts, *filter(None, (self.pair,)))

    def read(self, table: Table) -> list[Row | None]:
        """The file's rows as the data would have them; None where one has no text."""
        return [self._row(cells) for cells in zip(*(table.read(each) for each in self.all), strict=True)]

    def _row(self, cells: tuple[Any, ...]) -> Row | None:
        own = cells[: len(self.texts)]
        try:
            text = joined_text(own, self.names) if len(own) > 1 else text_of(own[0], self.texts[0])
            return (text, text_of(cells[-1], self.pair)) if self.pair else text
        except CellError:
            return None


def _text_columns(table: Table, splits: Splits) -> _Texts | None:
    """None where the file lacks one."""
    names = table.columns
    if splits.columns is not None and splits.columns.texts:
        wanted, pair = splits.columns.texts, splits.columns.text_pair
        known = [known_name((each,), names) for each in wanted]
        second = known_name((pair,), names) if pair else None
        if all(known) and bool(second) == bool(pair):
            return _Texts(tuple(filter(None, known)), wanted, second)
    if splits.pairs:
        for first, second in PAIRS:
            one, other = known_name((first,), names), known_name((second,), names)
            if one and other:
                return _Texts((one,), (one,), other)
        return None
    text = known_name(TEXTS, names)
    left = [each for each in names if each != text and not _ID.fullmatch(each.strip())]
    # In what a service sends back, `content` is the answer.
    return _Texts((text,), (text,)) if text and left else None


def _key(cell: Any) -> str | None:
    """An id as text; whole numbers without decimals."""
    if is_missing(cell):
        return None
    text = str(cell).strip()
    return text[:-2] if re.fullmatch(r"\d+\.0", text) else text
