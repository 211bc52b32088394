"""What schemas 3 and 4 wrote still opens, with the same values; schema 3 had no seals, those of 4 are whole."""

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
from liftune.records.contender import ContenderCard
from liftune.records.reading import read_record
from liftune.records.run import ComparisonRecord, EvaluationRecord, TuneRecord
from liftune.records.sweep import BaselinesRecord, CellRecord, SweepRecord
from liftune.records.training import AdapterCard
from liftune.records.upgrade import Kind, upgrade
from liftune.run_folder import RunFolder
from liftune.seals import SEAL

SCHEMAS = (3, 4)
#: File -> what it is, its class.
RECORDS: dict[str, tuple[Kind, type[Record]]] = {
    "run/record.json": ("record", TuneRecord),
    "run_multi/record.json": ("record", TuneRecord),
    "evaluate.json": ("evaluation", EvaluationRecord),
    "compare.json": ("comparison", ComparisonRecord),
    "run/adapter/liftune.json": ("adapter", AdapterCard),
    "run_multi/adapter/liftune.json": ("adapter", AdapterCard),
    **{f"run/contenders/{name}/contender.json": ("contender", ContenderCard) for name in ("majority", "tfidf")},
    **{f"run_multi/contenders/{name}/contender.json": ("contender", ContenderCard) for name in ("base", "probe")},
    "bundle/bundle.json": ("bundle", BundleCard),
    "sweep/sweep.json": ("sweep", SweepRecord),
    "sweep/base/baselines.json": ("baselines", BaselinesRecord),
    "sweep/base/lora-0.json": ("cell", CellRecord),
}


def written_by(schema: int) -> Path:
    return HERE.parent / f"schema_{schema}"


@pytest.fixture(params=SCHEMAS)
def old(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The schema of a run that lies in the working folder, with its base and its data."""
    schema: int = request.param
    place = lay_out(tmp_path)
    shutil.rmtree(place / "run")
    shutil.copytree(written_by(schema) / "run", place / "run")
    monkeypatch.chdir(place)
    return schema


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("file", RECORDS)
def test_a_record_is_read_with_the_same_values(file: str, schema: int) -> None:
    kind, model = RECORDS[file]
    values: dict[str, Any] = json.loads((written_by(schema) / file).read_text(encoding="utf-8"))
    assert values["schema"] == schema
    new = upgrade(values, kind)
    assert new == {**values, "schema": SCHEMA}
    new.pop(SEAL, None)  # it is that of the file, and checked by whoever reads it
    if "schema_version" not in model.model_fields:
        del new["schema"]
    read = model.model_validate(new)
    if kind not in ("evaluation", "comparison"):  # which are printed, and read by no command
        assert read_record(written_by(schema) / file, model, kind) == read


def test_what_was_sealed_is_whole(old: int) -> None:
    states = {each.state for each in liftune.check("run").files}
    assert states == ({"whole", "not sealed"} if old > 3 else {"unsealed", "not sealed"})


def test_the_run_reports_predicts_and_scores_as_it_did(old: int) -> None:
    record = RunFolder.open("run").record()
    before = next(each for each in record.contenders if each.name == "tuned")
    assert all(liftune.load("run", use=name).predict(["sunny laugh"]) for name in ("tuned", "tfidf", "base", "probe"))
    scored = liftune.evaluate("rows", model="run")
    for metric, score in scored.contenders[0].metrics.items():
        if metric in before.metrics:
            assert score.value == pytest.approx(before.metrics[metric].value, abs=1e-4)
