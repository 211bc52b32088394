"""`liftune inspect`: what the data hold, likely label errors, shift, and a cleaned copy.

In: a DataSpec.  Out: an Inspection; with a place to write to, the cleaned data there.
Not here: each check (data/inspect.py, diagnostics/), what is dropped (data/clean.py).
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from liftune.addresses import refuse_as_output
from liftune.claims import claim_file
from liftune.data.clean import Cleaned, check_drops, check_target, find_dropped, split_clean_and_dropped
from liftune.data.inspect import Inspection, describe
from liftune.data.load import LoadedData, load
from liftune.data.readers.memory import TablesInMemory
from liftune.diagnostics.label_errors import MOST_ROWS, LabelErrors, find_label_errors
from liftune.diagnostics.shift import shift
from liftune.errors import DataError, SpecError, need
from liftune.files import atomic_folder, atomic_write, replaceable
from liftune.spec import DataSpec
from liftune.spec_text import Asked


def inspect_data(
    spec: DataSpec,
    tables: TablesInMemory | None = None,
    *,
    model: str | None = None,
    max_length: int | None = None,
    out: str | None = None,
    drop: Iterable[str] = (),
) -> Inspection:
    """Inspect a data set; write a cleaned copy where `out` names a place.

    Label errors are looked for by tf-idf alone here; a run adds the base model's features, and finds more.

    Args:
        tables: those in memory; None reads what the spec names.
        model: whose tokens to count; None counts words, as "none" does.
        out: a .jsonl file, or a folder that is new or empty.
        drop: names from `data.clean.DROPS`, beyond what is dropped by default.

    Raises:
        DataError: the source cannot be read at all, or no row of it can be used.
        SpecError: `out` or `drop` cannot be met.
        MissingExtra: suspects are to be dropped, and scikit-learn is not installed.
    """
    drops = check_drops(drop)
    refuse_as_output(out or "")
    if drops and out is None:
        raise SpecError("--drop says what --out leaves out, and there is no --out", hint="name a place with --out")
    if "suspects" in drops:
        need("sklearn")
    loaded = load(spec, tables, skip_bad_rows=True, asked=Asked("inspect"))
    target = None if out is None else check_target(out, [*loaded.sources.values(), spec.source])
    inspection = describe(loaded, spec, None if model == "none" else model, max_length)
    inspection, errors = with_label_errors(inspection, loaded, every_row="suspects" in drops)
    if target is None:
        return inspection
    with claim_file(target):
        return inspection.model_copy(update={"cleaned": clean(loaded, target, drops, errors, spec)})


def with_label_errors(
    inspection: Inspection, loaded: LoadedData, *, every_row: bool = False
) -> tuple[Inspection, LabelErrors | None]:
    """The inspection with suspect labels and shift, or a note that says why they were not looked for.

    Args:
        every_row: look at all train rows, however many, and not at a sample.
    """
    why = "scikit-learn is not installed"
    if importlib.util.find_spec("sklearn"):
        train = loaded.examples["train"].split
        try:
            errors = find_label_errors(train, inspection.task, most=len(train) if every_row else MOST_ROWS)
            update = {"suspects": errors.summary if errors else None, "shift": shift(loaded.splits)}
            return inspection.model_copy(update=update), errors
        except DataError as error:  # texts of which no two share a word
            why = error.message
    note = f"likely mislabels and shift were not looked for: {why}"
    return inspection.model_copy(update={"notes": (*inspection.notes, note)}), None


def clean(loaded: LoadedData, out: Path, drops: frozenset[str], errors: LabelErrors | None, spec: DataSpec) -> Cleaned:
    """Write the data without the rows that mislead, and the list of those rows."""
    if "near" in drops and not spec.near_duplicates:
        raise SpecError(
            "near duplicates are to be dropped, and none are looked for",
            where="--drop",
            hint="give --near-duplicates X",
        )
    dropped = find_dropped(
        loaded.examples,
        near=spec.near_duplicates if "near" in drops else 0.0,
        suspects=errors.droppable if errors and "suspects" in drops else (),
    )
    cleaned, files = split_clean_and_dropped(out, loaded.examples, loaded.columns, dropped)
    # A folder that lacks a part is a data set too: it takes its name when it is whole. A file comes after its list.
    with atomic_folder(out) if out.suffix != ".jsonl" and replaceable(out) else nullcontext(None) as fresh:
        for path, lines in reversed(files.items()):
            _write(fresh / path.name if fresh else path, lines)
    return cleaned


def _write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with atomic_write(path) as file:
        file.writelines((json.dumps(line, ensure_ascii=False, default=str) + "\n").encode() for line in lines)
