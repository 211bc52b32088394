"""A call with an argument too few, or without its name, is refused with the call to write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_runs import made_run

import liftune
from liftune.cli.main import main
from liftune.errors import LiftuneError
from liftune.inference.reload import Origin
from liftune.metrics.registry import check_metric
from liftune.tasks import TaskKind

FRAME = pd.DataFrame({"text": [f"a good text, number {i}" for i in range(60)], "label": ["no", "yes"] * 30})


@pytest.mark.parametrize(
    ("verb", "given", "written"),
    [
        ("predict", ("R", "hello"), "liftune.predict(['hello'], model='R')"),
        ("predict", (FRAME,), "liftune.predict(rows, model=RUN)"),
        ("tune", (FRAME, "minilm"), "liftune.tune(rows, model='minilm')"),
        ("evaluate", ("x.csv", "R"), "liftune.evaluate('x.csv', model='R')"),
        ("compare", ("a", "b", "accuracy"), "liftune.compare('a', 'b', metric='accuracy')"),
        ("compare", ("a",), "liftune.compare('a', b)"),
        ("sweep", (FRAME, ["lora"]), "liftune.sweep(rows, methods=['lora'])"),
        ("load", ("R", "tfidf"), "liftune.load('R', use='tfidf')"),
        ("load", (), "liftune.load(run)"),
    ],
)
def test_the_hint_is_the_call(verb: str, given: tuple[Any, ...], written: str) -> None:
    with pytest.raises(LiftuneError) as refused:
        getattr(liftune, verb)(*given)
    assert str(refused.value.hint) == f"write {written}"


def test_an_argument_is_given_once() -> None:
    with pytest.raises(LiftuneError, match="twice"):
        liftune.inspect(FRAME, data=FRAME)  # type: ignore[misc]


def test_the_arguments_of_a_verb_are_all_known_and_named_once() -> None:
    with pytest.raises(LiftuneError, match="did you mean models") as refused:
        liftune.sweep(FRAME, methods=["lora"], model="m")
    names = str(refused.value.hint).removeprefix("choose one of: ").split(", ")
    assert {"methods", "models", "jobs", "picture", "lr"} <= set(names)
    assert len(set(names)) == len(names)


def test_a_method_of_a_sweep_is_refused_where_it_is_given() -> None:
    with pytest.raises(LiftuneError) as refused:
        liftune.sweep(FRAME, methods=["ia4"])
    assert refused.value.where == "methods"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("inspect x --dry-run", "which is one of tune, push"),
        ("predict x --config y", "which is one of tune"),
        ("evaluate x --class-weights", "which is one of tune"),
        ("tune x --epoch 3", "did you mean --epochs?"),
        ("serve x --lable-names a", "did you mean --label-names?"),
        ("serve x --zzz", "unknown option '--zzz'\n"),
    ],
)
def test_an_option_of_another_command_is_said_to_be_one(
    typed: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed.split()) == 2
    assert said in capsys.readouterr().err


def test_a_metric_is_offered_that_fits_the_task() -> None:
    with pytest.raises(LiftuneError, match="did you mean macro_f1") as refused:
        check_metric("f1", TaskKind.SINGLE_LABEL)
    assert "pearson" not in str(refused.value.hint)
    with pytest.raises(LiftuneError) as refused:
        check_metric("accuracyy", TaskKind.REGRESSION)
    assert "did you mean" not in str(refused.value)


@pytest.mark.parametrize("column", [FRAME["text"], list(FRAME["text"])])
def test_a_part_that_is_one_column_is_said_to_be_one(column: Any) -> None:
    with pytest.raises(LiftuneError, match="test is one column, not a table"):
        liftune.inspect(FRAME, test=column, model=None)


def test_a_table_without_labels_is_refused_in_a_whole_sentence() -> None:
    with pytest.raises(LiftuneError, match="no label column") as refused:
        liftune.inspect(FRAME[["text"]], model=None)
    assert refused.value.hint == "give a table with a column of labels"
    with pytest.raises(LiftuneError, match="no label column") as refused:
        liftune.inspect(FRAME[["text"]].assign(id=range(len(FRAME))), model=None)
    assert "with a column of labels, or name one of these: label='NAME'; 'id' holds" in str(refused.value.hint)


def test_the_call_of_a_hint_can_be_pasted() -> None:
    frame = FRAME.assign(body=[f"other words are here, number {i}" for i in range(60)]).drop(columns="label")
    with pytest.raises(LiftuneError) as refused:
        liftune.inspect(frame, task="single_label", model=None)
    call = str(refused.value.hint).partition("liftune.")[2]
    compile(f"liftune.{call}", "hint", "eval")
    assert "task='single_label'" in call


def test_a_chat_is_not_offered_its_own_text(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    roles = ("system", "user", "assistant")
    said = [("You classify.", text, label) for text, label in zip(FRAME["text"], FRAME["label"], strict=True)]
    chats = [
        {"messages": [{"role": role, "content": each} for role, each in zip(roles, row, strict=True)]} for row in said
    ]
    path.write_text("".join(json.dumps(each) + "\n" for each in chats))
    assert "a text too" not in str(liftune.inspect(path, model=None).to_json())


def test_a_record_stands_for_its_run(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    record = liftune.read(run.path)
    assert liftune.read(record).run == str(run.path)  # type: ignore[arg-type]
    assert liftune.report(record) == liftune.report(run.path)  # type: ignore[arg-type]
    assert liftune.check(record).path == liftune.check(run.path).path  # type: ignore[arg-type]


def test_a_loaded_model_that_evaluate_would_score_otherwise_is_refused_with_its_path() -> None:
    class Loaded:
        origin = Origin("runs/a", {"precision": "bfloat16"}, [])

    with pytest.raises(LiftuneError) as refused:
        liftune.evaluate(FRAME, model=Loaded())  # type: ignore[arg-type]
    assert "'runs/a'" in str(refused.value.hint)


def test_names_of_labels_may_be_by_number() -> None:
    frame = FRAME.assign(label=[i % 2 for i in range(60)])
    found = liftune.inspect(frame, label_names={1: "pos", 0: "neg"}, model=None)
    assert found.labels == ("neg", "pos")
    for wrong in ({1: "pos", 2: "neg"}, {"a": "pos"}):
        with pytest.raises(LiftuneError, match="every number from 0"):
            liftune.inspect(frame, label_names=wrong, model=None)
        with pytest.raises(LiftuneError, match="every number from 0"):
            liftune.load("nowhere", label_names=wrong)  # type: ignore[arg-type]


def test_a_number_in_the_place_of_a_column_is_said_to_be_a_text() -> None:
    with pytest.raises(LiftuneError, match="such as '0'"):
        liftune.inspect(FRAME, text=0, model=None)
    with pytest.raises(LiftuneError) as refused:
        liftune.predict(FRAME, model="nowhere", text=0)  # type: ignore[arg-type]
    assert '"0"' in str(refused.value.hint)
