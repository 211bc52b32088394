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
