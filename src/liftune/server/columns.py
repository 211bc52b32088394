"""Which columns of a file hold the texts that a model reads, for a page that has the file and no rule of its own.

In: the file's columns and its first rows.  Out: the columns, and what to say of the choice.
Not here: the rules: those of a model's own columns (data/columns.py), and of `tune` (data/column_finder.py).
"""

from __future__ import annotations

from liftune.data.column_finder import Finder, UnclearText
from liftune.data.column_names import named_columns
from liftune.data.columns import remembered
from liftune.data.readers.table import Table
from liftune.errors import DataError
from liftune.server.engine import ModelInfo
from liftune.server.schemas import ColumnsRequest, TextsFound

#: What messages call the file: the page knows its name, the server does not.
_WHERE = "the file"


def texts_found(body: ColumnsRequest, info: ModelInfo) -> TextsFound:
    """The model's own columns where the file has them, else those that `tune` would take; none where these are unclear.

    Raises:
        DataError: the rows are no table.
    """
    table = _table(body)
    try:
        own = remembered(table, info.columns)
        if own:
            first, second = own
            said = "the model was tuned on a column of this name"
        else:
            finder = Finder(table)
            first, second, _ = finder.texts()
            said = finder.guessed
    except UnclearText:
        return TextsFound(columns=[], text_pair=None, said="which column holds the text is unclear")
    except DataError as error:
        return TextsFound(columns=[], text_pair=None, said=error.message)
    if own is None and second is not None and not info.pairs:
        said = f"{first!r} and {second!r} are a pair, and the model reads single texts"
        return TextsFound(columns=[], text_pair=None, said=said)
    return TextsFound(
        columns=list(named_columns(table, first, "--text")), text_pair=second if info.pairs else None, said=said
    )


def _table(body: ColumnsRequest) -> Table:
    names = body.columns
    if len(set(names)) < len(names):
        raise DataError("two columns have the same name", where="columns", hint="give each a name of its own")
    for position, row in enumerate(body.rows):
        if len(row) != len(names):
            raise DataError(
                f"{len(row):,} cells, but {len(names):,} columns",
                where=f"rows.{position}",
                hint="give each row a cell for each column",
            )
    at = {name: position for position, name in enumerate(names)}
    return Table(
        name="rows",
        where=_WHERE,
        columns=tuple(names),
        rows=len(body.rows),
        read=lambda name: [row[at[name]] for row in body.rows],
        typed=False,
    )
