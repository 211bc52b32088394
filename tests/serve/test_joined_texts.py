"""Objects of columns as texts: joined as the model's texts were for tuning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from liftune.errors import DataError
from liftune.records.base import TextColumns
from liftune.serve.limits import Limits
from liftune.serve.schemas import ClassifyRequest
from liftune.serve.validation import rows_of
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


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        (Served("Subject", "Body"), {"Subject": "a"}, "tuned on Subject and Body, joined; the object has Subject"),
        (Served("Subject", "Body"), {"Subject": "", "Body": None}, "no text in columns"),
        (Served("text"), {"text": "a"}, "reads one text"),
        (Served(), {"text": "a"}, "reads one text"),
    ],
)
def test_an_object_that_does_not_fit_is_refused_by_its_place(model, given, said):
    with pytest.raises(DataError, match=said) as caught:
        rows(model, "fine", given)
    assert caught.value.where == "texts.1"
