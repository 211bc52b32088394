"""Rows in memory are worked on as the file that they came from would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from settled_records import FAST, settled
from tiny_models import save_tiny

import liftune
from liftune.data import Splits, load_data
from liftune.errors import DataError, SpecError
from liftune.records.run import TuneRecord
from liftune.spec import DataSpec, RunSpec
from liftune.workflows.evaluate import evaluate_model
from liftune.workflows.tune import tune


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def from_memory(model: str, kept_emotions: Path, tmp_path_factory: pytest.TempPathFactory) -> TuneRecord:
    """A run on rows in memory, in a folder that nobody named."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("memory"))
        record = liftune.tune(load_data(DataSpec(source=str(kept_emotions))), model=model, **FAST)
        return record.model_copy(update={"run": str(Path(record.run).resolve())})


def test_rows_in_memory_give_the_record_that_the_path_gives(
    model: str, from_memory: TuneRecord, kept_emotions: Path, tmp_path: Path
) -> None:
    from_path = liftune.tune(str(kept_emotions), model=model, out=tmp_path / "path", **FAST)
    assert settled(from_memory.to_json()) == settled(from_path.to_json())
    assert from_memory.data == "(rows in memory)"
    for name in ("test", "validation"):
        written = [(Path(each.run) / "rows" / f"{name}.jsonl").read_text() for each in (from_path, from_memory)]
        assert written[0] == written[1]


def test_anything_that_becomes_splits_will_do(model: str, emotions: Path, tmp_path: Path) -> None:
    class Table:
        def to_splits(self) -> Splits:
            return load_data(DataSpec(source=str(emotions)))

    record = tune(RunSpec.of(model=model, out=str(tmp_path / "run"), **FAST), Table())
    assert record.rows.test == 20


@pytest.mark.slow
def test_folds_of_rows_in_memory_hold_every_row_once(model: str, emotions: Path, tmp_path: Path) -> None:
    rows = load_data(DataSpec(source=str(emotions)))
    record = liftune.tune(rows, model=model, out=tmp_path / "run", folds=2, **FAST)
    assert record.rows.test == len(rows.train) + len(rows.validation) + len(rows.test)


def test_a_folder_of_rows_in_memory_has_a_plain_name(from_memory: TuneRecord) -> None:
    assert Path(from_memory.run).name.startswith("memory-")


def test_evaluating_on_rows_in_memory_scores_their_test_rows(model: str, emotions: Path) -> None:
    rows = load_data(DataSpec(source=str(emotions)))
    from_path = liftune.evaluate(str(emotions), model=model)
    from_memory = liftune.evaluate(rows, model=model)
    notes = {"audit": {**from_path.to_json()["audit"], "notes": []}}
    assert settled({**from_memory.to_json(), **notes}) == settled({**from_path.to_json(), **notes})


def test_rows_without_a_test_part_are_not_scored(model: str, emotions: Path) -> None:
    from dataclasses import replace

    rows = load_data(DataSpec(source=str(emotions)))
    spec = RunSpec.of(model=model)
    with pytest.raises(DataError, match="no test rows"):
        evaluate_model(spec, replace(rows, test=rows.test.take([])))


@pytest.mark.parametrize("option", [{"text": "body"}, {"train_rows": 4}, {"split": "train=a"}, {"skip_bad_rows": True}])
def test_options_that_read_a_source_are_refused_with_rows_in_memory(
    option: dict[str, Any], emotions: Path, tmp_path: Path
) -> None:
    rows = load_data(DataSpec(source=str(emotions)))
    with pytest.raises(SpecError, match="parts in memory") as refused:
        liftune.tune(rows, out=tmp_path / "run", **option)
    assert refused.value.where == next(iter(option))
