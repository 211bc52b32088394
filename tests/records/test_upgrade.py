"""What liftune 0.1 wrote (schema 1) still opens, with today's names and the same numbers."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from v0_1 import lay_out

import liftune
from liftune.cli.main import main
from liftune.hardware.accelerations import ACCELERATIONS
from liftune.inference.bundle_card import BundleCard, read_bundle_card
from liftune.models.adapter_io import read_card
from liftune.records.base import SCHEMA, Record
from liftune.records.reading import read_record
from liftune.records.run import ComparisonRecord, EvaluationRecord, TuneRecord
from liftune.records.sweep import BaselinesRecord, CellRecord, SweepRecord
from liftune.records.training import AdapterCard
from liftune.records.upgrade import Kind, upgrade
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec
from liftune.sweeps import run as sweeping

SWEEP = (
    *("sweep", "rows", "--models", "base", "--methods", "lora,ia3"),
    *("--epochs", "1", "--batch-size", "8", "--lr", "0.03", "--out", "sweep"),
)
OLD_NAMES = {"cheap-dropout", "lanes", "fast-attention"}
#: File of 0.1 -> what it is, its class.
RECORDS: dict[str, tuple[Kind, type[Record]]] = {
    "run/record.json": ("record", TuneRecord),
    "run_multi/record.json": ("record", TuneRecord),
    "seeds_run/record.json": ("record", TuneRecord),
    "evaluate.json": ("evaluation", EvaluationRecord),
    "compare.json": ("comparison", ComparisonRecord),
    "run/adapter/liftune.json": ("adapter", AdapterCard),
    "bundle/bundle.json": ("bundle", BundleCard),
    "sweep/sweep.json": ("sweep", SweepRecord),
    "sweep/base/rungs.json": ("baselines", BaselinesRecord),
    "sweep/base/lora-0.json": ("cell", CellRecord),
}


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of someone who worked with 0.1."""
    place = lay_out(tmp_path)
    monkeypatch.chdir(place)
    return place


def called(*argv: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(argv))
    assert code == 0, err.getvalue()
    return out.getvalue()


def read(path: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return values


def numbers(values: Any) -> list[float]:
    """Every number, in the order of the keys; not those that schema 3 works out anew: ranks, corrected p-values."""
    new = ("schema", "rank", "adjusted_p_value", "adjusted_target_p_value")
    if isinstance(values, dict):
        return [each for key in sorted(values) if key not in new for each in numbers(values[key])]
    if isinstance(values, list):
        return [each for value in values for each in numbers(value)]
    return [float(values)] if isinstance(values, int | float) and not isinstance(values, bool) else []


@pytest.mark.parametrize("file", RECORDS)
def test_an_upgraded_record_is_one_of_today_with_the_same_numbers(file: str, old: Path) -> None:
    kind, model = RECORDS[file]
    values = read(file)
    before = json.dumps(values)
    new = upgrade(values, kind)
    assert json.dumps(values) == before, "what is upgraded is not changed itself"
    assert new["schema"] == SCHEMA
    assert sorted(numbers(new)) == sorted(numbers(values))
    if "schema_version" not in model.model_fields:
        del new["schema"]
    read_back = model.model_validate(new).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert read_back == new, "fields that came later take their default"


@pytest.mark.parametrize("file", RECORDS)
def test_a_record_of_today_stays_as_it_is(file: str, old: Path) -> None:
    kind, _ = RECORDS[file]
    new = upgrade(read(file), kind)
    assert upgrade(new, kind) == new
    assert list(upgrade(new, kind)) == list(new)


def test_accelerations_have_todays_names_everywhere(old: Path) -> None:
    """In the plan, in the speed, in a sweep's baselines, and in specs."""
    record = RunFolder.open("run").record()
    assert record.speed is not None
    for plan in (
        record.plan,
        record.speed.plan,
        read_record(Path("sweep/sweep.json"), SweepRecord, "sweep").baselines[0].plan,
    ):
        named = {each.choice for each in plan} - {"device", "answers"}
        assert named == set(ACCELERATIONS) - {"compiled-attention"}, "which came later"
    for path in ("spec.json", "run_multi/spec.json"):
        accelerations = RunSpec.read(path).train.accelerations or ()
        assert {"pooled-dropout", "parallel-passes", "attention-kernel"} <= set(accelerations) <= set(ACCELERATIONS)
    # Options that came later are not in an old file: they take their default.
    opened = json.loads(RunSpec.read("spec.json").model_dump_json(exclude_unset=True))
    assert upgrade(read("spec.json"), "spec") == opened
    assert upgrade(upgrade(read("spec.json"), "spec"), "spec") == upgrade(read("spec.json"), "spec")


def test_flips_of_a_report_in_json_have_todays_names(old: Path) -> None:
    flip = {"id": "test:1", "text": "x"}
    old_report = {**read("run/record.json"), "details": {"flips": {"against": "base", "mended": [flip], "broken": []}}}
    assert upgrade(old_report)["details"]["flips"] == {"against": "base", "fixed": [flip], "broken": []}


@pytest.mark.parametrize("run", ["run", "run_multi"])
def test_a_run_opens_for_every_command(run: str, old: Path) -> None:
    record = RunFolder.open(run).record()
    before = next(each for each in record.contenders if each.name == "tuned")
    called("report", run, "--format", "md", "--out", "report.md")
    assert "## Scores on the test examples" in Path("report.md").read_text(encoding="utf-8")
    answer = json.loads(called("predict", run, "sunny laugh", "--json"))
    assert answer["text"] == "sunny laugh"
    rows = "rows_multi" if run == "run_multi" else "rows"
    scored = liftune.evaluate(rows, model=run)
    for metric, score in scored.contenders[0].metrics.items():
        assert score.value == pytest.approx(before.metrics[metric].value, abs=1e-4)
    shutil.copytree(run, "other")
    compared = json.loads(called("compare", run, "other", "--json"))
    assert compared["comparisons"][0]["gain"] == 0
    assert compared["schema"] == SCHEMA


@pytest.mark.parametrize("run", ["run", "run_multi", "seeds_run"])
def test_a_run_of_then_answers_by_its_tuned_model_whatever_its_verdict(run: str, old: Path) -> None:
    """It kept no other contender, and who updates liftune gets the answers of before."""
    record = RunFolder.open(run).record()
    assert {each.name for each in record.contenders if each.saved_bytes is not None} <= {"tuned"}
    worse = record.comparisons[0].model_copy(update={"a": record.contenders[0].name, "b": "tuned", "verdict": "worse"})
    lost = record.model_copy(update={"comparisons": (worse,), "recommended": worse.a, "recommendation": None})
    assert lost.default_contender == "tuned"
    kept = [each.model_copy(update={"saved_bytes": 1}) for each in record.contenders]
    assert lost.model_copy(update={"contenders": tuple(kept)}).default_contender == worse.a


def test_the_adapter_and_the_bundle_predict_alike(old: Path) -> None:
    assert read_card(Path("run/adapter")).schema_version == read_bundle_card(Path("bundle")).schema_version == SCHEMA
    texts = ["sunny laugh", "GRRR", "dance RAGE"]
    tuned, bundle = (liftune.load(path).logits(texts) for path in ("run", "bundle"))
    np.testing.assert_allclose(bundle, tuned, atol=1e-4)


def never(*_: object) -> Any:
    raise AssertionError("this was done before")


def test_a_finished_sweep_opens_and_a_rerun_computes_nothing_anew(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_record(Path("sweep/sweep.json"), SweepRecord, "sweep")
    monkeypatch.setattr(sweeping, "tune_cell", never)
    monkeypatch.setattr(sweeping, "run_shared_baselines", never)
    found = json.loads(called(*SWEEP, "--json"))
    assert found["schema"] == SCHEMA
    ranked = [(row["contender"], row["rank"], row["score"]["value"]) for row in found["leaderboard"]]
    assert ranked == [(row.contender, row.rank, row.score.value) for row in before.leaderboard]
    assert found["cells"] == [cell.model_dump(mode="json") for cell in before.cells]
    assert read_record(Path("sweep/sweep.json"), SweepRecord, "sweep").cells == before.cells


def test_an_unfinished_sweep_tunes_only_what_is_left(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose accelerations were asked for by the names of 0.1."""
    for path in ("sweep/sweep.json", "sweep/base/ia3-0.json", "sweep/base/logits/ia3-0.npz"):
        Path(path).unlink()
    spec = read("sweep/spec.json")
    spec["run"]["train"]["accelerations"] = ["packing", *sorted(OLD_NAMES)]
    Path("sweep/spec.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setattr(sweeping, "run_shared_baselines", never)
    real, tuned = sweeping.tune_cell, []
    monkeypatch.setattr(sweeping, "tune_cell", lambda stage, cell: tuned.append(cell.name) or real(stage, cell))
    called(*SWEEP, "--accelerations", "packing,pooled-dropout,attention-kernel,parallel-passes")
    assert tuned == ["ia3-0"]
    record = read_record(Path("sweep/sweep.json"), SweepRecord, "sweep")
    assert {(cell.method, cell.state) for cell in record.cells} == {("lora", "done"), ("ia3", "done")}


def test_a_prediction_that_was_interrupted_resumes_to_the_bytes_of_one_that_was_not(old: Path) -> None:
    """The first block is 0.1's own, from another machine maybe: its last digits are compared loosely."""
    begun = Path("predict/answers.jsonl.part").read_bytes()
    argv = ("predict", "run", "--in", "predict/rows.csv", "--out")
    called(*argv, "whole.jsonl")
    called(*argv, "predict/answers.jsonl", "--resume")
    whole, resumed = Path("whole.jsonl").read_bytes(), Path("predict/answers.jsonl").read_bytes()
    assert resumed.startswith(begun)
    done = begun.count(b"\n")
    assert resumed.splitlines()[done:] == whole.splitlines()[done:]
    assert not Path("predict/answers.jsonl.part").exists()
    digits = re.compile(rb"\d+\.\d+(?:e-?\d+)?")
    assert digits.sub(b"#", resumed) == digits.sub(b"#", whole)
    values = (np.array([float(each) for each in digits.findall(content)]) for content in (resumed, whole))
    np.testing.assert_allclose(*values, atol=1e-4)
