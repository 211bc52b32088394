"""Folders that `datasets.save_to_disk` wrote, read without `datasets`.

In: a folder with dataset_dict.json or state.json.  Out: Parts.  Not here: the Arrow files in them (arrow.py).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from liftune.data.readers.formats import read_file
from liftune.data.readers.table import NotedParts, Table, joined
from liftune.errors import DataError, lacks_memory
from liftune.json_text import parse_json


def read_saved(folder: Path) -> NotedParts | None:
    """The parts of a saved DatasetDict, or the rows of a saved Dataset; None for any other folder.

    Raises:
        DataError: a file that the folder speaks of is missing.
    """
    splits = _object(folder / "dataset_dict.json").get("splits")
    if isinstance(splits, list):
        return NotedParts({name: partial(_read, _there(folder / str(name)), str(name)) for name in splits})
    if (folder / "state.json").is_file() and _files(folder):
        return NotedParts({"rows": partial(_read, folder, "rows")})
    return None


def _read(folder: Path, name: str) -> Table:
    state = _object(folder / "state.json")
    if state.get("_indices_data_files"):
        raise DataError(
            "the saved data set selects rows of its files by an index",
            where=str(folder),
            hint="save it again after flatten_indices()",
        )
    files = _files(folder)
    if not files:
        raise DataError("the saved data set has no rows", where=str(folder), hint="save one with rows")
    return joined([read_file(each, name=name) for each in files], name)


def _files(folder: Path) -> list[Path]:
    """Its Arrow files, as its state lists them, or by their names; not those that `datasets` keeps as a cache."""
    listed = _object(folder / "state.json").get("_data_files")
    if listed:
        return [_there(folder / each["filename"]) for each in listed]
    return sorted(folder.glob("data-*-of-*.arrow"))


def _there(path: Path) -> Path:
    if not path.exists():
        raise DataError(f"{path.name} of the saved data set is missing", where=str(path.parent), hint="copy it whole")
    return path


def _object(path: Path) -> dict[str, Any]:
    """A file's JSON object; an empty one where there is none."""
    try:
        value = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        if lacks_memory(error):
            raise
        return {}
    return value if isinstance(value, dict) else {}
