"""Labels that people gave, read back: what is kept, what is left out, what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from asked_models import ask
from made_runs import made_run

import liftune
from liftune.cli.main import main
from liftune.data.load import load_data
from liftune.errors import DataError, LiftuneError, SpecError
from liftune.labelling.old_rows import OldRows
from liftune.records.labelling import ImportRecord, LabelRecord
from liftune.spec import DataSpec
from liftune.tasks import TaskKind

POOL = [
    {"text": text} for text in ("=SUM(A1)", "+ 0.6 two", "a cold coast", 'so "he" said,\nand left', "@home alone", "f")
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made_run(tmp_path / "run").path


def handed_out(run: Path, place: Path, name: str, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Path:
    """A file of all rows of the pool, to be filled in."""
    ask(monkeypatch, **more)
    (place / "pool.jsonl").write_text("".join(json.dumps(each) + "\n" for each in POOL), encoding="utf-8")
    found = liftune.label(place / "pool.jsonl", run=run, out=place / name)
    assert isinstance(found, LabelRecord)
    assert len(found.picks) == len(POOL)
    return place / name


def read_back(path: Path, run: Path, **options: Any) -> tuple[ImportRecord, list[dict[str, Any]]]:
    found = liftune.label(filled_in=path, run=run, **{"out": path.with_name("labelled.jsonl"), **options})
    assert isinstance(found, ImportRecord)
    lines = Path(found.path).read_text(encoding="utf-8").splitlines()
    return found, [json.loads(line) for line in lines]


def exported(tasks: Any, label: Any = "joy", *, kind: str = "choices") -> list[dict[str, Any]]:
    """What Label Studio exports of tasks that one person answered alike."""
    value = {kind: [label] if kind == "choices" and not isinstance(label, list) else label}
    result = [{"from_name": "label", "to_name": "text", "type": kind, "value": value}]
    return [
        {"id": i, **task, "annotations": [{"id": i, "was_cancelled": False, "result": result}]}
        for i, task in enumerate(tasks, 1)
    ]


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.jsonl"])
def test_texts_that_begin_with_an_apostrophe_come_back_as_they_are(
    name: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The apostrophe is the text's own, or safe CSV's, or both: none is lost, and no text is a stranger to its pool."""
    texts = [
        "=1+2 a sum",
        "'=quoted by hand",
        "''=three blind mice",
        "'-- Anon wrote",
        "-- nobody else",
        "-5",
        "'-7,3",
        "'tis",
    ]
    pool = [{"=odd": text} for text in texts]
    ask(monkeypatch)
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(each) + "\n" for each in pool), encoding="utf-8")
    found = liftune.label(tmp_path / "pool.jsonl", run=run, out=tmp_path / name, text="=odd")
    assert isinstance(found, LabelRecord)
    assert len(found.picks) == len(texts)
    written = (tmp_path / name).read_bytes().decode()
    if name.endswith(".jsonl"):
        filled = "".join(json.dumps({**json.loads(line), "label": "joy"}) + "\n" for line in written.splitlines())
    else:
        mark = "\t" if name.endswith("tsv") else ","
        lines = list(csv.reader(io.StringIO(written, newline=""), delimiter=mark))
        assert not any(cell.startswith("=") for line in lines for cell in line)
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=mark).writerows([lines[0], *([*line[:-1], "joy"] for line in lines[1:])])
        filled = text.getvalue()
    (tmp_path / name).write_bytes(filled.encode())
    _, back = read_back(tmp_path / name, run, pool=str(tmp_path / "pool.jsonl"), text="=odd")
    assert sorted(each["=odd"] for each in back) == sorted(texts)


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.csv"])
def test_files_that_liftune_did_not_write_are_taken_as_they_are(name: str, run: Path, tmp_path: Path) -> None:
    rows = [{"text": "'=quoted by hand", "label": "joy"}, {"text": "'-- Anon", "label": "joy"}]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["text", "label"])
    writer.writeheader()
    writer.writerows(rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / name).write_text(text.getvalue() if name.endswith("csv") else lines, encoding="utf-8")
    _, back = read_back(tmp_path / name, run)
    assert [each["text"] for each in back] == [each["text"] for each in rows]


@pytest.mark.parametrize("name", ["out.csv", "out.tsv"])
def test_a_table_comes_back_with_the_texts_of_the_pool(
    name: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What safe CSV put before formulas is gone again; tune reads the file."""
    path = handed_out(run, tmp_path, name, monkeypatch)
    mark = "\t" if name.endswith("tsv") else ","
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""), delimiter=mark))
    for i, row in enumerate(rows):
        row["label"] = ("joy", "anger", "")[i % 3]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=mark)
        writer.writeheader()
        writer.writerows(rows)
    found, lines = read_back(path, run, pool=str(tmp_path / "pool.jsonl"))
    assert (found.rows, found.left_out, found.labels) == (4, {"without a label": 2}, {"joy": 2, "anger": 2})
    assert {each["text"] for each in lines} <= {each["text"] for each in POOL}
    splits = load_data(DataSpec(source=found.path))
    assert set(splits.labels) == {"anger", "joy"}


def test_json_lines_come_back(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = handed_out(run, tmp_path, "out.jsonl", monkeypatch)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps({**row, "label": "Joy "}) + "\n" for row in rows), encoding="utf-8")
    found, lines = read_back(path, run)
    assert sorted(each["text"] for each in lines) == sorted(each["text"] for each in POOL)
    assert {each["label"] for each in lines} == {"joy"}
    assert found.next_command == f"liftune tune {found.path} --start {run} --out {run}-more"
    assert any("'Joy' for 'joy'" in note for note in found.notes)


@pytest.mark.parametrize(
    ("task", "kind", "label", "wanted"),
    [
        (TaskKind.SINGLE_LABEL, "choices", "joy", "joy"),
        (TaskKind.MULTI_LABEL, "choices", ["love", "joy"], ["joy", "love"]),
        (TaskKind.MULTI_LABEL, "choices", [], []),
        (TaskKind.REGRESSION, "number", 2.5, 2.5),
    ],
)
def test_an_export_of_label_studio_comes_back(
    task: TaskKind, kind: str, label: Any, wanted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run(tmp_path / "run", task).path
    path = handed_out(run, tmp_path, "out.json", monkeypatch, task=task)
    tasks = json.loads(path.read_text(encoding="utf-8"))
    (tmp_path / "export.json").write_text(json.dumps(exported(tasks, label, kind=kind)), encoding="utf-8")
    found, lines = read_back(tmp_path / "export.json", run, pool=str(tmp_path / "pool.jsonl"))
    assert found.rows == len(POOL)
    assert [each["label"] for each in lines] == [wanted] * len(POOL)


@pytest.mark.parametrize(
    ("task", "label", "wanted"),
    [
        (TaskKind.SINGLE_LABEL, "joy", "joy"),
        (TaskKind.MULTI_LABEL, {"choices": ["love", "joy"]}, ["joy", "love"]),
        (TaskKind.MULTI_LABEL, "love", ["love"]),
        (TaskKind.REGRESSION, 2, 2.0),
    ],
)
def test_its_short_export_comes_back(task: TaskKind, label: Any, wanted: Any, tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", task).path
    rows = [
        {"id": 70 + i, "row": i, **each, "label": label, "annotator": 1, "annotation_id": i, "lead_time": 2.5}
        for i, each in enumerate(POOL, 1)
    ]
    (tmp_path / "min.json").write_text(json.dumps(rows), encoding="utf-8")
    _, lines = read_back(tmp_path / "min.json", run)
    assert [each["label"] for each in lines] == [wanted] * len(POOL)
    assert set(lines[0]) == {"text", "label"}


@pytest.mark.parametrize(
    ("task", "labels", "cell", "wanted"),
    [
        (TaskKind.SINGLE_LABEL, ("0", "1", "2"), "2.0", "2"),
        (TaskKind.MULTI_LABEL, ("anger", "joy", "love"), '"joy, love"', ["joy", "love"]),
        (TaskKind.MULTI_LABEL, ("anger", "joy", "love"), "joy|hate", ["hate", "joy"]),
        (TaskKind.MULTI_LABEL, ("anger", "joy", "love"), "[]", []),
        (TaskKind.REGRESSION, (), '"1,5"', 1.5),
    ],
)
def test_a_cell_means_what_a_person_meant(
    task: TaskKind, labels: tuple[str, ...], cell: str, wanted: Any, tmp_path: Path
) -> None:
    run = made_run(tmp_path / "run", task, **({"labels": labels} if labels else {})).path
    (tmp_path / "in.csv").write_text(f"text,label\na text,{cell}\n", encoding="utf-8")
    assert read_back(tmp_path / "in.csv", run, new_labels=True)[1] == [{"text": "a text", "label": wanted}]


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("name", ["in.csv", "in.json"])
def test_a_file_without_its_texts_is_refused(
    name: str, pairs: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever fills it in may delete the longest column; ids and suggestions are no texts."""
    run = made_run(tmp_path / "run", pairs=pairs).path
    row = {"row": 3, "id": "e1", "suggestion": "joy", "probability": 0.4, "label": "love"}
    held = json.dumps([row]) if name.endswith("json") else f"{','.join(row)}\n{','.join(map(str, row.values()))}\n"
    (tmp_path / name).write_text(held, encoding="utf-8")
    out = tmp_path / "labelled.jsonl"
    assert main(["label", "--import", str(tmp_path / name), "--run", str(run), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "no column holds the text" in said
    assert "a column that is named text" in said


def test_a_column_that_the_file_lacks_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,note,label\nso cold,so warm,joy\n")
    for named in ("txt", "text,body"):
        with pytest.raises(DataError) as caught:
            read_back(tmp_path / "in.csv", run, text=named)
        assert "'txt'" in str(caught.value) or "'body'" in str(caught.value)
    _, rows = read_back(tmp_path / "in.csv", run, text="note")
    assert [row["note"] for row in rows] == ["so warm"]


def test_a_column_of_the_pool_alone_is_said(run: Path, tmp_path: Path) -> None:
    (tmp_path / "pool.jsonl").write_text('{"body": "so cold"}\n{"body": "so warm"}\n')
    (tmp_path / "in.csv").write_text("text,label\nso cold,joy\n")
    found, rows = read_back(tmp_path / "in.csv", run, pool=str(tmp_path / "pool.jsonl"), text="body")
    assert [row["text"] for row in rows] == ["so cold"]
    assert any("'body' is read in the pool alone" in note for note in found.notes)
    with pytest.raises(DataError, match="'other'"):
        read_back(tmp_path / "in.csv", run, pool=str(tmp_path / "pool.jsonl"), text="other", overwrite=True)


def test_another_column_that_is_taken_for_the_texts_is_said(run: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("row,note,suggestion,label\n1,quite sure of this,joy,love\n", encoding="utf-8")
    found, lines = read_back(tmp_path / "in.csv", run)
    assert lines == [{"note": "quite sure of this", "label": "love"}]
    assert any("texts are read from the column 'note'" in note for note in found.notes)


VALUES: dict[str, tuple[list[str], list[float], list[str]]] = {
    "as the run has them": (["0.2", "-0.1"], [0.2, -0.1], []),
    "outside": (["99", "0.1"], [99.0, 0.1], ["1 value lies outside -", "99 (", "row 1"]),
    "thousands": (["1.000,5"], [1000.5], ["1 value lies outside", "1000.5 ('1.000,5', "]),
    "commas": (["0,25", "0,5"], [0.25, 0.5], ["decimal commas: '0,25' is read as 0.25"]),
    "as others show": (["0,25", "1,000"], [0.25, 1.0], ["'1,000' is 1"]),
    "dots of thousands": (["1.250", "1.500"], [1.25, 1.5], ["'1.250' may be thousands: they are read as 1.25"]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_that_may_be_others_are_said(kind: str, tmp_path: Path) -> None:
    """By the rule by which data are read; options that label does not have are not named."""
    cells, wanted, said = VALUES[kind]
    run = made_run(tmp_path / "run", TaskKind.REGRESSION).path
    lines = "".join(f'text {i},"{cell}"\n' for i, cell in enumerate(cells))
    (tmp_path / "in.csv").write_text(f"text,label\n{lines}", encoding="utf-8")
    found, back = read_back(tmp_path / "in.csv", run)
    assert [each["label"] for each in back] == wanted
    notes = "; ".join(found.notes)
    assert [part for part in said if part not in notes] == []
    assert bool(notes) is bool(said)
    assert "decimal=" not in notes
    assert "--" not in notes


@pytest.mark.parametrize("kept", ["parts", "folds", "all"])
def test_the_range_of_values_says_of_which_rows_it_is(
    kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the run's data are read again, for --out FOLDER, its train rows count too."""
    run = made_run(tmp_path / "run", TaskKind.REGRESSION, folds=3 if kept == "folds" else None)
    tested = run.split("test").targets
    parts = {
        name: [{"text": f"{name} {i}", "label": each} for i, each in enumerate(tested)]
        for name in ("test", "validation")
    }
    parts["train"] = [{"text": "a train row", "label": 50.0}]
    old = OldRows(parts, ("text",), DataSpec(task=TaskKind.REGRESSION))
    monkeypatch.setattr("liftune.labelling.filled_in.old_rows", lambda folder: old)
    (tmp_path / "in.csv").write_text("text,label\none,40\ntwo,99\n", encoding="utf-8")
    out = tmp_path / ("folder" if kept == "all" else "rows.jsonl")
    found = liftune.label(filled_in=tmp_path / "in.csv", run=run.path, out=out)
    assert isinstance(found, ImportRecord)
    low = min(tested)
    said = {
        "parts": f"2 values lie outside {low:g} to {max(tested):g}: 40 ({tmp_path}/in.csv, row 1 (line 2)), 99 "
        f"({tmp_path}/in.csv, row 2 (line 3)) (the range of the run's validation and test rows; of train rows it keeps "
        "no targets)",
        "folds": f"2 values lie outside {low:g} to {max(tested):g}: 40 ({tmp_path}/in.csv, row 1 (line 2)), 99 "
        f"({tmp_path}/in.csv, row 2 (line 3)) (the range of the run's rows)",
        "all": f"1 value lies outside {low:g} to 50: 99 ({tmp_path}/in.csv, row 2 (line 3)) (the range of the run's "
        "rows)",
    }
    assert found.notes == (said[kept],)


def test_a_value_that_may_be_two_numbers_is_refused(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", TaskKind.REGRESSION).path
    (tmp_path / "in.csv").write_text('text,label\na,3\nb,"1,000"\n', encoding="utf-8")
    with pytest.raises(DataError, match="'1,000' may be the number 1000 or 1") as caught:
        read_back(tmp_path / "in.csv", run)
    assert "row 2" in str(caught.value.where)
    assert caught.value.hint == "write the number that is meant without a mark between thousands: 1000 or 1"


@pytest.mark.parametrize("separator", ["|", ";", ","])
def test_cells_that_are_read_as_several_labels_are_said(separator: str, tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", TaskKind.MULTI_LABEL).path
    cell = f"joy{separator} love"
    (tmp_path / "in.csv").write_text(f'text,label\na,"{cell}"\nb,"{cell}"\nc,joy\n', encoding="utf-8")
    found, back = read_back(tmp_path / "in.csv", run)
    assert [each["label"] for each in back] == [["joy", "love"], ["joy", "love"], ["joy"]]
    assert f"2 labels with {separator!r} between known labels are read as several, such as {cell!r}" in found.notes


def test_pairs_come_back(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", pairs=True).path
    row = {"text": "a claim", "text_pair": "and its evidence", "label": "joy"}
    (tmp_path / "in.json").write_text(json.dumps([row]), encoding="utf-8")
    assert read_back(tmp_path / "in.json", run)[1] == [row]


def test_skipped_tasks_are_left_out_and_counted(run: Path, tmp_path: Path) -> None:
    tasks = exported([{"data": each} for each in POOL])
    tasks[0]["annotations"][0]["was_cancelled"] = True
    tasks[1]["annotations"] = []
    tasks[2]["annotations"][0]["result"] = []
    tasks[3]["annotations"].append({"was_cancelled": True, "result": []})
    (tmp_path / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    found, lines = read_back(tmp_path / "export.json", run)
    assert found.left_out == {"skipped by everybody": 1, "without a label": 1, "that nobody has annotated": 1}
    assert len(lines) == len(POOL) - 3


def test_of_several_people_most_decide_and_an_even_split_is_left_out(run: Path, tmp_path: Path) -> None:
    said = {"cold": ["joy", "joy", "love"], "warm": ["joy", "anger"], "mild": ["love"]}
    rows = [{"text": text, "label": label} for text, labels in said.items() for label in labels]
    (tmp_path / "min.json").write_text(json.dumps(rows), encoding="utf-8")
    found, lines = read_back(tmp_path / "min.json", run)
    assert lines == [{"text": "cold", "label": "joy"}, {"text": "mild", "label": "love"}]
    assert found.left_out == {"on which people disagree evenly": 1}
    assert any("2 rows were labelled several times" in note for note in found.notes)


def test_unknown_labels_are_refused_with_the_nearest_and_taken_when_asked(run: Path, tmp_path: Path) -> None:
    rows = [{"text": "one", "label": "joyy"}, {"text": "two", "label": "fear"}, {"text": "three", "label": "joy"}]
    (tmp_path / "in.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(DataError, match=r"know: 'joyy', did you mean joy\? \(row 1\), 'fear' \(row 2\)") as caught:
        read_back(tmp_path / "in.json", run)
    assert "new_labels=True" in str(caught.value.hint)
    assert not (tmp_path / "labelled.jsonl").exists()
    found, lines = read_back(tmp_path / "in.json", run, new_labels=True)
    assert set(found.new_labels) == {"joyy", "fear"}
    assert len(lines) == 3


def test_unknown_labels_name_their_rows_and_count_them(run: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,label\n" + "".join(f"text {i},glad\n" for i in range(5)), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"'glad' \(5 rows: row 1 \(line 2\), row 2 \(line 3\), row 3 .* and 2 more\)"
    ) as caught:
        read_back(tmp_path / "in.csv", run)
    assert str(caught.value.where).endswith("in.csv")


def test_rows_that_are_not_in_the_pool_are_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = handed_out(run, tmp_path, "out.jsonl", monkeypatch)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows[1]["text"] += " changed"
    path.write_text("".join(json.dumps({**row, "label": "joy"}) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(DataError, match=r"1 row is not in the pool .*row 2"):
        read_back(path, run, pool=str(tmp_path / "pool.jsonl"))
    assert len(read_back(path, run)[1]) == len(POOL)


def test_rows_that_the_run_is_scored_on_never_come_back(run: Path, tmp_path: Path) -> None:
    tested = [json.loads(line) for line in (run / "rows/test.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [{"text": tested[60]["text"], "label": "joy"}, {"text": "quite new", "label": "joy"}]
    (tmp_path / "in.json").write_text(json.dumps(rows), encoding="utf-8")
    found, lines = read_back(tmp_path / "in.json", run)
    assert [each["text"] for each in lines] == ["quite new"]
    assert list(found.left_out) == ["in the run's validation or test rows, which must stay unseen"]


def test_addresses_in_a_file_are_texts(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *given: pytest.fail("it went to the network"))
    rows = [{"data": {"text": f"https://example.org/{i}", "image": "s3://bucket/x.png"}} for i in range(2)]
    (tmp_path / "export.json").write_text(json.dumps(exported(rows)), encoding="utf-8")
    found, lines = read_back(tmp_path / "export.json", run, text="text")
    assert [each["text"] for each in lines] == ["https://example.org/0", "https://example.org/1"]
    assert any("nothing was fetched" in note for note in found.notes)


def test_blank_rows_and_tasks_that_nobody_has_seen_are_no_labels(run: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("row,text,label\n1,one,joy\n,,\n2,,\n3,three,\n", encoding="utf-8")
    found, lines = read_back(tmp_path / "in.csv", run)
    assert lines == [{"text": "one", "label": "joy"}]
    assert found.left_out == {"without a label": 1, "blank": 2}
    tasks = [{"data": {"text": "a"}, "predictions": []}]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    with pytest.raises(DataError, match="no row has a label that can be used: 1 that nobody has annotated"):
        read_back(tmp_path / "tasks.json", run, overwrite=True)


BAD: dict[str, tuple[Any, str]] = {
    "no labels": ([{"text": "a"}, {"text": "b"}], "no column holds the labels"),
    "blank": ([{"text": "a", "label": ""}], "no row has a label"),
    "several": ([{"text": "a", "label": ["joy", "love"]}], "several labels for one row"),
    "no text": ([{"text": "", "label": "joy"}], "row 1"),
    "no task": ([{"data": {"text": "a"}, "annotations": []}, {"annotations": []}], "a task without data"),
    "two controls": (
        [{"data": {"text": "a"}, "annotations": [{"result": [
            {"from_name": name, "value": {"choices": ["joy"]}} for name in ("mood", "tone")]}]}],
        "several things: mood, tone",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_is_refused(
    kind: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value, named = BAD[kind]
    (tmp_path / "in.json").write_text(json.dumps(value), encoding="utf-8")
    out = tmp_path / "labelled.jsonl"
    assert main(["label", "--import", str(tmp_path / "in.json"), "--run", str(run), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert "hint:" in said
    assert not out.exists()


def test_a_value_that_is_no_number_is_refused(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", TaskKind.REGRESSION).path
    (tmp_path / "in.json").write_text('[{"text": "a", "label": "much"}]', encoding="utf-8")
    with pytest.raises(DataError, match="'much' is no number"):
        read_back(tmp_path / "in.json", run)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "where: pool"),
        ({"filled_in": "a.csv", "budget": 5}, "budget= is for choosing"),
        ({"filled_in": "a.csv", "strategy": "margin", "seed": 3}, "strategy= and seed="),
        ({"filled_in": "a.csv", "out": "a.csv"}, ".jsonl"),
        ({"filled_in": "nowhere.csv"}, "nowhere.csv"),
        ({"pool": "a.csv", "new_labels": True}, "filled_in=FILE"),
        ({"pool": "a.csv", "label": "mood"}, "filled_in=FILE"),
        ({"pool": "a.csv", "seed": -1}, "where: seed"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: dict[str, Any], named: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LiftuneError) as caught:
        liftune.label(**{"run": run, **options})
    assert named in str(caught.value)


def test_a_file_that_is_there_is_not_replaced_unasked(run: Path, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('[{"text": "a", "label": "joy"}]', encoding="utf-8")
    (tmp_path / "labelled.jsonl").write_text("mine", encoding="utf-8")
    with pytest.raises(SpecError, match="exists"):
        read_back(tmp_path / "in.json", run)
    assert read_back(tmp_path / "in.json", run, overwrite=True)[1] == [{"text": "a", "label": "joy"}]
