"""Predictions come back in what was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import liftune
from liftune.errors import LiftuneError
from liftune.inference.prediction import Prediction, predictions_of_logits
from liftune.tasks import TaskKind
from liftune.types import Row

ROWS = [{"n": i, "text": "abcd"[: i + 1]} for i in range(4)]
ADDED = ["label", "probabilities.short", "probabilities.long", "error"]


class Fake:
    """Answers by the length of the text."""

    task, pairs, labels = TaskKind.SINGLE_LABEL, False, ("short", "long")
    base_head = columns = min_precision = None

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        logits = np.array([[2.5 - len(row), len(row) - 2.5] for row in rows], dtype=np.float32).reshape(-1, 2)
        return predictions_of_logits(rows, logits, labels=self.labels, task=self.task)


def predicted(data: Any, **options: Any) -> Any:
    return liftune.predict(data, model=Fake(), **options)  # type: ignore[arg-type]


WANTED = ["short", "short", "long", "long"]
TABLES: dict[str, Any] = {
    "pandas": pd.DataFrame(ROWS, index=[9, 8, 7, 6]),
    "polars": pl.DataFrame(ROWS),
    "Arrow": pa.Table.from_pylist(ROWS),
    "Dataset": datasets.Dataset.from_list(ROWS),
    "columns": {"n": [0, 1, 2, 3], "text": [row["text"] for row in ROWS]},
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_gets_columns(kind: str) -> None:
    given = TABLES[kind]
    found = predicted(given)
    assert type(found) is type(given)
    names = list(found) if kind == "columns" else getattr(found, "column_names", None) or list(found.columns)
    assert names == ["n", "text", *ADDED]
    column = found["label"]
    assert (column.to_pylist() if kind == "Arrow" else list(column)) == WANTED
    before = list(given) if kind == "columns" else getattr(given, "column_names", None) or list(given.columns)
    assert before == ["n", "text"], "what was given is not changed"


def test_a_frame_keeps_its_index_and_a_row_without_text_has_an_error() -> None:
    frame = pd.DataFrame({"text": ["a", None, "abcd"], "label": ["x", "y", "z"]}, index=["p", "q", "r"])
    found = predicted(frame)
    assert list(found.index) == ["p", "q", "r"]
    assert list(found["label"]) == ["x", "y", "z"]
    assert found["predicted_label"].tolist()[::2] == ["short", "long"]
    assert pd.isna(found["predicted_label"].iloc[1])
    assert found["error"].notna().tolist() == [False, True, False]


def test_parts_come_back_as_parts() -> None:
    each = datasets.Dataset.from_list(ROWS)
    found = predicted(datasets.DatasetDict(one=each, two=each.select([0])))
    assert isinstance(found, datasets.DatasetDict)
    assert found["two"]["label"][:] == ["short"]
    plain = predicted({"one": pd.DataFrame(ROWS), "two": pl.DataFrame(ROWS)})
    assert [type(each) for each in plain.values()] == [pd.DataFrame, pl.DataFrame]


def test_rows_as_dicts_get_keys_and_texts_become_predictions() -> None:
    assert [row["label"] for row in predicted(ROWS)] == WANTED
    assert list(ROWS[0]) == ["n", "text"]
    assert [each.label for each in predicted(["a", "abcd"])] == ["short", "long"]
    assert predicted([]) == []


def test_a_file_gives_predictions_or_another_file(tmp_path: Any) -> None:
    path = tmp_path / "rows.csv"
    pd.DataFrame(ROWS).to_csv(path, index=False)
    assert [each.label for each in predicted(path)] == WANTED
    out = predicted(str(path), out=tmp_path / "out.parquet")
    assert pd.read_parquet(out)["label"].tolist() == WANTED


@pytest.mark.parametrize(
    ("data", "options", "what"),
    [
        ("one text", {}, "data"),
        (pd.DataFrame(ROWS), {"out": "x.csv"}, "out"),
        (["a"], {"text": "text"}, "text"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), {}, "text"),
        (["a"], {"device": "cpu"}, "device"),
    ],
)
def test_what_cannot_be_meant_is_refused(data: Any, options: dict[str, Any], what: str) -> None:
    with pytest.raises(LiftuneError) as refused:
        predicted(data, **options)
    assert what in str(refused.value)
    assert refused.value.hint
