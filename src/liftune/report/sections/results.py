"""A report's sections: each a function from a record to headings, sentences, tables and charts.

In: a RunRecord.  Out: Sections, registered in SECTIONS.
Not here: what a section is (section.py), those of single rows and labels (answered.py), how they look (text.py,
html.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from liftune.records.base import Choice, Comparison
from liftune.records.details import Details
from liftune.records.run import RunRecord
from liftune.records.training import Speed, TrainLog
from liftune.report.base import (
    CHAPTERS,
    SECTIONS,
    ReportTable,
    Section,
    SectionEntry,
    count,
    gain,
    interval,
    named,
    number,
    p_value,
    seconds,
)
from liftune.report.charts import Lines, Series

# The shelves, imported so that they register: within a chapter, what is imported first stands first.
from liftune.report.sections import predictions as answered  # noqa: F401 - they register
from liftune.report.sections.calibration import calibration_section, decisions_section
from liftune.report.sections.claims import claims
from liftune.report.sections.data_quality import audit_sentences, shift_section, suspects_section
from liftune.report.sections.learning_curve import curve_section

__all__ = [
    "SECTIONS",
    "ReportTable",
    "Section",
    "SectionEntry",
    "count",
    "interval",
    "plan_table",
    "rendered",
    "sections",
]


@dataclass(frozen=True)
class RenderedSection:
    """A section with the name and chapter it is registered under."""

    name: str
    chapter: str
    section: Section


def rendered(record: RunRecord, details: Details | None = None) -> list[RenderedSection]:
    """Every section that has something to say, chapter by chapter."""
    order = list(CHAPTERS)
    found = []
    for entry in sorted(SECTIONS.entries(), key=lambda entry: order.index(entry.chapter)):
        if entry.of_details:
            section = entry.build(record, details) if details is not None else None
        else:
            section = entry.build(record)
        if section is not None:
            found.append(RenderedSection(entry.name, entry.chapter, section))
    return found


def sections(record: RunRecord, details: Details | None = None) -> list[Section]:
    """The same without names."""
    return [each.section for each in rendered(record, details)]


@SECTIONS.entry("ladder", summary="Each contender on the same test rows.", chapter="verdict")
def ladder(record: RunRecord) -> Section:
    """One row a contender, one column a metric, each value with its interval."""
    metrics = _columns(record, record.contenders[0].metrics)
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
    rows = f"{counts.test:,} test rows, the same for all; {counts.train:,} train, {counts.validation:,} validation."
    if record.folds:
        rows = (
            f"{counts.test:,} rows, each answered out of fold, the same for all; the saved adapter is tuned on "
            f"{counts.train:,} of them, {counts.validation:,} validation."
        )
    sentences = [f"{rows} Brackets hold 95 % intervals; params are those that were fitted."]
    if record.partial:
        sentences.append("partial: a sample of the rows was used, so every number speaks of that sample's size.")
    lacking: dict[tuple[str, str], list[str]] = {}
    for contender in record.contenders:
        for metric in metrics:
            found = contender.metrics[metric]
            if found.low is None and found.note:
                lacking.setdefault((contender.name, found.note), []).append(metric)
    sentences += [f"{name}, {' and '.join(metrics)}: {note}" for (name, note), metrics in lacking.items()]
    sentences += [f"{contender.name}: {note}" for contender in record.contenders for note in contender.notes]
    return Section("Ladder", tuple(sentences), (ReportTable(headings, lines, frozenset(range(1, len(headings)))),))


@SECTIONS.entry(
    "clean",
    summary="The ladder again, without test rows that leaked from train or contradict themselves.",
    chapter="verdict",
)
def clean(record: RunRecord) -> Section | None:
    """Only where there are such rows."""
    scored = [(contender, contender.clean) for contender in record.contenders if contender.clean]
    if not scored:
        return None
    metrics = _columns(record, scored[0][1])
    rows = tuple((named(contender), *(interval(found[metric]) for metric in metrics)) for contender, found in scored)
    left = record.rows.test - len(record.audit.unclean)
    said = (
        f"{left:,} test rows, without those that leaked or have conflicting targets; the verdict is on all "
        f"{record.rows.test:,}."
    )
    table = ReportTable(("contender", *metrics), rows, frozenset(range(1, len(metrics) + 1)))
    return Section("Clean test rows", (said,), (table,))


@SECTIONS.entry("verdict", summary="Whether tuning lifted the model, and over what.", chapter="verdict")
def verdict(record: RunRecord) -> Section | None:
    """One sentence a comparison."""
    if not record.comparisons:
        return None
    heads = {contender.name: contender.head for contender in record.contenders}
    compared = (*record.comparisons, *record.method_comparisons)
    sentences = [sentence(comparison, heads.get(comparison.a), record) for comparison in compared]
    return Section("Verdict", (*sentences, *claims(record)))


@SECTIONS.entry("seeds", summary="Each seed's own scores.", chapter="verdict")
def seeds(record: RunRecord) -> Section | None:
    """With one seed, a word that the spread is unknown."""
    several = [contender for contender in record.contenders if contender.seeds]
    if not several:
        return Section("Seeds", ("One seed: how much another seed would change these numbers is unknown.",))
    metrics = _columns(record, record.contenders[0].metrics)
    rows = tuple(
        (contender.name, str(found.seed), *(interval(found.metrics[metric]) for metric in metrics))
        for contender in several
        for found in contender.seeds or ()
    )
    said = (
        "Values in the ladder are means over seeds; where a verdict names no seeds it is on the one that validation "
        "likes best, whose adapter is kept."
    )
    return Section("Seeds", (said,), (ReportTable(("contender", "seed", *metrics), rows, frozenset({1})),))


@SECTIONS.entry(
    "calibration", summary="Whether probabilities can be believed, before and after calibration.", chapter="answers"
)
def calibration(record: RunRecord) -> Section | None:
    """What was done to each calibrated contender, and what that did on test."""
    return calibration_section(record)


@SECTIONS.entry("decisions", summary="From which probability on labels are answered.", chapter="answers")
def decisions(record: RunRecord) -> Section | None:
    """Thresholds of multi-label answers."""
    return decisions_section(record)


@SECTIONS.entry("audit", summary="What the rows themselves say.", chapter="data")
def audit(record: RunRecord) -> Section:
    """Counts of leaks, duplicates and conflicts."""
    return Section("Data audit", audit_sentences(record.audit))


@SECTIONS.entry("suspects", summary="Train rows whose label is likely wrong.", chapter="data")
def suspects(record: RunRecord) -> Section | None:
    """A few of them; the others are in suspects.jsonl."""
    return suspects_section(record.suspects, "suspects.jsonl") if record.suspects else None


@SECTIONS.entry("shift", summary="Whether test looks drawn as train was.", chapter="data")
def shift(record: RunRecord) -> Section | None:
    """A classifier's answer, and the words by which it knew."""
    return shift_section(record.shift) if record.shift else None


@SECTIONS.entry("training", summary="Epoch by epoch.", chapter="tuning")
def training(record: RunRecord) -> Section | None:
    """Loss and validation score of each epoch, of each seed."""
    if not record.logs:
        return None
    rows = tuple(row for log in record.logs for row in _epochs(log, record.metric))
    headings = ("seed", "epoch", "train loss", f"validation {record.metric}", "seconds", "rows/s")
    said = tuple(
        f"seed {log.seed}: {log.steps:,} steps of {log.batch_size}, peak learning rate {log.learning_rate:g}; "
        f"{log.stopped}; epoch {log.best_epoch} kept (*){'' if log.best_epoch else ': no epoch beat the start'}"
        for log in record.logs
    )
    said = (*_teaching(record.logs[0]), *said)
    return Section("Training", said, (ReportTable(headings, rows, frozenset(range(6))),), charts=_curves(record))


def _epochs(log: TrainLog, metric: str) -> Iterator[tuple[str, ...]]:
    def named(epoch: int) -> str:
        return f"{epoch}{' *' if epoch == log.best_epoch else ''}"

    if log.start is not None:
        yield (str(log.seed), named(0), "-", number(log.start.get(metric)), "-", "-")
    for epoch in log.epochs:
        yield (
            str(log.seed),
            named(epoch.epoch),
            f"{epoch.train_loss:.4f}",
            number(epoch.validation.get(metric)),
            seconds(epoch.seconds),
            f"{epoch.rows_per_second:,.0f}",
        )


def _teaching(log: TrainLog) -> tuple[str, ...]:
    if not log.teacher:
        return ()
    until = f", until epoch {log.taught_epochs} was as good as it" if log.taught_epochs < len(log.epochs) else ""
    return (f"{log.teacher_share:.0%} of each target is what {log.teacher}, fitted without the row, expects{until}",)


def _curves(record: RunRecord) -> tuple[Lines, ...]:
    """Loss and validation score by epoch, a line a seed; one epoch makes no curve."""
    logs = [log for log in record.logs if len(log.epochs) > 1]
    if not logs:
        return ()

    def lines(what: str, values: list[list[tuple[int, float | None]]]) -> Lines:
        series = tuple(
            Series(
                f"seed {log.seed}",
                tuple(float(epoch) for epoch, value in found if value is not None),
                tuple(value for _, value in found if value is not None),
            )
            for log, found in zip(logs, values, strict=True)
        )
        ends = "; ".join(f"{each.name} from {each.y[0]:.3f} to {each.y[-1]:.3f}" for each in series if each.y)
        return Lines(f"{what.capitalize()} by epoch", f"{what} by epoch: {ends}", series, "epoch", what, whole=True)

    return (
        lines("train loss", [[(epoch.epoch, epoch.train_loss) for epoch in log.epochs] for log in logs]),
        lines(
            f"validation {record.metric}",
            [
                [
                    *([] if log.start is None else [(0, log.start.get(record.metric))]),
                    *((epoch.epoch, epoch.validation.get(record.metric)) for epoch in log.epochs),
                ]
                for log in logs
            ],
        ),
    )


@SECTIONS.entry("curve", summary="Scores against training rows, and what more of them would bring.", chapter="data")
def curve(record: RunRecord) -> Section | None:
    """One row a size, one column a contender; the next step in words."""
    return curve_section(record.curve) if record.curve else None


@SECTIONS.entry("proof", summary="The saved adapter against the live model.", chapter="tuning")
def proof(record: RunRecord) -> Section | None:
    """The integrity check of the saved adapter."""
    if record.integrity is None:
        return None
    found = record.integrity
    return Section(
        "Saved adapter",
        (
            f"Rebuilt from disk under another seed, it answers {found.rows} rows with logits at most "
            f"{found.largest_gap:.1e} from the live model's (tolerance {found.tolerance:.0e}).",
        ),
    )


@SECTIONS.entry("speed", summary="How fast it was tuned, how it was computed, and why so.", chapter="tuning")
def speed(record: RunRecord) -> Section | None:
    """Rates of optimisation beside the machine's own, and the plan with reasons."""
    if record.speed is None and not record.plan:
        return None
    title = "Speed" if record.speed else "Hardware plan"
    return Section(title, speed_sentences(record.speed), (plan_table(record.plan),))


def plan_table(choices: tuple[Choice, ...]) -> ReportTable:
    """Each choice with its reason."""
    return ReportTable(
        ("choice", "value", "reason"), tuple((choice.choice, choice.value, choice.reason) for choice in choices)
    )


def speed_sentences(found: Speed | None) -> tuple[str, ...]:
    """Rates, the share of the machine's, memory."""
    if found is None:
        return ()
    rates = (
        f"Optimisation alone ran at {found.rows_per_second:,.1f} rows/s, {found.tokens_per_second:,.0f} tokens/s, "
        "padding not counted."
    )
    if found.gemm_fraction is None or found.gemm_rate is None:
        share = f"Its share of the machine's matrix rate is not known: {found.note or 'it was not measured'}."
    else:
        share = (
            f"The arithmetic of the task ran at {found.gemm_fraction * 100:.0f} % of the rate of plain matrix products "
            f"at the model's shapes, measured here at {found.gemm_rate / 1e9:,.0f} GFLOP/s."
        )
    peak = "is not told by this system" if found.peak_mib is None else f"was {found.peak_mib:,.0f} MiB"
    return rates, share, f"Peak memory of the whole run {peak}."


@SECTIONS.entry("notes", summary="What else should be known.")
def notes(record: RunRecord) -> Section | None:
    """What the run said of itself."""
    return Section("Notes", record.notes) if record.notes else None


@SECTIONS.entry("reproduce", summary="Versions and fingerprints.")
def reproduce(record: RunRecord) -> Section:
    """What a repeat needs besides spec.json."""
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return Section(
        "To reproduce",
        (
            f"model {record.model}, method {record.method}, at most {record.max_length} tokens a row",
            f"test rows sha256 {record.data_fingerprint}",
            versions,
            "what was asked stands in spec.json beside record.json",
        ),
    )


def sentence(comparison: Comparison, head: str | None, record: RunRecord) -> str:
    """A comparison in words."""
    lifted = gain(comparison.metric, comparison.gain, comparison.low, comparison.high)
    other = f"{comparison.a} (the strongest other rung)" if comparison.a == record.strongest else comparison.a
    ours = f"{comparison.b} over {comparison.seeds} seeds" if comparison.seeds else comparison.b
    decided = {
        "better": f"{ours} is better than {other}",
        "worse": f"{ours} is worse than {other}",
        "undecided": f"{ours} against {other} is undecided",
    }[comparison.verdict]
    text = f"{decided}: {lifted}, {p_value(comparison.p_value)} ({comparison.test})."
    if comparison.rows_needed:
        text += f" Were this the true gain, about {comparison.rows_needed:,} test rows would show it."
    if comparison.note:
        text += f" {comparison.note[:1].upper()}{comparison.note[1:].rstrip('.')}."
    if comparison.a == "base" and head == "fresh":
        text += " The base's head is fresh: its score is chance by construction, not the model's skill."
    return text


def _columns(record: RunRecord, metrics: Iterable[str]) -> list[str]:
    """Metrics with a column of their own: a terminal of 80 columns holds three. Brier stands under Calibration."""
    return [each for each in metrics if each != "brier" or record.metric == "brier"]
