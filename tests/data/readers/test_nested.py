"""Columns that hold objects are opened under dotted names; rows are found below other keys."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from liftune.data import load_data
from liftune.data.load import load
from liftune.data.readers.formats import open_stream, read_bytes
from liftune.data.readers.table import Table
from liftune.errors import DataError
from liftune.inference.row_texts import Texts
from liftune.spec import DataSpec

THINGS = ("printer", "mailbox", "screen", "router", "phone")
TEXTS = [f"The {THINGS[i % 5]} of room {i} stands still since {i} o'clock" for i in range(40)]
LABELS = ["pos" if i % 3 else "neg" for i in range(40)]
BOTH = list(enumerate(zip(TEXTS, LABELS, strict=True)))
ROWS = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]


def read(value: Any, name: str = "x.json") -> Table:
    return read_bytes(json.dumps(value).encode(), name, name)


NESTED: dict[str, tuple[str, str, list[dict[str, Any]]]] = {
    "objects": (
        "content.text",
        "annotation.label",
        [{"content": {"text": t, "lang": "en"}, "annotation": {"label": y, "by": i % 4}} for i, (t, y) in BOTH],
    ),
    "beside a text": ("text", "annotation.stars", [{"text": t, "annotation": {"stars": i % 5}} for i, (t, _) in BOTH]),
    "Label Studio": (
        "data.text",
        "annotations.result.value.choices",
        [
            {"id": i, "data": {"text": t}, "annotations": [{"result": [{"value": {"choices": [y]}}]}], "gold": []}
            for i, (t, y) in BOTH
        ],
    ),
    "Argilla": (
        "fields.text",
        "responses.label.value",
        [{"fields": {"text": t}, "responses": {"label": [{"value": y, "status": "submitted"}]}} for _, (t, y) in BOTH],
    ),
    "a chat": (
        "conversations.human",
        "conversations.gpt",
        [{"conversations": [{"from": "human", "value": t}, {"from": "gpt", "value": y}]} for _, (t, y) in BOTH],
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", NESTED)
@pytest.mark.parametrize("lines", [True, False])
def test_what_is_in_objects_has_a_name_that_is_guessed_and_can_be_given(shape, lines, tmp_path):
    text, label, rows = NESTED[shape]
    path = tmp_path / ("x.jsonl" if lines else "x.json")
    path.write_text("\n".join(map(json.dumps, rows)) if lines else json.dumps(rows))
    spec = DataSpec(source=str(path))
    loaded = load(spec, skip_bad_rows=False)
    assert (loaded.columns.text, loaded.columns.label) == (text, label)
    assert any(f"--label {label}" in note for note in loaded.splits.audit.notes)
    assert set(loaded.splits.train.rows) <= set(TEXTS)
    given = load_data(spec.model_copy(update={"text": text, "label": label}))
    assert given.fingerprint == loaded.splits.fingerprint
    stream = open_stream(path)
    texts = Texts.of(stream, pairs=False, text=text)
    assert [texts.row(line) for line in next(stream.blocks(100))] == [(each, None) for each in TEXTS]


def test_parquet_has_objects_too(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, label, rows = NESTED["objects"]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    columns = load(DataSpec(source=str(tmp_path / "x.parquet")), skip_bad_rows=False).columns
    assert (columns.text, columns.label) == (text, label)


def test_rows_to_predict_keep_their_objects_and_the_text_is_found_by_its_name(tmp_path):
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps({"content": {"text": t, "id": 1}}) for t in TEXTS))
    stream = open_stream(tmp_path / "x.jsonl")
    assert stream.columns == ("content",)
    assert Texts.of(stream, pairs=False).text == "content.text"


def test_mappings_of_labels_stay_what_they_are(tmp_path):
    rows = [{"text": t, "labels": {"joy": i % 2, "fear": i % 3 == 0}} for i, (t, _) in BOTH]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    assert load_data(DataSpec(source=str(tmp_path / "x.json"))).labels == ("fear", "joy")


def test_several_values_of_a_row_are_a_list():
    rows = [{"text": t, "marks": [{"label": y}, {"label": "new"}][: 1 + i % 2]} for i, (t, y) in BOTH]
    assert read(rows).read("marks.label")[:2] == [["neg"], ["pos", "new"]]
    assert read(rows[::2]).read("marks.label")[0] == "neg"


def test_mixed_and_endless_objects_are_not_opened():
    assert read([{"text": "a", "meta": {"x": "y"}}, {"text": "b", "meta": "none"}]).columns == ("text", "meta")
    assert read([{"text": "a", "votes": {f"user{i}": "yes it is"}} for i in range(100)]).columns == ("text", "votes")


WRAPPED: dict[str, Any] = {
    "meta beside": {"meta": {"count": 40, "fields": [{"name": "text"}, {"name": "label"}]}, "results": ROWS},
    "deeper": {"meta": {"count": 40}, "results": {"items": ROWS, "next": None}},
    "deepest": {"response": {"status": {"code": 0}, "body": {"page": {"no": 1}, "docs": ROWS}}},
    "a usual name beside": {"topic": "tickets", "title": "All of them", "results": ROWS},
    "columns": {"meta": {"n": 40}, "data": {"text": TEXTS, "label": LABELS}},
    "columns beside a version": {"version": 2, "text": TEXTS, "label": LABELS},
    "lists": {"meta": {"n": 40}, "rows": [["text", "label"], *map(list, zip(TEXTS, LABELS, strict=True))]},
    "by id": {f"r{i}": {**row, "spans": [{"start": 1}] * (i % 2)} for i, row in enumerate(ROWS)},
}


@pytest.mark.parametrize("shape", WRAPPED)
def test_rows_below_other_keys_are_found(shape):
    table = read(WRAPPED[shape])
    assert (table.read("text"), table.read("label")) == (TEXTS, LABELS)
    assert table.notes


def test_columns_of_objects_beside_texts_are_columns():
    table = read({"text": TEXTS, "label": LABELS, "meta": [{"a": i} for i in range(40)]})
    assert table.read("text") == TEXTS


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
def test_one_row_is_one_row(name):
    row = {"text": TEXTS[0], "spans": [{"start": 0, "end": 4}, {"start": 5, "end": 9}]}
    assert read(row, name).rows == 1
    assert read({**row, "spans": [{"text": "The"}, {"text": "room"}]}, "x.jsonl").read("text") == TEXTS[:1]


def test_where_it_is_unclear_the_hint_writes_the_rows(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"first": ROWS, "second": ROWS}))
    with pytest.raises(DataError) as caught:
        read_bytes(path.read_bytes(), "x.json", str(path))
    hint = caught.value.hint or ""
    code = hint.split("python -c ")[1].split(", or ")[0].replace("'\"'\"'", "'").strip("'")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert read_bytes((tmp_path / "rows.json").read_bytes(), "rows.json", "rows.json").rows == 40


@pytest.mark.parametrize("marked", [True, False])
def test_labels_that_someone_rejected_are_no_labels(marked, tmp_path):
    """Prodigy writes such rows beside the accepted ones: they are left out and counted, and no fault of the file."""
    answers = ["accept", "reject", "ignore", "accept"] * 10
    rows = [{**row, **({"_input_hash": i} if marked else {}), "answer": answers[i]} for i, row in enumerate(ROWS)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = load_data(DataSpec(source=str(tmp_path / "x.jsonl")))
    assert sum(found.counts.model_dump().values()) == 20
    assert any("20 rows are left out, whose Prodigy answer is reject or ignore" in note for note in found.audit.notes)
    kept = {row for split in (found.train, found.validation, found.test) for row in split.rows}
    assert kept == {row["text"] for row, answer in zip(rows, answers, strict=True) if answer == "accept"}


def task(i, label, *, skipped=False):
    """One of a Label Studio export; without a label nobody has annotated it, or it was skipped."""
    result = [{"from_name": "label", "type": "choices", "value": {"choices": [label]}}] if label else []
    annotations = [{"id": i, "was_cancelled": skipped, "result": result}] if label or skipped else []
    return {"id": i, "data": {"text": ROWS[i % 40]["text"]}, "annotations": annotations}


def test_tasks_that_nobody_has_annotated_are_left_out_and_counted(tmp_path):
    """They are no fault of the file, as an export holds all tasks; one that was sent without a label is one."""
    tasks = [task(i, ROWS[i]["label"]) for i in range(30)] + [task(i, None) for i in range(30, 36)]
    tasks += [task(i, None, skipped=True) for i in range(36, 38)]
    (tmp_path / "x.json").write_text(json.dumps(tasks))
    spec = DataSpec(source=str(tmp_path / "x.json"), text="data.text", label="annotations.result.value.choices")
    found = load_data(spec)
    assert sum(found.counts.model_dump().values()) == 30
    assert found.audit.skipped_rows == 0
    assert "6 tasks of Label Studio left out, as nobody has annotated them" in found.audit.notes
    assert "2 tasks of Label Studio left out, as people skipped them" in found.audit.notes
    empty = task(38, "joy")
    empty["annotations"][0]["result"] = []
    (tmp_path / "x.json").write_text(json.dumps([*tasks, empty]))
    with pytest.raises(DataError, match="row 39 cannot be used: no label"):
        load_data(spec)


def test_an_export_that_nobody_has_annotated_has_no_label(tmp_path):
    """Its lists of annotations are all empty: that is no class named ()."""
    (tmp_path / "x.json").write_text(json.dumps([task(i, None) for i in range(30)]))
    with pytest.raises(DataError, match="no train row has a label: every list of labels is empty") as refused:
        load_data(DataSpec(source=str(tmp_path / "x.json")))
    assert refused.value.where == str(tmp_path / "x.json")
    assert "--label" in str(refused.value.hint)


@pytest.mark.parametrize("other", ["yes", "Accept"])
def test_an_answer_that_is_not_prodigys_says_nothing_of_the_row(other, tmp_path):
    rows = [{**row, "answer": (other, "reject")[i % 2]} for i, row in enumerate(ROWS)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert sum(load_data(DataSpec(source=str(tmp_path / "x.jsonl"))).counts.model_dump().values()) == len(ROWS)


def test_an_answer_that_is_the_label_is_one(tmp_path):
    rows = [{"text": row["text"], "answer": ("accept", "reject")[i % 2]} for i, row in enumerate(ROWS)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = load_data(DataSpec(source=str(tmp_path / "x.jsonl"), label="answer"))
    assert sum(found.counts.model_dump().values()) == len(ROWS)


def test_a_file_of_rejected_rows_alone_is_said_to_be_that(tmp_path):
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps({**row, "answer": "reject"}) for row in ROWS))
    with pytest.raises(DataError, match="no row is accepted"):
        load_data(DataSpec(source=str(tmp_path / "x.jsonl")))


def test_a_manifest_is_read_under_its_own_name(tmp_path):
    """As SageMaker Ground Truth writes it."""
    rows = [{"source": text, "job": 0, "job-metadata": {"class-name": label}} for _, (text, label) in BOTH]
    (tmp_path / "output.manifest").write_text("\n".join(map(json.dumps, rows)))
    assert load_data(DataSpec(source=str(tmp_path / "output.manifest"))).labels == ("neg", "pos")


def test_the_hint_for_a_file_of_automl_without_header_reads_it(tmp_path):
    path = tmp_path / "x.csv"
    parts = ("TRAIN", "TEST", "VALIDATION", "TRAIN")
    path.write_text("".join(f'{parts[i % 4]},"{text}",{label}\n' for i, (text, label) in BOTH))
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(path)))
    assert "--columns split,text,label" in str(caught.value.hint)
    found = load_data(DataSpec(source=str(path), columns="split,text,label"))
    assert found.counts.train == 20


@pytest.mark.parametrize(
    "name", ["www.host.de/data.csv", "www.host/data", "data.host.org/x/data.csv", "localhost:80/a.csv"]
)
def test_an_address_without_its_scheme_is_said_to_lack_it(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no such file") as caught:
        load_data(DataSpec(source=name))
    assert f"https://{name}" in str(caught.value.hint)
