"""Objects of columns as texts: joined as the model's texts were for tuning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from liftune.errors import DataError
from liftune.records.base import TextColumns
from liftune.server.limits import Limits
from liftune.server.schemas import ClassifyRequest
from liftune.server.validation import rows_of
from tests.support.serving import info


class Served:
    def __init__(self, *columns: str) -> None:
        self.info = replace(info(2), columns=TextColumns(texts=columns) if columns else None)


def rows(model: Any, *texts: Any) -> list[Any]:
    return list(rows_of(ClassifyRequest(texts=list(texts)), model, Limits()))


def test_an_object_of_the_columns_is_joined_as_for_tuning():
    model = Served("Subject", "Body")
    assert rows(model, {"body": "It came.", "subject": "Late"}, "as it is") == [
        "Subject: Late\nBody: It came.",
        "as it is",
    ]
    assert rows(model, {"Subject": None, "Body": "b"}) == ["Body: b"]


def test_an_object_of_one_column_or_of_a_pair_is_read_as_a_row_of_a_file_is():
    """The columns are known, so that there is nothing to guess."""
    assert rows(Served("Review"), {"review": "fine", "id": 3}) == ["fine"]
    pairs = Served("premise")
    pairs.info = replace(pairs.info, pairs=True, columns=TextColumns(texts=("premise",), text_pair="hypothesis"))
    assert rows(pairs, {"premise": "a", "hypothesis": "b"}) == [("a", "b")]
    body = ClassifyRequest(texts=[{"premise": "a"}], pairs=["b"])
    assert rows_of(body, pairs, Limits()) == [("a", "b")]


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        (Served("Subject", "Body"), {"Subject": "a"}, "tuned on Subject and Body, joined; .* has Subject, and no Body"),
        (Served("Subject", "Body"), {"Subject": "", "Body": None}, "no text in columns"),
        (Served("text"), {"body": "a"}, "tuned on text; the mapping has body, and no text"),
        (Served(), {"text": "a"}, "which columns this model was tuned on is not known"),
    ],
)
def test_an_object_that_does_not_fit_is_refused_by_its_place(model, given, said):
    with pytest.raises(DataError, match=said) as caught:
        rows(model, "fine", given)
    assert caught.value.where == "texts.1"
