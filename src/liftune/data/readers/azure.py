"""The project file of Azure's custom text classification: labels, and the texts in the files that it names.

In: the JSON object, and the folder that it lies in.  Out: rows with text, label, file, and split where one is named.
Not here: finding that a file is one of these (json_objects.py).

Only files in the project file's own folder and below it are read: a project from elsewhere may name any path.

Source: Azure AI Language, "Accepted data formats" of custom text classification.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from liftune.data.readers.class_folders import decoded_files
from liftune.data.readers.options import FileOptions
from liftune.errors import DataError, pasted


def is_azure_project(value: Any) -> bool:
    """Whether a JSON value is a project of custom text classification, of one label or of several."""
    assets = value.get("assets") if isinstance(value, Mapping) else None
    if not isinstance(assets, Mapping) or not isinstance(assets.get("documents"), list):
        return False
    about = value.get("metadata")
    kinds = {each.get("projectKind") for each in (assets, about) if isinstance(each, Mapping)}
    documents = assets["documents"]
    located = bool(documents) and all(isinstance(each, Mapping) and "location" in each for each in documents)
    labelled = any("class" in each or "classes" in each for each in documents if isinstance(each, Mapping))
    return located and (labelled or any("Classification" in str(kind) for kind in kinds))


def azure_rows(
    value: Mapping[str, Any], folder: Path | None, where: str, options: FileOptions
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """A row for each document, and what was taken.

    Args:
        folder: in which the project file lies; None where it lies in none.
        options: how to read the texts.

    Raises:
        DataError: there is no folder, or a text is not in it.
    """
    documents = value["assets"]["documents"]
    if folder is None:
        raise DataError(
            "a project of Azure's custom text classification, whose texts lie in files beside it",
            where=where,
            hint="give the path of the project file, with the texts in its folder",
        )
    container = (value.get("metadata") or {}).get("storageInputContainerName") or "CONTAINER"
    copied = f"copy the texts there: az storage blob download-batch -s {pasted(container)} -d {folder}"
    paths = [_path(str(each["location"]), folder, where, copied) for each in documents]
    texts, faults, said = decoded_files(paths, folder, options)
    if faults:
        raise DataError(faults[0].reason, where=str(paths[faults[0].position]), hint=faults[0].hint)
    parts = any(each.get("dataset") is not None for each in documents)
    rows = [
        {
            "text": text,
            "label": _label(each),
            "file": str(each["location"]),
            **({"split": each.get("dataset")} if parts else {}),
        }
        for each, text in zip(documents, texts, strict=True)
    ]
    several = " (lists)" if any("classes" in each for each in documents) else ""
    note = (
        f"{where}: read as a project of Azure's custom text classification: the files that it names in {folder} are "
        f"the texts, their categories the labels{several}"
    )
    return rows, (note, *said)


def _label(document: Mapping[str, Any]) -> Any:
    """The category; a list where a document may have several."""
    several, one = document.get("classes"), document.get("class")
    if isinstance(several, list):
        return [each.get("category") for each in several if isinstance(each, Mapping)]
    return one.get("category") if isinstance(one, Mapping) else None


def _path(location: str, folder: Path, where: str, copied: str) -> Path:
    """A text's file, in the folder or below it."""
    path = folder / location
    outside = Path(location).is_absolute() or PureWindowsPath(location).is_absolute() or "\0" in location
    if outside or not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(
            f"the project names a text outside its own folder, which is not read: {location!r}",
            where=where,
            hint="put the texts beside the project file, and write their names alone as location",
        )
    if not path.is_file():
        raise DataError(f"the text {location!r} is not in {folder}", where=where, hint=copied)
    return path
