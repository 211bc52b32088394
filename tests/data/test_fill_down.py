"""A value that stands for the rows below it, as merged cells are saved in CSV, is not taken for that of one row."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from liftune.data import load_data
from liftune.data.load import load
from liftune.errors import DataError
from liftune.spec import DataSpec


def blocks(path: Path, size: int = 8, name: str = "Category") -> DataSpec:
    rows = [
        f"What customer {i} said of it long ago\t{'ab'[i // size % 2] if i % size == 0 else ''}\n" for i in range(64)
    ]
    path.write_text(f"Statement\t{name}\n{''.join(rows)}")
    return DataSpec(source=str(path), label=name)


@pytest.mark.parametrize("name", ["Category", "my, label"])
def test_blocks_are_refused_with_an_option_that_fills_them(name, tmp_path):
    spec = blocks(tmp_path / "x.tsv", name=name).model_copy(update={"label": f'"{name}"'})
    with pytest.raises(DataError, match="is blank in 56 of 64 rows") as caught:
        load_data(spec)
    found = re.search(r"--fill-down (.*?); else", caught.value.hint or "")
    assert found
    [typed] = shlex.split(found[1])
    loaded = load(spec.model_copy(update={"fill_down": typed}), skip_bad_rows=False)
    assert (
        loaded.examples["train"].split.targets == ("a",) * 8 + ("b",) * 8 + loaded.examples["train"].split.targets[:48]
    )
    assert load(spec.model_copy(update={"skip_bad_rows": True, "near_duplicates": 0.0}), skip_bad_rows=True).bad_rows


def test_rows_without_labels_here_and_there_are_bad_rows(tmp_path):
    rows = [f"What customer {i} said of it\t{'ab'[i % 2] if i * 7 % 10 > 3 else ''}\n" for i in range(60)]
    (tmp_path / "x.tsv").write_text("text\tlabel\n" + "".join(rows))
    with pytest.raises(DataError, match="rows cannot be used"):
        load_data(DataSpec(source=str(tmp_path / "x.tsv")))


def test_an_unknown_column_is_refused(tmp_path):
    spec = blocks(tmp_path / "x.tsv").model_copy(update={"fill_down": "Categry"})
    with pytest.raises(DataError, match="did you mean Category"):
        load_data(spec)
