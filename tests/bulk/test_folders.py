"""A folder predicted file by file: the files of single predictions, whoever works on them, and gone on with."""

from __future__ import annotations

import errno
import gzip
import json
import os
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from folders_of_rows import Log, csv_of, options, outputs, predicted, rows_of
from v0_1 import lay_out

import liftune
from liftune.bulk import run as bulk
from liftune.bulk.run import FilesFailed, predict_folder, refuse_failed
from liftune.cli.main import main
from liftune.errors import ArtifactError, DataError, LiftuneError, SpecError
from liftune.inference import files
from liftune.progress import Progress
from liftune.workflows.predict import PredictOptions, predict


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that needs no torch."""
    return lay_out(tmp_path_factory.mktemp("model")) / "bundle"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of every kind that is written, in folders, and what is none."""
    place = tmp_path / "in"
    (place / "day=1").mkdir(parents=True)
    (place / ".git").mkdir()
    (place / "a.csv").write_text(csv_of(rows_of(30)))
    (place / "b.tsv").write_text(csv_of(rows_of(20)).replace(",", "\t"))
    pq.write_table(pa.Table.from_pylist(rows_of(25)), place / "day=1" / "part-0.parquet")
    lines = [*(json.dumps(row) for row in rows_of(12)), "{broken", '{"text": null}']
    (place / "day=1" / "c.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (place / "README.md").write_text("about")
    (place / "_SUCCESS").write_text("")
    (place / ".git" / "x.csv").write_text("text\nhidden\n")
    return place


def test_each_file_is_that_of_a_single_prediction(bundle: Path, folder: Path, tmp_path: Path) -> None:
    record, lines = predicted(bundle, folder, tmp_path / "out")
    names = ["a.csv", "b.tsv", "day=1/c.jsonl.gz", "day=1/part-0.parquet"]
    found = outputs(tmp_path / "out")
    assert sorted(found) == names
    for name in names:
        single = tmp_path / f"single{Path(name).name}"
        assert not list(predict(options(bundle, folder / name, single), Progress(quiet=True)))
        assert found[name] == single.read_bytes()
    assert (record.files, record.rows, record.errors, record.failed) == (4, 89, 2, {})
    assert sum(record.labels.values()) == 87
    assert record.left_out == {"README.md": "it is no table"}
    assert any("not predicted: README.md (it is no table)" in line for line in lines)
    assert any(line.startswith("predictions for 87 of 89 rows in 4 files: ") for line in lines)


def test_a_second_call_does_what_is_missing_or_changed_and_nothing_else(
    bundle: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predicted(bundle, folder, out)
    whole = outputs(out)
    times = {name: (out / name).stat().st_mtime_ns for name in whole}
    (out / "a.csv").unlink()
    (out / "b.tsv").write_bytes(whole["b.tsv"][:40])
    os.utime(folder / "day=1" / "part-0.parquet")
    (folder / "day=1" / "c.jsonl.gz").write_bytes(gzip.compress(b'{"text": "rage"}\n'))
    (folder / "new.ndjson").write_text('{"text": "sunny"}\n')
    record, lines = predicted(bundle, folder, out)
    again = outputs(out)
    assert (record.files, record.earlier, record.rows) == (5, 1, 30 + 20 + 25 + 1 + 1)
    assert {again[name] == whole[name] for name in ("a.csv", "b.tsv", "day=1/part-0.parquet")} == {True}
    assert (out / "day=1" / "part-0.parquet").stat().st_mtime_ns == times["day=1/part-0.parquet"]
    assert b"rage" in gzip.decompress(again["day=1/c.jsonl.gz"])
    assert any("changed since they were predicted: day=1/c.jsonl.gz" in line for line in lines)
    (folder / "a.csv").unlink()
    record, lines = predicted(bundle, folder, out)
    assert (record.files, record.earlier) == (4, 4)
    assert any("no longer in the input, and left as they are: a.csv" in line for line in lines)


def test_of_a_file_without_a_text_column_a_hint_is_given_that_can_be_followed(
    bundle: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are done without --text: with it the folder would be another one."""
    monkeypatch.chdir(tmp_path)
    (folder / "odd one.csv").write_text("a,b\nsunny laugh dance,1\nslam rage shout,2\n")
    record, _ = predicted(bundle, folder, tmp_path / "out")
    said = record.failed["odd one.csv"]
    assert "(rename that column to text, or predict this file by itself: " in said
    assert main(shlex.split(said.partition("by itself: liftune ")[2].removesuffix(")"))) == 0
    assert (tmp_path / "predicted-odd one.csv").read_text().startswith("a,b,label")
    (folder / "odd one.csv").write_text("text,b\nsunny laugh dance,1\n")
    (folder / "late.csv").write_bytes("text\nd\xe9j\xe0 vu\n".encode("utf-16-le"))
    record, _ = predicted(bundle, folder, tmp_path / "out", text=None)
    assert (record.files, record.earlier) == (5 + ("late.csv" not in record.failed), 4)
    record, _ = predicted(bundle, folder, tmp_path / "named", text="text")
    (folder / "odd one.csv").write_text("a,b\nsunny,1\n")
    record, _ = predicted(bundle, folder, tmp_path / "named", text="text")
    assert (
        "options are for all files of a folder: for this one give it with liftune predict"
        in record.failed["odd one.csv"]
    )


def test_another_contender_is_named(bundle: Path, folder: Path, tmp_path: Path) -> None:
    """In a folder of an older liftune, which kept no name, the model is said to be another one."""
    out = tmp_path / "out"
    predicted(bundle, folder, out)
    kept = out / ".liftune" / "predictions.json"
    values = json.loads(kept.read_text())
    assert values["model"] == {"contender": "tuned", "path": str(bundle.resolve())}
    digest = {**values["settings"], "model": "0" * 64}
    for model, said in (
        ({"contender": "tfidf", "path": "runs/a/contenders/tfidf"}, "begun otherwise: tfidf then, tuned now\n"),
        ({"contender": "tuned", "path": "runs/b"}, "the model .then runs/b, now "),
        (values["model"], "which has changed since"),
        (None, "another one or has changed since"),
    ):
        kept.write_text(json.dumps({"in": values["in"], "settings": digest} | ({"model": model} if model else {})))
        with pytest.raises(SpecError, match=said) as error:
            predicted(bundle, folder, out)
        assert ("--use tfidf" in str(error.value.hint)) == ("tfidf" in said)
        assert "0000" not in error.value.message
    kept.write_text(json.dumps({"in": values["in"], "settings": values["settings"]}))
    record, _ = predicted(bundle, folder, out)
    assert record.earlier == 4


def test_two_workers_write_the_same_bytes_as_one(bundle: Path, folder: Path, tmp_path: Path) -> None:
    predicted(bundle, folder, tmp_path / "one")
    record, _ = predicted(bundle, folder, tmp_path / "two", jobs=2)
    assert (record.files, record.rows, record.failed) == (4, 89, {})
    assert outputs(tmp_path / "two") == outputs(tmp_path / "one")


def test_a_folder_of_another_model_of_other_options_or_of_other_files_is_refused(
    bundle: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predicted(bundle, folder, out)
    before = outputs(out)
    with pytest.raises(SpecError, match="text") as error:
        predicted(bundle, folder, out, text="id")
    assert "name another folder" in str(error.value.hint)
    other = tmp_path / "other" / "bundle"
    shutil.copytree(bundle, other)
    card = json.loads((other / "bundle.json").read_text())
    (other / "bundle.json").write_text(json.dumps({**card, "method": "other"}))
    with pytest.raises(SpecError, match="model"):
        predicted(other, folder, out)
    second = tmp_path / "second"
    second.mkdir()
    (second / "a.csv").write_text(csv_of(rows_of(3)))
    with pytest.raises(SpecError, match="of another folder"):
        predicted(bundle, second, out)
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "mine.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="holds other files"):
        predicted(bundle, folder, strange)
    assert outputs(out) == before
    moved = tmp_path / "moved"
    folder.rename(moved)
    record, _ = predicted(bundle, moved, out)
    assert record.earlier == 4


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(bundle: Path, folder: Path, tmp_path: Path) -> None:
    (folder / "bad.parquet").write_bytes(b"PAR1 not really PAR1")
    (folder / "cut.csv.gz").write_bytes(gzip.compress(csv_of(rows_of(500)).encode())[:-400])
    (folder / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    (folder / "loop").symlink_to(folder)
    (folder / "book.xlsx").write_bytes(b"PK")
    record, lines = predicted(bundle, folder, tmp_path / "out")
    assert record.files == 4
    assert any(line.startswith("bad.parquet has no predictions: ") for line in lines)
    assert sorted(record.failed) == ["bad.parquet", "cut.csv.gz", "gone.csv"]
    assert record.left_out["book.xlsx"] == ".xlsx is read, but not written"
    assert record.left_out["loop/"] == "it leads back to a folder above it"
    assert "damaged" in record.failed["cut.csv.gz"]
    with pytest.raises(FilesFailed, match=r"3 of 7 files have no predictions:\n  bad\.parquet: ") as error:
        refuse_failed(record)
    assert error.value.exit_code == 1
    shutil.copy(folder / "day=1" / "part-0.parquet", folder / "bad.parquet")
    record, _ = predicted(bundle, folder, tmp_path / "out")
    assert (record.earlier, record.files, sorted(record.failed)) == (4, 5, ["cut.csv.gz", "gone.csv"])


def test_a_file_that_fails_for_a_while_is_tried_again(
    bundle: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three times, then it is left."""
    from liftune.bulk import shard_work

    begun: list[str] = []
    kept = shard_work._predicted

    def flaky(task: Any, predictor: Any, shard: Any, say: Any) -> Any:
        begun.append(shard.name)
        if shard.name == "b.tsv" or (shard.name == "a.csv" and begun.count("a.csv") < 3):
            raise RuntimeError("no luck")
        return kept(task, predictor, shard, say)

    monkeypatch.setattr(shard_work, "_predicted", flaky)
    record, lines = predicted(bundle, folder, tmp_path / "out")
    assert (begun.count("a.csv"), begun.count("b.tsv")) == (3, 3)
    assert record.failed == {"b.tsv": "3 times: RuntimeError: no luck"}
    assert record.files == 3
    assert sum("it is tried again" in line for line in lines) == 4


def test_a_stop_keeps_what_is_done_and_the_same_command_goes_on(
    bundle: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also within a file, which is not begun again."""
    monkeypatch.setattr(files, "CHUNK", 10)
    monkeypatch.setattr(bulk, "CHUNK", 10)
    predicted(bundle, folder, tmp_path / "whole")
    from liftune.inference.onnx_bundle import Bundle

    kept, calls = Bundle.predict, 0

    def stopping(self: Bundle, rows: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5:  # in the second file, which has two blocks
            raise KeyboardInterrupt
        return kept(self, rows, **more)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Bundle, "predict", stopping)
        with pytest.raises(KeyboardInterrupt) as stopped:
            predicted(bundle, folder, out)
    assert stopped.value.__notes__ == [f"kept: 1 file of this call, in {out}; the same command continues"]
    assert sorted(outputs(out)) == ["a.csv"]
    calls = 100
    monkeypatch.setattr(Bundle, "predict", stopping)
    record, _ = predicted(bundle, folder, out)
    assert (record.earlier, record.rows) == (1, 89)
    assert calls == 100 + 1 + 2 + 3
    assert outputs(out) == outputs(tmp_path / "whole")
    assert not (out / ".liftune" / "work").exists()


def test_a_file_that_was_whole_and_had_no_name_yet_takes_it(
    bundle: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop between the last two steps repeats no row."""
    from liftune.bulk.place import Here

    out = tmp_path / "out"

    def stop(self: Here, file: Path, to: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Here, "_rename", stop)
        with pytest.raises(KeyboardInterrupt):
            predicted(bundle, folder, out)
    record, _ = predicted(bundle, folder, out)
    assert (record.earlier, record.files) == (1, 4)


def test_places_that_would_be_read_or_replaced_are_refused(bundle: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("mine")
    (tmp_path / "link").symlink_to(folder)
    for out, match in (
        (folder, "is the folder that is read"),
        (tmp_path / "link", "is the folder that is read"),
        (folder / "answers", "lies in the folder"),
        (tmp_path, "holds the folder"),
        (tmp_path / "answers.csv", "the name of a file"),
        (tmp_path / "file.csv", "is a file"),
        ("-", "written to a folder"),
    ):
        with pytest.raises(LiftuneError, match=match) as error:
            predict_folder(options(bundle, folder, Path(out)), Log())
        assert error.value.where == "--out"
    with pytest.raises(SpecError, match="written to a folder"):
        PredictOptions(str(bundle), source=str(folder)).check()
    with pytest.raises(SpecError, match="--jobs is for a folder"):
        options(bundle, tmp_path / "file.csv", tmp_path / "o.csv", jobs=2).check()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="it is empty"):
        predicted(bundle, tmp_path / "empty", tmp_path / "out")
    with pytest.raises(DataError, match="this is a tuned model, not data"):
        predicted(bundle, bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_from_python_by_a_path_or_by_a_model_that_is_loaded(bundle: Path, folder: Path, tmp_path: Path) -> None:
    record = liftune.predict(folder, model=bundle, out=tmp_path / "out", quiet=True)
    assert (record.files, record.rows) == (4, 89)
    assert "4 files, 89 rows" in repr(record)
    again = liftune.predict(str(folder), model=liftune.load(bundle), out=tmp_path / "out", jobs=2, quiet=True)
    assert (again.earlier, again.rows_per_second) == (4, None)
    with pytest.raises(SpecError, match="jobs is for a folder"):
        liftune.predict(["a text"], model=bundle, jobs=2, quiet=True)


def test_the_command_line_says_what_failed_and_ends_with_1(
    bundle: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.csv").write_bytes(b"a,b\nx,y\n")
    words = ["predict", str(bundle), "--in", str(folder), "--out", str(tmp_path / "out")]
    assert main([*words, "--json", "--quiet"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["files"] == 4
    assert "1 of 5 files have no predictions:\n  bad.csv: " in said.err
    (folder / "bad.csv").unlink()
    assert main(words) == 0
    said = capsys.readouterr()
    assert "4 files, 4 of them done before" in said.err
    assert said.out == ""


def test_files_without_rows_give_files_without_rows(bundle: Path, tmp_path: Path) -> None:
    """As programs write them where a part of a set is empty: one without a byte is empty in every format."""
    folder = tmp_path / "in"
    folder.mkdir()
    whole = pa.table({"id": pa.array([1, 2]), "text": ["sunny", None], "note": pa.array([None, None], pa.string())})
    pq.write_table(whole, folder / "a.parquet")
    pq.write_table(whole.slice(0, 0), folder / "b.parquet")
    (folder / "c.csv").write_text("id,text\n")
    (folder / "d.jsonl").write_bytes(b"")
    (folder / "e.csv.gz").write_bytes(gzip.compress(b""))
    (folder / "f.csv").write_bytes(b"")
    (folder / "g.tsv").write_text("\ufeff\n")
    record, lines = predicted(bundle, folder, tmp_path / "out")
    assert (record.files, record.rows, record.errors, record.failed) == (7, 2, 1, {})
    for name in ("d.jsonl", "e.csv.gz", "f.csv", "g.tsv"):
        assert (tmp_path / "out" / name).read_bytes() == b""
    assert sum("is empty, and so is what is written of it" in line for line in lines) == 1
    again, _ = predicted(bundle, folder, tmp_path / "out")
    assert (again.files, again.earlier) == (7, 7)
    assert pq.read_schema(tmp_path / "out" / "b.parquet") == pq.read_schema(tmp_path / "out" / "a.parquet")
    assert (tmp_path / "out" / "c.csv").read_text().startswith("id,text,label,probabilities.")
    assert (tmp_path / "out" / "d.jsonl").read_bytes() == b""
    with pytest.raises(DataError, match="and no rows"):
        list(predict(options(bundle, folder / "c.csv", tmp_path / "c.csv"), Progress(quiet=True)))


def test_an_option_that_was_wrong_may_be_put_right_while_no_file_is_done(
    bundle: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataError, match="unknown encoding") as error:
        predicted(bundle, folder, out, encoding="klingon")
    assert not getattr(error.value, "__notes__", ())
    record, _ = predicted(bundle, folder, out, text="nosuch")
    assert (record.files, len(record.failed)) == (0, 4)
    record, _ = predicted(bundle, folder, out)
    assert (record.files, record.failed) == (4, {})
    with pytest.raises(DataError, match="no such file or folder"):
        options(bundle, tmp_path / "nowhere", out).check()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_ends_the_command_and_the_same_command_goes_on(
    jobs: int, bundle: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted(bundle, folder, tmp_path / "whole")
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        if jobs == 1:
            patch.setattr("liftune.inference.partial_file.os.fsync", full)
        else:
            patch.setattr("liftune.bulk.run.work", full_in_worker)
        with pytest.raises(ArtifactError, match="cannot write: no space left on device") as error:
            predicted(bundle, folder, out, jobs=jobs)
    assert "free some space" in str(error.value.hint)
    assert outputs(out) == {}
    predicted(bundle, folder, out)
    assert outputs(out) == outputs(tmp_path / "whole")


def full(number: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def full_in_worker(task: Any, shard: Any, say: Any) -> Any:
    """In a process of its own."""
    from liftune.bulk.shard_work import work

    os.fsync = full
    return work(task, shard, say)


def test_processes_that_would_share_a_gpu_are_refused(
    bundle: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = SimpleNamespace(device="cuda")
    monkeypatch.setattr(bulk, "prediction_plan", lambda device, precision: plan)
    with pytest.raises(SpecError, match="2 processes would share cuda"):
        predicted(bundle.parent / "run", folder, tmp_path / "out", jobs=2)
    assert not (tmp_path / "out").exists()
