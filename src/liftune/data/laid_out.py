"""Tables without a label column whose labels are elsewhere: in the names of files, in rows that lie on their side.

In: a Table in which no column is the label.  Out: what it seems to be, with a command that writes it as rows.
Not here: which column is the label (column_finder.py), layouts that are read (readers/folders.py).
"""

from __future__ import annotations

import json
from pathlib import PurePath

from liftune.data.column_names import LABELS, TEXTS
from liftune.data.readers.table import Table
from liftune.errors import pasted
from liftune.json_text import JsonError, parse_json

#: A table on its side has few rows and many columns.
_MOST_ROWS, _LEAST_COLUMNS = 5, 8
_DIVIDED = {".csv": "", ".tsv": ", delimiter=chr(9)", ".tab": ", delimiter=chr(9)"}
_MOST_FILES = 50
_LOOKED_INTO = 20


def objects_in_cells(table: Table) -> str:
    """How to write as rows what stands as JSON in a column, beside the other columns; empty where none does."""
    for name in table.columns:
        cells = [cell for cell in table.read(name)[:_LOOKED_INTO] if isinstance(cell, str) and cell.strip()]
        kind = PurePath(table.where).suffix.lower()
        if cells and kind in _DIVIDED and all(map(_is_object, cells)):
            code = (
                "import csv, json, sys; [print(json.dumps({**row, **json.loads(row["
                f"{json.dumps(name, ensure_ascii=False)}])}})) for row in csv.DictReader(sys.stdin{_DIVIDED[kind]})]"
            )
            what = f"column {name!r} holds JSON objects; to write their keys as columns"
            where = "" if _DIVIDED[kind] else ", where commas divide the file"
            return f"{what}{where}: python -c {pasted(code)} < {pasted(table.where)} > rows.jsonl"
    return ""


def _is_object(cell: str) -> bool:
    try:
        return isinstance(parse_json(cell), dict)
    except JsonError:
        return False


def other_layout(table: Table, text: str) -> list[str]:
    """What the table may be, each with what to do.

    Args:
        text: the column of the texts.
    """
    return [*_on_its_side(table), *_named_by_files(table, text)]


def _on_its_side(table: Table) -> list[str]:
    if not 0 < table.rows <= _MOST_ROWS or len(table.columns) < max(_LEAST_COLUMNS, 3 * table.rows):
        return []
    first = {str(each).strip().casefold() for each in (table.columns[0], *table.read(table.columns[0]))}
    if not first & {*TEXTS} or not first & {*LABELS}:
        return []
    turn = "import csv, sys; csv.writer(sys.stdout).writerows(zip(*csv.reader(sys.stdin)))"
    command = f"python -c {pasted(turn)} < {pasted(table.where)} > rows.csv"
    return [
        "the table lies on its side, a row in each column: turn it in a spreadsheet program (paste it transposed); or, "
        f"where commas divide it: {command}"
    ]


def _named_by_files(table: Table, text: str) -> list[str]:
    files = [PurePath(shard.where) for shard in table.shards]
    kinds = {file.suffix.lower() for file in files}
    named = len({file.stem for file in files}) == len(files)
    if not 1 < len(files) <= _MOST_FILES or not named or len(kinds) > 1 or not kinds <= set(_DIVIDED):
        return []
    read = f'csv.DictReader(open(name, encoding="utf-8-sig", newline=""){_DIVIDED[kinds.pop()]})'
    cell = json.dumps(text, ensure_ascii=False)
    code = (
        'import csv, pathlib, sys; out = csv.writer(sys.stdout); out.writerow(("text", "label")); '
        f"[out.writerow((row[{cell}], pathlib.Path(name).stem)) for name in sys.argv[1:] for row in {read}]"
    )
    each = " ".join(pasted(file) for file in files)
    return [f"if the name of each file is its label: python -c {pasted(code)} {each} > rows.csv"]
