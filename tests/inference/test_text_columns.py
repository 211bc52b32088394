"""A model remembers the columns that its texts were read from, and reads a file of the same columns alike."""

from __future__ import annotations

import csv

import pytest

from liftune.data.load import load_data
from liftune.data.readers.formats import open_stream
from liftune.data.test_part import load_test
from liftune.errors import DataError
from liftune.inference.row_texts import Texts
from liftune.records.base import TextColumns
from liftune.spec import DataSpec

BOTH = TextColumns(texts=("subject", "body"))


def table(path, head, rows=30):
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(head)
        out.writerows([f"{name} {i}" if name != "label" else "ab"[i % 2] for name in head] for i in range(rows))
    return str(path)


def rows_of(path, **more):
    stream = open_stream(path)
    texts = Texts.of(stream, pairs=False, **more)
    return [texts.row(line) for block in stream.blocks(100) for line in block]


def test_rows_hold_the_columns_that_they_were_read_from(tmp_path):
    path = table(tmp_path / "x.csv", ("subject", "body", "label"))
    assert load_data(DataSpec(source=path, text="subject,body")).columns == BOTH
    assert load_data(DataSpec(source=path, text="body")).columns == TextColumns(texts=("body",))
    assert load_data(DataSpec(source=path, text="body", text_pair="subject")).columns == TextColumns(
        texts=("body",), text_pair="subject"
    )


def test_predicting_and_evaluating_join_as_tuning_did(tmp_path):
    path = table(tmp_path / "x.csv", ("id", "Body", "Subject", "label"))
    [(first, fault), *_] = rows_of(path, known=BOTH)
    assert (first, fault) == ("subject: Subject 0\nbody: Body 0", None)
    assert load_test(DataSpec(source=path), known=BOTH).test.rows[0] == first
    assert rows_of(path, text="Subject,Body", known=BOTH)[0][0] == first


def test_a_remembered_column_comes_before_a_usual_name(tmp_path):
    path = table(tmp_path / "x.csv", ("text", "notes"))
    assert rows_of(path, known=TextColumns(texts=("notes",)))[0][0] == "notes 0"
    assert rows_of(path, known=TextColumns(texts=("other",)))[0][0] == "text 0"
    assert rows_of(path)[0][0] == "text 0"


def test_a_file_that_lacks_a_joined_column_is_refused_and_the_hint_works(tmp_path):
    path = table(tmp_path / "x.csv", ("text", "body", "label"))
    with pytest.raises(DataError, match="has no subject") as caught:
        rows_of(path, known=BOTH)
    assert "--text" in (caught.value.hint or "")
    assert rows_of(path, text="text", known=BOTH)[0][0] == "text 0"
    with pytest.raises(DataError, match="has no subject"):
        load_test(DataSpec(source=path), known=BOTH)


def test_a_row_whose_joined_columns_are_all_blank_is_an_error_of_that_row(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("subject,body\n,\nhello,\n")
    assert rows_of(str(path), known=BOTH) == [("", "no text in columns subject, body"), ("subject: hello", None)]


def test_the_second_text_of_a_pair_is_remembered(tmp_path):
    stream = open_stream(table(tmp_path / "x.csv", ("answer", "title", "ask")))
    texts = Texts.of(stream, pairs=True, known=TextColumns(texts=("ask",), text_pair="answer"))
    assert (texts.text, texts.text_pair) == ("ask", "answer")
