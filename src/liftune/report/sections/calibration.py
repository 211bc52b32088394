"""What a report says of calibration and of thresholds.

In: a TuneRecord.  Out: Sections.  Not here: how they are found (evaluation/).
"""

from __future__ import annotations

from liftune.formatting import interval, number, p_value
from liftune.records.calibration import Calibration, CalibrationScores, Decisions
from liftune.records.run import TuneRecord
from liftune.report.base import SECTIONS, ReportTable, Section

_HEADINGS = ("contender", "probabilities", "ECE", "log-loss", "Brier")
_EXPLAINED = (
    "All on test, which chose nothing here. ECE is the root mean square gap between confidence and share right over "
    "bins of equal mass, debiased: less what chance alone adds to it."
)


@SECTIONS.entry(
    "calibration", summary="Whether probabilities can be believed, before and after calibration.", chapter="answers"
)
def calibration(record: TuneRecord) -> Section | None:
    """One or two rows a calibrated contender; Brier scores of the others too."""
    found = [(each.name, each.calibration) for each in record.contenders if each.calibration]
    if not found:
        return None
    rows = [row for name, calibration in found for row in _rows(name, calibration)]
    rows += [
        (each.name, "as they are", "-", interval(each.metrics["log_loss"]), interval(each.metrics["brier"]))
        for each in record.contenders
        if not each.calibration and {"log_loss", "brier"} <= set(each.metrics)
    ]
    sentences = [sentence for name, calibration in found for sentence in calibration_sentences(name, calibration)]
    if any(each.seeds for each in record.contenders):
        sentences.append(
            "Of several seeds, calibration is told of the one that is kept; each seed's stands in record.json."
        )
    return Section(
        "Calibration", (*sentences, _EXPLAINED), (ReportTable(_HEADINGS, tuple(rows), frozenset({2, 3, 4})),)
    )


def _rows(name: str, found: Calibration) -> list[tuple[str, ...]]:
    scored = (("as trained", found.test_before), ("calibrated", found.test_after))
    return [(name, what, *_scores(scores)) for what, scores in scored if scores]


def _scores(scores: CalibrationScores) -> tuple[str, ...]:
    return tuple(interval(each) for each in (scores.ece, scores.log_loss, scores.brier))


def calibration_sentences(name: str, found: Calibration) -> tuple[str, ...]:
    """What was kept and why; what it did to log-loss on test; the plain ECE."""
    done = {
        "none": "its probabilities are left as they are",
        "temperature": f"its logits are divided by {found.temperature:.3g}",
        "vector": f"its logits are divided by {found.temperature:.3g}, then scaled and shifted label by label",
    }[found.kind]
    said = [f"{name}: {done}: {found.reason}{_out_of_fold(found)}."]
    change = found.test_change
    if change is not None and change.gain is not None:
        # A gain is positive where log-loss falls; here its change is told.
        ends = "" if change.low is None or change.high is None else f" [{-change.high:+.3f}, {-change.low:+.3f}]"
        verdict = {"better": "lower", "worse": "higher", "undecided": "undecided"}[change.verdict]
        said.append(
            f"{name}: log-loss on test changed by {-change.gain:+.3f}{ends}, {p_value(change.p_value)}: {verdict}."
        )
    plain = [number(each.plain_ece.value, 3) for each in (found.test_before, found.test_after) if each]
    if plain:
        said.append(f"{name}: plain ECE {' -> '.join(plain)}, without an interval: chance alone lifts it.")
    return tuple(said)


def _out_of_fold(found: Calibration | Decisions) -> str:
    """` (1.234 -> 1.100, p = 0.01)`."""
    if found.validation_before is None or found.validation_after is None or found.p_value is None:
        return ""
    values = f"{number(found.validation_before, 3)} -> {number(found.validation_after, 3)}"
    return f" ({values}, {p_value(found.p_value)})"


@SECTIONS.entry("decisions", summary="From which probability on labels are answered.", chapter="answers")
def decisions(record: TuneRecord) -> Section | None:
    """A sentence a contender; the thresholds that are used, as a table."""
    found = [(each.name, each.decisions) for each in record.contenders if each.decisions]
    if not found:
        return None
    sentences = tuple(f"{name}: {_decided(each)}: {each.reason}{_out_of_fold(each)}." for name, each in found)
    used = [(name, each.thresholds) for name, each in found if each.thresholds]
    if not used:
        return Section("Decisions", sentences)
    rows = tuple(
        (label, *(number(thresholds[position], 3) for _, thresholds in used))
        for position, label in enumerate(record.labels)
    )
    headings = ("label", *(name for name, _ in used))
    return Section("Decisions", sentences, (ReportTable(headings, rows, frozenset(range(1, len(headings)))),))


def _decided(found: Decisions) -> str:
    return {
        "half": "a label is answered from a probability of one half on",
        "shared": "one threshold for all labels",
        "per label": "a threshold for each label",
        "stored": "thresholds that the model brings along",
    }[found.kind]
