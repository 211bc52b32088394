"""How the model was tuned: epoch by epoch, its speed and plan, and the check of the saved adapter.

In: a TuneRecord.  Out: Sections.
Not here: what it cost compared with other models (cost.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from liftune.formatting import number, seconds
from liftune.records.base import Choice
from liftune.records.run import TuneRecord
from liftune.records.training import PairStart, Speed, TrainLog
from liftune.reports.base import SECTIONS, ReportTable, Section
from liftune.reports.charts import Lines, Series


@SECTIONS.entry("training", summary="Epoch by epoch.", chapter="tuning")
def training(record: TuneRecord) -> Section | None:
    """Loss and validation score of each epoch, of each seed."""
    if not record.logs:
        return None
    several = len(record.logs) > 1
    rows = tuple((str(log.seed), *row)[not several :] for log in record.logs for row in _epochs(log, record.metric))
    headings = ("seed", "epoch", "train loss", f"validation {record.metric}", "seconds", "rows/s")[not several :]
    said = tuple(_steps(log) for log in record.logs)
    pairs = record.logs[0].pairs
    starts = [_start(log) for log in record.logs if log.pairs and log.pairs.visits]
    said = (*([pairs_sentence(pairs)] if pairs else []), *starts, *_soft_labels(record.logs[0]), *said)
    return Section(
        "Training", said, (ReportTable(headings, rows, frozenset(range(len(headings)))),), charts=_curves(record)
    )


def _start(log: TrainLog) -> str:
    """How long the encoder learned from pairs, and how far it came."""
    pairs = log.pairs
    assert pairs is not None
    return (
        f"seed {log.seed}: the start read each row {pairs.visits} times; the loss of pairs came to "
        f"{number(pairs.loss, 3)} (0: rows of one label all alike, of two unlike)"
    )


def _steps(log: TrainLog) -> str:
    """How many, at which rate, why they ended."""
    if not log.steps:
        return f"seed {log.seed}: no step after the start, epoch 0: {log.stopped}"
    return (
        f"seed {log.seed}: {log.steps:,} steps of {log.batch_size}, peak learning rate {log.learning_rate:g}; "
        f"{log.stopped}; epoch {log.best_epoch} kept (*)"
        f"{'' if log.best_epoch else ': no epoch was better than the start'}"
        f"{''.join(f'; {each}' for each in (*log.halved, *([log.slowed] if log.slowed else ())))}"
    )


def _epochs(log: TrainLog, metric: str) -> Iterator[tuple[str, ...]]:
    def named(epoch: int) -> str:
        return f"{epoch}{' *' if epoch == log.best_epoch else ''}"

    if log.start is not None:
        yield (named(0), "-", number(log.start.get(metric)), "-", "-")
    for epoch in log.epochs:
        yield (
            named(epoch.epoch),
            f"{epoch.train_loss:.4f}",
            number(epoch.validation.get(metric)),
            seconds(epoch.seconds),
            f"{epoch.rows_per_second:,.0f}",
        )


def pairs_sentence(found: PairStart) -> str:
    """What was found of a start from pairs of rows, and what was taken."""
    what = f"{found.rows:,} train rows of {found.labels:,} labels: a start of the encoder from pairs of rows"
    if found.asked == "on":
        return f"{what}, as asked"
    if found.reason:
        return f"{what} {'is taken without a trial' if found.taken else 'was not tried'}: {found.reason}"
    gain = ""
    if found.gain is not None and found.gain.value is not None:
        bounds = f" [{number(found.gain.low, 3)}, {number(found.gain.high, 3)}]" if found.gain.low is not None else ""
        gain = f" (gain {number(found.gain.value, 3)}{bounds})"
    return (
        f"{what} took {found.metric} on {found.judged:,} of them, held out in turn, from {number(found.without, 3)} to "
        f"{number(found.with_pairs, 3)}{gain}: {'taken' if found.taken else 'not taken'}; "
        f"trying it took {seconds(found.tried_seconds)} s"
    )


def _soft_labels(log: TrainLog) -> tuple[str, ...]:
    if not log.teacher:
        return ()
    until = ""
    if log.taught_epochs < len(log.epochs):
        until = f", until the model was as good on validation, after epoch {log.taught_epochs}"
    share = f"{log.teacher_share:.0%}"
    return (f"distillation: {share} of each target is the out-of-fold prediction of {log.teacher}{until}",)


def _curves(record: TuneRecord) -> tuple[Lines, ...]:
    """Loss and validation score by epoch, a line a seed; one epoch makes no curve."""
    logs = [log for log in record.logs if len(log.epochs) > 1]
    if not logs:
        return ()

    def lines(what: str, values: list[list[tuple[int, float | None]]]) -> Lines:
        series = tuple(
            Series(
                f"seed {log.seed}",
                tuple(float(epoch) for epoch, value in scores if value is not None),
                tuple(value for _, value in scores if value is not None),
            )
            for log, scores in zip(logs, values, strict=True)
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


def why_no_curve(record: TuneRecord) -> str:
    """What to say where `training` has no charts."""
    most = max((len(log.epochs) for log in record.logs), default=0)
    if most > 1:
        return ""
    return "it was tuned for one epoch, which makes no curve" if most else "it made no step of training after its start"


@SECTIONS.entry("proof", summary="Whether the saved adapter predicts what the tuned model did.", chapter="tuning")
def proof(record: TuneRecord) -> Section | None:
    """The check of the saved adapter."""
    if record.integrity is None:
        return None
    check = record.integrity
    return Section(
        "Saved adapter",
        (
            f"Reloaded from disk under another seed, it predicts as the tuned model did: on {check.rows} examples "
            f"their logits differ by at most {check.largest_gap:.2g} (tolerance {check.tolerance:g}).",
        ),
    )


@SECTIONS.entry("speed", summary="How fast it was tuned, how it was computed, and why so.", chapter="tuning")
def speed(record: TuneRecord) -> Section | None:
    """Training speed compared with the machine's own, and the plan with reasons."""
    if record.speed is None and not record.plan:
        return None
    title = "Speed" if record.speed else "Hardware plan"
    return Section(title, speed_sentences(record.speed), (plan_table(record.plan),))


def plan_table(choices: tuple[Choice, ...]) -> ReportTable:
    """Each choice with its reason."""
    return ReportTable(
        ("choice", "value", "reason"), tuple((choice.choice, choice.value, choice.reason) for choice in choices)
    )


def speed_sentences(rates: Speed | None) -> tuple[str, ...]:
    """Rates, the share of the machine's, memory."""
    if rates is None:
        return ()
    done = (
        f"Training alone ran at {rates.rows_per_second:,.1f} examples/s, {rates.tokens_per_second:,.0f} tokens/s, "
        "padding not counted."
    )
    if rates.gemm_fraction is None or rates.gemm_rate is None:
        share = f"Its share of the machine's matrix-product rate is unknown: {rates.note or 'it was not measured'}."
    else:
        share = (
            f"The arithmetic of the task ran at {rates.gemm_fraction:.0%} of the rate of plain matrix products of the "
            f"model's shapes, measured on this machine at {rates.gemm_rate / 1e9:,.0f} GFLOP/s."
        )
    peak = "is not reported by this system" if rates.peak_mib is None else f"was {rates.peak_mib:,.0f} MiB"
    return done, share, f"Peak memory of the whole run {peak}."
