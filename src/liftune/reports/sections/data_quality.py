"""What may be wrong with the data: leaks and duplicates, suspect labels, a shift between train and test.

In: an Audit, a LabelErrorSummary, a Shift, what was cleaned.  Out: sentences and Sections.
Not here: finding it (data/audit.py, diagnostics/label_errors.py, diagnostics/shift.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liftune.formatting import clipped, interval, p_value, target
from liftune.records.data import Audit, LabelErrorSummary, Shift
from liftune.records.run import RunRecord, TuneRecord
from liftune.reports.base import SECTIONS, ReportTable, Section
from liftune.reports.sections.coverage import coverage_sentences

if TYPE_CHECKING:
    from liftune.data.clean import Cleaned

#: The level of the tests, as everywhere in liftune.
_ALPHA = 0.05
#: Of a suspect row's text.
MOST_CHARACTERS = 60


@SECTIONS.entry("audit", summary="Leaks, duplicates and conflicting targets.", chapter="data", of=RunRecord)
def audit(record: RunRecord) -> Section:
    """Counts of leaks, duplicates and conflicts."""
    covered = coverage_sentences(record.audit.coverage, record.metric)
    return Section("Data audit", (*audit_sentences(record.audit), *covered))


@SECTIONS.entry("suspects", summary="Train rows whose label is likely wrong.", chapter="data")
def suspects(record: TuneRecord) -> Section | None:
    """A few of them; the others are in suspects.jsonl."""
    return suspects_section(record.suspects, "suspects.jsonl") if record.suspects else None


@SECTIONS.entry("shift", summary="Whether test looks like train.", chapter="data")
def shift(record: TuneRecord) -> Section | None:
    """How well a classifier tells them apart, and by which words."""
    return shift_section(record.shift) if record.shift else None


def audit_sentences(audit: Audit) -> tuple[str, ...]:
    """What the audit found, one sentence each, or that it found nothing."""
    counts = (
        ("test example{s} whose text is also in train", audit.leaked_test_rows),
        ("other test example{s} whose text is also in validation", len(audit.validation_leaked_ids)),
        ("validation example{s} whose text is also in train", audit.leaked_validation_rows),
        ("train example{s} that repeat{v} another's text", audit.duplicate_train_rows),
        ("train example{s} whose text has more than one target", audit.conflicting_rows),
        ("test example{s} that repeat{v} another's text", audit.duplicate_test_rows),
        ("test example{s} whose text has more than one target", audit.conflicting_test_rows),
        ("test example{s} that {are} near duplicate{s} of one in train", audit.near_leaked_test_rows),
        ("validation example{s} that {are} near duplicate{s} of one in train", audit.near_leaked_validation_rows),
        ("train example{s} that {are} near duplicate{s} of an earlier one", audit.near_duplicate_train_rows),
        ("train example{s} that {are} near duplicate{s} of one with another target", audit.near_conflicting_rows),
        ("test example{s} that {are} near duplicate{s} of an earlier one", audit.near_duplicate_test_rows),
        ("row{s} dropped, as liftune cannot use {them}", audit.skipped_rows),
    )
    sentences = [f"{number:,} {_numbered(what, number)}" for what, number in counts if number]
    sentences += [
        f"label {label!r} is not in train; its {number:,} test {_numbered('example{s} count{v}', number)} as wrong"
        for label, number in audit.unseen_labels.items()
    ]
    nothing = "no leaks, duplicates or conflicts" if audit.leaks_known else "no duplicates or conflicts"
    return (*(sentences or [nothing]), *_near_and_grouped(audit), *audit.notes)


def _numbered(words: str, number: int) -> str:
    """Words that agree with a number: "example that is a near duplicate", "examples that are near duplicates"."""
    if number == 1:
        return words.format(s="", v="s", are="is a", them="it")
    return words.format(s="s", v="", are="are", them="them")


def _near_and_grouped(audit: Audit) -> tuple[str, ...]:
    said = []
    near = (
        audit.near_leaked_test_rows,
        audit.near_leaked_validation_rows,
        audit.near_duplicate_train_rows,
        audit.near_duplicate_test_rows,
        audit.near_conflicting_rows,
    )
    if audit.near_duplicates and any(near):
        said.append(
            f"near duplicates: a similarity of at least {audit.near_duplicates:g} (Jaccard index of words or letters, "
            "ignoring case and punctuation); exact repeats are not counted among them"
        )
    elif audit.near_duplicates == 0:
        said.append("near duplicates were not searched for")
    if audit.group:
        counts = ", ".join(f"{number:,} of {part}" for part, number in audit.groups.items())
        said.append(f"groups by {audit.group!r}: {counts}; intervals and tests resample whole groups")
        if audit.shared_groups:
            leaked = len(audit.group_leaked_ids)
            said.append(
                f"groups of test that are also in train: {audit.shared_groups:,}, with {leaked:,} test "
                f"{_numbered('example{s}', leaked)}: scores on these are too optimistic"
            )
    return tuple(said)


def suspects_section(errors: LabelErrorSummary, listing: str | None = None) -> Section:
    """How many labels are likely wrong, and a few of them.

    Args:
        listing: the file that has them all.
    """
    said = [*_flagged(errors), *_planted(errors)]
    if errors.top:
        said.append(
            "probability: what those models give the example's own label. That of a single example has no interval."
        )
    if listing and errors.listed:
        said.append(f"{listing} lists the {errors.listed:,} most suspect examples, worst first")
    rows = tuple(
        (
            each.id,
            target(each.target),
            target(each.rather),
            f"{each.probability:.3f}",
            clipped(" ".join(each.text.split()), MOST_CHARACTERS),
        )
        for each in errors.top
    )
    tables = (ReportTable(("row", "label", "predicted", "probability", "text"), rows, frozenset({3})),) if rows else ()
    return Section("Suspect labels", tuple(said), tables)


def _flagged(errors: LabelErrorSummary) -> tuple[str, ...]:
    """How many labels look wrong, and by what; nothing where the models cannot tell, as `_planted` says."""
    by = f"linear models on {' and '.join(errors.by)}, which were not trained on them,"
    if errors.flagged:
        share = f"{errors.flagged:,} of {errors.rows:,} train examples ({errors.flagged / errors.rows:.1%})"
        return (
            f"{share} look mislabelled: {by} predict another label. They are kept unless you ask otherwise. Not all "
            "of them are wrong: check before you drop any.",
        )
    if errors.planted is not None and not errors.known:
        return ()
    return (f"None of {errors.rows:,} train examples looks mislabelled to {by.removesuffix(',')}.",)


def _planted(errors: LabelErrorSummary) -> tuple[str, ...]:
    """How many were flagged, and what share of them is wrong, if wrong labels are random."""
    if errors.planted is None:
        return ()
    if not errors.known:
        return (
            f"Linear models on {' and '.join(errors.by)} know too little of these labels to tell which are wrong: of "
            f"{errors.planted:,} labels that were flipped on purpose, for a trial, hardly more came to the top of the "
            "list than of others.",
        )
    if errors.precision is None or errors.recall is None:
        return ()
    return (
        f"How many: {errors.planted:,} labels were flipped on purpose, for a trial. For random flips, about "
        f"{errors.precision:.0%} of the flagged labels are wrong, and {errors.recall:.0%} of the wrong ones are "
        "flagged. Errors that people make are harder to tell. --drop suspects leaves out the "
        f"{errors.droppable:,} worst.",
    )


def shift_section(shift: Shift) -> Section:
    """Whether test looks drawn as train was, and what follows for the scores."""
    texts, targets = shift.adjusted_p_value, shift.adjusted_target_p_value
    texts = shift.p_value if texts is None else texts
    auc = f"{interval(shift.auc)}, {p_value(texts)}, {shift.rows:,} examples of each, half of them to train on"
    if texts <= _ALPHA:
        said = [
            "Test differs from train: a linear model on words tells test examples from train examples with an AUC of "
            f"{auc}; 0.5 is chance. Scores are valid for examples like those in test; what was chosen on examples "
            "like those in train may not be the best for them."
        ]
    else:
        said = [
            f"No difference between test and train was found: the AUC of telling them apart is {auc}; 0.5 is chance."
        ]
    if targets is not None:
        differ = "differ" if targets <= _ALPHA else "do not differ more than chance would explain"
        said.append(f"Their targets {differ} ({shift.target_test}, {p_value(targets)}).")
        said.append(
            "Both p-values are Holm-corrected: with no shift, either is below 0.05 in 5 of 100 data sets at most."
        )
    if shift.lengths:
        lengths = ", ".join(f"{value:,.0f} of {part}" for part, value in shift.lengths.items())
        said.append(f"Median length in characters: {lengths} (of the sample; without an interval).")
    rows = tuple((each.word, f"{each.train:.1%}", f"{each.test:.1%}") for each in shift.words)
    if rows:
        said.append("These words were picked because they differ most, so no interval would be valid for their shares.")
    tables = (ReportTable(("word", "examples in train", "examples in test"), rows, frozenset({1, 2})),) if rows else ()
    return Section("Shift from train to test", tuple(said), tables)


def cleaned_section(cleaned: Cleaned) -> Section:
    """What was written, and what was left out and why."""
    files = {part: path for part, path in cleaned.files.items() if part != "dropped"}
    said = [f"{part}: {cleaned.kept[part]:,} rows written to {path}" for part, path in files.items()]
    rows = tuple(
        (part, reason, f"{number:,}") for part, reasons in cleaned.dropped.items() for reason, number in reasons.items()
    )
    said.append(f"rows left out, each with its reason: {cleaned.files['dropped']}" if rows else "nothing was left out")
    tables = (ReportTable(("part", "left out because", "rows"), rows, frozenset({2})),) if rows else ()
    return Section("Cleaned data", tuple(said), tables)
