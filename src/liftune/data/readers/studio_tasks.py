"""Tasks that Label Studio exports, as a form of rows: which field of `data` is the text, which control holds the label.

In: a Stream.  Out: a Form for services.py, or None where its rows are no annotated tasks.
Not here: tasks that nobody annotated or that were skipped (data/passed_over.py), several people's labels for rows that
a run chose (labelling/studio.py).

Where `data` has several texts, or people chose with several controls, no text is taken by itself; each control becomes
a column, and the search for columns takes one whose name says that it is the label, or asks.

Source: https://labelstud.io/guide/export and /guide/task_format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from liftune.data.column_names import TEXTS
from liftune.data.readers.service_rows import Form, Row, Taken

#: Under which name people's annotations stand: today, and in Label Studio's first versions.
ANNOTATIONS = ("annotations", "completions")
#: What it writes of a task itself, beside its data: never a label.
OWN = frozenset(
    {
        *("agreement", "cancelled_annotations", "comment_authors", "comment_count", "created_at", "drafts"),
        *("file_upload", "id", "inner_id", "last_comment_updated_at", "meta", "predictions", "project"),
        *("total_annotations", "total_predictions", "unresolved_comment_count", "updated_at", "updated_by"),
    }
)
#: How the column of one of several controls begins.
ANNOTATED = "annotated_"
#: What a control may hold that is a label: choices before anything else.
_KINDS = ("choices", "rating", "number")
_MOST = "of several annotations of a task, what most said counts"
_EVEN = ("people disagree evenly on the label", "decide in Label Studio, or leave such rows out with --skip-bad-rows")


def may_be_tasks(columns: Collection[str]) -> bool:
    """Whether columns are those of exported tasks."""
    return "data" in columns and any(each in columns for each in ANNOTATIONS)


def form_of_tasks(rows: Sequence[Row]) -> Form | None:
    """How these tasks are read; None where they are none, or no control holds labels."""
    if not rows or not all(map(_is_task, rows)):
        return None
    controls = _controls(rows)
    if not controls:
        return None
    text, several = _text(rows), any(len(held) > 1 for row in rows for name in controls for held in _held(row, name))

    def read(row: Row) -> Taken:
        cells: dict[str, Any] = {} if text is None else {"text": row["data"].get(text)}
        left: tuple[str, ...] = ()
        for name in controls:
            said = Counter(tuple(sorted(held, key=str)) for held in _held(row, name)).most_common(2)
            if len(said) == 2 and said[0][1] == said[1][1]:
                if len(controls) == 1:
                    return Taken(problem=_EVEN)
                said = []
            left = (_MOST,) if len(said) > 1 else left
            label: Any = list(said[0][0]) if said else None
            if not several:
                label = label[0] if label else None
            cells["label" if len(controls) == 1 else _column(name)] = label
        return Taken(cells, left)

    example = '{"data": {"text": TEXT}, "annotations": [{"result": [...]}]}'
    taken = _taken(text, controls)
    left_out = OWN if len(controls) == 1 else {*OWN, *ANNOTATIONS}  # where the labels of several controls are mixed
    return Form("tasks of Label Studio", taken, example, may_be_tasks, _is_task, read, left_out=left_out)


def _column(name: str) -> str:
    """What a column of one of several controls is called: no usual name of a label, by which it would be taken."""
    return f"{ANNOTATED}{name}"


def _taken(text: str | None, controls: Sequence[str]) -> str:
    """What is the text and what the label, in words."""
    first = "which field of data is the text is not clear" if text is None else f"data.{text} is the text"
    if len(controls) == 1:
        return f"{first}, what people chose with {controls[0]!r} the label"
    columns = ", ".join(map(_column, controls))
    return f"{first}; people chose with several controls, each of which is a column: {columns}"


def _is_task(row: Row) -> bool:
    given = [row.get(name) for name in ANNOTATIONS if row.get(name) is not None]
    return isinstance(row.get("data"), Mapping) and all(isinstance(each, list) for each in given)


def _results(row: Row) -> Iterator[list[Mapping[str, Any]]]:
    """What each person said of a task, if it was not skipped."""
    for annotation in next((row[name] for name in ANNOTATIONS if row.get(name)), []):
        if isinstance(annotation, Mapping) and not annotation.get("was_cancelled"):
            results = annotation.get("result")
            given = results if isinstance(results, list) else []
            yield [each for each in given if _is_named(each)]


def _is_named(result: Any) -> bool:
    """Whether it says what was said, and with which control."""
    return (
        isinstance(result, Mapping)
        and isinstance(result.get("value"), Mapping)
        and isinstance(result.get("from_name"), str)
    )


def _held(row: Row, control: str) -> Iterator[list[Any]]:
    """The labels that each person gave with a control."""
    for results in _results(row):
        held: list[Any] = []
        for each in results:
            if each.get("from_name") == control:
                value: Any = next((each["value"][kind] for kind in _KINDS if kind in each["value"]), [])
                held += value if isinstance(value, list) else [value]
        if results:
            yield held


def _controls(rows: Sequence[Row]) -> list[str]:
    """The names of those that hold labels: of choices, else of ratings, else of numbers."""
    every = [each for row in rows for results in _results(row) for each in results]
    for kind in _KINDS:
        names = dict.fromkeys(each["from_name"] for each in every if kind in each["value"])
        if names:
            return ["label"] if "label" in names else list(names)
    return []


def _text(rows: Sequence[Row]) -> str | None:
    """The field of data that holds the text: by its name, or as the only one that holds texts."""
    fields = dict.fromkeys(str(name) for row in rows for name, value in row["data"].items() if isinstance(value, str))
    named = [each for each in fields if each.strip().casefold() in TEXTS]
    found = named or list(fields)
    return found[0] if len(found) == 1 else None
