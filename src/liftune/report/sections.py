"""A report's sections: each a function from a record to headings, sentences and tables.

In: a RunRecord.  Out: Sections, in the order of SECTIONS.  Not here: how they look (text.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from liftune.record import Audit, Choice, Comparison, Contender, Curve, Interval, RunRecord, Speed
from liftune.registry import Registry


@dataclass(frozen=True)
class Table:
    """Rows under headings; every cell is text. `right` names the columns that hold numbers."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    """One part of a report."""

    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class SectionEntry:
    """A registered section."""

    name: str
    summary: str
    build: Callable[[RunRecord], Section | None] = field(repr=False)


SECTIONS: Registry[SectionEntry] = Registry("section", SectionEntry)


def sections(record: RunRecord) -> list[Section]:
    """Every section that has something to say."""
    built = [entry.build(record) for entry in SECTIONS.entries()]
    return [section for section in built if section is not None]


@SECTIONS.entry("ladder", summary="Each contender on the same test rows.")
def ladder(record: RunRecord) -> Section:
    """One row a contender, one column a metric, each value with its interval."""
    metrics = list(record.contenders[0].metrics)
    headings = ("contender", *metrics, "params", "fit s", "eval s")
    rows = tuple(
        (
            _named(contender),
            *(interval(contender.metrics[metric]) for metric in metrics),
            count(contender.trainable_parameters),
            _seconds(contender.seconds.train),
            _seconds(contender.seconds.evaluate),
        )
        for contender in record.contenders
    )
    counts = record.rows
    sentences = [
        f"{counts.test:,} test rows, the same for all; {counts.train:,} train, {counts.validation:,} validation. "
        "Brackets hold 95 % intervals; params are those that were fitted."
    ]
    if record.partial:
        sentences.append("partial: a sample of the rows was used, so every number speaks of that sample's size.")
    lacking: dict[tuple[str, str], list[str]] = {}
    for contender in record.contenders:
        for metric, found in contender.metrics.items():
            if found.low is None and found.note:
                lacking.setdefault((contender.name, found.note), []).append(metric)
    sentences += [f"{name}, {' and '.join(metrics)}: {note}" for (name, note), metrics in lacking.items()]
    sentences += [f"{contender.name}: {note}" for contender in record.contenders for note in contender.notes]
    return Section("Ladder", tuple(sentences), (Table(headings, rows, frozenset(range(1, len(headings)))),))


@SECTIONS.entry("clean", summary="The ladder again, without test rows that are in train too.")
def clean(record: RunRecord) -> Section | None:
    """Only where rows leaked."""
    scored = [(contender, contender.clean) for contender in record.contenders if contender.clean]
    if not scored:
        return None
    metrics = list(scored[0][1])
    rows = tuple((_named(contender), *(interval(found[metric]) for metric in metrics)) for contender, found in scored)
    left = record.rows.test - record.audit.leaked_test_rows
    said = f"{left:,} test rows; the verdict is on all {record.rows.test:,}."
    table = Table(("contender", *metrics), rows, frozenset(range(1, len(metrics) + 1)))
    return Section("Without leaked rows", (said,), (table,))


@SECTIONS.entry("verdict", summary="Whether tuning lifted the model, and over what.")
def verdict(record: RunRecord) -> Section | None:
    """One sentence a comparison."""
    if not record.comparisons:
        return None
    heads = {contender.name: contender.head for contender in record.contenders}
    sentences = [sentence(comparison, heads.get(comparison.a), record) for comparison in record.comparisons]
    return Section("Verdict", tuple(sentences))


@SECTIONS.entry("seeds", summary="Each seed's own scores.")
def seeds(record: RunRecord) -> Section | None:
    """With one seed, a word that the spread is unknown."""
    several = [contender for contender in record.contenders if contender.seeds]
    if not several:
        return Section("Seeds", ("One seed: how much another seed would change these numbers is unknown.",))
    metrics = list(record.contenders[0].metrics)
    rows = tuple(
        (contender.name, str(found.seed), *(interval(found.metrics[metric]) for metric in metrics))
        for contender in several
        for found in contender.seeds or ()
    )
    said = (
        "Values in the ladder are means over seeds; the verdict is on the seed that validation likes best, "
        "whose adapter is kept."
    )
    return Section("Seeds", (said,), (Table(("contender", "seed", *metrics), rows, frozenset({1})),))


@SECTIONS.entry("audit", summary="What the rows themselves say.")
def audit(record: RunRecord) -> Section:
    """Counts of leaks, duplicates and conflicts."""
    return Section("Data audit", audit_sentences(record.audit))


def audit_sentences(found: Audit) -> tuple[str, ...]:
    """What the audit found, one sentence each; a word that it found nothing otherwise."""
    counts = (
        ("test rows whose text is also in train", found.leaked_test_rows),
        ("validation rows whose text is also in train", found.leaked_validation_rows),
        ("train rows that repeat another's text", found.duplicate_train_rows),
        ("train rows whose text has more than one target", found.conflicting_rows),
        ("rows dropped because they could not be used", found.skipped_rows),
    )
    sentences = [f"{number:,} {what}" for what, number in counts if number]
    sentences += [
        f"label {label!r} is in no train row; its {number:,} rows count as wrong"
        for label, number in found.unseen_labels.items()
    ]
    return (*(sentences or ["no leaks, duplicates or conflicts"]), *found.notes)


@SECTIONS.entry("training", summary="Epoch by epoch.")
def training(record: RunRecord) -> Section | None:
    """Loss and validation score of each epoch, of each seed."""
    if not record.logs:
        return None
    rows = tuple(
        (
            str(log.seed),
            f"{epoch.epoch}{' *' if epoch.epoch == log.best_epoch else ''}",
            f"{epoch.train_loss:.4f}",
            number(epoch.validation.get(record.metric)),
            _seconds(epoch.seconds),
            f"{epoch.rows_per_second:,.0f}",
        )
        for log in record.logs
        for epoch in log.epochs
    )
    headings = ("seed", "epoch", "train loss", f"validation {record.metric}", "seconds", "rows/s")
    said = tuple(
        f"seed {log.seed}: {log.steps:,} steps of {log.batch_size}, peak learning rate {log.learning_rate:g}; "
        f"{log.stopped}; epoch {log.best_epoch} kept (*)"
        for log in record.logs
    )
    return Section("Training", said, (Table(headings, rows, frozenset(range(6))),))


#: Where the tuned model's curve is no basis for a law.
NO_OUTLOOK = (
    "This curve cannot say whether more data or a bigger base is the next step: a law needs four sizes at which the "
    "tuned model stands above the majority's guess, and an error that is left."
)


@SECTIONS.entry("curve", summary="Scores against training rows, and what more of them would bring.")
def curve(record: RunRecord) -> Section | None:
    """One row a size, one column a contender; the next step in words."""
    if record.curve is None:
        return None
    found = record.curve
    names = list(dict.fromkeys(point.contender for point in found.points))
    scores = {(point.contender, point.rows): point.score for point in found.points}
    sizes = sorted({point.rows for point in found.points})
    rows = tuple((f"{size:,}", *(interval(scores[name, size]) for name in names)) for size in sizes)
    headings = ("train rows", *(f"{name}, validation {found.metric}" for name in names))
    return Section("Learning curve", curve_sentences(found), (Table(headings, rows, frozenset(range(len(headings)))),))


def curve_sentences(found: Curve) -> tuple[str, ...]:
    """The outlook of each contender, then the next step."""
    said = ["Scored on all validation rows, one seed a size; the test rows have no part in it."]
    for each in found.outlooks:
        law = f"error = {each.scale:.3g} n^-{each.exponent:.2f} + {each.floor:.3g}"
        said.append(
            f"{each.contender}: with {each.rows:,} rows an error of {interval(each.error)} is predicted ({law}); the "
            "brackets span two forms of the law."
        )
    tuned = next((each for each in found.outlooks if each.contender == "tuned"), None)
    if tuned is None:
        return (*said, NO_OUTLOOK)
    share = " to ".join(f"{100 * (end or 0.0):.0f} %" for end in (tuned.saved.low, tuned.saved.high))
    saved = f"twice the rows would take away {share} of the tuned model's errors"
    step = {
        "data": f"More data is the next step: {saved}.",
        "base": f"A bigger or nearer base is the next step: {saved}, which is not worth their labels.",
        "undecided": f"More data or a bigger base: this curve cannot tell; {saved}.",
    }
    return (*said, step[found.next_step])


@SECTIONS.entry("proof", summary="The saved adapter against the live model.")
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


@SECTIONS.entry("speed", summary="How fast it was tuned, how it was computed, and why so.")
def speed(record: RunRecord) -> Section | None:
    """Rates of optimisation beside the machine's own, and the plan with reasons."""
    if record.speed is None and not record.plan:
        return None
    title = "Speed" if record.speed else "Hardware plan"
    return Section(title, speed_sentences(record.speed), (plan_table(record.plan),))


def plan_table(choices: tuple[Choice, ...]) -> Table:
    """Each choice with its reason."""
    return Table(
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


def number(value: float | None, digits: int = 4) -> str:
    """A value, or a dash where it is undefined."""
    return "-" if value is None else f"{value:.{digits}f}"


def count(number: int) -> str:
    """A number of parameters in three digits.

    >>> count(340_230), count(2_310), count(6)
    ('340k', '2.31k', '6')
    """
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number)


def p_value(value: float) -> str:
    """As precise as such a number can be taken.

    >>> p_value(0.04321), p_value(1e-30)
    ('p = 0.043', 'p < 0.0001')
    """
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.2g}"


def interval(found: Interval) -> str:
    """Value and interval, shares as they are."""
    if found.value is None:
        return "undefined"
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def sentence(comparison: Comparison, head: str | None, record: RunRecord) -> str:
    """A comparison in words."""
    unit = " points" if comparison.metric == "accuracy" else ""
    scale = 100 if comparison.metric == "accuracy" else 1
    digits = 1 if scale == 100 else 3

    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value * scale:+.{digits}f}"

    gain = f"{shown(comparison.gain)}{unit} of {comparison.metric}"
    if comparison.low is not None and comparison.high is not None:
        gain += f" [{shown(comparison.low)}, {shown(comparison.high)}]"
    other = f"{comparison.a} (the strongest other rung)" if comparison.a == record.strongest else comparison.a
    decided = {
        "better": f"{comparison.b} is better than {other}",
        "worse": f"{comparison.b} is worse than {other}",
        "undecided": f"{comparison.b} against {other} is undecided",
    }[comparison.verdict]
    text = f"{decided}: {gain}, {p_value(comparison.p_value)} ({comparison.test})."
    if comparison.rows_needed:
        text += f" Were this the true gain, about {comparison.rows_needed:,} test rows would show it."
    if comparison.note:
        text += f" {comparison.note[:1].upper()}{comparison.note[1:].rstrip('.')}."
    if comparison.a == "base" and head == "fresh":
        text += " The base's head is fresh: its score is chance by construction, not the model's skill."
    return text


def _named(contender: Contender) -> str:
    return "base, fresh" if contender.name == "base" and contender.head == "fresh" else contender.name


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
