"""A table in memory is tuned on, scored and inspected as the file that it would be written to."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from settled_records import FAST, settled
from tiny_adapters import save_tuned
from tiny_models import save_tiny

import liftune
from liftune.errors import ArtifactError, SpecError


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


def rows(part: str) -> pd.DataFrame:
    words = ("sunny", "laugh", "shout", "slam")
    return pd.DataFrame(
        [
            {
                "text": f"{part} {words[i % 4]} number {['one', 'two', 'three', 'four'][i // 4 % 4]} {i}",
                "label": "ja"[i % 4 > 1],
            }
            for i in range(32)
        ]
    )


def test_a_frame_gives_the_numbers_of_the_file_to_the_last_bit(model: str, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for part in ("train", "test"):
        rows(part).to_csv(files / f"{part}.csv", index=False)
    of_file = liftune.tune(files, model=model, out=tmp_path / "a", **FAST)
    of_frame = liftune.tune(rows("train"), test=rows("test"), model=model, out=tmp_path / "b", **FAST)
    assert settled({**of_frame.to_json(), "audit": {}}) == settled({**of_file.to_json(), "audit": {}})
    for name in ("adapter/adapter_model.safetensors", "logits/tuned.npz", "rows/test.jsonl", "rows/validation.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name

    scored = [liftune.evaluate(data, model=tmp_path / "b") for data in (rows("test"), str(files / "test.csv"))]
    assert scored[0].contenders[0].metrics == scored[1].contenders[0].metrics
    predicted = liftune.predict(rows("test"), model=tmp_path / "b")
    assert predicted["predicted_label"].isin(["j", "a"]).all()


def test_a_frame_is_inspected_and_cleaned(tmp_path: Path) -> None:
    frame = pd.concat([rows("train"), rows("train")[:3]])
    found = liftune.inspect(frame, model=None, out=tmp_path / "clean.jsonl")
    assert found.cleaned is not None
    assert len(pd.read_json(tmp_path / "clean.jsonl", lines=True)) == 32


def test_an_interrupted_run_goes_on_with_the_same_table_only(model: str, tmp_path: Path) -> None:
    class Stop(liftune.Listener):
        def on_epoch(self, event: Any) -> None:
            raise KeyboardInterrupt

    given = {"model": model, "out": tmp_path / "run", "folds": "none", **FAST}
    with pytest.raises(KeyboardInterrupt):
        liftune.tune(rows("train"), listeners=[Stop()], **given)
    with pytest.raises(ArtifactError, match="rows have changed"):
        liftune.tune(rows("other"), **given)
    assert liftune.tune(rows("train"), **given).rows.train


def test_a_path_and_a_table_do_not_mix(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="rows in memory") as refused:
        liftune.tune(tmp_path / "train.csv", test=rows("test"))
    assert refused.value.where == "test"


SWEPT = {"methods": "ia3", "seeds": "0", **FAST}


@pytest.mark.slow
def test_a_sweep_of_a_frame_is_that_of_the_file_to_the_last_bit(model: str, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for part in ("train", "test"):
        rows(part).to_csv(files / f"{part}.csv", index=False)
    of_file = liftune.sweep(files, models=model, out=tmp_path / "a", **SWEPT)
    of_frame = liftune.sweep(rows("train"), test=rows("test"), models=model, out=tmp_path / "b", **SWEPT)
    assert [each.metrics for each in of_frame.cells] == [each.metrics for each in of_file.cells]
    assert of_frame.data_fingerprint == of_file.data_fingerprint
    for name in ("ia3-0", "probe"):
        kept = [next((tmp_path / place).rglob(f"{name}.npz")) for place in ("a", "b")]
        assert kept[0].read_bytes() == kept[1].read_bytes(), name


def test_a_sweep_of_a_table_goes_on_with_the_same_rows_only(model: str, tmp_path: Path) -> None:
    given = {"models": model, "out": tmp_path / "sweep", **SWEPT}
    first = liftune.sweep(rows("train"), **given)
    assert liftune.sweep(rows("train"), **given).leaderboard == first.leaderboard
    with pytest.raises(ArtifactError, match="rows of train"):
        liftune.sweep(rows("other"), **given)


def test_workers_of_a_sweep_are_handed_the_rows(model: str, tmp_path: Path) -> None:
    """Each process unpickles its work once: the rows are in it, as there is no source to read."""
    from liftune.data.readers.memory import tables_of
    from liftune.spec import IN_MEMORY, RunSpec
    from liftune.sweeps.cells import run_shared_baselines, set_stage
    from liftune.sweeps.folder import SweepFolder
    from liftune.sweeps.grid import SweepSpec
    from liftune.sweeps.run import work_on
    from liftune.workflows.request import read_rows

    run = RunSpec.of(data=IN_MEMORY, out=str(tmp_path / "sweep"), **FAST)
    spec = SweepSpec.of(run, "ia3", [model])
    splits, folder = read_rows(spec.run.data, tables_of(rows("train"))), SweepFolder.create(spec)
    stage = set_stage(spec, model, splits, folder.of_model(model))
    folder.begin(spec, splits)
    folder.save_baselines(run_shared_baselines(stage))
    work = pickle.loads(pickle.dumps(work_on({model: stage}, 1, splits)))
    assert work(spec.cells()[0]).state == "done"


@pytest.mark.parametrize("table", [rows("train"), rows("train").to_dict("records"), rows("train").to_dict("list")])
def test_a_table_is_planned_for(table: Any, model: str) -> None:
    found = liftune.doctor(table, model=model)
    assert found.epoch is not None
    assert found.epoch.rows


def test_an_export_is_checked_on_a_table(model: str, tmp_path: Path) -> None:
    save_tuned(Path(model), tmp_path / "run" / "adapter", labels=2)
    for i, given in enumerate((rows("test"), (list(rows("test").text), list(rows("test").label)))):
        parity = liftune.export(tmp_path / "run", tmp_path / f"merged{i}", format="merged", rows=given, accept_gap=True)
        assert parity.rows == 32
