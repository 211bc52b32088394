"""How the tuned model came about: epoch by epoch, its speed and plan, and the check of what was saved.

In: a TuneRecord.  Out: Sections.
Not here: what it cost beside other contenders (cost.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from liftune.formatting import number, seconds
from liftune.records.base import Choice
from liftune.records.run import TuneRecord
from liftune.records.training import Speed, TrainLog
from liftune.report.base import SECTIONS, ReportTable, Section
from liftune.report.charts import Lines, Series


@SECTIONS.entry("training", summary="Epoch by epoch.", chapter="tuning")
def training(record: TuneRecord) -> Section | None:
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


def _curves(record: TuneRecord) -> tuple[Lines, ...]:
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


@SECTIONS.entry("proof", summary="The saved adapter against the live model.", chapter="tuning")
def proof(record: TuneRecord) -> Section | None:
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
def speed(record: TuneRecord) -> Section | None:
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
