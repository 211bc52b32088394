"""What may be wrong with the rows, as sections: the audit, suspect labels, a shift between train and test.

In: an Audit, Suspects, a Shift, what was cleaned.  Out: sentences and Sections.
Not here: finding it (data/audit.py, evidence/noise.py, evidence/shift.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liftune.formatting import clipped, interval, p_value
from liftune.records.data import Audit, LabelErrorSummary, Shift
from liftune.records.run import RunRecord, TuneRecord
from liftune.report.base import SECTIONS, ReportTable, Section

if TYPE_CHECKING:
    from liftune.data.clean import Cleaned

#: Where a p-value speaks: as everywhere in liftune.
_ALPHA = 0.05
#: Of a suspect row's text.
MOST_CHARACTERS = 60


@SECTIONS.entry("audit", summary="What the rows themselves say.", chapter="data", of=RunRecord)
def audit(record: RunRecord) -> Section:
    """Counts of leaks, duplicates and conflicts."""
    return Section("Data audit", audit_sentences(record.audit))


@SECTIONS.entry("suspects", summary="Train rows whose label is likely wrong.", chapter="data")
def suspects(record: TuneRecord) -> Section | None:
    """A few of them; the others are in suspects.jsonl."""
    return suspects_section(record.suspects, "suspects.jsonl") if record.suspects else None


@SECTIONS.entry("shift", summary="Whether test looks drawn as train was.", chapter="data")
def shift(record: TuneRecord) -> Section | None:
    """A classifier's answer, and the words by which it knew."""
    return shift_section(record.shift) if record.shift else None


def audit_sentences(found: Audit) -> tuple[str, ...]:
    """What the audit found, one sentence each; a word that it found nothing otherwise."""
    counts = (
        ("test rows whose text is also in train", found.leaked_test_rows),
        ("validation rows whose text is also in train", found.leaked_validation_rows),
        ("train rows that repeat another's text", found.duplicate_train_rows),
        ("train rows whose text has more than one target", found.conflicting_rows),
        ("test rows that repeat another's text", found.duplicate_test_rows),
        ("test rows whose text has more than one target", found.conflicting_test_rows),
        ("test rows that resemble one of train", found.near_leaked_test_rows),
        ("validation rows that resemble one of train", found.near_leaked_validation_rows),
        ("train rows that resemble an earlier one", found.near_duplicate_train_rows),
        ("train rows that resemble one with another target", found.near_conflicting_rows),
        ("test rows that resemble an earlier one", found.near_duplicate_test_rows),
        ("rows dropped because they could not be used", found.skipped_rows),
    )
    sentences = [f"{number:,} {what}" for what, number in counts if number]
    sentences += [
        f"label {label!r} is in no train row; its {number:,} rows count as wrong"
        for label, number in found.unseen_labels.items()
    ]
    return (*(sentences or ["no leaks, duplicates or conflicts"]), *_alike_and_grouped(found), *found.notes)


def _alike_and_grouped(found: Audit) -> tuple[str, ...]:
    said = []
    near = (
        found.near_leaked_test_rows,
        found.near_leaked_validation_rows,
        found.near_duplicate_train_rows,
        found.near_duplicate_test_rows,
        found.near_conflicting_rows,
    )
    if found.near_duplicates and any(near):
        said.append(
            f"rows resemble each other from a similarity of {found.near_duplicates:g} on (Jaccard's index of words or "
            "letters, case and punctuation aside); exact repeats are not among them"
        )
    elif found.near_duplicates == 0:
        said.append("near duplicates were not looked for")
    if found.group:
        counts = ", ".join(f"{number:,} of {part}" for part, number in found.groups.items())
        said.append(f"groups by {found.group!r}: {counts}; intervals and tests go by whole groups")
        if found.shared_groups:
            said.append(
                f"{found.shared_groups:,} groups of test are in train too, with {len(found.group_leaked_ids):,} test "
                "rows: scores on them flatter"
            )
    return tuple(said)


def suspects_section(found: LabelErrorSummary, listing: str | None = None) -> Section:
    """How many labels are likely wrong, and a few of them.

    Args:
        listing: the file that has them all.
    """
    share = f"{found.flagged:,} of {found.rows:,} train rows ({found.flagged / found.rows:.1%})"
    said = [
        f"{share} confidently belong to another label than their own, by linear models on {' and '.join(found.by)} "
        "that did not see them. They are kept unless you ask otherwise. Not all of them are wrong: look first.",
        "The probability is what those models give to the row's own label; a single row's has no interval.",
    ]
    if listing and found.listed:
        said.append(f"{listing} has the {found.listed:,} most suspect rows, worst first")
    rows = tuple(
        (
            each.id,
            _shown(each.target),
            _shown(each.rather),
            f"{each.probability:.3f}",
            clipped(" ".join(each.text.split()), MOST_CHARACTERS),
        )
        for each in found.top
    )
    tables = (ReportTable(("row", "label", "rather", "probability", "text"), rows, frozenset({3})),) if rows else ()
    return Section("Suspect labels", tuple(said), tables)


def shift_section(found: Shift) -> Section:
    """Whether test looks drawn as train was, and what follows for the scores."""
    told = f"{interval(found.auc)}, {p_value(found.p_value)}, {found.rows:,} rows of each, half of them to learn from"
    if found.p_value <= _ALPHA:
        said = [
            "Test is not drawn as train was: a linear model on words tells a test row from a train row with an AUC of "
            f"{told} (0.5 is chance). Scores speak of rows like these test rows; what was chosen on rows like train's "
            "may not be the best for them."
        ]
    else:
        said = [
            f"No difference between test and train was found: the AUC of telling them apart is {told} (0.5 is chance)."
        ]
    if found.target_p_value is not None:
        differ = "differ" if found.target_p_value <= _ALPHA else "do not differ beyond chance"
        said.append(f"Their targets {differ} ({found.target_test}, {p_value(found.target_p_value)}).")
    if found.lengths:
        lengths = ", ".join(f"{value:,.0f} of {part}" for part, value in found.lengths.items())
        said.append(f"Median characters of a row: {lengths} (of the sample; no interval is given).")
    rows = tuple((each.word, f"{each.train:.1%}", f"{each.test:.1%}") for each in found.words)
    if rows:
        said.append("The words were picked because they differ most: no interval would hold for their shares.")
    tables = (ReportTable(("word", "rows of train", "rows of test"), rows, frozenset({1, 2})),) if rows else ()
    return Section("Shift from train to test", tuple(said), tables)


def cleaned_section(found: Cleaned) -> Section:
    """What was written, and what was left out and why."""
    files = {part: path for part, path in found.files.items() if part != "dropped"}
    said = [f"{found.kept[part]:,} rows of {part} written to {path}" for part, path in files.items()]
    rows = tuple(
        (part, reason, f"{number:,}") for part, reasons in found.dropped.items() for reason, number in reasons.items()
    )
    said.append(
        f"each row that was left out, with its reason: {found.files['dropped']}" if rows else "nothing was left out"
    )
    tables = (ReportTable(("part", "left out because", "rows"), rows, frozenset({2})),) if rows else ()
    return Section("Cleaned data", tuple(said), tables)


def _shown(target: str | tuple[str, ...]) -> str:
    return target if isinstance(target, str) else ", ".join(target) or "-"
