"""Rows as JSON lines: id, text, target, the group where rows have one, and the columns that are kept for slices.

In: a Split.  Out: lines; the Split again.
Not here: the files of a run (run_folder.py), data of users (readers/).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from liftune.data.splits import KeptColumn, Split
from liftune.errors import shown
from liftune.json_text import parse_json
from liftune.types import Row

#: What of a row is a text.
_TEXTS = ("id", "text", "text_pair", "group")


def lines_of(split: Split) -> Iterator[str]:
    """One line a row, with its end."""
    for i, (row_id, row, target) in enumerate(zip(split.ids, split.rows, split.targets, strict=True)):
        more: dict[str, Any] = {} if split.groups is None else {"group": split.groups[i]}
        if split.kept:
            more["slices"] = {each.name: each.values[i] for each in split.kept}
        yield json.dumps({"id": row_id, **as_columns(row), "target": target, **more}, ensure_ascii=False) + "\n"


def split_of(lines: bytes) -> Split:
    """The same again.

    Raises:
        ValueError, KeyError, TypeError: the lines are damaged.
    """
    rows = [parse_json(line) for line in lines.split(b"\n") if line]
    for row in rows:
        if not isinstance(row, dict):
            raise ValueError(f"a row is {shown(row)}, not an object")
        if odd := [name for name in _TEXTS if not isinstance(row.get(name, ""), str)]:
            raise ValueError(f"the {odd[0]} of a row is {shown(row[odd[0]])}, not a text")
        if not _is_kept(row.get("slices", {})):
            raise ValueError(f"the slices of a row are {shown(row['slices'])}, not texts by their columns")
    return Split(
        tuple(row["id"] for row in rows),
        tuple((row["text"], row["text_pair"]) if "text_pair" in row else row["text"] for row in rows),
        tuple(tuple(row["target"]) if isinstance(row["target"], list) else row["target"] for row in rows),
        tuple(row["group"] for row in rows) if rows and "group" in rows[0] else None,
        tuple(
            KeptColumn(name, tuple(row["slices"][name] for row in rows))
            for name in (rows[0].get("slices", {}) if rows else ())
        ),
    )


def _is_kept(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str | None) for each in value.values())


def as_columns(row: Row) -> dict[str, str]:
    """A row as named columns."""
    return {"text": row} if isinstance(row, str) else {"text": row[0], "text_pair": row[1]}
