"""A table in memory is tuned on, scored and inspected as the file that it would be written to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from settled_records import FAST, settled
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
