"""The section on contenders that were made elsewhere: its table, and what it says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made_runs import made_run

from liftune.records.base import Interval, Seconds
from liftune.records.outside import Outside
from liftune.records.run import Contender, EvaluationRecord, TuneRecord
from liftune.reports.base import Section
from liftune.reports.sections.outside import outside
from liftune.reports.sections.summary import caveats


def contender(name: str, **about: Any) -> Contender:
    facts: dict[str, Any] = {
        "kind": "answers",
        "source": f"{name}.csv",
        "way": "found by 'id'",
        "answered": 120,
        "validation_answered": 4,
        "chosen_on_validation": True,
        "probabilities": False,
    }
    return Contender(
        name=name,
        head=None,
        trainable_parameters=0,
        seconds=Seconds(),
        metrics={"accuracy": Interval(value=0.75, low=0.66, high=0.82)},
        outside=Outside(**{**facts, **about}),
    )


def section(record: TuneRecord | EvaluationRecord) -> Section:
    made = outside(record)
    assert made is not None
    return made


def with_others(place: Path, *others: Contender) -> TuneRecord:
    record = made_run(place).record()
    return record.model_copy(update={"contenders": (*record.contenders, *others)})


def test_a_run_without_them_has_no_such_section(tmp_path: Path) -> None:
    assert outside(made_run(tmp_path / "run").record()) is None


def test_where_answers_are_from_how_many_and_how_good(tmp_path: Path) -> None:
    shot = contender("zero-shot", kind="zero-shot", source="minilm", way="by similarity", probabilities=True)
    made = section(with_others(tmp_path / "run", contender("gpt"), shot))
    (table,) = made.tables
    assert made.title == "Not trained here"
    assert table.headings == ("contender", "from", "answered", "accuracy")
    assert table.rows == (
        ("gpt", "gpt.csv", "120 of 120", "0.750 [0.660, 0.820]"),
        ("zero-shot", "minilm, by similarity", "120 of 120", "0.750 [0.660, 0.820]"),
    )
    assert table.right == {2, 3}
    assert made.sentences == (
        "These were not trained in this run. They are scored on the same test examples as all others, and each is "
        "compared with the tuned model; all comparisons of this run are under one correction (Holm's), so that many of "
        "them find no more by chance than one would.",
    )


def test_a_score_that_may_say_nothing_is_among_the_warnings(tmp_path: Path) -> None:
    """Once: in the summary of a run, beside the scores of an evaluation, which has no summary."""
    record = with_others(tmp_path / "run", contender("gpt", warnings=("all answers are the labels",)))
    assert section(record).caveats == ()
    assert "gpt: all answers are the labels." in caveats(record)
    evaluated = EvaluationRecord.model_construct(**{**dict(record), "comparisons": ()})
    assert section(evaluated).caveats == ("gpt: all answers are the labels.",)


def test_costs_and_rows_without_an_answer(tmp_path: Path) -> None:
    dear = contender("dear", cost_per_row=1.5, answered=90, chosen_on_validation=False)
    made = section(with_others(tmp_path / "run", contender("gpt", cost_per_row=0.002), dear, contender("free")))
    (table,) = made.tables
    assert table.headings == ("contender", "from", "answered", "accuracy", "cost per 1,000 rows", "cost here")
    assert [row[2:3] + row[4:] for row in table.rows] == [
        ("120 of 120", "2", "0.24"),
        ("90 of 120", "1,500", "180"),
        ("120 of 120", "-", "-"),
    ]
    assert made.sentences[1:] == (
        "An example without an answer counts as wrong: an error in accuracy, one of the other labels in turn in F1, no "
        "more than a guess in log-loss.",
        "dear: too few validation examples have an answer, so only the test set compares it with the others.",
        "Costs are those given with --cost, in its currency; cost here: of the test examples.",
    )


def test_several_that_only_test_compares_are_named_together(tmp_path: Path) -> None:
    others = [contender(name, chosen_on_validation=False) for name in ("gpt", "old")]
    said = section(with_others(tmp_path / "run", *others)).sentences
    assert said[1] == (
        "gpt and old: too few validation examples have an answer, so only the test set compares them with the others."
    )


def test_beside_a_model_that_is_only_scored_nothing_is_said_of_validation(tmp_path: Path) -> None:
    run = with_others(tmp_path / "run", contender("gpt", chosen_on_validation=False))
    record = EvaluationRecord(
        run="model", task=run.task, labels=run.labels, partial=False, rows=run.rows, audit=run.audit,
        contenders=run.contenders, metric=run.metric, data_fingerprint=run.data_fingerprint, model="model",
        max_length=run.max_length,
    )  # fmt: skip
    assert section(record).sentences == (
        "These answers were made elsewhere. They are scored on the same test examples as the model, which is compared "
        "with each; all comparisons of this run are under one correction (Holm's), so that many of them find no more "
        "by chance than one would.",
    )
