"""The verdict in words that need no statistics: one sentence on what was better, one on how surprising that is.

In: a record.  Out: sentences.
Not here: each comparison with its interval and test (verdict.py), what the verdicts speak of (claims.py).

A p-value is worded as what it is: how often a difference at least as large, in either direction, would appear if there
were none. What "none" means is the null hypothesis of the test that was used: for McNemar's, that both models are right
equally often; for a randomisation test, that it does not matter which of the two predicted a row (or a group of rows);
for the t test over rows and seeds, that both are equally good on average over these. Frequencies are rounded towards
the larger p-value.
"""

from __future__ import annotations

import math
from itertools import product

from liftune.metrics.registry import METRICS, is_proportion
from liftune.records.base import Comparison, Verdict
from liftune.records.run import EvaluationRecord, RunRecord, TuneRecord, VerdictRecord
from liftune.reports.sections.comparisons import guesses, other_model, own, telling

#: How a score reads in a sentence; any other metric by its name.
_SCORES = {
    "accuracy": "{} of test texts right",
    "micro_f1": "a micro-F1 of {}",
    "macro_f1": "a macro-F1 of {}",
    "log_loss": "a log-loss of {}",
    "brier": "a Brier score of {}",
    "pearson": "a Pearson correlation of {}",
    "spearman": "a Spearman rank correlation of {}",
    "rmse": "a root-mean-square error of {}",
}
#: A randomisation test of 9,999 draws cannot give less, and a smaller p-value is of no use to a reader.
LEAST_P = 1e-4


def headline(record: RunRecord) -> tuple[str, ...]:
    """What was better, with both scores; then how often a difference as large would appear without a true one."""
    if not isinstance(record, VerdictRecord):
        return (_alone(record),)
    decisive = telling(own(record.comparisons, record), record)
    return _scores(decisive, record), *_better_elsewhere(record), *_chances(decisive, record)


def method_headline(record: TuneRecord) -> tuple[str, ...]:
    """The same of the method, over several seeds; nothing where there was one."""
    if not record.method_comparisons:
        return ()
    decisive = telling(own(record.method_comparisons, record), record)
    return _scores(decisive, record), *_chances(decisive, record)


def overall(record: VerdictRecord) -> Verdict:
    """The least good of the verdicts that tell something.

    Args:
        record: one with comparisons.
    """
    return _least(telling(own(record.comparisons, record), record))


def _least(comparisons: list[Comparison]) -> Verdict:
    verdicts = {each.verdict for each in comparisons}
    order: tuple[Verdict, ...] = ("worse", "undecided", "better")
    return next(verdict for verdict in order if verdict in verdicts)


# Scores ---------------------------------------------------------------------------------------------------------------


def _scores(decisive: list[Comparison], record: VerdictRecord) -> str:
    """`Tuning helped: 54.8% of test texts right, against 45.7% for the strongest other model ...`."""
    first, lead = decisive[0], _lead(decisive, record)
    if first.seeds:
        lead = f"Averaged over {first.seeds} seeds, {lead[0].lower()}{lead[1:]}"
    metric = first.metric
    if first.rows == 0:
        return f"{lead}: the text or group of every test example is also in train or validation."
    if any(each.gain is None for each in decisive):
        return f"{lead}: {metric} is undefined for at least one of the models on these test examples."
    ours, _ = _values(first, record)
    others = [f"{_value(metric, _values(each, record)[1])} for {other_model(each, record)}" for each in decisive]
    if first.b != "tuned":
        others = [others[0].partition(" for ")[0]]
    untuned = ", each predicted by a model that was not tuned on it" if record.folds else ""
    direction = "" if _higher_is_better(metric) else " (lower is better)"
    if first.rows is not None:
        untuned += f", of the {first.rows:,} that do not leak"
    return f"{lead}: {_score(metric, ours)}{_whose(first, record)}{untuned}, against {' and '.join(others)}{direction}."


def _better_elsewhere(record: VerdictRecord) -> list[str]:
    """What was not trained here and is better than the tuned model, by the test: it must not stand in a table alone."""
    outside = {each.name for each in record.contenders if each.outside}
    ahead = [each for each in record.comparisons if each.a in outside and each.verdict == "worse"]
    said = []
    for each in ahead:
        ours, theirs = _values(each, record)
        scores = f"{_value(each.metric, theirs)} against {_value(each.metric, ours)}"
        said.append(f"{each.a}, which was not trained here, is better than the tuned model: {scores}.")
    return said


def _lead(decisive: list[Comparison], record: VerdictRecord) -> str:
    """Which of the models was better, as far as the test can tell."""
    first = decisive[0]
    if first.b != "tuned":
        return {
            "better": f"{first.b} is better than {first.a}",
            "worse": f"{first.b} is worse than {first.a}",
            "undecided": f"The test cannot tell which of {first.b} and {first.a} is better",
        }[first.verdict]
    verdict = _least(decisive)
    if guesses(first, record):
        return {
            "better": "The tuned model is better than guessing",
            "worse": "The tuned model is worse than guessing",
            "undecided": "The test cannot tell whether the tuned model is better than guessing",
        }[verdict]
    if len(decisive) == 1 and first.a == "full":
        return {
            "better": "The adapter is better than full fine-tuning",
            "worse": "Full fine-tuning is better than the adapter",
            "undecided": "The test cannot tell whether the adapter or full fine-tuning is better",
        }[verdict]
    to_base = next((each.verdict for each in decisive if each.a == "base"), None)
    if verdict == "better":
        return "Tuning helped"
    if verdict == "worse":
        return {
            "worse": "Tuning made the model worse",
            "better": "Tuning helped, but another model is better",
        }.get(to_base or "", "Another model is better than the tuned one")
    if to_base == "better":
        return "Tuning helped, but the test cannot tell whether the tuned model is better than the strongest other one"
    return "The test cannot tell whether tuning helped"


def _whose(comparison: Comparison, record: VerdictRecord) -> str:
    """Which model the score is of, where the lead does not say so; of several seeds which one."""
    if comparison.b != "tuned":
        return ""
    seeds = next((each.seeds for each in record.contenders if each.name == comparison.b), None)
    which = "" if comparison.seeds or not seeds else f" (the best of {len(seeds)} seeds on validation)"
    return f"{'' if comparison.verdict == 'better' else ' after tuning'}{which}"


def _values(comparison: Comparison, record: VerdictRecord) -> tuple[float, float]:
    """The two scores that were compared, ours first.

    Of contenders with several seeds, the record shows the mean, and a comparison is on one seed's model, whose gain
    says which.
    """
    sign = 1.0 if _higher_is_better(comparison.metric) else -1.0
    clean = comparison.rows is not None
    theirs = _known(comparison.a, comparison.metric, record, clean=clean)
    ours = _known(comparison.b, comparison.metric, record, clean=clean, mean=comparison.seeds is not None)
    gain = comparison.gain or 0.0
    return min(product(ours, theirs), key=lambda pair: abs(sign * (pair[0] - pair[1]) - gain))


def _known(name: str, metric: str, record: VerdictRecord, *, clean: bool, mean: bool = False) -> list[float]:
    """Its scores on all test rows, or on those that do not leak."""
    contender = next(each for each in record.contenders if each.name == name)
    each_seeds = () if mean else contender.seeds or ()
    found = [each.clean if clean else each.metrics for each in each_seeds]
    if not found or None in found:
        found = [contender.clean if clean else contender.metrics]
    values = [(each or contender.metrics)[metric].value for each in found]
    return [math.nan if value is None else value for value in values]


def _score(metric: str, value: float) -> str:
    text = _value(metric, value)
    if metric in _SCORES:
        said = _SCORES[metric].format(text)
    else:
        said = f"{text} of test texts right by {metric}" if is_proportion(metric) else f"a {metric} of {text}"
    return said


def _value(metric: str, value: float) -> str:
    return f"{value:.1%}" if is_proportion(metric) else f"{value:.3f}"


def _higher_is_better(metric: str) -> bool:
    return metric not in METRICS or METRICS[metric].higher_is_better


def _alone(record: RunRecord) -> str:
    """The score of a model that was compared with none."""
    (contender, *_) = record.contenders
    score = contender.metrics[record.metric]
    if score.value is None:
        return f"{contender.name}: {record.metric} is undefined on these test examples."
    said = f"{contender.name}: {_score(record.metric, score.value)}"
    if score.low is not None and score.high is not None:
        ends = f"{_value(record.metric, score.low)} to {_value(record.metric, score.high)}"
        said += f" (95% confidence interval {ends})"
    if contender.head == "fresh":
        return f"{said}. Its head is random, so this score is just guessing."
    if isinstance(record, EvaluationRecord) and record.comparisons:
        return f"{said}."
    return f"{said}. It was compared with no other model."


# Chances --------------------------------------------------------------------------------------------------------------


def _chances(decisive: list[Comparison], record: VerdictRecord) -> list[str]:
    """How often a difference as large would appear without a true one; then what that leaves open."""
    said = [_chance(each, record, alone=len(decisive) == 1) for each in decisive if each.gain is not None]
    if guesses(decisive[0], record):
        said.append("No other model was compared with it, so this does not show that tuning was worth it.")
    return said


def _chance(comparison: Comparison, record: VerdictRecord, *, alone: bool) -> str:
    other = "the base model" if comparison.a == "base" else comparison.a
    if comparison.undecided_because:
        return f"No verdict{'' if alone else f' against {other}'}: {comparison.undecided_because}."
    if comparison.gain == 0:
        return "The two scores are equal: there is no difference to test."
    pair = "both" if alone else f"the tuned model and {other}"
    again = "test sets like this one"
    if comparison.seeds:
        null = f"{pair} were equally good on average over texts and seeds"
        again = "repeats with other test texts and other seeds"
    elif "McNemar" in comparison.test:
        null = f"{pair} were equally good"
    else:
        which = "which of the two models" if alone else f"whether the tuned model or {other}"
        null = f"it did not matter {which} predicted a {'group of texts' if 'by group' in comparison.test else 'text'}"
    if record.folds:
        again = "sets of texts like this one (a rough estimate, as folds share training examples)"
    decides = comparison.p_value if comparison.corrected_p_value is None else comparison.corrected_p_value
    said = f"If {null}, a difference this large or larger would appear in {how_often(decides)} {again}"
    if comparison.corrected_p_value is not None and comparison.contrasts:
        said += f", corrected for the {comparison.contrasts} comparisons of this run"
    return f"{said}, so it may be chance." if comparison.verdict == "undecided" else f"{said}."


def how_often(p_value: float) -> str:
    """A p-value as a frequency, rounded so that it never claims more.

    >>> how_often(1e-9), how_often(0.0001), how_often(0.00021), how_often(0.0222)
    ('fewer than 1 in 10,000', 'no more than 1 in 10,000', 'fewer than 1 in 1,000', 'about 1 in 45')
    >>> how_often(0.0501), how_often(0.1), how_often(0.4), how_often(1.0)
    ('about 1 in 19', 'about 1 in 10', 'about 40 in 100', 'nearly all')
    """
    if p_value < LEAST_P * (1 - 1e-9):
        return "fewer than 1 in 10,000"
    if p_value <= LEAST_P * (1 + 1e-9):
        return "no more than 1 in 10,000"
    if p_value < 1e-3:
        return "fewer than 1 in 1,000"
    if p_value <= 0.1:
        times = 1 / p_value + 1e-9
        step = 10 ** max(math.floor(math.log10(times)) - 1, 0)
        return f"about 1 in {math.floor(times / step) * step:,}"
    return f"about {math.ceil(p_value * 100 - 1e-9)} in 100" if p_value <= 0.99 else "nearly all"
