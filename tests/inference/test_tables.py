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


def test_one_part_comes_back_as_one_part() -> None:
    each = datasets.Dataset.from_list(ROWS)
    found = predicted(datasets.DatasetDict(test=each))
    assert isinstance(found, datasets.DatasetDict)
    assert found["test"]["label"][:] == WANTED
    plain = predicted({"test": pd.DataFrame(ROWS)})
    assert [type(each) for each in plain.values()] == [pd.DataFrame]


class Numbers(Fake):
    """The same, tuned on 0 and 1."""

    labels = ("0", "1")


class Truths(Fake):
    """The same, tuned on False and True."""

    labels = ("false", "true")


LABELLED = {
    "ints": (Numbers, [0, 0, 1, 1]),
    "floats": (Numbers, [0.0, 0.0, 1.0, 1.0]),
    "bools": (Truths, [False, False, True, True]),
    "texts": (Numbers, ["0", "0", "1", "1"]),
    "names": (Fake, ["short", "short", "long", "long"]),
}
MADE = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "Arrow": pa.table,
    "Dataset": datasets.Dataset.from_dict,
    "columns": dict,
    "dicts": lambda columns: [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
}


def as_dicts(table: Any) -> list[dict[str, Any]]:
    names = getattr(table, "column_names", None) or list(getattr(table, "columns", table))
    cells = {name: table[name].to_pylist() if isinstance(table, pa.Table) else list(table[name]) for name in names}
    return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("kind", LABELLED)
def test_predicted_labels_compare_with_the_tables_own(kind: str, made: str) -> None:
    model, cells = LABELLED[kind]
    found = liftune.predict(MADE[made]({"text": [row["text"] for row in ROWS], "label": cells}), model=model())  # type: ignore[arg-type]
    rows = found if made == "dicts" else as_dicts(found)
    assert [row["predicted_label"] for row in rows] == cells
    assert {type(row["predicted_label"]) for row in rows} == {type(cells[0])}


def test_a_label_that_no_row_of_the_table_has_is_of_its_type_too() -> None:
    found = liftune.predict(pd.DataFrame({"text": ["a", "abcd", None], "label": [0, 0, 0]}), model=Numbers())  # type: ignore[arg-type]
    assert found["predicted_label"].tolist()[:2] == [0, 1]
    assert str(found["predicted_label"].dtype) == "Int64"


def test_declared_classes_are_predicted_as_declared() -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["long", "short"])}
    )
    rows = datasets.Dataset.from_list([{"text": row["text"], "label": int(row["n"] < 2)} for row in ROWS], features)
    found = predicted(rows)
    assert found["predicted_label"][:] == rows["label"][:]
    assert found.features["predicted_label"] == features["label"]


def test_labels_of_another_kind_than_the_tables_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame({"text": ["a", "abcd"], "label": [3, 4]})
    assert predicted(frame)["predicted_label"].tolist() == ["short", "long"]
    assert "'label' holds 3, 4, and the model's labels are short, long" in capsys.readouterr().err
    predicted(frame, quiet=True)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("cells", [["foo", "bar"], [True, False], [7, 8]])
def test_a_column_of_other_labels_is_said_whatever_its_type(
    cells: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    predicted(pd.DataFrame({"text": ["a", "abcd"], "label": cells}))
    assert "equal to none of these" in capsys.readouterr().err
    predicted(pd.DataFrame({"text": ["a", "abcd"], "label": ["long", None]}))
    assert "equal to none" not in capsys.readouterr().err


def test_which_contender_answers_is_said_unless_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    model = Fake()
    model.note = "using tfidf: the tuned model is worse"  # type: ignore[attr-defined]
    for data in (pd.DataFrame(ROWS), ["a"], ROWS):
        liftune.predict(data, model=model)  # type: ignore[arg-type]
        assert "using tfidf" in capsys.readouterr().err
        liftune.predict(data, model=model, quiet=True)  # type: ignore[arg-type]
        assert not capsys.readouterr().err


def test_a_record_batch_comes_back_as_one() -> None:
    found = predicted(pa.RecordBatch.from_pylist(ROWS))
    assert isinstance(found, pa.RecordBatch)
    assert found.column("label").to_pylist() == WANTED


TEXTS = [row["text"] for row in ROWS]


@pytest.mark.parametrize(
    "given",
    [
        pd.Series(TEXTS),
        pl.Series(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pa.array(TEXTS),
        pa.chunked_array([TEXTS]),
        tuple(TEXTS),
        iter(TEXTS),
        dict.fromkeys(TEXTS).keys(),
        pd.Index(TEXTS),
    ],
    ids=lambda each: type(each).__module__.split(".")[0] + "." + type(each).__name__,
)
def test_texts_of_any_kind_are_answered_one_by_one(given: Any) -> None:
    assert [each.label for each in predicted(given)] == WANTED


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


# One job, many tables -------------------------------------------------------------------------------------------------

EMPTY: dict[str, Any] = {
    "pandas": lambda rows: pd.DataFrame(rows, columns=["text", "n"]).astype({"text": "str", "n": "int64"}),
    "polars": lambda rows: pl.DataFrame(rows, schema={"text": pl.String, "n": pl.Int64}),
    "Arrow": lambda rows: pa.Table.from_pylist(rows, schema=pa.schema([("text", pa.string()), ("n", pa.int64())])),
    "batch": lambda rows: pa.RecordBatch.from_pylist(
        rows, schema=pa.schema([("text", pa.string()), ("n", pa.int64())])
    ),
    "Dataset": lambda rows: datasets.Dataset(
        pa.Table.from_pylist(rows, schema=pa.schema([("text", pa.string()), ("n", pa.int64())]))
    ),
}


def _types(table: Any) -> dict[str, str]:
    if isinstance(table, datasets.Dataset):
        return {name: str(each) for name, each in table.features.items()}
    if isinstance(table, pa.Table | pa.RecordBatch):
        return {each.name: str(each.type) for each in table.schema}
    return {name: str(table[name].dtype) for name in table.columns}


@pytest.mark.parametrize("kind", EMPTY)
def test_every_table_of_a_job_has_the_same_types(kind: str) -> None:
    """A table without rows, one in which all rows fail, one in which none does."""
    rows = [{"text": "a", "n": 1}, {"text": "abcd", "n": 2}]
    made = [EMPTY[kind](each) for each in (rows, [], [{"text": None, "n": 3}], [*rows, {"text": None, "n": 3}])]
    found = [predicted(each) for each in made]
    assert [len(each) if hasattr(each, "__len__") else each.num_rows for each in found] == [2, 0, 1, 3]
    assert len({tuple(_types(each).items()) for each in found}) == 1
    assert all(type(each) is type(given) for each, given in zip(found, made, strict=True))
    if kind == "polars":
        assert pl.concat(found).height == 6
    if kind == "Arrow":
        assert pa.concat_tables(found).num_rows == 6


def test_columns_without_rows_and_lists_without_any() -> None:
    assert predicted([]) == []
    with pytest.raises(LiftuneError, match="without rows"):
        predicted(pd.DataFrame())


class Numbered(Fake):
    labels = ("0", "1")


class Truths(Fake):
    labels = ("false", "true")


def _bools(cells: list[Any]) -> list[Any]:
    return [None if each is None else bool(each) for each in cells]


UNLABELLED: dict[str, Any] = {
    "pandas Int64": (pd.DataFrame, lambda cells: pd.array(cells, dtype="Int64"), Numbered),
    "pandas boolean": (pd.DataFrame, lambda cells: pd.array(_bools(cells), "boolean"), Truths),
    "polars Int64": (pl.DataFrame, lambda cells: pl.Series(cells, dtype=pl.Int64), Numbered),
    "polars Boolean": (pl.DataFrame, lambda cells: pl.Series(_bools(cells), dtype=pl.Boolean), Truths),
    "Arrow int32": (pa.table, lambda cells: pa.array(cells, pa.int32()), Numbered),
}


@pytest.mark.parametrize("name", UNLABELLED)
def test_one_labelled_row_does_not_change_the_type_of_the_labels(name: str) -> None:
    table, column, model = UNLABELLED[name]
    found = []
    for cells in ([None, None], [None, 1], [0, 1]):
        given = table({"text": ["a", "abcd"], "label": column(cells)})
        found.append(liftune.predict(given, model=model()))
    assert len({tuple(_types(each).items()) for each in found}) == 1
    for each in found:
        labels = each["predicted_label"]
        assert [int(label) for label in (labels.to_pylist() if name.startswith("Arrow") else labels)] == [0, 1]


@pytest.mark.parametrize("cells", [[-1, -1], [0, -1], [None, None], [0, 1]])
def test_rows_of_a_data_set_without_a_class_leave_the_classes(cells: list[Any]) -> None:
    """-1 stands for no label, as in the test parts of GLUE: it made all predicted labels texts, equal to no id."""
    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["short", "long"]))
    given = datasets.Dataset.from_dict({"text": ["a", "abcd"], "label": cells}, features=features)
    found = predicted(given)
    assert found["predicted_label"][:] == [0, 1]
    assert found.features["predicted_label"] == features["label"]


def test_a_stream_of_arrow_comes_back_as_one() -> None:
    table = pa.Table.from_pylist(ROWS)
    for given in (table.to_reader(), table.to_reader(max_chunksize=2)):
        found = predicted(given)
        assert isinstance(found, pa.RecordBatchReader)
        read = found.read_all()
        assert read.column_names == ["n", "text", *ADDED]
        assert read["label"].to_pylist() == WANTED
    parts = predicted({"one": table.to_reader(), "two": table})
    assert parts["one"].read_all() == parts["two"]


def test_a_column_of_a_data_set_is_texts() -> None:
    found = predicted(datasets.Dataset.from_list(ROWS)["text"])
    assert [each.label for each in found] == WANTED


def test_an_empty_text_is_answered_where_texts_are_given_and_a_blank_cell_is_a_row_without_one() -> None:
    assert [each.label for each in predicted(["", "abcd"])] == ["short", "long"]
    assert [each.label for each in predicted(pd.Series(["", "abcd"]))] == ["short", "long"]
    for blank in ("", " ", None):
        for table in (pd.DataFrame({"text": [blank, "abcd"]}), pl.DataFrame({"text": [blank, "abcd"]})):
            assert "no text" in predicted(table)["error"][0]
        assert "no text" in predicted([{"text": blank}, {"text": "abcd"}])[0]["error"]
