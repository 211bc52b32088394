"""The table of scores: each contender on the same test rows, and again without rows that leaked.

In: a record.  Out: Sections.
Not here: the comparisons in words (verdict.py), what it cost (cost.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from liftune.formatting import count, interval, seconds
from liftune.records.run import RunRecord, TuneRecord, VerdictRecord
from liftune.reports.base import SECTIONS, ReportTable, Section, named
from liftune.reports.sections.coverage import constant_answers


@SECTIONS.entry("scores", summary="Each model on the same test examples.", chapter="verdict", of=RunRecord)
def scores(record: RunRecord) -> Section:
    """One row a contender, one column a metric, each value with its interval."""
    metrics = metric_columns(record, record.contenders[0].metrics)
    headings = ("contender", *metrics, "params", "fit s", "eval s")
    lines = tuple(
        (
            named(contender),
            *(interval(contender.metrics[metric]) for metric in metrics),
            count(contender.trainable_parameters),
            seconds(contender.seconds.train),
            seconds(contender.seconds.evaluate),
        )
        for contender in record.contenders
    )
    counts = record.rows
    rows = f"{counts.test:,} test examples, the same for all; {counts.train:,} train, {counts.validation:,} validation."
    if isinstance(record, VerdictRecord) and record.folds:
        rows = (
            f"{counts.test:,} examples, the same for all, each predicted by models tuned without its fold; the saved "
            f"adapter is tuned on {counts.train:,} of them, with {counts.validation:,} for validation."
        )
    sentences = [f"{rows} Brackets: 95% confidence intervals. params: trained parameters."]
    if record.partial:
        sentences.append("partial: only a sample of the examples was used; with all of them the scores may differ.")
    lacking: dict[tuple[str, str], list[str]] = {}
    for contender in record.contenders:
        for metric in metrics:
            score = contender.metrics[metric]
            if score.low is None and score.note:
                lacking.setdefault((contender.name, score.note), []).append(metric)
    sentences += [f"{name}, {' and '.join(metrics)}: {note}" for (name, note), metrics in lacking.items()]
    sentences += [f"{contender.name}: {note}" for contender in record.contenders for note in contender.notes]
    sentences += constant_answers(record.contenders, record.metric, trained=isinstance(record, TuneRecord))
    return Section(
        "Scores on the test examples",
        tuple(sentences),
        (ReportTable(headings, lines, frozenset(range(1, len(headings)))),),
    )


@SECTIONS.entry(
    "clean",
    summary="The same without test examples that leak from train or validation.",
    chapter="verdict",
    of=RunRecord,
)
def clean(record: RunRecord) -> Section | None:
    """Only where there are such rows."""
    scored = [(contender, contender.clean) for contender in record.contenders if contender.clean]
    if not scored:
        return None
    metrics = metric_columns(record, scored[0][1])
    rows = tuple((named(contender), *(interval(each[metric]) for metric in metrics)) for contender, each in scored)
    compared = record.comparisons if isinstance(record, VerdictRecord) else ()
    left, every = next((each.rows for each in compared if each.rows), None), f"{record.rows.test:,}"
    # Without that number the verdict stands on all rows, as it did before 0.2.
    said = f"Test examples that neither leak nor have conflicting targets; the verdict is on all {every}."
    if left is not None:
        said = (
            f"{left:,} of {every} test examples, without those whose text is also in train or validation, or whose "
            "group is in train; the verdict stands on these."
        )
    table = ReportTable(("contender", *metrics), rows, frozenset(range(1, len(metrics) + 1)))
    return Section("Scores without leaked examples", (said,), (table,))


def metric_columns(record: RunRecord, metrics: Iterable[str]) -> list[str]:
    """Metrics with a column of their own: a terminal of 80 columns holds three. Brier scores are under Calibration."""
    return [each for each in metrics if each != "brier" or record.metric == "brier"]
