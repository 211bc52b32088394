"""What schema 2 wrote still opens, with the same numbers under today's names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from v0_1 import HERE, lay_out

import liftune
from liftune.inference.bundle_card import BundleCard
from liftune.records.base import SCHEMA, Record
from liftune.records.run import ComparisonRecord, EvaluationRecord, TuneRecord
from liftune.records.sweep import BaselinesRecord, CellRecord, SweepRecord
from liftune.records.training import AdapterCard
from liftune.records.upgrade import Kind, upgrade
from liftune.run_folder import RunFolder

SCHEMA_2 = HERE.parent / "schema_2"
#: File -> what it is, its class.
RECORDS: dict[str, tuple[Kind, type[Record]]] = {
    "run/record.json": ("record", TuneRecord),
    "run_multi/record.json": ("record", TuneRecord),
    "evaluate.json": ("evaluation", EvaluationRecord),
    "compare.json": ("comparison", ComparisonRecord),
    "run/adapter/liftune.json": ("adapter", AdapterCard),
    "bundle/bundle.json": ("bundle", BundleCard),
    "sweep/sweep.json": ("sweep", SweepRecord),
    "sweep/base/baselines.json": ("baselines", BaselinesRecord),
    "sweep/base/lora-0.json": ("cell", CellRecord),
}


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a run of schema 2, its base and its data."""
    place = lay_out(tmp_path)
    shutil.rmtree(place / "run")
    shutil.copytree(SCHEMA_2 / "run", place / "run")
    monkeypatch.chdir(place)
    return place


def read(file: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((SCHEMA_2 / file).read_text(encoding="utf-8"))
    return values


def floats(values: Any) -> list[float]:
    """Every number with a fraction, sorted; what schema 3 works out from others (`adjusted_...`) left out."""
    if isinstance(values, dict):
        return sorted(each for key, value in values.items() if key[:9] != "adjusted_" for each in floats(value))
    if isinstance(values, list):
        return sorted(each for value in values for each in floats(value))
    return [values] if isinstance(values, float) else []


@pytest.mark.parametrize("file", RECORDS)
def test_an_upgraded_record_is_read_with_the_same_numbers(file: str) -> None:
    kind, model = RECORDS[file]
    values = read(file)
    before = json.dumps(values)
    new = upgrade(values, kind)
    assert json.dumps(values) == before, "what is upgraded is not changed itself"
    assert new["schema"] == SCHEMA
    assert floats(new) == floats(values)
    if "schema_version" not in model.model_fields:
        del new["schema"]
    model.model_validate(new)


def test_the_run_reports_predicts_and_scores_as_it_did(old: Path) -> None:
    record = RunFolder.open("run").record()
    before = next(each for each in record.contenders if each.name == "tuned")
    assert liftune.load("run").predict(["sunny laugh"])
    scored = liftune.evaluate("rows", model="run")
    for metric, score in scored.contenders[0].metrics.items():
        if metric in before.metrics:
            assert score.value == pytest.approx(before.metrics[metric].value, abs=1e-4)


def test_a_sweeps_ranks_are_by_score_and_its_first_rank_is_kept_as_not_told_from_the_best() -> None:
    """Schema 2 shared a rank among ties, so that a lower score could stand above a higher one."""
    values = read("sweep/sweep.json")
    shape = values["leaderboard"][0]
    for signed in (1.0, -1.0):
        shown = [("best", 0.9, 1), ("far", 0.824, 1), ("near", 0.828, 3), ("none", None, 4)]
        rows = [
            {**shape, "contender": name, "rank": rank, "score": {**shape["score"], "value": value and signed * value}}
            for name, value, rank in shown
        ]
        new = upgrade({**values, "leaderboard": rows}, "sweep")["leaderboard"]
        assert [(row["contender"], row["rank"], row["as_best"]) for row in new] == [
            ("best", 1, True), ("near", 2, False), ("far", 3, True), ("none", 4, False),
        ]  # fmt: skip


def test_calibration_errors_have_the_names_of_what_they_are_and_a_shift_is_corrected() -> None:
    values = read("run/record.json")
    new = upgrade(values, "record")
    before, after = (
        next(each for each in one["contenders"] if each["calibration"])["calibration"]["test_before"]
        for one in (values, new)
    )
    assert after["rms_calibration_error"] == before["ece"]
    assert after["expected_calibration_error"] == before["plain_ece"]
    shift = {**(values["shift"] or {}), "p_value": 0.04, "target_p_value": 0.03}
    adjusted = upgrade({**values, "shift": shift}, "record")["shift"]
    assert (adjusted["adjusted_p_value"], adjusted["adjusted_target_p_value"]) == (0.06, 0.06)
