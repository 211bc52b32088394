"""Files of any size answered: faults in their place, order kept, and a resumed file is the uninterrupted one."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from liftune.data import load_data
from liftune.data.readers.formats import open_stream, read_file
from liftune.data.readers.nested import cell_of
from liftune.errors import ArtifactError, DataError, SpecError
from liftune.inference import files as bulk
from liftune.inference.files import iter_predictions, predict_file
from liftune.inference.partial_file import PartialFile
from liftune.inference.prediction import Prediction, predictions_of_logits
from liftune.inference.writers import write, writer_for
from liftune.progress import Progress
from liftune.spec import DataSpec
from liftune.tasks import TaskKind, task_of
from liftune.types import Row

QUIET = Progress(quiet=True)


class Fake:
    """Answers by the length of the text; may be stopped after so many calls."""

    base_head = None
    columns = None
    min_precision = None

    def __init__(self, *, task: TaskKind = TaskKind.SINGLE_LABEL, pairs: bool = False, stop: int = 10**9) -> None:
        self.task, self.pairs, self.stop, self.calls = task, pairs, stop, 0
        self.labels = ("short", "long") if task_of(task).outputs_labels else ()

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        self.calls += 1
        if self.calls > self.stop:
            raise KeyboardInterrupt
        lengths = [len("".join(row)) for row in rows]
        logits = np.array([[-each / 7, each / 9] for each in lengths], dtype=np.float32).reshape(-1, 2)
        wide = logits if task_of(self.task).outputs_labels else logits[:, :1]
        return predictions_of_logits(rows, wide, labels=self.labels, task=self.task)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 10)


def answered(source: Path, out: Path, predictor: Any = None, **options: Any) -> tuple[int, int]:
    return predict_file(predictor or Fake(), str(source), str(out), progress=QUIET, **options)


def objects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_rows_with_an_error_are_written_in_their_place_with_the_reason(tmp_path: Path) -> None:
    lines = ['{"text": "good"}', "{broken", "[1]", '{"other": 1}', '{"text": null}', '{"text": ["a"]}', '{"text": 7}']
    lines += ['{"text": "\\ud800"}', '{"text": "last"}']
    (tmp_path / "in.jsonl").write_bytes("\n".join(lines).encode() + b'\n{"text": "caf\xe9"}\n{"text": "caf\xc3\xa9"}\n')
    assert answered(tmp_path / "in.jsonl", tmp_path / "out.jsonl") == (11, 7)
    found = objects(tmp_path / "out.jsonl")
    reasons = [None, "line 2 is not JSON", "a list, not", "no text", "no text", "a list, not", None, "surrogate", None]
    for row, reason in zip(found, [*reasons, "0xe9", None], strict=True):
        assert ("label" in row, reason is None or reason in row["error"]) == (reason is None, True), row
    assert [found[i].get("text") for i in (0, 6, 8)] == ["good", 7, "last"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_names_of_columns_that_are_no_text_are_written_as_far_as_they_are(tmp_path: Path, ending: str) -> None:
    rows = ['{"text": "good", "x\\ud800": 1, "x\\ud801": 2}', '{"text": "good", "x\\ud800": 3}'] * 6
    (tmp_path / "in.jsonl").write_text("\n".join(rows))
    out = tmp_path / f"out.{ending}"
    assert answered(tmp_path / "in.jsonl", out) == (12, 0)
    table = read_file(out)
    assert table.columns[:3] == ("text", "x\ufffd", "x\ufffd\ufffd")
    assert [str(cell) for cell in table.read("x\ufffd")][:2] == ["1", "3"]


def test_cells_that_are_no_text_are_errors_of_their_rows_as_for_tuning(tmp_path: Path) -> None:
    """str() of a cell would be answered as if it had been written."""
    cells = ["NaN", "true", "Infinity", "-Infinity", '{"a": 1}', '"  "', '"a\\u0000b"', "12", '"good"']
    (tmp_path / "in.jsonl").write_text("".join(f'{{"text": {cell}}}\n' for cell in cells))
    assert answered(tmp_path / "in.jsonl", tmp_path / "out.jsonl") == (9, 7)
    found = objects(tmp_path / "out.jsonl")
    reasons = ["no text", "true or false", "inf, not", "-inf, not", "a mapping", "no text", "NUL"]
    assert all(reason in row["error"] for row, reason in zip(found, reasons, strict=False)), found
    assert all("label" in row for row in found[-2:])
    for line in (tmp_path / "out.jsonl").read_text().splitlines():  # NaN and Infinity are Python's, and no JSON
        json.loads(line, parse_constant=pytest.fail)
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"text": {cell}, "label": "x"}}\n' for cell in cells))
    with pytest.raises(DataError, match="7 rows cannot be used"):
        load_data(DataSpec(source=str(tmp_path / "rows.jsonl")))


def test_bytes_that_are_text_are_read_as_it_and_others_are_errors(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.array(["café".encode(), b"\xff\xfe"], pa.binary())}), tmp_path / "in.parquet")
    assert answered(tmp_path / "in.parquet", tmp_path / "out.jsonl") == (2, 1)
    good, bad = objects(tmp_path / "out.jsonl")
    assert good["text"] == "café"
    assert "not UTF-8: 0xff" in bad["error"]


def test_a_table_with_ragged_lines_and_empty_cells(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b'\xef\xbb\xbfid,text\n1,"two\nlines"\n2,a,b\n3,\n4,end\n')
    assert answered(tmp_path / "in.csv", tmp_path / "out.csv") == (4, 2)
    rows = list(csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8", newline="")))
    assert list(rows[0]) == ["id", "text", "label", "probabilities.short", "probabilities.long", "error"]
    assert [row["text"] for row in rows] == ["two\nlines", "", "", "end"]
    assert ["3 fields" in rows[1]["error"], "no text" in rows[2]["error"], rows[3]["error"]] == [True, True, ""]


@pytest.mark.parametrize(
    "name", ["in.csv", "in.tsv", "in.jsonl", "in.json", "in.parquet", "in.csv.gz", "in.parquet.gz"]
)
def test_what_is_streamed_is_what_is_read_at_once(name: str, tmp_path: Path) -> None:
    """A table is a stream, collected: BOM, separators, quotes and gzip are treated alike."""
    data = {
        "in.csv": b'sep=;\nid;text\n1;"a;b"\n2;"c\r\nd"\n',
        "in.tsv": b'id\ttext\n1\t"unbalanced\n2\tplain\n',
        "in.jsonl": '\ufeff{"id": 1, "text": "a\u2028b"}\n\n{"id": 2, "text": "x", "more": {"y": [1]}}'.encode(),
        "in.json": b' [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]',
    }
    data["in.csv.gz"] = gzip.compress("id,text\n1,é\n2,b\n".encode("utf-16"))
    packed = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2], "text": ["a", "b"]}), packed)
    data["in.parquet"], data["in.parquet.gz"] = packed.getvalue(), gzip.compress(packed.getvalue())
    path = tmp_path / name
    path.write_bytes(data[name])
    whole, stream = read_file(path), open_stream(path)
    assert (stream.head.columns, stream.rows) == (whole.columns, whole.rows)
    for size in (1, 3):
        lines = [line for block in stream.blocks(size) for line in block]
        for column in whole.columns:
            assert [cell_of(line.cells, column, stream.opened) for line in lines] == whole.read(column)
        if whole.lines is not None:
            assert [line.place for line in lines] == [whole.place(i) for i in range(whole.rows)]


@pytest.mark.parametrize(
    "ending",
    [
        *("csv", "tsv", "jsonl", "parquet", "csv.gz", "jsonl.gz", "parquet.gz", "csv.bz2", "jsonl.xz", "tab.zst"),
        *("ndjson.lz4", "pq.zst"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_resumed_file_is_the_uninterrupted_one_byte_for_byte(ending: str, kind: str, tmp_path: Path) -> None:
    rows = [{"id": i, "text": f"{'word ' * (i % 13)}row {i}", "label": "x"} for i in range(57)]
    source = tmp_path / f"in.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), source)
    elif kind == "csv":
        source.write_text("id,text,label\n" + "".join("{id},{text},{label}\n".format(**row) for row in rows))
    else:
        source.write_text("".join(json.dumps(row) + "\n" for row in rows) + "broken\n", encoding="utf-8")
    total = answered(source, tmp_path / f"whole.{ending}")
    out = tmp_path / f"out.{ending}"
    for stop in (2, 1):
        with pytest.raises(KeyboardInterrupt) as stopped:
            answered(source, out, Fake(stop=stop), resume=True)
        assert "--resume" in stopped.value.__notes__[0]
        assert not out.exists()
        with out.with_name(f"{out.name}.part").open("ab") as torn:
            torn.write(b"half a rec")  # what a kill in the middle of a write leaves
    last = Fake()
    assert answered(source, out, last, resume=True) == total
    assert last.calls == 3
    assert out.read_bytes() == (tmp_path / f"whole.{ending}").read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([source.name, out.name, f"whole.{ending}"])
    table = read_file(out)
    assert (table.rows, "predicted_label" in table.columns) == (total[0], True)


def test_a_stop_between_the_last_row_and_the_end_repeats_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.csv").write_text("text\n" + "a\n" * 25)

    def stop(part: PartialFile) -> None:
        raise KeyboardInterrupt

    kept = PartialFile.finish
    monkeypatch.setattr(PartialFile, "finish", stop)
    with pytest.raises(KeyboardInterrupt):
        answered(tmp_path / "in.csv", tmp_path / "out.jsonl")
    monkeypatch.setattr(PartialFile, "finish", kept)
    last = Fake()
    assert answered(tmp_path / "in.csv", tmp_path / "out.jsonl", last, resume=True) == (25, 0)
    assert (last.calls, len(objects(tmp_path / "out.jsonl"))) == (0, 25)


@pytest.mark.parametrize(("ending", "before"), [("csv", "part.json"), ("parquet", "part.json"), ("parquet", "part")])
def test_a_stop_between_the_last_steps_of_all_is_resumed_to_the_same_bytes(
    ending: str, before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was in place, what said how far it was lay there still: resuming said that it was damaged."""
    (tmp_path / "in.csv").write_text("text\n" + "a\n" * 25)
    answered(tmp_path / "in.csv", tmp_path / f"whole.{ending}")
    unlink = Path.unlink
    placed = tmp_path / f"out.{ending}"

    def stop(path: Path, missing_ok: bool = False) -> None:
        if path.name == f"{placed.name}.{before}" and placed.exists():
            raise KeyboardInterrupt
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", stop)
        with pytest.raises(KeyboardInterrupt):
            answered(tmp_path / "in.csv", placed)
    assert answered(tmp_path / "in.csv", placed, resume=True) == (25, 0)
    assert placed.read_bytes() == (tmp_path / f"whole.{ending}").read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(["in.csv", placed.name, f"whole.{ending}"])


def test_a_resumed_file_must_be_of_the_same_rows_and_options(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "a\n" * 30)
    with pytest.raises(KeyboardInterrupt):
        answered(source, tmp_path / "out.csv", Fake(stop=1), about={"run": "a"})
    with pytest.raises(SpecError, match="run differ"):
        answered(source, tmp_path / "out.csv", resume=True, about={"run": "b"})
    source.write_text("text\n" + "b\n" * 31)
    with pytest.raises(SpecError, match="bytes"):
        answered(source, tmp_path / "out.csv", resume=True, about={"run": "a"})
    assert answered(source, tmp_path / "out.csv", about={"run": "a"}) == (31, 0), "without --resume it begins again"


def test_a_killed_process_leaves_the_old_file_and_can_be_resumed(tmp_path: Path) -> None:
    """SIGKILL, as when memory runs out: no handler runs."""
    (tmp_path / "in.csv").write_text("text\n" + "".join(f"row {i}\n" for i in range(50)))
    (tmp_path / "out.jsonl").write_text("before")
    program = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1]); import test_files as t; t.bulk.CHUNK = 10\n"
        "class Dying(t.Fake):\n"
        "    def predict(self, rows):\n"
        "        if self.calls == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return super().predict(rows)\n"
        "t.answered(t.Path(sys.argv[2]), t.Path(sys.argv[3]), Dying())"
    )
    argv = [sys.executable, "-c", program, str(Path(__file__).parent)]
    done = subprocess.run([*argv, tmp_path / "in.csv", tmp_path / "out.jsonl"], env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "out.jsonl").read_text() == "before"
    assert answered(tmp_path / "in.csv", tmp_path / "out.jsonl", resume=True) == (50, 0)
    answered(tmp_path / "in.csv", tmp_path / "whole.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 200)
    peaks = []
    for rows in (15_000, 45_000):
        source = tmp_path / f"{rows}.csv"
        source.write_text("text\n" + "".join(f"{'word ' * 20}{i}\n" for i in range(rows)))
        tracemalloc.start()
        answered(source, tmp_path / "out.csv")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize("task", TaskKind)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_answers_of_every_task_fit_a_table(task: TaskKind, ending: str, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "n": 1}\n{"text": null, "n": 2.5}\n{"text": "b"}\n')
    assert answered(tmp_path / "in.jsonl", tmp_path / f"out.{ending}", Fake(task=task)) == (3, 1)
    table = read_file(tmp_path / f"out.{ending}")
    assert table.rows == 3
    assert "error" in table.columns
    name = {"single_label": "label", "multi_label": "labels", "regression": "value"}[task]
    assert [cell in (None, "") for cell in table.read(name)][1] is True


def test_pairs_are_read_from_two_columns(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("sentence1,sentence2\na,b\nc,\n")
    assert answered(tmp_path / "in.csv", tmp_path / "out.jsonl", Fake(pairs=True)) == (2, 1)
    (tmp_path / "one.csv").write_text("text\na\n")
    with pytest.raises(DataError, match="second text"):
        answered(tmp_path / "one.csv", tmp_path / "out.jsonl", Fake(pairs=True))


def test_a_pipe_goes_in_and_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "".join(f"row {i}\n" for i in range(25)).encode() + b"\ncaf\xe9\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert predict_file(Fake(), "-", "-", progress=QUIET) == (27, 1)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["text"] for each in found] == [*(f"row {i}" for i in range(25)), "", "caf\ufffd"]
    assert "0xe9" in found[-1]["error"]
    with pytest.raises(SpecError, match="pipe"):
        predict_file(Fake(), "-", "-", resume=True, progress=QUIET)


def test_without_a_file_to_write_to_a_row_that_cannot_be_answered_is_told(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\nbroken\n')
    with pytest.raises(DataError, match="line 2 is not JSON"):
        list(iter_predictions(Fake(), str(tmp_path / "in.jsonl"), text=None, text_pair=None, progress=QUIET))


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    for name, data in (
        ("a.csv", b""), ("b.csv", b"text\n"), ("c.jsonl", b"x\n"), ("d.parquet", b"x"), ("e.csv", b"PK\x03\x04"),
        ("f.xyz", b"x"), ("g.csv", b'text\n"open\n'), ("h.csv.gz", gzip.compress(b"text\nabc\n" * 9_999)[:-30]),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError):
            answered(tmp_path / name, tmp_path / "out.csv")
    with pytest.raises(DataError, match="no such file"):
        answered(tmp_path / "none.csv", tmp_path / "out.csv")
    assert not list(tmp_path.glob("out*"))


def test_answers_of_a_few_texts_are_written_at_once(tmp_path: Path) -> None:
    for ending in ("csv", "jsonl.gz", "parquet"):
        write(str(tmp_path / f"out.{ending}"), Fake().predict(["a", "b"]))
        assert read_file(tmp_path / f"out.{ending}").read("text") == ["a", "b"]


def stopped(tmp_path: Path) -> tuple[Path, Path, dict[str, Any]]:
    """A file of which 10 of 30 rows are answered, and what is said of them."""
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("text\n" + "a\n" * 30)
    with pytest.raises(KeyboardInterrupt):
        answered(source, out, Fake(stop=1))
    return source, out, json.loads((tmp_path / "out.csv.part.json").read_text())


@pytest.mark.parametrize("damage", [b"", b"text", None])
def test_a_part_that_was_emptied_or_cut_is_not_filled_up_with_nulls(damage: bytes | None, tmp_path: Path) -> None:
    source, out, state = stopped(tmp_path)
    part = tmp_path / "out.csv.part"
    part.unlink() if damage is None else part.write_bytes(damage)
    with pytest.raises(ArtifactError, match=f"holds {len(damage or b'')} of the {state['bytes']} bytes"):
        answered(source, out, resume=True)
    assert answered(source, out) == (30, 0), "the hint: without --resume it begins again"
    assert b"\0" not in out.read_bytes()


def test_a_part_of_other_bytes_is_not_continued(tmp_path: Path) -> None:
    source, out, _ = stopped(tmp_path)
    part = tmp_path / "out.csv.part"
    part.write_bytes(part.read_bytes().replace(b"short", b"shirt", 2))
    with pytest.raises(ArtifactError, match="other bytes"):
        answered(source, out, resume=True)


def test_a_part_of_an_earlier_version_without_a_hash_is_continued(tmp_path: Path) -> None:
    source, out, state = stopped(tmp_path)
    del state["sha256"]
    (tmp_path / "out.csv.part.json").write_text(json.dumps(state))
    assert answered(source, out, resume=True) == (30, 0)


DAMAGES: dict[str, Any] = {
    "deep": "[" * 60_000, "null": "null", "list": "[]", "empty": "", "no count": {"rows": "7"},
    "negative": {"bytes": -1},
    "huge": {"rows": 10**400}, "more than any file has": {"rows": 10**24}, "a truth": {"rows": True},
    "no settings": {"settings": None}, "hash": {"sha256": 7}, "float": {"errors": 0.5},
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_of_a_part_is_named(damage: str, tmp_path: Path) -> None:
    source, out, state = stopped(tmp_path)
    other = DAMAGES[damage]
    (tmp_path / "out.csv.part.json").write_text(other if isinstance(other, str) else json.dumps({**state, **other}))
    with pytest.raises(ArtifactError, match=r"out\.csv\.part\.json is damaged"):
        answered(source, out, resume=True)
    assert answered(source, out) == (30, 0)


def test_answers_of_answers_keep_the_columns_of_the_first(tmp_path: Path) -> None:
    """The probabilities of the input were overwritten by those of the second prediction."""
    (tmp_path / "in.csv").write_text("text\na\nbbbbbbbbbbbbbbbbbbbbb\n")
    answered(tmp_path / "in.csv", tmp_path / "one.csv")
    first = (tmp_path / "one.csv").read_text().replace(",0.", ",10.")
    (tmp_path / "one.csv").write_text(first)
    lines: list[str] = []

    class Log(Progress):
        def log(self, message: str) -> None:
            lines.append(message)

    predict_file(Fake(), str(tmp_path / "one.csv"), str(tmp_path / "two.csv"), progress=Log(quiet=True))
    rows = list(csv.DictReader((tmp_path / "two.csv").open(encoding="utf-8", newline="")))
    assert [row["probabilities.short"][:3] for row in rows] == ["10."] * 2
    assert [row["predicted_probabilities.short"][:2] for row in rows] == ["0."] * 2
    assert any("'predicted_probabilities'" in line for line in lines)


def test_two_columns_of_one_name_in_a_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "n.x": 1, "n": {"x": 2}}\n{"text": "b"}\n')
    with pytest.raises(DataError, match=r"'n\.x'"):
        answered(tmp_path / "in.jsonl", tmp_path / "out.csv")
    assert answered(tmp_path / "in.jsonl", tmp_path / "out.jsonl") == (2, 0)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("change", ["rewritten", "replaced", "removed", "emptied"])
def test_a_source_that_changes_while_it_is_read_is_refused(change: str, ending: str, tmp_path: Path) -> None:
    """Its rows would be some of one file and some of another, with exit code 0."""
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "a\n" * 30)

    class Changing(Fake):
        def predict(self, rows: Sequence[Row]) -> list[Prediction]:
            if change == "rewritten" and self.calls == 1:
                source.write_text("text\n" + "bb\n" * 30)
            elif change == "replaced" and self.calls == 1:
                (tmp_path / "new").write_text("text\n" + "b\n" * 30)
                os.utime(tmp_path / "new", ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
                os.replace(tmp_path / "new", source)
            elif change == "removed" and self.calls == 1:
                source.unlink()
            elif self.calls == 1:
                os.truncate(source, 0)
            return super().predict(rows)

    with pytest.raises(DataError, match="while its rows were predicted"):
        answered(source, tmp_path / f"out.{ending}", Changing())
    assert not (tmp_path / f"out.{ending}").exists()
    if change != "removed":
        source.write_text("text\n" + "a\n" * 30)
        with pytest.raises(DataError, match="while its rows were predicted"):
            list(iter_predictions(Changing(), str(source), text=None, text_pair=None, progress=QUIET))


def test_what_is_begun_anew_or_has_nothing_to_go_on_with_is_said(tmp_path: Path) -> None:
    """Hours of predictions must not be thrown away in silence, nor be thought to have gone on."""
    out = tmp_path / "out.csv"
    partial = PartialFile(out, {}, writer_for(str(out), lambda: ["text"], lambda: None))
    assert partial.note(resume=False) is None
    assert "nothing to go on with" in (partial.note(resume=True) or "")
    out.touch()
    assert "replaces it once it is complete" in (partial.note(resume=True) or "")
    partial.begin(resume=False)
    with partial.open() as file:
        partial.add(file, b"x", 1, 0)
    assert partial.note(resume=True) is None
    assert "--resume would have gone on with it" in (partial.note(resume=False) or "")
