"""Training files of managed services are read as text and label, and what was taken is said."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from liftune.data import load_data
from liftune.data.load import load
from liftune.data.readers.formats import open_stream, read_bytes
from liftune.data.readers.memory import stream_of, tables_of
from liftune.data.readers.services import recognised
from liftune.errors import DataError
from liftune.inference.row_texts import Texts
from liftune.spec import DataSpec

TEXTS = [
    f"The {('meal', 'room', 'bath')[i % 3]} of day {i} was {'fine' if i % 2 else 'cold'}, I find" for i in range(40)
]
LABELS = ["good" if i % 2 else "bad" for i in range(40)]
LISTS = [["good", "brief"] if i % 2 else ["bad"] for i in range(40)]
PARTS = ["test" if i % 5 == 0 else "validation" if i % 5 == 1 else "training" for i in range(40)]
BOTH = list(zip(TEXTS, LABELS, strict=True))
SYSTEM = {"role": "system", "content": "Answer good or bad."}


def chat(user: Any, answer: Any, *before: dict[str, Any], names: tuple[str, str] = ("user", "assistant")) -> Any:
    asked, answered = names
    return [*before, {"role": asked, "content": user}, {"role": answered, "content": answer}]


def gemini(text: str, label: str) -> list[dict[str, Any]]:
    return [{"role": "user", "parts": [{"text": text}]}, {"role": "model", "parts": [{"text": label}]}]


def manifest(text: str, label: str, i: int, job: str = "review-mood") -> dict[str, Any]:
    about = {"class-name": label, "job-name": "labeling-job/x", "confidence": 0.6, "human-annotated": "yes"}
    return {"source": text, job: i % 2, f"{job}-metadata": about}


ONE_LABEL: dict[str, list[dict[str, Any]]] = {
    "OpenAI": [{"messages": chat(t, y, SYSTEM)} for t, y in BOTH],
    "OpenAI, parts": [{"messages": chat([{"type": "text", "text": t}], y)} for t, y in BOTH],
    "OpenAI, an answer with a line break": [{"messages": chat(t, f"{y}\n")} for t, y in BOTH],
    "Bedrock": [{"system": [{"text": "Judge."}], "messages": chat([{"text": t}], [{"text": y}])} for t, y in BOTH],
    "Cohere's chats": [{"messages": chat(t, y, names=("User", "Chatbot"))} for t, y in BOTH],
    "prompts": [{"prompt": t, "completion": f" {y}"} for t, y in BOTH],
    "prompts with marks": [{"prompt": f"{t}\n\n###\n\n", "completion": f" {y} END"} for t, y in BOTH],
    "prompts with arrows": [{"prompt": f"{t} ->", "completion": f" {y}\n"} for t, y in BOTH],
    "prompts that are chats": [{"prompt": chat(t, y)[:1], "completion": chat(t, y)[1:]} for t, y in BOTH],
    "Gemini": [{"systemInstruction": {"parts": [{"text": "Judge."}]}, "contents": gemini(t, y)} for t, y in BOTH],
    "Gemini alone": [{"contents": gemini(t, y)} for t, y in BOTH],
    "PaLM": [{"input_text": t, "output_text": y} for t, y in BOTH],
    "Vertex": [{"textContent": t, "classificationAnnotation": {"displayName": y}} for t, y in BOTH],
    "Ground Truth": [manifest(t, y, i) for i, (t, y) in enumerate(BOTH)],
    "a job that is named label": [manifest(t, y, i, "label") for i, (t, y) in enumerate(BOTH)],
    "Cohere": [{"text": t, "label": y} for t, y in BOTH],
}  # fmt: skip


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("service", ONE_LABEL)
def test_rows_of_a_service_are_read_as_text_and_label(service, lines, tmp_path):
    rows = ONE_LABEL[service]
    path = tmp_path / ("x.jsonl" if lines else "x.json")
    path.write_text("\n".join(map(json.dumps, rows)) if lines else json.dumps(rows))
    loaded = load(DataSpec(source=str(path)), skip_bad_rows=False)
    assert (loaded.columns.text, loaded.columns.label) == ("text", "label")
    splits = loaded.splits
    told = dict(BOTH)
    assert sorted(row for part in (splits.train, splits.validation, splits.test) for row in part.rows) == sorted(TEXTS)
    assert list(splits.test.targets) == [told[row] for row in splits.test.rows]
    assert service == "Cohere" or any("read as" in note for note in splits.audit.notes)
    stream = open_stream(path)
    texts = Texts.of(stream, pairs=False, text=None)
    assert [texts.row(line) for line in next(stream.blocks(100))] == [(each, None) for each in TEXTS]


@pytest.mark.parametrize("service", ONE_LABEL)
def test_rows_in_memory_are_read_the_same_way(service, tmp_path):
    pd = pytest.importorskip("pandas")

    rows = ONE_LABEL[service]
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    told = load_data(DataSpec(source=str(path))).fingerprint
    for given in (rows, pd.DataFrame(rows)):
        assert load_data(DataSpec(source="memory"), tables_of(given)).fingerprint == told


SEVERAL_LABELS: dict[str, list[dict[str, Any]]] = {
    "Vertex": [
        {"textContent": t, "classificationAnnotations": [{"displayName": y} for y in each]}
        for t, each in zip(TEXTS, LISTS, strict=True)
    ],
    "Ground Truth": [
        {
            "source": t,
            "kinds": [i for i, _ in enumerate(each)],
            "kinds-metadata": {"class-map": {str(i): y for i, y in enumerate(each)}, "type": "groundtruth/text-multi"},
        }
        for t, each in zip(TEXTS, LISTS, strict=True)
    ],
}


@pytest.mark.parametrize("service", SEVERAL_LABELS)
def test_several_labels_are_a_list(service, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(map(json.dumps, SEVERAL_LABELS[service])))
    splits = load_data(DataSpec(source=str(path)))
    assert splits.task.value == "multi_label"
    assert set(splits.labels) == {"good", "bad", "brief"}


def read(rows: list[dict[str, Any]]) -> Any:
    return read_bytes("\n".join(map(json.dumps, rows)).encode(), "x.jsonl", "x.jsonl")


def test_a_sentiment_of_vertex_is_the_label(tmp_path):
    """The other kind of annotation of one label a text: a number, of which 0 is the worst."""
    path = tmp_path / "x.jsonl"
    told = {text: label == "good" for text, label in BOTH}
    rows = [{"textContent": t, "sentimentAnnotation": {"sentiment": int(told[t]), "sentimentMax": 1}} for t in TEXTS]
    path.write_text("\n".join(map(json.dumps, rows)))
    splits = load_data(DataSpec(source=str(path)))
    assert splits.labels == ("0", "1")
    assert list(splits.test.targets) == [str(int(told[row])) for row in splits.test.rows]


def test_vertex_rows_name_their_part(tmp_path):
    key = "aiplatform.googleapis.com/ml_use"
    path = tmp_path / "x.jsonl"
    rows = [
        {**row, "dataItemResourceLabels": {key: part}} for row, part in zip(ONE_LABEL["Vertex"], PARTS, strict=True)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    splits = load_data(DataSpec(source=str(path)))
    for part, split in (("test", splits.test), ("validation", splits.validation), ("training", splits.train)):
        assert set(split.rows) == {text for text, own in zip(TEXTS, PARTS, strict=True) if own == part}


def test_a_chat_is_said_and_other_columns_can_be_named(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(map(json.dumps, ONE_LABEL["OpenAI"])))
    loaded = load(DataSpec(source=str(path)), skip_bad_rows=False)
    [note] = [each for each in loaded.splits.audit.notes if "read as" in each]
    assert "the user's message is the text, the assistant's the label" in note
    assert "system prompts are left out (40 rows)" in note
    assert "messages.system, messages.user, messages.assistant" in note
    spec = DataSpec(source=str(path), text="messages.user", label="messages.assistant")
    assert load_data(spec).fingerprint == loaded.splits.fingerprint


def test_of_several_turns_the_last_is_read_and_that_is_said():
    rows = [{"messages": [*chat("Hello", "Hi"), *chat(t, y)]} for t, y in BOTH]
    table = read(rows)
    assert (table.read("text"), table.read("label")) == (TEXTS, LABELS)
    assert "of several turns the last alone is read (40 rows)" in table.notes[-1]


@pytest.mark.parametrize("zero", [0, 0.0, False])
def test_an_answer_of_weight_0_is_not_learned(zero):
    """OpenAI: of a chat, answers of weight 0 are not trained on."""
    off = {"role": "assistant", "content": "bad", "weight": zero}
    on = {"role": "assistant", "content": "good", "weight": 1}
    first, second = {"role": "user", "content": "one"}, {"role": "user", "content": "two"}

    def taken(*messages: dict[str, Any]) -> tuple[Any, Any]:
        return tuple(read([{"messages": list(messages)}] * 3).read(name)[0] for name in ("text", "label"))

    assert taken(first, off) == ("one", None)
    assert taken(first, on) == ("one", "good")
    assert taken(first, on, second, off) == ("one", "good")
    assert taken(first, off, second, on) == ("two", "good")
    assert taken(first, on, off) == ("one", "good")
    rows = [{"messages": [first, on]}, {"messages": [first, off]}, {"messages": [first, on, second, off]}]
    note = read(rows).notes[-1]
    assert "an answer of weight 0 is not to be learned, and no label (1 row)" in note
    assert "the last other one is the label (1 row)" in note


def test_texts_without_an_answer_have_no_label():
    assert read([{"messages": chat(t, "")[:1]} for t in TEXTS]).read("label") == [None] * 40


IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": chat([IMAGE], "good")}, "holds image_url that is no text"),
        ({"messages": [*chat("a", "b"), {"role": "tool", "content": "c"}]}, "the messages call tools"),
    ],
)
def test_a_row_that_is_no_text_and_label_is_a_fault(row, reason):
    table = read([*ONE_LABEL["OpenAI"], row])
    [fault] = table.faults
    assert fault.position == 40
    assert reason in fault.reason
    stream = recognised(stream_of([*ONE_LABEL["OpenAI"], row], "x"))
    assert [each.position for each in stream.collected("x").faults] == [40]


def test_a_row_of_another_form_below_is_a_fault():
    table = read([*ONE_LABEL["Vertex"], *ONE_LABEL["Vertex"], {"textContent": 3}])
    assert "the row is not in text classification of Vertex AI" in table.faults[0].reason


@pytest.mark.parametrize(
    ("row", "place", "command"),
    [
        (
            {"textGcsUri": "gs://a-bucket/texts/1.txt", "classificationAnnotation": {"displayName": "good"}},
            "Cloud Storage",
            "gcloud storage cp 'gs://a-bucket/texts/*'",
        ),
        ({**manifest("", "good", 0), "source": None, "source-ref": "s3://b/1.txt"}, "S3", "aws s3 cp s3://b/1.txt ."),
    ],
)
def test_texts_that_lie_in_a_bucket_are_refused_with_what_to_do(row, place, command):
    with pytest.raises(DataError, match=f"the text lies in {place}") as caught:
        read([row] * 4)
    assert command in (caught.value.hint or "")


NONE_OF_THEM: list[list[dict[str, Any]]] = [
    [{"messages": chat(t, "x"), "label": y} for t, y in BOTH],
    [{"messages": [t], "topic": y} for t, y in BOTH],
    [{"messages": [{"role": "narrator", "content": t}]} for t in TEXTS],
    [{"prompt": t, "completion": "x", "label": y == "good"} for t, y in BOTH],
    [{"contents": t, "class": y} for t, y in BOTH],
    [{"source": "web", "body": t, "tag": y} for t, y in BOTH],
    [{"source": "web", "text": t, "label": y, "web-metadata": {"lang": "en"}} for t, y in BOTH],
]


@pytest.mark.parametrize("rows", NONE_OF_THEM)
def test_rows_of_no_service_stay_as_they_are(rows):
    stream = stream_of(rows, "x")
    assert recognised(stream) is stream
    assert not any(re.search("read as", note) for note in read(rows).notes)


def project(folder: Path, *, several: bool = False, parts: bool = True, locations: Any = None) -> Path:
    """A project file of Azure's custom text classification, with its texts in the folder."""
    documents = []
    for i, (text, label) in enumerate(BOTH):
        (folder / f"{i}.txt").write_text(text)
        kinds = [{"category": each} for each in LISTS[i]]
        named = {"classes": kinds} if several else {"class": {"category": label}}
        part = {"dataset": "Test" if i % 5 == 0 else "Train"} if parts else {}
        documents.append({"location": f"{i}.txt", "language": "en-us", **part, **named})
    for i, location in (locations or {}).items():
        documents[i]["location"] = location
    kind = f"Custom{'Multi' if several else 'Single'}LabelClassification"
    path = folder / "project.json"
    about = {"projectKind": kind, "storageInputContainerName": "my-texts", "projectName": "x", "language": "en-us"}
    assets = {"projectKind": kind, "classes": [{"category": "good"}, {"category": "bad"}], "documents": documents}
    values = {"projectFileVersion": "2022-05-01", "stringIndexType": "Utf16CodeUnit", "metadata": about}
    path.write_text(json.dumps({**values, "assets": assets}, indent=2))
    return path


def test_an_azure_project_is_read_with_its_texts_and_parts(tmp_path):
    loaded = load(DataSpec(source=str(project(tmp_path))), skip_bad_rows=False)
    splits = loaded.splits
    assert set(splits.test.rows) == {text for i, text in enumerate(TEXTS) if i % 5 == 0}
    assert list(splits.test.targets) == [dict(BOTH)[row] for row in splits.test.rows]
    assert any("read as a project of Azure's custom text classification" in each for each in splits.audit.notes)
    several = load_data(DataSpec(source=str(project(tmp_path, several=True, parts=False))))
    assert several.task.value == "multi_label"
    assert set(several.labels) == {"good", "bad", "brief"}


@pytest.mark.parametrize(
    "location", ["../secret.txt", "/etc/hostname", "C:\\secret.txt", "link.txt", "a/../../secret.txt"]
)
def test_an_azure_project_reads_nothing_outside_its_folder(location, tmp_path):
    folder = tmp_path / "project"
    (folder / "a").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(DataError, match="outside its own folder"):
        load_data(DataSpec(source=str(project(folder, locations={3: location}))))


def test_an_azure_project_without_its_texts_is_refused_with_the_command_that_copies_them(tmp_path):
    path = project(tmp_path, locations={3: "gone.txt"})
    with pytest.raises(DataError, match=r"'gone\.txt' is not in") as caught:
        load_data(DataSpec(source=str(path)))
    assert "az storage blob download-batch -s my-texts" in (caught.value.hint or "")
    with pytest.raises(DataError, match="texts lie in files beside it"):
        read_bytes(path.read_bytes(), "x.json", "x.json")


@pytest.mark.parametrize("several", [False, True])
def test_the_csv_of_comprehend_has_no_header_and_that_is_said(several, tmp_path):
    path = tmp_path / "x.csv"
    labels = ["|".join(each).upper() if several else each[0].upper() for each in LISTS]
    path.write_text("".join(f'{label},"{text}"\n' for label, text in zip(labels, TEXTS, strict=True)))
    table = read_bytes(path.read_bytes(), "x.csv", "x.csv")
    assert (table.read("label"), table.read("text")) == (labels, TEXTS)
    assert "Amazon Comprehend's CSV" in table.notes[-1]
    splits = load_data(DataSpec(source=str(path)))
    assert splits.task.value == ("multi_label" if several else "single_label")
    assert set(splits.labels) == ({"GOOD", "BAD", "BRIEF"} if several else {"GOOD", "BAD"})


def test_a_header_above_labels_in_capitals_is_one():
    rows = "".join(f'{label.upper()},"{text}"\n' for text, label in BOTH).encode()
    assert read_bytes(b"CATEGORY,BODY\n" + rows, "x.csv", "x.csv").columns == ("CATEGORY", "BODY")


def test_a_file_of_requests_has_no_column_that_could_be_the_label(tmp_path):
    """OpenAI's batches: `method` is POST in every row."""
    rows = [
        {"custom_id": str(i), "method": "POST", "url": "/v1", "body": {"input": text}} for i, text in enumerate(TEXTS)
    ]
    (tmp_path / "batch.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(DataError, match="no label column") as refused:
        load_data(DataSpec(source=str(tmp_path / "batch.jsonl")))
    assert "--label method" not in str(refused.value.hint)
    assert "with a column of labels" in str(refused.value.hint)


def task(label: str | list[str] | None, data: dict[str, Any], key: str = "annotations") -> dict[str, Any]:
    """A task of Label Studio; annotated by nobody where there is no label."""
    choices = [label] if isinstance(label, str) else label
    result = {"from_name": "mood", "to_name": "t", "type": "choices", "value": {"choices": choices}}
    given = [{"id": i, "was_cancelled": False, "result": [result]} for i in range(1 if label else 0)]
    own = {"total_annotations": len(data) % 2, "project": 3, "comment_count": len(str(data)) % 3, "meta": {}}
    return {"id": 7, "data": data, key: given, **own}


def exported(path: Path, tasks: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


@pytest.mark.parametrize("key", ["annotations", "completions"])
def test_tasks_of_label_studio_are_read_by_their_field_of_text_and_what_people_chose(key, tmp_path):
    """A choice came as a list, so that every export was one of several labels."""
    tasks = [task(y, {"review": t, "stars": 3}, key) for t, y in BOTH] + [task(None, {"review": "new"}, key)]
    splits = load_data(DataSpec(source=str(exported(tmp_path / "x.json", tasks))))
    assert splits.task.value == "single_label"
    told = dict(BOTH)
    assert all(told[row] == y for row, y in zip(splits.train.rows, splits.train.targets, strict=True))
    assert any("data.review is the text, what people chose with 'mood' the label" in n for n in splits.audit.notes)
    assert any("1 task of Label Studio left out, as nobody has annotated" in note for note in splits.audit.notes)


def test_several_choices_of_a_task_are_several_labels(tmp_path):
    tasks = [task(list(each), {"text": t, "title": "a"}) for t, each in zip(TEXTS, LISTS, strict=True) if each]
    splits = load_data(DataSpec(source=str(exported(tmp_path / "x.json", tasks))))
    assert splits.task.value == "multi_label"


def test_of_several_annotations_the_most_count_and_an_even_number_of_each_is_a_bad_row(tmp_path):
    tasks = [task(y, {"text": t}) for t, y in BOTH]
    other = {y: next(z for _, z in BOTH if z != y) for _, y in BOTH}
    tasks[0]["annotations"] += 2 * task(other[BOTH[0][1]], {})["annotations"]
    loaded = load(DataSpec(source=str(exported(tmp_path / "x.json", tasks))), skip_bad_rows=False).splits
    parts = (loaded.train, loaded.validation, loaded.test)
    found = {row: y for part in parts for row, y in zip(part.rows, part.targets, strict=True)}
    assert found[BOTH[0][0]] == other[BOTH[0][1]]
    assert any("what most said counts (1 row)" in note for note in loaded.audit.notes)
    tasks[0]["annotations"].pop()
    with pytest.raises(DataError, match="people disagree evenly"):
        load(DataSpec(source=str(exported(tmp_path / "x.json", tasks))), skip_bad_rows=False)


def test_tasks_with_several_texts_or_controls_are_asked_about(tmp_path):
    texts = [task(y, {"title": f"about {t}", "body": f"{t} and more"}) for t, y in BOTH]
    with pytest.raises(DataError, match="no text column") as caught:
        load_data(DataSpec(source=str(exported(tmp_path / "x.json", texts))))
    assert "--text data.body" in str(caught.value.hint)
    controls = [task(y, {"text": t}) for t, y in BOTH]
    for i, each in enumerate(controls):
        more = {"from_name": "style", "type": "choices", "value": {"choices": ["xz"[i % 2]]}}
        each["annotations"][0]["result"].append(more)
    path = str(exported(tmp_path / "y.json", [*controls, task(None, {"text": "new"})]))
    with pytest.raises(DataError, match="no label column") as caught:
        load_data(DataSpec(source=path))
    assert "--label annotated_mood" in str(caught.value.hint)
    assert "--label annotated_style" in str(caught.value.hint)
    found = load_data(DataSpec(source=path, label="annotated_style"))
    assert set(found.labels) == {"x", "z"}
    assert any("1 task of Label Studio left out" in note for note in found.audit.notes)
