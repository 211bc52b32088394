"""What rows cannot show is said in words, with the way out, before a run, in its report and by `inspect`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_runs import made_run
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.records.base import Seconds
from liftune.records.data import Audit, Coverage
from liftune.records.run import Contender
from liftune.reports.render.text import to_markdown
from liftune.reports.sections.coverage import constant_answers, coverage_sentences


def only(coverage: Coverage, metric: str = "accuracy") -> str:
    (sentence,) = coverage_sentences(coverage, metric)
    return sentence


def test_few_labels_are_named_with_their_counts_and_many_are_counted() -> None:
    some = only(Coverage(labels={"test": 5}, few={"test": {"joy": 0, "fear": 3}}))
    assert "2 of 5 labels have fewer than 10 test examples (joy: 0, fear: 3); 1 of these has none" in some
    many = only(Coverage(labels={"test": 77}, few={"test": {f"label {i:02}": 4 for i in range(77)}}))
    assert many.startswith("all 77 labels have fewer than 10 test examples")
    assert "label 07: 4, and 69 more" in many
    assert "label 08" not in many


def test_one_class_in_test_says_what_can_no_longer_be_said() -> None:
    said = only(Coverage(labels={"test": 2}, only={"test": "ham"}))
    assert "every test example has the label 'ham'" in said
    assert "does not show whether a model tells labels apart" in said
    assert "correlations" in only(Coverage(only={"test": 2.0}), "pearson")
    assert "'a, b'" in only(Coverage(labels={"test": 2}, only={"test": ("a", "b")}), "micro_f1")


def test_an_imbalance_is_said_under_metrics_that_hide_it_with_the_way_out() -> None:
    spam = Coverage(most_frequent="ham", share=0.93, rare={"spam": 7})
    assert "93.0% of train" in only(spam)
    assert "--metric macro_f1 --class-weights" in only(spam)
    assert coverage_sentences(spam, "macro_f1") == ()
    assert "spam: 7" in only(Coverage(most_frequent="ham", share=0.5, rare={"spam": 7}), "micro_f1")
    assert coverage_sentences(Coverage(most_frequent="a", share=0.7), "accuracy") == ()
    assert coverage_sentences(None, "accuracy") == ()


def contender(name: str, answer: str | None) -> Contender:
    return Contender(
        name=name,
        head=None,
        trainable_parameters=0,
        seconds=Seconds(train=0, evaluate=0),
        metrics={},
        only_answer=answer,
    )


def test_a_contender_that_always_answers_alike_is_named() -> None:
    ladder = [
        contender("majority", "ham"),
        contender("base", "spam"),
        contender("probe", None),
        contender("tuned", "ham"),
    ]
    base, tuned = constant_answers(ladder, "accuracy")
    assert base == "base answers 'spam' for every test example"
    assert tuned.startswith("tuned has collapsed: it answers 'ham' for every test example, as majority does")
    assert "--metric macro_f1 --class-weights" in tuned
    assert "--metric" not in constant_answers(ladder, "macro_f1")[1]


def test_a_report_says_it_in_the_summary_and_in_the_audit(tmp_path: Path) -> None:
    record = made_run(tmp_path / "run").record()
    few = Audit(coverage=Coverage(labels={"test": 3}, few={"test": {"joy": 4}}))
    said = to_markdown(record.model_copy(update={"audit": few}))
    assert said.count("1 of 3 labels has fewer than 10 test examples (joy: 4)") == 2
    assert "fewer than 10" not in to_markdown(record)


@pytest.fixture
def skewed(tmp_path: Path) -> Path:
    """Texts that tell nothing, nearly all of one label, in parts."""
    for name, rows in (("train", 60), ("validation", 20), ("test", 30)):
        lines = [{"text": f"{name} {i}", "label": "spam" if i % 15 == 0 else "ham"} for i in range(rows)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_inspect_says_it(skewed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(skewed)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "'ham' is the label of 93.3% of train" in said
    assert "1 of 2 labels has fewer than 10 test examples (spam: 2)" in said


@pytest.mark.slow
def test_a_run_says_it_before_and_after(
    skewed: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    ground = tmp_path_factory.mktemp("run")
    model = save_tiny("distilbert", ground / "model")
    argv = ["tune", str(skewed), "--model", str(model), "--epochs", "1", "--out", str(ground / "run")]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    before = err[: err.index("majority")]
    assert "'ham' is the label of 93.3% of train" in before
    assert "1 of 2 labels has fewer than 10 test examples" in before
    assert "'ham' for every test row" in err
    assert "tuned has collapsed: it answers 'ham' for every test example, as majority does" in " ".join(out.split())
    scored = liftune.evaluate(str(skewed), model=ground / "run")
    assert scored.contenders[0].only_answer == "ham"
    assert main([*argv[:-1], str(ground / "again"), "--metric", "macro_f1", "--class-weights", "--quiet"]) == 0
