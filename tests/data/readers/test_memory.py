"""Tables in memory are read as the files that they would be written to."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from liftune.data.load import LoadedData, load
from liftune.data.readers.memory import tables_of
from liftune.data.splits import Splits
from liftune.errors import DataError
from liftune.spec import IN_MEMORY, DataSpec

ROWS = [
    {
        "text": f"{'a good meal' if i % 2 else 'a dull film'}, number {i}",
        "label": ("bad", "good")[i % 2],
        "stars": i % 5,
    }
    for i in range(40)
]
TEXTS, LABELS = [row["text"] for row in ROWS], [row["label"] for row in ROWS]
FRAME = pd.DataFrame(ROWS)
#: Every kind of table that is taken.
TABLES: dict[str, Any] = {
    "pandas": FRAME,
    "pandas, another index": FRAME.set_index(pd.Index(range(100, 140))),
    "pandas, categories": FRAME.assign(label=FRAME.label.astype("category")),
    "pandas, own strings": FRAME.convert_dtypes(),
    "polars": pl.DataFrame(ROWS),
    "Arrow table": pa.Table.from_pylist(ROWS),
    "Arrow batch": pa.RecordBatch.from_pylist(ROWS),
    "Dataset": datasets.Dataset.from_list(ROWS),
    "rows of a Dataset": datasets.Dataset.from_list([*ROWS, *ROWS]).select(range(40)),
    "list of dicts": ROWS,
    "dict of columns": FRAME.to_dict("list"),
    "dict of Series": {"text": FRAME.text, "label": FRAME.label},
    "texts and labels": (TEXTS, LABELS),
    "Series of both": (FRAME.text, FRAME.label),
    "numpy's": (np.array(TEXTS), np.array(LABELS)),
}


def read(table: Any, **options: Any) -> LoadedData:
    return load(DataSpec(source=IN_MEMORY, **options), tables_of(table), skip_bad_rows=True)


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_of_any_kind_gives_the_rows_of_the_file(kind: str, tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "rows.parquet")
    FRAME.to_csv(tmp_path / "rows.csv", index=False)
    found = read(TABLES[kind]).splits
    for file in ("rows.parquet", "rows.csv"):
        expected = load(DataSpec(source=str(tmp_path / file)), skip_bad_rows=True).splits
        assert (found.train, found.validation, found.test) == (expected.train, expected.validation, expected.test)
        assert found.fingerprint == expected.fingerprint


ODD: dict[str, Any] = {
    "whole numbers": [1, 2] * 10,
    "codes as texts": ["007", "7"] * 10,
    "decimals": [0.5, 1.25] * 10,
    "a gap among numbers": [1, 0] * 9 + [None, 1],
    "a gap among texts": ["a", "b"] * 9 + [None, "a"],
    "true and false": [True, False] * 10,
    "lists": [["a", "b"], []] * 10,
    "a number among texts": ["a", "b"] * 9 + [3, "a"],
    "bytes": [b"a", b"b"] * 10,
    "days": [date(2026, 1, 1 + i) for i in range(20)],
}


@pytest.mark.parametrize("kind", ODD)
def test_cells_of_a_frame_mean_what_they_mean_in_its_parquet_file(kind: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": [f"text {i} {'x' * i}" for i in range(20)], "label": ODD[kind]})

    def seen(read_it: Callable[[], LoadedData]) -> Any:
        try:
            found = read_it()
            return found.splits.task, found.splits.labels, found.splits.train, [bad.reason for bad in found.bad_rows]
        except DataError as error:
            return error.message

    ours = seen(lambda: read(frame))
    try:
        frame.to_parquet(tmp_path / "rows.parquet")
    except pa.ArrowException:  # no file can hold it: as a list of dicts then
        assert ours == seen(lambda: read(frame.to_dict("records")))
        return
    assert ours == seen(lambda: load(DataSpec(source=str(tmp_path / "rows.parquet")), skip_bad_rows=True))


def test_parts_are_recognised_by_their_names_and_class_ids_have_names() -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    each = datasets.Dataset.from_list([{**row, "label": i % 2} for i, row in enumerate(ROWS)]).select_columns(
        ["text", "label"]
    )
    found = read(datasets.DatasetDict(train=each.cast(features), test=each.cast(features).select(range(10))))
    assert found.splits.labels == ("bad", "good")
    assert len(found.splits.test) == 10
    assert read({"train": FRAME, "test": FRAME[:6], "dev": ROWS[:8]}).splits.counts == (
        read({"train": ROWS, "test": (TEXTS[:6], LABELS[:6]), "dev": FRAME[:8]}).splits.counts
    )


def test_options_that_read_columns_apply_and_those_of_text_files_are_refused() -> None:
    frame = FRAME.rename(columns={"text": "Body", "label": "Mood"})
    assert read(frame, text="Body", label="stars").splits.labels == ("0", "1", "2", "3", "4")
    assert read(list(zip(TEXTS, LABELS, strict=True)), columns=("text", "label")).splits.labels == ("bad", "good")
    with pytest.raises(DataError, match="not read from a text file") as refused:
        read(frame, encoding="latin-1", skip_lines=2)
    assert refused.value.where == "--encoding, --skip-lines"


def test_a_row_that_is_no_text_is_a_bad_row_of_its_own() -> None:
    frame = pd.DataFrame(
        {"text": [*TEXTS[:20], 5, None, "half \ud800 a character"], "label": [*LABELS[:20], "bad", "bad", "good"]}
    )
    reasons = [bad.reason for bad in read(frame).bad_rows]
    assert len(reasons) >= 2
    assert any("surrogate" in each for each in reasons)


WRONG: dict[str, tuple[Any, str]] = {
    "a number": (5, "type int is no table"),
    "bytes": (b"x", "type bytes is no table"),
    "an iterator": (iter(ROWS), "no table"),
    "a lazy frame": (pl.DataFrame(ROWS).lazy(), "no table"),
    "a matrix": (np.zeros((3, 2)), "no table"),
    "nothing": ([], "no rows"),
    "a frame of nothing": (FRAME[:0], "without rows"),
    "texts alone": (TEXTS, "texts without labels"),
    "a Series": (FRAME.text, "one column"),
    "too few labels": ((TEXTS, LABELS[:3]), "40 texts and 3 labels"),
    "columns of several lengths": ({"text": TEXTS, "label": LABELS[:2]}, "several lengths"),
    "a text as a column": ({"text": "abc", "label": ["a"]}, "no list of cells"),
    "two columns of one name": (pd.DataFrame([["a", "b"]], columns=["text", "text"]), "one name"),
    "rows that are numbers": ([{"text": "a"}, 2], "row 2"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_table_is_refused_in_words(kind: str) -> None:
    value, what = WRONG[kind]
    with pytest.raises(DataError, match=what) as refused:
        read(value)
    assert refused.value.hint


@pytest.mark.parametrize("column", [pl.Series(TEXTS), pd.Series(TEXTS), pa.chunked_array([TEXTS])], ids=type)
def test_one_column_is_refused_in_words(column: Any) -> None:
    with pytest.raises(DataError, match="one column, not a table") as refused:
        tables_of(column).stream("rows")
    assert "(texts, labels)" in str(refused.value.hint)


@pytest.mark.parametrize("made", [pa.array, lambda cells: pa.chunked_array([cells]), pl.Series, np.array])
def test_texts_and_labels_may_be_arrays_of_any_library(made: Any) -> None:
    for given in ((made(TEXTS), made(LABELS)), {"text": made(TEXTS), "label": made(LABELS)}):
        stream = tables_of(given).stream("rows")
        assert stream.column("text") == TEXTS
        assert stream.column("label") == LABELS


@pytest.mark.parametrize("parts", [False, True])
def test_the_hint_for_rows_that_are_only_iterated_over_keeps_the_names_of_classes(parts: bool) -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    held = datasets.Dataset.from_dict({"text": TEXTS, "label": [i % 2 for i in range(40)]}, features=features)
    rows: Any = held.to_iterable_dataset()
    rows = datasets.IterableDatasetDict(test=rows) if parts else rows
    with pytest.raises(DataError, match="iterated") as refused:
        tables_of(rows).stream("rows")
    code = str(refused.value.hint).removesuffix(" holds it")
    followed = eval(code, {"Dataset": datasets.Dataset, "DatasetDict": datasets.DatasetDict, "rows": rows})
    stream = tables_of(followed).stream("test" if parts else "rows")
    assert stream.class_names == {"label": ("neg", "pos")}


# Labels of types that no JSON has -------------------------------------------------------------------------------------


def _splits(source: Any, rows: Any = None) -> Splits:
    return load(DataSpec(source=str(source)), None if rows is None else tables_of(rows), skip_bad_rows=False).splits


class Mood(enum.Enum):
    """As programs keep labels."""

    BAD = 1
    GOOD = 2


MONTHS = pd.PeriodIndex(["2020-01", "2020-02"] * 20, freq="M")
HALVES = pd.cut(FRAME.stars, [-1, 2, 5])
IDS = [uuid.UUID(int=i % 2) for i in range(40)]
#: Labels -> what they are read as.
OF_OTHER_TYPES: dict[str, tuple[Any, set[str]]] = {
    "periods": (MONTHS, {"2020-01", "2020-02"}),
    "periods as objects": (MONTHS.astype(object), {"2020-01", "2020-02"}),
    "periods as categories": (MONTHS.astype("category"), {"2020-01", "2020-02"}),
    "quarters": (pd.PeriodIndex(["2020Q1", "2021Q3"] * 20, freq="Q"), {"2020Q1", "2021Q3"}),
    "days": (pd.PeriodIndex(["2020-01-01", "2021-03-01"] * 20, freq="D"), {"2020-01-01", "2021-03-01"}),
    "pd.cut": (HALVES, {"(-1, 2]", "(2, 5]"}),
    "pd.cut, open to the right": (pd.cut(FRAME.stars, [0, 2, 5], right=False), {"[0, 2)", "[2, 5)"}),
    "pd.qcut": (pd.qcut(FRAME.stars, 2), {"(-0.001, 2.0]", "(2.0, 4.0]"}),
    "intervals": (HALVES.astype(object), {"(-1, 2]", "(2, 5]"}),
    "array of intervals": (pd.arrays.IntervalArray(HALVES.astype(object)), {"(-1, 2]", "(2, 5]"}),
    "UUIDs": (pd.Series(IDS, dtype=object), set(map(str, IDS))),
}


@pytest.mark.parametrize("name", OF_OTHER_TYPES)
def test_a_label_of_pandas_own_types_is_its_text(name: str, tmp_path: Path) -> None:
    """A period was the number of months since 1970, an interval a mapping of labels to shares."""
    labels, expected = OF_OTHER_TYPES[name]
    frame = FRAME[["text"]].assign(label=labels)
    found = _splits(IN_MEMORY, frame)
    assert (found.task.value, set(found.labels)) == ("single_label", expected)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert set(_splits(tmp_path / "rows.csv").labels) == expected
    try:
        frame.to_parquet(tmp_path / "rows.parquet")
    except (pa.ArrowException, NotImplementedError):
        return  # of objects and categories
    assert set(_splits(tmp_path / "rows.parquet").labels) == expected
    as_rows = [{"text": text, "label": label} for text, label in zip(frame["text"], frame["label"], strict=True)]
    assert set(_splits(IN_MEMORY, as_rows).labels) == expected


def test_pandas_types_are_known_where_pandas_was_never_imported(tmp_path: Path) -> None:
    """Pyarrow then reads the storage, and their names stand in the field's metadata."""
    pandas_s = {b"ARROW:extension:name": b"pandas.interval", b"ARROW:extension:metadata": b'{"closed": "left"}'}
    ends = pa.array([{"left": i % 2, "right": 2 + i % 2} for i in range(40)])
    schema = pa.schema([pa.field("text", pa.string()), pa.field("label", ends.type, metadata=pandas_s)])
    table = pa.table([pa.array(TEXTS), ends], schema=schema)
    assert set(_splits(IN_MEMORY, table).labels) == {"[0, 2)", "[1, 3)"}


def test_labels_of_json_in_arrow_are_its_values() -> None:
    labels = pa.ExtensionArray.from_storage(pa.json_(), pa.array(['"bad"', '"good"'] * 20))
    assert set(_splits(IN_MEMORY, pa.table({"text": TEXTS, "label": labels})).labels) == {
        "bad",
        "good",
    }


@pytest.mark.parametrize("labels", [[Mood.BAD, Mood.GOOD] * 20, [1j, 2j] * 20, [range(1), range(2)] * 20])
def test_other_labels_are_refused_with_what_makes_them_texts(labels: Any) -> None:
    for rows in ((TEXTS, labels), FRAME[["text"]].assign(label=pd.Series(labels, dtype=object))):
        with pytest.raises(DataError, match="is not a text or a number") as refused:
            _splits(IN_MEMORY, rows)
        assert "str(label)" in str(refused.value.hint)


def test_a_column_that_arrow_cannot_hold_is_refused_in_words() -> None:
    frame = pl.DataFrame({"text": TEXTS, "label": pl.Series([0, 1] * 20, dtype=pl.Int128)})
    with pytest.raises(DataError, match="Arrow cannot hold a column"):
        _splits(IN_MEMORY, frame)


# X and y, indexes, two lists ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows",
    [
        (FRAME[["text"]], FRAME.label),
        (FRAME[["text", "stars"]], LABELS),
        (pl.DataFrame({"text": TEXTS}), np.array(LABELS)),
        (np.array(TEXTS)[:, None], LABELS),
        FRAME[["text", "label"]].set_index("label"),
        FRAME[["text", "label"]].set_index("text"),
    ],
)
def test_a_table_beside_labels_and_a_named_index_are_read(rows: Any) -> None:
    found = _splits(IN_MEMORY, rows)
    assert found.labels == ("bad", "good")
    assert {*found.train.rows, *found.validation.rows, *found.test.rows} == set(TEXTS)


def test_a_table_and_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="40 rows and 39 labels"):
        _splits(IN_MEMORY, (FRAME[["text"]], LABELS[1:]))
    with pytest.raises(DataError, match="has a column 'label', and labels beside it"):
        _splits(IN_MEMORY, (FRAME[["text", "label"]], LABELS))


def test_two_lists_are_told_to_be_a_tuple() -> None:
    with pytest.raises(DataError, match="two lists of 40") as refused:
        _splits(IN_MEMORY, [TEXTS, LABELS])
    assert str(refused.value.hint) == "texts and labels are a tuple: (texts, labels)"
