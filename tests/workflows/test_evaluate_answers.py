"""`evaluate --answers`: what was made elsewhere is scored beside a model, on its rows, and compared with it."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny_adapters import save_tuned
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.errors import DataError, LiftuneError, SpecError
from liftune.records.run import EvaluationRecord
from liftune.tasks import TaskKind

ROWS = [(f"text {i} of {i * 7}", ("anger", "joy")[i % 2], f"k{i}") for i in range(60)]


def written(path: Path, headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([headings, *rows])
    return str(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models by themselves, and rows; nothing is tuned."""
    place = tmp_path_factory.mktemp("beside")
    base = save_tiny("distilbert", place / "base")
    save_tuned(base, place / "model", labels=3, names=("anger", "joy", "love"))
    save_tuned(base, place / "sets", labels=2, names=("anger", "joy"), task=TaskKind.MULTI_LABEL)
    save_tuned(base, place / "value", labels=1, names=(), task=TaskKind.REGRESSION)
    written(place / "rows.csv", ("text", "label", "id"), ROWS)
    right = [(own, label) for _, label, own in ROWS]
    written(
        place / "gpt.csv", ("id", "answer"), [(own, "love" if i < 6 else label) for i, (own, label) in enumerate(right)]
    )
    written(place / "half.csv", ("text", "answer"), [(text, label) for text, label, _ in ROWS[:40]])
    return place


def test_answers_are_scored_beside_the_model_and_compared_with_it(place: Path) -> None:
    answers = {"gpt": str(place / "gpt.csv"), "half": str(place / "half.csv")}
    alone = liftune.evaluate(place / "rows.csv", model=place / "model", quiet=True)
    record = liftune.evaluate(
        place / "rows.csv", model=place / "model", answers=answers, cost={"gpt": 0.002}, quiet=True
    )
    model, gpt, half = record.contenders
    assert model.metrics == alone.contenders[0].metrics
    assert (alone.comparisons, len(alone.contenders)) == ((), 1)
    assert gpt.metrics["accuracy"].value == pytest.approx(54 / 60)
    assert half.metrics["accuracy"].value == pytest.approx(40 / 60), "a row without an answer is wrong"
    assert gpt.metrics["log_loss"].value is None
    assert gpt.outside is not None
    assert (gpt.outside.answered, gpt.outside.cost_per_row) == (60, 0.002)
    assert "20 other test rows count as wrong" in " ".join(half.notes)
    assert [(each.a, each.b) for each in record.comparisons] == [("gpt", "model"), ("half", "model")]
    own = model.metrics["accuracy"].value
    assert own is not None
    assert [each.gain for each in record.comparisons] == pytest.approx([own - 54 / 60, own - 40 / 60])
    plain = sorted(each.p_value for each in record.comparisons)
    corrected = sorted(each.corrected_p_value or 0.0 for each in record.comparisons)
    assert corrected == pytest.approx([min(1.0, 2 * plain[0]), max(min(1.0, 2 * plain[0]), plain[1])]), "Holm's"
    again = liftune.evaluate(place / "rows.csv", model=place / "model", answers={"gpt": answers["gpt"]}, quiet=True)
    assert again.comparisons[0].corrected_p_value == again.comparisons[0].p_value


def test_the_command_line_says_the_same(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    given = [
        "evaluate",
        str(place / "rows.csv"),
        "--model",
        str(place / "model"),
        "--answers",
        f"gpt={place / 'gpt.csv'}",
    ]
    assert main([*given, "--cost", "gpt=0.002"]) == 0
    shown = capsys.readouterr()
    text = " ".join(shown.out.split())
    assert "60 of 60 test rows have one" in " ".join(shown.err.split())
    assert "These answers were made elsewhere. They are scored on the same test examples as the model" in text
    assert "after Holm's correction" in text
    assert "cost per 1,000 rows" in text
    assert "model is worse than gpt" in text
    assert "It was compared with no other model" not in text
    assert "too few validation examples" not in text
    assert main([*given, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in values["contenders"]] == ["model", "gpt"]
    assert values["comparisons"][0]["verdict"] == "worse"
    assert main(given[:-2]) == 0
    assert "It was compared with no other model" in " ".join(capsys.readouterr().out.split())


def test_rows_that_the_model_was_tuned_on_are_left_out_of_the_comparison(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from liftune.data.tuned_on import TunedOn, hash_of
    from liftune.workflows import evaluate

    seen = TunedOn(frozenset(hash_of(text) for text, _, _ in ROWS[:10]))
    monkeypatch.setattr(evaluate, "_tuned_on", lambda saved: seen)
    answers = {"gpt": str(place / "gpt.csv")}
    record = liftune.evaluate(place / "rows.csv", model=place / "model", answers=answers, quiet=True)
    gpt = record.contenders[1]
    assert gpt.clean is not None
    assert gpt.clean["accuracy"].value == 1.0, "its six errors are among the rows that were seen"
    assert record.comparisons[0].rows == 50


def test_rows_in_memory_and_probabilities(place: Path) -> None:
    rows = [{"text": text, "label": label, "id": own} for text, label, own in ROWS]
    answers = [
        {"id": own, "anger": 0.8 * (label == "anger"), "joy": 0.8 * (label == "joy"), "love": 0.2}
        for _, label, own in ROWS
    ]
    record = liftune.evaluate(rows, model=place / "model", answers={"gpt": answers}, quiet=True)
    gpt = record.contenders[1]
    assert gpt.metrics["accuracy"].value == 1.0
    assert gpt.metrics["log_loss"].value is not None
    assert gpt.outside is not None
    assert gpt.outside.calibration is not None


def test_rows_that_are_not_scored_are_not_said_to_be_none_of_the_data(place: Path) -> None:
    answers = [{"text": text, "answer": label} for text, label, _ in (*ROWS, ("a text of train", "joy", ""))]
    rows = [{"text": text, "label": label} for text, label, _ in ROWS]
    record = liftune.evaluate(rows, model=place / "model", answers={"old": answers}, quiet=True)
    notes = " ".join(record.contenders[1].notes)
    assert "1 row of the file is none of the test rows that are scored, by 'text'" in notes


def test_sets_of_labels(place: Path) -> None:
    rows = [{"text": text, "label": [label] if i % 3 else ["anger", "joy"]} for i, (text, label, _) in enumerate(ROWS)]
    answers = [{"text": each["text"], "answer": "; ".join(each["label"])} for each in rows]
    record = liftune.evaluate(rows, model=place / "sets", answers={"old": answers}, quiet=True)
    assert record.contenders[1].metrics["micro_f1"].value == 1.0


def test_values_need_an_answer_for_each_row(place: Path) -> None:
    rows = [{"text": text, "label": i / 7} for i, (text, _, _) in enumerate(ROWS)]
    answers = [{"text": each["text"], "answer": each["label"]} for each in rows]
    record = liftune.evaluate(rows, model=place / "value", answers={"old": answers}, quiet=True)
    assert record.contenders[1].metrics["rmse"].value == pytest.approx(0.0, abs=1e-5)
    with pytest.raises(DataError, match="1 test row has no value of old, and without train rows") as refused:
        liftune.evaluate(rows, model=place / "value", answers={"old": answers[1:]}, quiet=True)
    assert refused.value.where == "--answers old" or "answers" in str(refused.value.where)
    wrong = [{**answers[0], "answer": "much"}, *answers[1:]]
    with pytest.raises(DataError, match="an answer of old cannot be read") as unread:
        liftune.evaluate(rows, model=place / "value", answers={"old": wrong}, quiet=True)
    assert unread.value.hint == "write it as a number", "an empty cell would be refused"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"answers": {"gpt": "{place}/nothing.csv"}}, "no such file"),
        ({"answers": {"model": "{place}/gpt.csv"}}, "model is the name of the model that is scored"),
        ({"answers": {"gpt": "{place}/gpt.csv"}, "cost": {"gtp": 1}}, "a cost is given for 'gtp'"),
        ({"cost": {"gpt": 1}}, "of which there are no answers"),
        ({"answers": {"gpt": [{"text": ROWS[0][0], "answer": "hate"}]}}, "gpt answers what is no label"),
        ({"answers": {"gpt": [{"text": "another", "answer": "joy"}]}}, "no row of gpt is one of the data"),
        ({"answers": {"gpt": "{place}/gpt.csv"}, "label_map": {"anger": "joy"}}, "answers are read in the labels"),
        ({"answers": {"gpt": "{place}/gpt.csv"}, "metric": "log_loss"}, "log_loss reads probabilities"),
    ],
)
def test_what_cannot_be_compared_is_refused(options: dict[str, Any], said: str, place: Path) -> None:
    given = json.loads(json.dumps(options).replace("{place}", str(place)))
    with pytest.raises(LiftuneError) as refused:
        liftune.evaluate(place / "rows.csv", model=place / "model", quiet=True, **given)
    assert said in refused.value.message
    assert refused.value.hint


def test_rows_of_which_none_is_train_are_found_by_their_ids(place: Path, tmp_path: Path) -> None:
    parts = [(*row, "test" if i % 2 else "validation") for i, row in enumerate(ROWS)]
    source = written(tmp_path / "rows.csv", ("text", "label", "id", "split"), parts)
    answers = {"gpt": str(place / "gpt.csv")}
    record = liftune.evaluate(source, model=place / "model", answers=answers, quiet=True)
    assert record.contenders[1].outside is not None
    assert record.contenders[1].outside.answered == 30


def test_a_name_is_refused_before_the_model_answers(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from liftune.workflows import evaluate

    monkeypatch.setattr(evaluate, "_scored", lambda *args: pytest.fail("it was scored"))
    with pytest.raises(SpecError, match="is the name of the model"):
        liftune.evaluate(
            place / "rows.csv", model=place / "model", answers={"model": str(place / "gpt.csv")}, quiet=True
        )


def test_a_record_whose_comparison_names_no_contender_is_refused(place: Path) -> None:
    answers = {"gpt": str(place / "gpt.csv")}
    record = liftune.evaluate(place / "rows.csv", model=place / "model", answers=answers, quiet=True)
    values = json.loads(record.model_dump_json())
    assert EvaluationRecord.model_validate(values) == record
    with pytest.raises(ValueError, match="'gpt' is compared, and no contender"):
        EvaluationRecord.model_validate({**values, "contenders": values["contenders"][:1]})
