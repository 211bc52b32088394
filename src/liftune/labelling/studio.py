"""Exports of Label Studio as rows: its JSON, and the shorter JSON-MIN and CSV, whose cells it writes in its own way.

In: a JSON value, or cells.  Out: rows with the raw labels that people gave them.
Not here: what the labels mean (filled_in.py). Addresses in an export are texts here: nothing is fetched.

Source: https://labelstud.io/guide/export and /guide/task_format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liftune.errors import DataError, first_of

#: Columns that Label Studio adds to rows of its shorter exports.
OWN = frozenset({"annotation_id", "annotator", "created_at", "updated_at", "lead_time", "agreement", "completed_by"})

#: Under which key it writes what people chose, or typed.
HELD = ("choices", "number", "rating", "text")


@dataclass(frozen=True)
class Answered:
    """A row of a file that was filled in, and what one person said of it."""

    place: str
    cells: Mapping[str, Any]
    label: Any
    """As it stands; None where nobody said anything."""
    skipped: bool = False
    """Whether the person passed it over."""
    seen: bool = True
    """Whether anybody has looked at it."""


def is_export(value: Any) -> bool:
    """Whether a JSON value is Label Studio's whole export, or tasks that nobody has looked at.

    >>> is_export([{"data": {"text": "a"}, "annotations": []}]), is_export([{"text": "a"}])
    (True, False)
    """
    return isinstance(value, list) and any(
        isinstance(each, dict)
        and isinstance(each.get("data"), dict)
        and any(isinstance(each.get(name), list) for name in ("annotations", "completions", "predictions"))
        for each in value
    )


def answers_in(tasks: Sequence[Any], where: str, control: str | None = None) -> list[Answered]:
    """One a person and task; one without a label for a task that nobody has looked at.

    Args:
        control: the name of what people chose with; None takes the only one, or `label`.

    Raises:
        DataError: a task is none, or people chose with several things.
    """
    name = control or _control(tasks, where)
    found: list[Answered] = []
    for i, task in enumerate(tasks, 1):
        place = f"{where}, task {i}"
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise DataError("a task without data", where=place, hint="export JSON from Label Studio again")
        given = [each for each in _annotations(task) if isinstance(each, dict)]
        found += [
            Answered(place, task["data"], _chosen(each, name), skipped=bool(each.get("was_cancelled")))
            for each in given
        ] or [Answered(place, task["data"], None, seen=False)]
    return found


def _annotations(task: Mapping[str, Any]) -> list[Any]:
    given = task.get("annotations", task.get("completions"))
    return given if isinstance(given, list) else []


def _results(annotation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    results = annotation.get("result")
    for each in results if isinstance(results, list) else ():
        if isinstance(each, dict) and isinstance(each.get("value"), dict):
            yield each


def _control(tasks: Sequence[Any], where: str) -> str:
    names = Counter(
        str(result.get("from_name"))
        for task in tasks
        if isinstance(task, dict)
        for annotation in _annotations(task)
        if isinstance(annotation, dict)
        for result in _results(annotation)
    )
    if len(names) > 1 and "label" not in names:
        raise DataError(
            f"people chose with several things: {first_of(list(names), 8)}",
            where=where,
            hint=f"name the one that holds the labels: --label {next(iter(names))}",
        )
    return "label" if "label" in names or not names else next(iter(names))


def _chosen(annotation: Mapping[str, Any], name: str) -> Any:
    """The label as it stands; an empty list where the person chose none of them."""
    values = [each["value"] for each in _results(annotation) if str(each.get("from_name")) == name]
    if not values:
        return []
    held = [plain(each) for each in values]
    if len(held) == 1:
        return held[0]
    return [one for each in held for one in (each if isinstance(each, list) else [each])]


def plain(cell: Any) -> Any:
    """What a cell of Label Studio holds: a list of choices, a number, a text; anything else as it is.

    >>> plain({"choices": ["a"]}), plain({"number": 3}), plain([{"rating": 4}]), plain("a")
    (['a'], 3, 4, 'a')
    """
    if isinstance(cell, list) and len(cell) == 1 and isinstance(cell[0], dict):
        cell = cell[0]
    if isinstance(cell, dict):
        for key in HELD:
            if key in cell:
                return plain(cell[key]) if isinstance(cell[key], dict) else cell[key]
    return cell
