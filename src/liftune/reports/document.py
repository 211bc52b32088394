"""A report before it has a form: its title, its facts, and every section that has something to say.

In: a TuneRecord, and its Details where the run folder is at hand; or what a model by itself says; or a sweep's record.
Out: a Document.
Not here: what each section says (sections/), how it looks (render/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

from liftune.errors import amount
from liftune.formatting import plain_name
from liftune.records.base import Verdict
from liftune.records.details import Details
from liftune.records.run import RunRecord, TuneRecord
from liftune.records.saved_model import SavedModelRecord
from liftune.records.sweep import SweepRecord
from liftune.reports.base import CHAPTERS, SECTIONS, Section
from liftune.reports.saved_model import saved_model_sections
from liftune.reports.sections.headline import overall


@dataclass(frozen=True)
class NamedSection:
    """A section with the name and chapter it is registered under."""

    name: str
    chapter: str
    section: Section
    about: str = ""
    """What it holds, in one line."""
    opened: bool = False
    """Whether a page shows it open."""


@dataclass(frozen=True)
class Document:
    """All that a form of the report shows."""

    run: str
    title: str
    facts: tuple[str, ...]
    """What the run was, at a glance."""
    verdict: Verdict
    """Of all comparisons that tell something; undecided where there are none."""
    sections: tuple[NamedSection, ...]
    """Chapter by chapter."""


#: What a report is of: a run; a model that lies by itself; a sweep.
Reported: TypeAlias = TuneRecord | SavedModelRecord | SweepRecord


def document(record: Reported, details: Details | None = None) -> Document:
    """The report; without details, only what the record alone says."""
    if isinstance(record, SavedModelRecord):
        said = saved_model_sections(record)
        return Document(record.path, said[0].title, (record.by,), "undecided", _numbered("model", said))
    if isinstance(record, SweepRecord):
        module, _, name = record.sections_from.partition(":")  # above this layer, as all that knows sweeps
        make: Callable[[Any], Iterable[Section]] = getattr(import_module(module), name)
        data = plain_name(record.data)
        title_of = f"Sweep{f' on {data}' if data else ''}"
        return Document(record.sweep, title_of, (), "undecided", _numbered("sweep", make(record)))
    return Document(
        run=record.run,
        title=title(record),
        facts=facts(record),
        verdict=overall(record) if record.comparisons else "undecided",
        sections=tuple(named_sections(record, details)),
    )


def _numbered(name: str, said: Iterable[Section]) -> tuple[NamedSection, ...]:
    """Sections that are in no registry."""
    return tuple(NamedSection(f"{name}-{i}", "short", each) for i, each in enumerate(said, 1))


def named_sections(record: RunRecord, details: Details | None = None) -> list[NamedSection]:
    """Every section that has something to say, chapter by chapter."""
    order = list(CHAPTERS)
    named = []
    for entry in sorted(SECTIONS.entries(), key=lambda entry: order.index(entry.chapter)):
        if not isinstance(record, entry.of):
            continue
        if entry.of_details:
            section = entry.build(record, details) if details is not None else None
        else:
            section = entry.build(record)
        if section is not None:
            named.append(NamedSection(entry.name, entry.chapter, section, entry.summary, entry.opened))
    return named


def sections(record: RunRecord, details: Details | None = None) -> list[Section]:
    """The same without names."""
    return [each.section for each in named_sections(record, details)]


def title(record: TuneRecord) -> str:
    """What was tuned, how, on what."""
    data = f" on {plain_name(record.data)}" if record.data else ""
    return f"{plain_name(record.model)}, {record.method or 'as it is'}{data}"


def facts(record: TuneRecord) -> tuple[str, ...]:
    """What the run was, at a glance."""
    rows = record.rows
    labels = (amount(len(record.labels), "label"),) if record.labels else ()
    counts = f"{rows.train:,} train, {rows.validation:,} validation, {rows.test:,} test examples"
    started = (record.started[:10],) if record.started else ()
    return (record.task.value.replace("_", " "), *labels, counts, *started)
