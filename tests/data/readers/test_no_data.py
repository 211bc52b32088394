"""A run or a model in the place of data is said to be that, with the command that was meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liftune.data import load_data
from liftune.errors import DataError
from liftune.spec import DataSpec

FOLDERS = {
    "a run": {"record.json": {}, "spec.json": {"data": {"source": "my rows.csv"}}, "suspects.jsonl": {"text": "a"}},
    "a sweep": {"sweep.json": {}},
    "a tuned model": {"liftune.json": {}, "adapter_config.json": {}},
    "a PEFT adapter": {"adapter_config.json": {}},
    "a pretrained model": {"config.json": {}, "model.safetensors": {}},
}


@pytest.mark.parametrize("what", FOLDERS)
def test_a_folder_that_is_no_data_is_named(what, tmp_path: Path):
    for name, value in FOLDERS[what].items():
        (tmp_path / name).write_text(json.dumps(value))
    with pytest.raises(DataError, match=f"this is {what}, not data") as caught:
        load_data(DataSpec(source=str(tmp_path)))
    if what == "a run":
        assert f"liftune evaluate 'my rows.csv' --model {tmp_path}" in (caught.value.hint or "")
        with pytest.raises(DataError, match="this is a file of a run"):
            load_data(DataSpec(source=str(tmp_path / "record.json")))


def test_rows_that_are_named_as_files_of_a_run_are_read(tmp_path: Path):
    rows = [{"text": f"text number {i}", "label": "ab"[i % 2]} for i in range(40)]
    (tmp_path / "record.json").write_text(json.dumps(rows))
    assert load_data(DataSpec(source=str(tmp_path / "record.json"))).counts.train == 32
