"""A stage's fingerprint changes with what it depends on, and with nothing else; its outputs are there after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_models import save_tiny

from liftune.events import Events, Listener, StageEnded, StageStarted
from liftune.spec import RunSpec
from liftune.workflows import stages
from liftune.workflows.context import RunContext
from liftune.workflows.preparing import prepare
from liftune.workflows.request import check_request
from liftune.workflows.tune import tune
from liftune.workflows.tune_stages import stages_of

FAST = {"epochs": 1, "batch_size": 8, "lr": 1e-2}


class Stages(Listener):
    """Keeps the names of stages, as they begin and as they end."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []

    def on_stage(self, event: StageStarted | StageEnded) -> None:
        if isinstance(event, StageStarted):
            self.started.append(event.stage)
        else:
            assert event.completed
            assert event.seconds >= 0
            self.ended.append(event.stage)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture
def context(model: str, emotions: Path, tmp_path: Path) -> RunContext:
    options = {"with_full": True, "curve": True, "out": str(tmp_path / "run"), **FAST}
    return prepare(check_request(RunSpec.of(data=str(emotions), model=model, **options)), Events())[0]


def fingerprints(context: RunContext) -> dict[str, str]:
    return {stage.name: stage.fingerprint(context) for stage in stages_of(context)}


def with_rows(context: RunContext, part: str, positions: Sequence[int]) -> RunContext:
    split = getattr(context.splits, part).take(positions)
    return replace(context, splits=replace(context.splits, **{part: split}))


def with_spec(context: RunContext, room: str, **values: Any) -> RunContext:
    changed = getattr(context.spec, room).model_copy(update=values)
    return replace(context, spec=context.spec.model_copy(update={room: changed}))


ALL = {
    "inputs", "baselines", "base model", "data diagnosis", "soft labels", "fine-tuning", "full fine-tuning",
    "learning curve", "record", "report",
}  # fmt: skip
TUNED = {"fine-tuning", "full fine-tuning", "learning curve"}
LAST = {"inputs", "record", "report"}

#: What changes -> how, and the stages whose outcome depends on it.
CHANGES: dict[str, tuple[Any, set[str]]] = {
    "nothing": (lambda context: context, set()),
    "another folder": (
        lambda context: replace(context, spec=context.spec.model_copy(update={"out": "elsewhere"})),
        set(),
    ),
    "a row of train": (lambda context: with_rows(context, "train", range(1, 48)), ALL),
    "the order of validation": (lambda context: with_rows(context, "validation", [1, 0, *range(2, 16)]), ALL),
    "the metric": (lambda context: replace(context, metric="macro_f1"), ALL - {"inputs"}),
    "the model": (lambda context: with_spec(context, "model", name="other"), ALL - {"baselines"}),
    "the device": (
        lambda context: replace(context, plan=replace(context.plan, device="another")),
        ALL - {"baselines", "inputs"},
    ),
    "the method": (lambda context: with_spec(context, "method", name="ia3"), TUNED | LAST),
    "epochs": (lambda context: with_spec(context, "train", epochs=7), TUNED | LAST),
    "the share of soft labels": (
        lambda context: with_spec(context, "train", teacher_share=0.1),
        TUNED | LAST | {"soft labels"},
    ),
    "the seed of splits": (lambda context: with_spec(context, "data", seed=5), TUNED | LAST | {"soft labels"}),
    "the name of the data": (lambda context: with_spec(context, "data", source="a copy"), LAST),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_fingerprint_changes_with_what_the_stage_depends_on_and_only_then(context: RunContext, change: str) -> None:
    make, expected = CHANGES[change]
    before, after = fingerprints(context), fingerprints(make(context))
    assert set(before) == ALL
    assert {name for name in before if before[name] != after[name]} == expected


def test_a_fingerprint_changes_with_the_version_of_a_package(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprints(context)
    assert before == fingerprints(context)
    monkeypatch.setattr(stages, "versions", lambda: {"torch": "0.1"})
    after = fingerprints(context)
    assert all(before[name] != after[name] for name in ALL)


def test_a_stage_depends_on_facts_that_exist(context: RunContext) -> None:
    folded = with_spec(context, "evaluation", folds=3)
    for stage in (*stages_of(context), *stages_of(replace(folded, folds=object()))):  # type: ignore[arg-type]
        for name in stage.depends_on:
            stages.fact(name, folded)


@pytest.mark.parametrize("more", [{"with_full": True}, {"folds": 2}, {"method": "full"}])
def test_what_a_stage_names_as_outputs_is_there_after_the_run(
    more: dict[str, Any], model: str, emotions: Path, tmp_path: Path
) -> None:
    spec = RunSpec.of(data=str(emotions), model=model, out=str(tmp_path / "run"), **more, **FAST)
    context = prepare(check_request(spec), Events())[0]
    heard = Stages()
    tune(spec, listeners=[heard])
    named = stages_of(context)
    assert heard.started == heard.ended == ["data", "model", *(stage.name for stage in named)]
    outputs = [output for stage in named for output in stage.outputs]
    assert len(set(outputs)) == len(outputs)
    assert [output for output in outputs if not (tmp_path / "run" / output).is_file()] == []


def test_a_regression_has_no_list_of_label_errors(model: str, tmp_path: Path) -> None:
    data = tmp_path / "scores.csv"
    data.write_text("text,score\n" + "".join(f"row {i} of {'ab'[i % 2]},{i % 2}.5\n" for i in range(40)))
    spec = RunSpec.of(data=str(data), model=model, out=str(tmp_path / "run"), folds="none", **FAST)
    context = prepare(check_request(spec), Events())[0]
    tune(spec)
    outputs = [output for stage in stages_of(context) for output in stage.outputs]
    assert "suspects.jsonl" not in outputs
    assert [output for output in outputs if not (tmp_path / "run" / output).is_file()] == []
