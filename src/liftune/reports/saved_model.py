"""What a model by itself is, what its card says of it, and what only its run could say.

In: a SavedModelRecord.  Out: one Section.
Not here: finding it out (workflows/saved_report.py).
"""

from __future__ import annotations

from liftune.errors import first_of, pasted
from liftune.formatting import interval, unbracketed
from liftune.records.saved_model import SavedModelRecord
from liftune.reports.base import ReportTable, Section
from liftune.reports.sections.long_texts import reading

_LABELS_SHOWN, _FILES_SHOWN = 12, 12


def saved_model_sections(record: SavedModelRecord) -> list[Section]:
    """The one section."""
    tables: tuple[ReportTable, ...] = ()
    if record.scores:
        rows = tuple((each.metric, interval(each.score), each.data) for each in record.scores)
        tables = (ReportTable(("score", "value", "data"), rows, right=frozenset({1})),)
    said = [what(record), f"There: {first_of(record.files, _FILES_SHOWN)}.", *record.notes]
    if record.scores:
        said.append("The scores are those of its card, README.md, which nothing seals.")
        said += unbracketed(each.score for each in record.scores)
    else:
        said.append("Its card, README.md, holds no scores." if record.has_card else "There is no card with scores.")
    whose = "; they are in the run that it came from" if record.by == "liftune" else ""
    said.append(
        f"Not there: test rows, logits, comparisons, how training went{whose}. To score it, give labelled data."
    )
    pair = ' --pair "another"' if record.pairs else ""
    place = pasted(record.path)
    commands = (f'liftune predict {place} "some text"{pair}', f"liftune evaluate DATA --model {place}")
    return [Section(f"Model {record.path}", tuple(said), tables, commands=commands)]


def what(record: SavedModelRecord) -> str:
    """The model in a sentence."""
    made = {
        "adapter": f"an adapter ({record.method}) for {record.base or 'a base that it does not name'}",
        "whole model": "a whole model"
        + (f", tuned from {record.base}" if record.base and record.by == "liftune" else ""),
        "bundle": f"a bundle, exported from {record.base} tuned by {record.method}",
        "contender": f"the contender {record.method} of a run",
    }[record.kind]
    facts = [f"A model by itself: {made}", "by liftune" if record.by == "liftune" else "not by liftune"]
    if record.task is not None:
        facts.append(record.task.value.replace("_", " "))
    if record.labels:
        facts.append(f"labels {first_of(record.labels, _LABELS_SHOWN)}")
    if record.max_length:
        facts.append(reading(record.max_length, record.long, "of a text"))
    if record.pairs:
        facts.append("of pairs of texts")
    return f"{'; '.join(facts)}."
