"""A Hugging Face data set as Parts, through `datasets`.

In: `ID[:CONFIG][@REVISION]`.  Out: one part per split, ClassLabel names kept beside the numbers.
Not here: which split is train (split_roles.py).
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

from liftune.data.readers.columnar import plain_cell
from liftune.data.readers.formats import beside
from liftune.data.readers.network import offline_if_unreachable
from liftune.data.readers.table import Parts, Table
from liftune.errors import DataError, lacks_memory, need

_ID = re.compile(r"(?P<id>[^:@]+)(:(?P<config>[^@]+))?(@(?P<revision>.+))?")


def read_hub(source: str) -> Parts:
    """The splits of a hub data set.

    Raises:
        DataError: not found, gated, no such configuration or revision, not reachable, or built by a script.
        MissingExtra: `datasets` is not installed.
    """
    need("datasets")
    import datasets

    match = _ID.fullmatch(source)
    assert match is not None  # sources.py checked it
    try:
        with offline_if_unreachable():
            splits = datasets.load_dataset(match["id"], match["config"], revision=match["revision"])
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        if lacks_memory(error):
            raise
        raise _explained(error, source, match["id"]) from error
    return {name: partial(_table, split, name, source) for name, split in splits.items()}


def _table(split: Any, name: str, source: str) -> Table:
    return Table(
        name=name,
        where=f"{source}, split {name}",
        columns=tuple(split.column_names),
        rows=len(split),
        read=lambda column: [plain_cell(cell) for cell in split[column][:]],
        class_names={column: names for column, feature in split.features.items() if (names := _names(feature))},
    )


def _names(feature: Any) -> tuple[str, ...]:
    """The names of a ClassLabel, or of a list of them."""
    if isinstance(feature, list):
        return _names(feature[0]) if feature else ()
    inner = getattr(feature, "feature", None)
    if inner is not None:
        return _names(inner)
    return tuple(getattr(feature, "names", None) or ())


def _explained(error: Exception, source: str, id_: str) -> DataError:
    """What `datasets` reports, as message, where and hint."""
    said = str(error).strip()
    first = said.splitlines()[0] if said else type(error).__name__
    listed = re.search(r"\[[^\]]*\]", said)
    if "gated" in said:
        return DataError(
            f"the data set {id_!r} is gated",
            where=source,
            hint=f"accept its terms at https://huggingface.co/datasets/{id_}, then log in: hf auth login",
        )
    if "Config name is missing" in said and listed:
        return DataError(
            f"the data set {id_!r} has several configurations: {listed[0][1:-1]}",
            where=source,
            hint=f"name one: {id_}:CONFIG",
        )
    if "BuilderConfig" in said and listed:
        return DataError(first, where=source, hint=f"name one of {listed[0][1:-1]}: {id_}:CONFIG")
    if "Dataset scripts" in said:
        return DataError(
            f"the data set {id_!r} is built by a script, which `datasets` no longer runs",
            where=source,
            hint="look for a Parquet revision, often @refs/convert/parquet, or download its files and name the folder",
        )
    if "Revision" in said:
        return DataError(first, where=source, hint=f"check the revision, or leave @REVISION out: {id_}")
    if isinstance(error, ConnectionError) or "couldn't be found" in said or "OfflineMode" in type(error).__name__:
        return DataError(
            f"no local file or folder is named {id_!r}{beside(Path(id_))}, and the hub cannot be reached to look there",
            where=source,
            hint="check the path, or the network (HF_HUB_OFFLINE, HTTPS_PROXY); cached data sets work offline",
        )
    if isinstance(error, FileNotFoundError):
        return DataError(
            f"no local file or folder and no hub data set is named {id_!r}{beside(Path(id_))}",
            where=source,
            hint="check the name: OWNER/NAME on https://huggingface.co/datasets; private sets need: hf auth login",
        )
    return DataError(
        f"`datasets` cannot load it: {first}",
        where=source,
        hint="load it with `datasets` alone to see more, or download its files and name the folder",
    )
