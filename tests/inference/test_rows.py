"""What predictors take: one rule, whoever asks."""

from __future__ import annotations

import enum
from collections import UserString
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from liftune.errors import DataError
from liftune.inference.rows import rows_of
from liftune.records.base import TextColumns

TEXTS = ["The room was lovely.", "cold and rude"]


class Mood(str, enum.Enum):  # noqa: UP042 - the older way, whose str() is not its value
    GLAD = "glad"


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ("The room was lovely.", ["The room was lovely."]),
        ("", [""]),
        ([], []),
        (TEXTS, TEXTS),
        (tuple(TEXTS), TEXTS),
        ((each for each in TEXTS), TEXTS),
        (dict.fromkeys(TEXTS).keys(), TEXTS),
        (np.array(TEXTS), TEXTS),
        (np.array(TEXTS, dtype=object), TEXTS),
        (pd.Series(TEXTS, index=[7, 9]), TEXTS),
        (pd.Series(TEXTS).astype("category"), TEXTS),
        (pd.Series(TEXTS).astype("string"), TEXTS),
        (pa.array(TEXTS), TEXTS),
        ([np.str_("a"), Mood.GLAD], ["a", "glad"]),
        (["", " \n", "a\0b", "\u2028", "\U0001f600"], ["", " \n", "a\0b", "\u2028", "\U0001f600"]),
    ],
)
def test_one_text_is_one_row_and_an_iterable_of_texts_as_many(given: Any, rows: list[str]) -> None:
    """One string had an answer for each of its characters."""
    found = rows_of(given, pairs=False)
    assert found == rows
    assert {type(each) for each in found} <= {str}


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "nothing"),
        (5, "a number"),
        (1.5, "a number"),
        (np.int64(5), "a number"),
        (True, "true or false"),
        (np.True_, "true or false"),
        (float("nan"), "missing"),
        (np.float32("nan"), "missing"),
        (pd.NA, "missing"),
        (pd.NaT, "missing"),
        (b"abc", "bytes"),
        (bytearray(b"abc"), "bytes"),
        (["a", "b"], "a list"),
        ({"text": "a"}, "a mapping"),
        (("a",), "a tuple of 1"),
        (("a", 5), "a tuple of 2"),
        (np.array(["a"]), "ndarray"),
        (UserString("a"), "UserString"),
        (Path("a"), "Path"),
        ("half \ud83d", "half a character"),
        ("byte \udcff", "not UTF-8"),
    ],
)
def test_what_is_no_text_is_refused_with_its_row(value: Any, what: str) -> None:
    for given in (["a", value], (each for each in ("a", value))):
        with pytest.raises(DataError, match=what) as refused:
            rows_of(given, pairs=False)
        assert refused.value.where == "row 2"
        assert refused.value.hint
    with pytest.raises(DataError, match=what) as refused:
        rows_of([("a", "b"), ("a", value)], pairs=True)
    assert refused.value.where == "row 2, second text"


@pytest.mark.parametrize(
    "given",
    [
        None,
        5,
        float("nan"),
        b"abc",
        Path("a.csv"),
        {"text": "a"},
        pd.DataFrame({"text": TEXTS}),
        pa.table({"text": TEXTS}),
        np.array("a"),
        object(),
    ],
)
@pytest.mark.parametrize("pairs", [False, True])
def test_what_holds_no_texts_is_refused(given: Any, pairs: bool) -> None:
    """A table would have given its column names, a mapping its keys."""
    with pytest.raises(DataError, match="not texts") as refused:
        rows_of(given, pairs=pairs)
    assert refused.value.hint


def test_a_pair_is_a_tuple_for_a_model_of_pairs() -> None:
    assert rows_of(iter([("a", np.str_("b"))]), pairs=True) == [("a", "b")]
    for given in ("a", ["a"], ("a", "b"), [["a", "b"]], [("a", "b", "c")], [{"a": "b"}]):
        with pytest.raises(DataError) as refused:
            rows_of(given, pairs=True)
        assert refused.value.where == "row 1"
        assert "--pair" in str(refused.value.hint)
    with pytest.raises(DataError, match="single texts") as refused:
        rows_of(["a", ("a", "b")], pairs=False)
    assert refused.value.where == "row 2"


def test_the_hints_work_when_followed() -> None:
    number, data, table = 5, b"caf\xc3\xa9", pd.DataFrame({"text": TEXTS})
    half = "half \ud83d"
    assert rows_of([str(number), data.decode(), half.encode(errors="replace").decode()], pairs=False)[1:] == [
        "café",
        "half ?",
    ]
    assert rows_of(table["text"], pairs=False) == TEXTS


JOINED = TextColumns(texts=("Subject", "Body"))
PAIR = TextColumns(texts=("premise",), text_pair="hypothesis")


@pytest.mark.parametrize(
    ("columns", "given", "rows"),
    [
        (JOINED, [{"body": "It came.", "subject": "Late"}, "as it is"], ["Subject: Late\nBody: It came.", "as it is"]),
        (JOINED, {"Subject": "Late", "Body": float("nan"), "id": 4}, ["Subject: Late"]),
        (JOINED, pd.DataFrame({"Subject": ["a"], "Body": [None]}).to_dict("records"), ["Subject: a"]),
        (JOINED, pa.table({"Subject": ["a"], "Body": ["b"]}).to_pylist(), ["Subject: a\nBody: b"]),
        (TextColumns(texts=("Text",)), ({"text": each, 5: "x"} for each in "ab"), ["a", "b"]),
        (TextColumns(texts=("n",)), [{"n": 7}], ["7"]),
    ],
)
def test_a_mapping_of_the_columns_is_a_row_as_in_a_file(columns: TextColumns, given: Any, rows: list[str]) -> None:
    """Over HTTP and in files columns were joined as for tuning; in Python a mapping was refused."""
    assert rows_of(given, pairs=False, columns=columns) == rows


def test_a_mapping_may_hold_a_pair_or_its_first_text() -> None:
    assert rows_of([{"premise": "a", "hypothesis": "b"}, ("c", "d")], pairs=True, columns=PAIR) == [
        ("a", "b"),
        ("c", "d"),
    ]
    both = TextColumns(texts=JOINED.texts, text_pair="answer")
    assert rows_of([({"Subject": "a", "Body": "b"}, "c")], pairs=True, columns=both) == [("Subject: a\nBody: b", "c")]


@pytest.mark.parametrize(
    ("columns", "pairs", "row", "said"),
    [
        (JOINED, False, {"Subject": "a"}, "no Body"),
        (JOINED, False, {}, "the mapping has nothing"),
        (JOINED, False, {"Subject": " ", "Body": None}, "no text in columns Subject, Body"),
        (JOINED, False, {"Subject": ["a"], "Body": "b"}, "'Subject' holds a list"),
        (PAIR, True, {"premise": "a"}, "no hypothesis"),
        (PAIR, True, {"premise": "a", "hypothesis": None}, "no text in column 'hypothesis'"),
        (TextColumns(texts=("text",)), True, {"text": "a"}, "not a pair of texts"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_with_its_row(
    columns: TextColumns, pairs: bool, row: Any, said: str
) -> None:
    with pytest.raises(DataError, match=said) as refused:
        rows_of([row], pairs=pairs, columns=columns)
    assert refused.value.where == "row 1"
    assert refused.value.hint


@pytest.mark.parametrize(
    "table", [pd.DataFrame({"Subject": ["a"], "Body": ["b"]}), pa.table({"Subject": ["a"], "Body": ["b"]})]
)
def test_the_hint_for_a_table_works_for_several_columns(table: Any) -> None:
    with pytest.raises(DataError, match="a table") as refused:
        rows_of(table, pairs=False, columns=JOINED)
    way = str(refused.value.hint).split("predict(table.")[1].removesuffix(")")
    given = table.to_pylist() if way == "to_pylist()" else table.to_dict("records")
    assert way in ("to_pylist()", 'to_dict("records")')
    assert rows_of(given, pairs=False, columns=JOINED) == ["Subject: a\nBody: b"]
