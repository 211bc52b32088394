"""The verdict's first words: every form of them, with the record's own numbers, and no more than the test says."""

from __future__ import annotations

from typing import Any

import pytest
from made_runs import made_run

from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation
from liftune.records.base import Comparison, Interval, RowCounts, Seconds, Verdict
from liftune.records.data import Audit
from liftune.records.outside import Outside
from liftune.records.run import ComparisonRecord, Contender, EvaluationRecord, RunRecord, SeedResult, TuneRecord
from liftune.reports.sections import headline as verdict_words
from liftune.reports.sections.headline import how_often, method_headline, overall
from liftune.tasks import TaskKind, task_of

MCNEMAR, RANDOMISATION = "exact McNemar test at 0.05", "paired randomisation test at 0.05"


def headline(record: RunRecord) -> str:
    return " ".join(verdict_words.headline(record))


def contender(name: str, value: float | None, *, metric: str = "accuracy", head: str | None = None) -> Contender:
    score = Interval(value=value) if value is None else Interval(value=value, low=value - 0.05, high=value + 0.05)
    return Contender.model_validate(
        {"name": name, "head": head, "trainable_parameters": 0, "seconds": Seconds(), "metrics": {metric: score}}
    )


def comparison(a: str, verdict: Verdict, p: float, gain: float | None, **more: Any) -> Comparison:
    values = {"b": "tuned", "metric": "accuracy", "test": MCNEMAR, **more}
    return Comparison(a=a, gain=gain, low=None, high=None, p_value=p, verdict=verdict, **values)


def tuned_record(*comparisons: Comparison, contenders: tuple[Contender, ...], **more: Any) -> TuneRecord:
    return TuneRecord.model_validate(
        {
            "run": "run",
            "task": TaskKind.SINGLE_LABEL,
            "labels": ("a", "b"),
            "partial": False,
            "rows": RowCounts(train=10, validation=10, test=420),
            "audit": Audit(),
            "metric": comparisons[0].metric,
            "strongest": "probe",
            "contenders": contenders,
            "comparisons": comparisons,
            **more,
        }
    )


def against_probe(verdict: Verdict, p: float, ours: float, theirs: float, **more: Any) -> TuneRecord:
    """Tuned against probe, beside a base with a random head."""
    metric = more.pop("metric", "accuracy")
    sign = -1.0 if metric in ("rmse", "log_loss", "brier") else 1.0
    test = more.pop("test", MCNEMAR if metric == "accuracy" else RANDOMISATION)
    facts = {"metric": metric, "test": test}
    facts |= {name: more.pop(name) for name in ("corrected_p_value", "contrasts") if name in more}
    return tuned_record(
        comparison("base", "better", 1e-9, sign * (ours - 0.1), **facts),
        comparison("probe", verdict, p, sign * (ours - theirs), **facts),
        contenders=(
            contender("base", 0.1, metric=metric, head="fresh"),
            contender("probe", theirs, metric=metric),
            contender("tuned", ours, metric=metric),
        ),
        **more,
    )


def test_better_worse_and_undecided_each_have_their_sentence() -> None:
    others = "for the strongest other model on validation (probe)."
    assert headline(against_probe("better", 0.00021, 0.548, 0.457)) == (
        f"Tuning helped: 54.8% of test texts right, against 45.7% {others} If both were equally good, a difference "
        "this large or larger would appear in fewer than 1 in 1,000 test sets like this one."
    )
    assert headline(against_probe("worse", 0.0222, 0.457, 0.548)) == (
        f"Another model is better than the tuned one: 45.7% of test texts right after tuning, against 54.8% {others} "
        "If both were equally good, a difference this large or larger would appear in about 1 in 45 test sets like "
        "this one."
    )
    assert headline(against_probe("undecided", 0.4, 0.72, 0.70)) == (
        f"The test cannot tell whether tuning helped: 72.0% of test texts right after tuning, against 70.0% {others} "
        "If both were equally good, a difference this large or larger would appear in about 40 in 100 test sets like "
        "this one, so it may be chance."
    )


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("micro_f1", "a micro-F1 of 0.536, against 0.507 for"),
        ("macro_f1", "a macro-F1 of 0.536, against 0.507 for"),
        ("pearson", "a Pearson correlation of 0.536, against 0.507 for"),
        ("spearman", "a Spearman rank correlation of 0.536, against 0.507 for"),
        ("of_a_plugin", "a of_a_plugin of 0.536, against 0.507 for"),
    ],
)
def test_scores_read_as_what_they_are(metric: str, said: str) -> None:
    found = headline(against_probe("better", 0.03, 0.536, 0.507, metric=metric))
    assert found.startswith(f"Tuning helped: {said}")
    assert "lower is better" not in found


@pytest.mark.parametrize(
    ("metric", "said"),
    [("rmse", "a root-mean-square error of"), ("log_loss", "a log-loss of"), ("brier", "a Brier score of")],
)
def test_of_errors_the_lower_one_is_called_better(metric: str, said: str) -> None:
    found = headline(against_probe("better", 0.03, 0.4, 0.6, metric=metric))
    assert found.startswith(f"Tuning helped: {said} 0.400, against 0.600 for the strongest other model on validation")
    assert "(probe) (lower is better)." in found


def test_the_null_hypothesis_is_that_of_the_test() -> None:
    """A randomisation test is of exchangeable predictions, not of equal scores; McNemar's is of equal accuracy."""
    assert "If both were equally good," in headline(against_probe("better", 0.03, 0.6, 0.5))
    swapped = "If it did not matter which of the two models predicted a text,"
    assert swapped in headline(against_probe("better", 0.03, 0.6, 0.5, metric="macro_f1"))
    by_group = "paired randomisation test by group at 0.05"
    grouped = "If it did not matter which of the two models predicted a group of texts,"
    assert grouped in headline(against_probe("better", 0.03, 0.6, 0.5, test=by_group))


def test_of_a_trained_base_and_another_model_each_is_named_with_its_own_chance() -> None:
    both = (contender("base", 0.5, head="trained"), contender("probe", 0.6), contender("tuned", 0.7))
    better = tuned_record(
        comparison("base", "better", 0.0005, 0.2), comparison("probe", "better", 0.0222, 0.1), contenders=both
    )
    assert headline(better) == (
        "Tuning helped: 70.0% of test texts right, against 50.0% for the base model and 60.0% for the strongest other "
        "model on validation (probe). If the tuned model and the base model were equally good, a difference this "
        "large or larger would appear in fewer than 1 in 1,000 test sets like this one. If the tuned model and probe "
        "were equally good, a difference this large or larger would appear in about 1 in 45 test sets like this one."
    )


@pytest.mark.parametrize(
    ("to_base", "to_probe", "said"),
    [
        ("better", "worse", "Tuning helped, but another model is better:"),
        ("worse", "better", "Tuning made the model worse:"),
        ("undecided", "worse", "Another model is better than the tuned one:"),
        ("better", "undecided", "Tuning helped, but the test cannot tell whether the tuned model is better than the"),
        ("undecided", "better", "The test cannot tell whether tuning helped:"),
        ("undecided", "undecided", "The test cannot tell whether tuning helped:"),
    ],
)
def test_of_two_verdicts_the_less_good_one_leads(to_base: Verdict, to_probe: Verdict, said: str) -> None:
    both = (contender("base", 0.5, head="trained"), contender("probe", 0.6), contender("tuned", 0.7))
    record = tuned_record(
        comparison("base", to_base, 0.03, 0.2), comparison("probe", to_probe, 0.03, 0.1), contenders=both
    )
    assert headline(record).startswith(said)


@pytest.mark.parametrize("verdict", ["better", "worse", "undecided"])
def test_full_fine_tuning_is_not_taken_for_a_model_without_tuning(verdict: Verdict) -> None:
    record = tuned_record(
        comparison("full", verdict, 0.03, 0.1),
        contenders=(contender("full", 0.6), contender("tuned", 0.7)),
        strongest="full",
    )
    assert "Tuning" not in headline(record)
    assert "tuning helped" not in headline(record)
    assert "full fine-tuning" in headline(record).lower()


def test_a_base_with_a_random_head_alone_shows_no_more_than_that_it_was_beaten() -> None:
    record = tuned_record(
        comparison("base", "better", 1e-9, 0.4),
        contenders=(contender("base", 0.148, head="fresh"), contender("tuned", 0.548)),
        strongest=None,
    )
    said = headline(record)
    assert said.startswith(
        "The tuned model is better than guessing: 54.8% of test texts right, against 14.8% for the base model, whose "
        "head is random."
    )
    assert said.endswith("so this does not show that tuning was worth it.")
    assert "Tuning helped" not in said


def several_seeds(verdict: Verdict) -> TuneRecord:
    """Two seeds at 0.70 and 0.80; validation prefers the first."""
    results = tuple(
        SeedResult(seed=i, metrics={"accuracy": Interval(value=value)}, seconds=Seconds())
        for i, value in enumerate((0.70, 0.80))
    )
    tuned = contender("tuned", 0.75).model_copy(update={"seeds": results})
    test = "t test over rows and seeds at 0.05"
    return tuned_record(
        comparison("probe", "worse", 0.04, -0.09),
        contenders=(contender("probe", 0.79), tuned),
        method_comparisons=(comparison("probe", verdict, 0.33, -0.04, seeds=2, test=test),),
    )


def test_of_several_seeds_the_kept_model_and_the_method_are_told_apart() -> None:
    record = several_seeds("undecided")
    assert "70.0% of test texts right after tuning (the best of 2 seeds on validation), against 79.0% for" in headline(
        record
    )
    assert " ".join(method_headline(record)).startswith(
        "Averaged over 2 seeds, the test cannot tell whether tuning helped: 75.0% of test texts right after tuning, "
        "against 79.0% for the strongest other model on validation (probe). If both were equally good on average over "
        "texts and seeds, a difference this large or larger would appear in about 33 in 100 repeats with other test "
        "texts and other seeds, so it may be chance."
    )
    assert method_headline(against_probe("better", 0.01, 0.6, 0.5)) == ()


def test_folds_are_told_and_make_the_chance_an_estimate() -> None:
    said = headline(against_probe("better", 0.0222, 0.548, 0.457, folds=5))
    assert "54.8% of test texts right, each predicted by a model that was not tuned on it, against 45.7%" in said
    assert "about 1 in 45 sets of texts like this one (a rough estimate, as folds share training examples)" in said


def outside(name: str, value: float) -> Contender:
    about = Outside(
        kind="answers",
        source="gpt.csv",
        way="by id",
        answered=420,
        validation_answered=10,
        chosen_on_validation=True,
        probabilities=False,
    )
    return contender(name, value).model_copy(update={"outside": about})


def test_what_was_not_trained_here_and_is_better_stands_in_the_headline() -> None:
    """The strongest other model is one of those that were trained here; a reader must not take it for the best."""
    own = against_probe("better", 0.0046, 0.633, 0.5, corrected_p_value=0.018, contrasts=6)
    for verdict, said in (("worse", True), ("undecided", False), ("better", False)):
        gpt = comparison("gpt", verdict, 1e-5, 0.633 - 0.917)  # type: ignore[arg-type] # a str, not a literal
        record = own.model_copy(
            update={"contenders": (*own.contenders, outside("gpt", 0.917)), "comparisons": (*own.comparisons, gpt)}
        )
        found = headline(record)
        assert "for the strongest other model trained here, by its score on validation (probe)." in found
        better = "gpt, which was not trained here, is better than the tuned model: 91.7% against 63.3%."
        assert (better in found) is said


def test_the_chance_is_that_of_the_p_value_that_decides() -> None:
    found = headline(against_probe("better", 0.0046, 0.633, 0.5, corrected_p_value=0.018, contrasts=6))
    assert "in about 1 in 55 test sets like this one, corrected for the 6 comparisons of this run." in found
    assert "1 in 210" not in found


def test_equal_scores_have_no_chance_to_speak_of() -> None:
    said = headline(against_probe("undecided", 1.0, 0.6, 0.6))
    assert said.startswith("The test cannot tell whether tuning helped: 60.0% of test texts right after tuning,")
    assert said.endswith("The two scores are equal: there is no difference to test.")


def test_an_undefined_score_is_no_score() -> None:
    record = tuned_record(
        comparison("majority", "undecided", 1.0, None, metric="pearson", test=RANDOMISATION),
        contenders=(contender("majority", None, metric="pearson"), contender("tuned", 0.5, metric="pearson")),
        strongest="majority",
    )
    assert headline(record) == (
        "The test cannot tell whether tuning helped: pearson is undefined for at least one of the models on these test "
        "examples."
    )


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("better", "second is better than first: 60.0% of test texts right, against 50.0%."),
        ("worse", "second is worse than first: 60.0% of test texts right, against 50.0%."),
        ("undecided", "The test cannot tell which of second and first is better: 60.0% of test texts right, against"),
    ],
)
def test_two_runs_compared_are_called_by_their_names(verdict: Verdict, said: str) -> None:
    tuned = against_probe("better", 0.01, 0.6, 0.5)
    record = ComparisonRecord.model_validate(
        {
            **tuned.model_dump(include=set(ComparisonRecord.model_fields)),
            "contenders": (contender("first", 0.5), contender("second", 0.6)),
            "comparisons": (comparison("first", verdict, 0.0222, 0.1, b="second"),),
        }
    )
    assert headline(record).startswith(said)
    assert "about 1 in 45 test sets like this one" in headline(record)


@pytest.mark.parametrize(
    ("head", "end"),
    [
        ("trained", "It was compared with no other model."),
        ("fresh", "Its head is random, so this score is just guessing."),
    ],
)
def test_a_model_that_was_only_evaluated_has_its_score(head: str, end: str) -> None:
    tuned = against_probe("better", 0.01, 0.6, 0.5)
    record = EvaluationRecord.model_validate(
        {
            **tuned.model_dump(include=set(EvaluationRecord.model_fields)),
            "contenders": (contender("model", 0.6, head=head),),
            "comparisons": (),
        }
    )
    assert headline(record) == (f"model: 60.0% of test texts right (95% confidence interval 55.0% to 65.0%). {end}")


def test_the_numbers_are_those_of_the_record(tmp_path: Any) -> None:
    """On a run whose scores, gain and p-value were computed, not made up."""
    record = made_run(tmp_path / "run").record()
    scores = {each.name: each.metrics["accuracy"].value for each in record.contenders}
    last = record.comparisons[-1]
    said = headline(record)
    assert f"{scores['tuned']:.1%} of test texts right, against {scores['probe']:.1%} for" in said
    assert how_often(last.p_value) in said
    assert overall(record) == last.verdict == "better"


def test_a_frequency_never_claims_more_than_the_p_value() -> None:
    """`1 in N` is N rounded down, `k in 100` is k rounded up."""
    for thousandths in range(1, 1000):
        p = thousandths / 1000
        words = how_often(p).split()
        if words[0] == "about":
            share = float(words[1].replace(",", "")) / float(words[3].replace(",", ""))
            assert share >= p - 1e-9
            assert share <= p * 1.11
        else:
            assert words == ["nearly", "all"]
            assert p > 0.99
    assert how_often(1 / 10_000) == "no more than 1 in 10,000"  # the least that 9,999 draws can give
    assert how_often(0.00099) == "fewer than 1 in 1,000"


def test_the_test_in_a_comparison_is_one_that_has_words() -> None:
    """Should a test be renamed, its null hypothesis would be worded as another's."""
    targets = task_of(TaskKind.SINGLE_LABEL).encode(("a", "b") * 10, ("a", "b"))
    sides = [
        Evaluation(name, TaskKind.SINGLE_LABEL, ("a", "b"), (), tuple(map(str, range(20))), logits, targets, "x")
        for name, logits in (("probe", [[1.0, 0.0]] * 20), ("tuned", [[1.0, 0.0], [0.0, 1.0]] * 10))
        for logits in [__import__("numpy").array(logits, dtype="float32")]
    ]
    assert compare(*sides, "accuracy").test == MCNEMAR
    assert compare(*sides, "macro_f1").test == RANDOMISATION
