"""What the rows cannot show, in words: labels with few rows, one target only, an imbalance, answers that never change.

In: a Coverage and the metric that decides; contenders.  Out: sentences.
Not here: counting (data/coverage.py), what a test set of this size detects (claims.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from liftune.formatting import target
from liftune.records.data import Coverage
from liftune.records.run import Contender

#: From this share of one label on, accuracy says little of the others.
SEVERE_SHARE = 0.8
#: Labels that a sentence names; more are counted.
MOST_NAMED = 8
#: Metrics that a frequent label decides alone.
_SWAYED = ("accuracy", "micro_f1")
_REMEDY = "`{} --metric macro_f1 --class-weights` counts every label alike"
_TUNE, _EVALUATE = "liftune tune", "`liftune evaluate --metric macro_f1` counts every label alike"


def coverage_sentences(coverage: Coverage | None, metric: str) -> tuple[str, ...]:
    """What this metric on these rows cannot show; nothing where the record does not know.

    Args:
        metric: the one that decides.
    """
    if coverage is None:
        return ()
    said = [_only(part, target(only), metric, labels=bool(coverage.labels)) for part, only in coverage.only.items()]
    said += [_few(part, rows, coverage.labels.get(part, 0)) for part, rows in coverage.few.items()]
    return (*said, *imbalance(coverage, metric))


def imbalance(coverage: Coverage | None, metric: str) -> tuple[str, ...]:
    """That a frequent label decides the metric, where one does."""
    if coverage is None or metric not in _SWAYED:
        return ()
    if coverage.share >= SEVERE_SHARE and metric == "accuracy":
        return (
            f"{coverage.most_frequent!r} is the label of {coverage.share:.1%} of train: a model that always answers it "
            f"is right about as often, so {metric} says little of the other labels; {_REMEDY.format(_TUNE)}",
        )
    if coverage.rare:
        count = len(coverage.rare)
        return (
            f"{_labels(count)} in train {'has' if count == 1 else 'have'} less than a tenth of the rows of "
            f"{coverage.most_frequent!r} ({_named(coverage.rare)}): {metric} says little of "
            f"{'it' if count == 1 else 'them'}; {_REMEDY.format(_TUNE)}",
        )
    return ()


def _only(part: str, only: str, metric: str, *, labels: bool) -> str:
    if not labels:
        return f"every {part} example has the target {only}: correlations on them are undefined"
    if part == "validation":
        return (
            f"every validation example has the label {only!r}: they cannot tell which epoch or model is better at "
            "telling labels apart; give validation examples of other labels, or none, so that some are split off"
        )
    return (
        f"every test example has the label {only!r}: a model that always answers it is right on all of them, so "
        f"{metric} here does not show whether a model tells labels apart, and no verdict on that can be read from it; "
        "give test examples of other labels, or none, so that some are split off"
    )


def _few(part: str, rows: dict[str, int], labels: int) -> str:
    count, none = len(rows), sum(not each for each in rows.values())
    if count == labels:
        which = f"all {labels:,} labels have" if labels > 1 else "the label has"
    else:
        which = f"{count:,} of {labels:,} labels {'has' if count == 1 else 'have'}"
    lacking = f"; {none:,} of these {'has' if none == 1 else 'have'} none" if none else ""
    what = (
        "their own scores are hardly tested"
        if part == "test"
        else "which epoch and which model is best for them is hardly known"
    )
    return f"{which} fewer than 10 {part} examples ({_named(rows)}){lacking}: {what}"


def _named(rows: dict[str, int]) -> str:
    """The labels with the fewest rows, and how many more."""
    named = [f"{label}: {number:,}" for label, number in list(rows.items())[:MOST_NAMED]]
    left = len(rows) - len(named)
    return ", ".join([*named, *([f"and {left:,} more"] if left else [])])


def _labels(count: int) -> str:
    return "1 label" if count == 1 else f"{count:,} labels"


def constant_answers(contenders: Sequence[Contender], metric: str, *, trained: bool = True) -> tuple[str, ...]:
    """The contenders that learned, and that give every test example one answer.

    Args:
        trained: whether the record is of a training, whose options could be others.
    """
    majority = next((each.only_answer for each in contenders if each.name == "majority"), None)
    said = []
    for each in contenders:
        if each.only_answer is None or each.name == "majority":
            continue
        like = ", as majority does" if each.only_answer == majority else ""
        collapsed = "" if each.name == "base" else " has collapsed: it"
        text = f"{each.name}{collapsed} answers {target(each.only_answer)!r} for every test example{like}"
        if each.name != "base":
            text += ": its answers do not depend on the text"
        if each.name != "base" and metric in _SWAYED:
            text += f"; {_REMEDY.format(_TUNE) if trained else _EVALUATE}"
        said.append(text)
    return tuple(said)
