"""Which columns of a file are the texts: the model's own, else by the rule of `tune`: there is one rule, not two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from serving import fake_app, info
from starlette.testclient import TestClient

from liftune.data.column_search import find_columns
from liftune.data.readers.table import Table
from liftune.records.base import TextColumns
from liftune.server.columns import texts_found
from liftune.server.schemas import ColumnsRequest

FORM = {
    "Timestamp": [f"2024/03/{i:02d} 10:00:{i:02d}" for i in range(1, 25)],
    "How satisfied are you?": ["good" if i % 3 else "bad" for i in range(1, 25)],
    "What could we do better?": [f"Tell us on day {i} how long the queue at the desk will take" for i in range(1, 25)],
}


def asked(columns: dict[str, list[str]]) -> ColumnsRequest:
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return ColumnsRequest(columns=list(columns), rows=rows)


@pytest.mark.parametrize(
    "columns",
    [
        FORM,
        {"id": ["1", "2", "3"], "review": ["abc", "b c", "d"], "label": ["x", "y", "x"]},
        {
            "title": ["A", "B", "C"],
            "Comment": ["so much to read", "and more to read", "no end"],
            "label": ["x", "y", "x"],
        },
    ],
)
def test_a_files_text_is_the_one_that_tune_takes(columns: dict[str, list[str]]) -> None:
    table = Table(
        "rows", "a file", tuple(columns), len(next(iter(columns.values()))), lambda name: columns[name], typed=False
    )
    assert texts_found(asked(columns), info(2)).columns == [find_columns(table).text]


def test_what_was_guessed_is_said() -> None:
    found = texts_found(asked(FORM), info(2))
    assert found.columns == ["What could we do better?"]
    assert "guessed" in found.said


def test_the_columns_of_the_models_own_training_come_first() -> None:
    """Also where `tune` would take another one, and where several were joined."""
    columns = {"text": ["a b", "c d"], "Subject": ["x", "y"], "body": ["long one", "short"]}
    joined = replace(info(2), columns=TextColumns(texts=("subject", "body"), text_pair=None))
    assert texts_found(asked(columns), joined).columns == ["Subject", "body"]
    lacking = texts_found(asked({"text": ["a"], "body": ["b"]}), joined)
    assert lacking.columns == []
    assert "the file has no subject" in lacking.said


def test_a_model_of_pairs_gets_both_texts() -> None:
    columns = {"premise": ["some words", "more"], "hypothesis": ["other words", "and more"]}
    found = texts_found(asked(columns), info(3, pairs=True))
    assert (found.columns, found.text_pair) == (["premise"], "hypothesis")
    single = texts_found(asked(columns), info(3))
    assert single.columns == []
    assert "are a pair, and the model reads single texts" in single.said


def test_an_unclear_file_has_no_column_taken() -> None:
    found = texts_found(asked({"a": ["some words here", "more of it"], "b": ["other words", "even more"]}), info(2))
    assert (found.columns, found.said) == ([], "which column holds the text is unclear")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(fake_app(tmp_path)) as opened:
        yield opened


def test_it_is_asked_over_http(client: TestClient) -> None:
    body = asked(FORM).model_dump()
    assert client.post("/v1/columns", json=body).json()["columns"] == ["What could we do better?"]


@pytest.mark.parametrize(
    ("columns", "rows", "detail", "where"),
    [
        (["a", "a"], [["x", "y"]], "two columns have the same name", "columns"),
        (["a", "b"], [["x", "y"], ["x"]], "1 cells, but 2 columns", "rows.1"),
    ],
)
def test_rows_that_are_no_table_are_refused(
    columns: list[str], rows: list[list[str]], detail: str, where: str, client: TestClient
) -> None:
    answer = client.post("/v1/columns", json={"columns": columns, "rows": rows})
    assert answer.status_code == 422
    assert (answer.json()["detail"], answer.json()["where"]) == (detail, where)
    assert answer.json()["hint"]
