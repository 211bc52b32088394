"""Whether probabilities can be trusted, and the thresholds from which on labels are predicted.

In: a TuneRecord.  Out: Sections.  Not here: how they are found (evaluation/).
"""

from __future__ import annotations

from liftune.formatting import interval, number, p_value
from liftune.records.calibration import Calibration, CalibrationScores, Decisions
from liftune.records.run import TuneRecord
from liftune.reports.base import SECTIONS, ReportTable, Section

_HEADINGS = ("contender", "probabilities", "RMS calibration error", "log-loss", "Brier")
_EXPLAINED = (
    "All on the test set, which was not used to calibrate. RMS calibration error: the root-mean-square gap between "
    "confidence and the share that is right, over bins with equally many predictions, debiased: without what chance "
    "alone adds to it. ECE is the mean absolute gap over the same bins."
)


@SECTIONS.entry(
    "calibration", summary="Whether probabilities can be trusted, before and after calibration.", chapter="answers"
)
def calibration(record: TuneRecord) -> Section | None:
    """One or two rows a calibrated contender; Brier scores of the others too."""
    calibrated = [(each.name, each.calibration) for each in record.contenders if each.calibration]
    if not calibrated:
        return None
    rows = [row for name, calibration in calibrated for row in _rows(name, calibration)]
    given = [(each.name, each.outside.calibration) for each in record.contenders if each.outside]
    rows += [(name, "as given", *_scores(scores)) for name, scores in given if scores]
    rows += [
        (each.name, "unchanged", "-", interval(each.metrics["log_loss"]), interval(each.metrics["brier"]))
        for each in record.contenders
        if not (each.calibration or each.outside) and {"log_loss", "brier"} <= set(each.metrics)
    ]
    sentences = [sentence for name, calibration in calibrated for sentence in calibration_sentences(name, calibration)]
    if any(each.seeds for each in record.contenders):
        sentences.append("Calibration is shown for the seed that was kept; record.json has that of each seed.")
    return Section(
        "Calibration", (*sentences, _EXPLAINED), (ReportTable(_HEADINGS, tuple(rows), frozenset({2, 3, 4})),)
    )


def _rows(name: str, calibration: Calibration) -> list[tuple[str, ...]]:
    scored = (("as trained", calibration.test_before), ("calibrated", calibration.test_after))
    return [(name, what, *_scores(scores)) for what, scores in scored if scores]


def _scores(scores: CalibrationScores) -> tuple[str, ...]:
    return tuple(interval(each) for each in (scores.rms_calibration_error, scores.log_loss, scores.brier))


def calibration_sentences(name: str, calibration: Calibration) -> tuple[str, ...]:
    """What was kept and why; what it did to log-loss on test; the ECE."""
    done = {
        "none": "its probabilities are unchanged",
        "temperature": f"its logits are divided by {calibration.temperature:.3g}",
        "vector": f"its logits are divided by {calibration.temperature:.3g}, then scaled and shifted label by label",
    }[calibration.kind]
    said = [f"{name}: {done}: {calibration.reason}{_out_of_fold(calibration)}."]
    change = calibration.test_change
    if change is not None and change.gain is not None:
        # A gain is positive where log-loss falls; here its change is reported.
        ends = "" if change.low is None or change.high is None else f" [{-change.high:+.3f}, {-change.low:+.3f}]"
        verdict = {"better": "lower", "worse": "higher", "undecided": "undecided"}[change.verdict]
        changed = f"{-change.gain:+.3f}{ends}, {p_value(change.p_value)}: {verdict}"
        said.append(f"{name}: log-loss on the test set changed by {changed}.")
    plain = [
        number(each.expected_calibration_error.value, 3)
        for each in (calibration.test_before, calibration.test_after)
        if each
    ]
    if plain:
        said.append(f"{name}: ECE {' -> '.join(plain)}, without an interval: chance alone raises it.")
    return tuple(said)


def _out_of_fold(step: Calibration | Decisions) -> str:
    """` (1.234 -> 1.100, p = 0.01)`."""
    if step.validation_before is None or step.validation_after is None or step.p_value is None:
        return ""
    values = f"{number(step.validation_before, 3)} -> {number(step.validation_after, 3)}"
    return f" ({values}, {p_value(step.p_value)})"


@SECTIONS.entry("decisions", summary="From which probability on labels are predicted.", chapter="answers")
def decisions(record: TuneRecord) -> Section | None:
    """A sentence a contender; the thresholds that are used, as a table."""
    decided = [(each.name, each.decisions) for each in record.contenders if each.decisions]
    if not decided:
        return None
    sentences = tuple(f"{name}: {_decided(each)}: {each.reason}{_out_of_fold(each)}." for name, each in decided)
    used = [(name, each.thresholds) for name, each in decided if each.thresholds]
    if not used:
        return Section("Thresholds", sentences)
    rows = tuple(
        (label, *(number(thresholds[position], 3) for _, thresholds in used))
        for position, label in enumerate(record.labels)
    )
    headings = ("label", *(name for name, _ in used))
    return Section("Thresholds", sentences, (ReportTable(headings, rows, frozenset(range(1, len(headings)))),))


def _decided(decisions: Decisions) -> str:
    return {
        "half": "a label is predicted when its probability is at least 0.5",
        "shared": "one threshold for all labels",
        "per label": "a threshold for each label",
        "stored": "the thresholds stored with the model",
    }[decisions.kind]
