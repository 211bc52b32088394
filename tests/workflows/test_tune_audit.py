"""What a run says of its rows: suspects in a file, shift, clean scores of every rung, groups to the very end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import save_tiny

from liftune.records.data import Audit
from liftune.records.run import TuneRecord
from liftune.reports.document import sections
from liftune.reports.sections.data_quality import audit_sentences
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec
from liftune.workflows.compare import compare_runs
from liftune.workflows.evaluate import evaluate_model
from liftune.workflows.tune import tune

FAST = {"epochs": 1, "batch_size": 8, "lr": 1e-2}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def ran(model: str, tmp_path_factory: pytest.TempPathFactory) -> TuneRecord:
    """A run on grouped rows: one test row leaks to the letter, one nearly, one by its group, two are torn."""
    folder = tmp_path_factory.mktemp("data")
    words = {"joy": ("sunny", "laugh"), "anger": ("shout", "slam")}

    def rows(part: str, n: int) -> list[dict[str, str]]:
        return [
            {"text": f"{part} {i} {words[label][i % 2]}", "label": label, "author": f"{part} {i // 2} {label}"}
            for i in range(n)
            for label in words
        ]

    train = rows("train", 24)
    train[5]["label"] = "joy"  # says "anger" by its words
    leaks = "a text of a few more words than the others have"
    train.append({"text": leaks, "label": "joy", "author": "t1"})
    test = rows("test", 20)
    test += [
        {"text": leaks, "label": "joy", "author": "u1"},
        {"text": leaks + "!", "label": "joy", "author": "u2"},
        {"text": "by an author of train", "label": "joy", "author": "train 0 joy"},
        {"text": "torn", "label": "joy", "author": "u3"},
        {"text": "torn", "label": "anger", "author": "u4"},
    ]
    for name, each in (("train", train), ("validation", rows("validation", 8)), ("test", test)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in each))
    out = str(tmp_path_factory.mktemp("runs") / "run")
    return tune(RunSpec.of(data=str(folder), model=model, out=out, group="author", **FAST))


def test_the_verdict_stands_on_the_rows_that_do_not_leak_and_every_rung_is_scored_on_them(ran: TuneRecord) -> None:
    """Near duplicates and contradictory rows are no leaks."""
    audit = ran.audit
    assert audit.unclean == {"test:40", "test:42"}
    for each in ran.comparisons:
        assert each.rows == 43
        assert each.all_rows is not None
        assert each.all_rows.rows == 45
        assert each.without_near is not None
        assert each.without_near.rows == 42
    assert (audit.leaked_test_rows, audit.near_leaked_test_rows, audit.shared_groups) == (1, 1, 1)
    for contender in ran.contenders:
        assert contender.clean is not None
        assert contender.clean["accuracy"].value is not None
    said = next(section for section in sections(ran) if section.title == "Scores without leaked examples")
    assert said.sentences[0].startswith("43 of 45 test examples")
    assert len(said.tables[0].rows) == len(ran.contenders)


def test_suspects_stand_in_a_file_and_in_the_record(ran: TuneRecord) -> None:
    assert ran.suspects is not None
    assert ran.suspects.by == ("tf-idf", "frozen features")
    assert ran.suspects.rows == ran.rows.train
    listed = [json.loads(line) for line in (Path(ran.run) / "suspects.jsonl").read_text().splitlines()]
    assert len(listed) == ran.suspects.listed > 0
    assert "train:5" in [each["id"] for each in listed[:2]]
    assert next(each for each in listed if each["id"] == "train:5")["rather"] == "anger"


def test_shift_is_told_with_its_interval(ran: TuneRecord) -> None:
    """The word "test" is in test's rows alone."""
    assert ran.shift is not None
    assert ran.shift.auc.value is not None
    assert ran.shift.auc.value > 0.9
    said = next(section for section in sections(ran) if section.title == "Shift from train to test")
    assert said.sentences[0].startswith("Test differs from train")


def test_groups_decide_the_verdict_and_lie_in_the_folder(ran: TuneRecord) -> None:
    assert {each.test for each in ran.comparisons} == {"paired randomisation test by group at 0.05"}
    groups = RunFolder.open(ran.run).split("test").groups
    assert groups is not None
    assert groups[-1] == "u4"
    assert any("whole groups" in sentence for sentence in audit_sentences(ran.audit))
    again = compare_runs(ran.run, ran.run)
    assert again.comparisons[0].test == "paired randomisation test by group at 0.05"


def test_evaluate_resamples_by_group_too(ran: TuneRecord) -> None:
    spec = RunFolder.open(ran.run).spec()
    model = spec.model.model_copy(update={"name": ran.run, "max_length": None})
    found = evaluate_model(spec.model_copy(update={"model": model})).contenders[0].metrics["accuracy"]
    tuned = next(each for each in ran.contenders if each.name == "tuned").metrics["accuracy"]
    assert (found.value, found.low, found.high) == (tuned.value, tuned.low, tuned.high)


def test_the_record_and_older_ones_are_read_back(ran: TuneRecord) -> None:
    assert RunFolder.open(ran.run).record() == ran
    old = {"leaked_test_rows": 2, "leaked_ids": ["test:0", "test:1"]}
    assert Audit.model_validate(old).unclean == {"test:0", "test:1"}
    assert audit_sentences(Audit.model_validate(old)) == ("2 test examples whose text is also in train",)


def test_two_runs_are_compared_on_the_rows_that_are_clean_for_both(ran: TuneRecord) -> None:
    found = compare_runs(ran.run, ran.run)
    (comparison,) = found.comparisons
    assert (comparison.rows, comparison.gain) == (43, 0.0)
    assert comparison.all_rows is not None
    assert all(each.clean and each.clean["accuracy"].value is not None for each in found.contenders)
    said = " ".join(sentence for section in sections(found) for sentence in section.sentences)
    assert "of the 43 that do not leak" in said
    assert "On all 45 test examples, of which 2 leak" in said
