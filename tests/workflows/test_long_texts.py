"""`--long auto`: chosen on validation, never silently, within its budget; where few texts are long, nothing happens."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tiny_models import save_tiny

from liftune.errors import SpecError
from liftune.models.adapter_io import read_card
from liftune.records.long_texts import LongContrast
from liftune.records.run import TuneRecord
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec
from liftune.sweeps.grid import SweepSpec
from liftune.workflows.evaluate import evaluate_model
from liftune.workflows.long_texts import LongRows, best_rule
from liftune.workflows.tune import tune

WORDS = ["table", "window", "garden", "river", "stone", "paper", "engine", "market", "bottle", "winter"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("bert", tmp_path_factory.mktemp("long") / "base")


def data_of(folder: Path, *, words: int, rows: int = 240) -> Path:
    """Neutral words; what tells the label stands at the end."""
    rng = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", rows), ("validation", 40), ("test", 40)):
        with (folder / f"{part}.jsonl").open("w", encoding="utf-8") as file:
            for i in range(count):
                label = ("bad", "good")[i % 2]
                text = " ".join(
                    [*rng.choices(WORDS, k=words), str(i), part, {"bad": "QQQQQQ", "good": "zzzzzz"}[label]]
                )
                file.write(json.dumps({"text": text, "label": label}) + "\n")
    return folder


def tuned(base: Path, data: Path, out: Path, **options: Any) -> TuneRecord:
    given = {"data": str(data), "model": str(base), "out": str(out), "epochs": 1, "max_length": 24, **options}
    return tune(RunSpec.of(**given))


@pytest.fixture(scope="module")
def chosen(base: Path, tmp_path_factory: pytest.TempPathFactory) -> TuneRecord:
    folder = tmp_path_factory.mktemp("chosen")
    return tuned(base, data_of(folder / "data", words=12, rows=160), folder / "run", epochs=4)


def test_the_best_way_is_chosen_recorded_and_said(chosen: TuneRecord) -> None:
    choice = chosen.long_choice
    assert choice is not None
    assert choice.share == 1.0
    assert choice.rule != "cut"
    assert chosen.long == choice.rule
    scores = {each.rule: each.score for each in choice.tried}
    assert scores["cut"] is not None
    assert (scores[choice.rule] or 0.0) > scores["cut"]
    assert choice.judged_on == "train"  # 40 validation rows are few
    assert choice.contrasts
    said = " ".join(chosen.notes)
    assert f"Chosen: {choice.rule}" in said
    assert "Holm" in said
    assert choice.cost_share <= 0.3
    assert read_card(RunFolder(Path(chosen.run)).adapter).long == choice.rule


def test_cut_is_kept_where_few_texts_are_long(base: Path, tmp_path: Path) -> None:
    record = tuned(base, data_of(tmp_path / "data", words=1, rows=30), tmp_path / "run", max_length=64)
    assert record.long_choice is None
    assert record.long == "cut"
    assert not [each for each in record.notes if "Long texts" in each]


@pytest.mark.slow
def test_what_is_asked_for_is_not_chosen(base: Path, tmp_path: Path) -> None:
    data = data_of(tmp_path / "data", words=12, rows=30)
    record = tuned(base, data, tmp_path / "run", long="windows", window_pooling="max")
    assert (record.long, record.long_choice) == ("windows", None)
    assert read_card(RunFolder(Path(record.run)).adapter).window_pooling == "max"


@pytest.mark.slow
def test_with_folds_each_chooses_by_its_own_rows(base: Path, tmp_path: Path) -> None:
    data = data_of(tmp_path / "data", words=12, rows=60) / "train.jsonl"
    record = tuned(base, data, tmp_path / "run", folds=3, epochs=4)
    assert record.long_choice is not None
    assert record.long_choice.longer == record.rows.train
    assert record.long == record.long_choice.rule
    assert any(each.startswith("Long texts") for each in record.notes)


def test_where_nothing_can_be_chosen_auto_is_refused(base: Path, tmp_path: Path) -> None:
    data = data_of(tmp_path / "data", words=12, rows=4)
    with pytest.raises(SpecError) as caught:
        evaluate_model(RunSpec.of(data=str(data), model=str(base), long="auto"))
    assert caught.value.where == "--long"
    with pytest.raises(SpecError, match="does not choose one"):
        SweepSpec.of(RunSpec.of(data=str(data), long="auto"), "lora")


ROWS = LongRows(50, 100, {"cut": 1_000, "head-tail": 1_000, "windows": 2_000}, 500)


def contrast(a: str, b: str, p_value: float) -> LongContrast:
    values = {"a": a, "b": b, "gain": 0.1, "low": 0.0, "high": 0.2, "p_value": p_value}
    return LongContrast.model_validate(values)


@pytest.mark.parametrize(
    ("scores", "p_value", "rule"),
    [
        ((0.5, 0.6, 0.9), 0.001, "windows"),
        ((0.5, 0.6, 0.65), 0.3, "head-tail"),  # dear, and not shown to be better
        ((0.6, 0.6, 0.6), 1.0, "cut"),
        ((0.6, 0.5, None), 0.1, "cut"),
        ((None, None, None), 1.0, "cut"),
    ],
)
def test_a_dear_way_must_be_better_by_the_test(scores: tuple[float | None, ...], p_value: float, rule: str) -> None:
    contrasts = [
        contrast(a, b, p_value) for a, b in (("cut", "head-tail"), ("cut", "windows"), ("head-tail", "windows"))
    ]
    found = dict(zip(("cut", "head-tail", "windows"), scores, strict=True))
    assert best_rule(found, contrasts, ROWS, sign=1.0) == rule  # type: ignore[arg-type]
