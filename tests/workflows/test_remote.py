"""Rows by address in every command: as rows here, no secret in what is written; and addresses where none can be."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_server import FileServer, file_server
from settled_records import FAST as ONE_EPOCH
from settled_records import settled
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.errors import ArtifactError, DataError, SpecError
from liftune.events import Listener, StageEnded, StageStarted
from liftune.progress import Progress
from liftune.records.run import TuneRecord
from liftune.workflows.predict import PredictOptions, predict

ROWS = "text,label\n" + "".join(f"{'sunny laugh' if i % 2 else 'grey tears'} {i * 7919},{i % 2}\n" for i in range(60))
SECRET = "sig=SECRET%2Fword"
FAST = {**ONE_EPOCH, "folds": "none"}


class Interrupt(Listener):
    """Ends the run at the start of a stage, as Ctrl-C would."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def on_stage(self, event: StageStarted | StageEnded) -> None:
        if isinstance(event, StageStarted) and event.stage == self.stage:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def server() -> Iterator[FileServer]:
    with pytest.MonkeyPatch.context() as patch, file_server(patch) as found:
        found.put("/rows.csv", ROWS, headers={"ETag": '"v1"'})
        yield found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def record(server: FileServer, model: str, tmp_path_factory: pytest.TempPathFactory) -> TuneRecord:
    """A run on an address with a signature."""
    out = tmp_path_factory.mktemp("runs") / "mine"
    return liftune.tune(f"{server.root}/rows.csv?{SECRET}", model=model, out=out, quiet=True, **FAST)


def holders(folder: Path, secret: str = "SECRET") -> list[str]:
    """The files in which a secret stands."""
    return [str(each) for each in folder.rglob("*") if each.is_file() and secret.encode() in each.read_bytes()]


def test_a_run_keeps_where_its_rows_came_from_and_no_secret(record: TuneRecord, server: FileServer) -> None:
    folder = Path(record.run)
    assert holders(folder) == []
    assert json.loads((folder / "spec.json").read_text())["data"]["source"] == f"{server.root}/rows.csv?..."
    [fetched] = record.audit.fetched
    assert (fetched.address, fetched.bytes, fetched.version) == (f"{server.root}/rows.csv?...", len(ROWS), '"v1"')
    assert fetched.sha256 in (folder / "report.html").read_text(encoding="utf-8")
    assert record.data == f"{server.root}/rows.csv?..."
    opened = liftune.read(folder)
    assert opened.audit.fetched == record.audit.fetched


def test_it_is_the_run_of_the_same_rows_here(record: TuneRecord, model: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    here = liftune.tune(tmp_path / "rows.csv", model=model, out=tmp_path / "out", quiet=True, **FAST)
    away = record.model_dump(mode="json")
    away["audit"] |= {"fetched": [], "notes": [each for each in away["audit"]["notes"] if "sha256" not in each]}
    assert settled(away) == settled(here.model_dump(mode="json"))


def test_a_settings_file_asks_for_the_address_again(record: TuneRecord, server: FileServer, tmp_path: Path) -> None:
    config = Path(record.run) / "spec.json"
    with pytest.raises(DataError, match="kept nowhere") as error:
        liftune.tune(config=config, out=tmp_path / "again", quiet=True)
    assert "give the whole address again" in str(error.value.hint)
    assert not list(tmp_path.iterdir())
    assert liftune.inspect(f"{server.root}/rows.csv?{SECRET}", config=config).rows == record.rows


def test_an_interrupted_run_goes_on_with_the_address(
    record: TuneRecord, server: FileServer, model: str, tmp_path: Path
) -> None:
    """A new signature of the same file counts as the same; other rows do not."""
    out, address = tmp_path / "out", f"{server.root}/rows.csv?{SECRET}"
    with pytest.raises(KeyboardInterrupt):
        liftune.tune(address, model=model, out=out, quiet=True, listeners=[Interrupt("fine-tuning")], **FAST)
    assert holders(out) == []
    with pytest.raises(DataError, match="kept nowhere"):
        liftune.tune(resume=out, quiet=True)
    before = server.answers["/rows.csv"].body
    server.put("/rows.csv", ROWS.replace("laugh", "smile"))
    with pytest.raises(ArtifactError, match="the rows have changed since then"):
        liftune.tune(address, resume=out, quiet=True)
    server.put("/rows.csv", before, headers={"ETag": '"v1"'})
    done = liftune.tune(f"{server.root}/rows.csv?sig=NEWWORD", resume=out, quiet=True)
    assert settled(done.model_dump(mode="json")) == settled(record.model_dump(mode="json"))
    assert holders(out, "NEWWORD") == []


def test_evaluate_and_inspect(record: TuneRecord, server: FileServer, capsys: pytest.CaptureFixture[str]) -> None:
    scored = liftune.evaluate(f"{server.root}/rows.csv?{SECRET}", model=record.run)
    assert scored.rows.test == 60
    assert scored.audit.fetched == record.audit.fetched
    for extra in ((), ("--json",)):
        assert main(["inspect", f"{server.root}/rows.csv?{SECRET}", *extra]) == 0
        said = capsys.readouterr()
        assert "SECRET" not in said.out + said.err
        assert f"{server.root}/rows.csv?..." in said.out


def predicted(record: TuneRecord, source: str, out: Path, *, resume: bool = False) -> list[str]:
    lines: list[str] = []

    class Log(Progress):
        def log(self, message: str) -> None:
            lines.append(message)

    assert not list(predict(PredictOptions(record.run, source=source, out=str(out), resume=resume), Log(quiet=True)))
    return lines


def test_predictions_of_a_file_elsewhere(
    record: TuneRecord, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, out = f"{server.root}/rows.csv?{SECRET}", tmp_path / "out.csv"
    lines = predicted(record, address, out)
    assert any(line.startswith(f"{server.root}/rows.csv?...: {len(ROWS):,} bytes were read, sha256") for line in lines)
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    predicted(record, str(tmp_path / "rows.csv"), tmp_path / "here.csv")
    assert out.read_bytes() == (tmp_path / "here.csv").read_bytes()
    assert [each.label for each in liftune.predict(address, model=record.run, quiet=True)] == [
        each.label for each in liftune.predict(tmp_path / "rows.csv", model=record.run, quiet=True)
    ]
    assert liftune.predict(address, model=record.run, out=tmp_path / "py.csv", quiet=True) == tmp_path / "py.csv"
    with pytest.raises(DataError, match="no such file"):
        liftune.predict(f"{server.root}/none.csv", model=record.run, quiet=True)


def test_an_interrupted_file_of_predictions_goes_on_if_the_other_side_has_the_same(
    record: TuneRecord, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liftune.inference.files.CHUNK", 16)
    address, whole, out = f"{server.root}/rows.csv?{SECRET}", tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    predicted(record, address, whole)
    from liftune.inference.partial_file import PartialFile

    add, done = PartialFile.add, []

    def dying(self: PartialFile, *args: Any) -> None:
        add(self, *args)
        done.append(args)
        if len(done) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(PartialFile, "add", dying)
    with pytest.raises(KeyboardInterrupt):
        predicted(record, address, out)
    assert holders(tmp_path) == []
    server.put("/other.csv", ROWS.replace("grey", "blue"))
    server.answers["/rows.csv"], kept = server.answers["/other.csv"], server.answers["/rows.csv"]
    with pytest.raises(SpecError, match="sha256 differ"):
        predicted(record, address, out, resume=True)
    server.answers["/rows.csv"] = kept
    predicted(record, f"{server.root}/rows.csv?sig=new", out, resume=True)
    assert out.read_bytes() == whole.read_bytes()


def test_a_file_that_cannot_be_read_is_refused_before_a_model_is_loaded(tmp_path: Path) -> None:
    for source in ("http://host/rows.csv", "file:///rows.csv", "s3://me:pw@bucket/rows.csv"):
        with pytest.raises(DataError):
            list(predict(PredictOptions("no run", source=source, out="x.csv"), Progress(quiet=True)))


def test_rows_to_check_an_export_on(record: TuneRecord, server: FileServer, tmp_path: Path) -> None:
    parity = liftune.export(
        record.run, format="merged", to=tmp_path / "merged", rows=f"{server.root}/rows.csv?{SECRET}"
    )
    assert parity.source == f"{server.root}/rows.csv?..."
    assert holders(tmp_path) == []


def test_a_sweep_brings_its_rows_once_for_all_of_its_processes(
    server: FileServer, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from liftune.sweeps import run

    handed: list[Any] = []
    monkeypatch.setattr(run, "work_on", lambda stages, threads, rows: handed.append(rows))
    monkeypatch.setattr(run, "in_processes", lambda *_: (each for each in ()))
    server.requests.clear()
    address = f"{server.root}/rows.csv?{SECRET}"
    liftune.sweep(address, methods=["lora"], models=[model], out=tmp_path / "out", jobs=2, quiet=True, **ONE_EPOCH)
    assert len(handed[0].test) == 6
    assert len(server.requests) == 1
    assert holders(tmp_path) == []


OUT = {
    "tune": ["tune", "sample:emotions", "--out", "{0}"],
    "predict": ["predict", "{run}", "hello", "--out", "{0}"],
    "inspect": ["inspect", "sample:emotions", "--out", "{0}"],
    "inspect to a file": ["inspect", "sample:emotions", "--out", "{0}.jsonl"],
    "export": ["export", "{run}", "--to", "{0}", "--format", "merged"],
    "report": ["report", "{run}", "--out", "{0}.md"],
    "sweep": ["sweep", "sample:emotions", "--methods", "lora", "--out", "{0}"],
    "init": ["init", "--to", "{0}.toml"],
}


@pytest.mark.parametrize("command", OUT)
def test_nothing_is_written_to_an_address(
    command: str,
    record: TuneRecord,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A folder named `s3:` would be made, and the user would look for the results elsewhere."""
    monkeypatch.chdir(tmp_path)
    for address in ("s3://bucket/out", "https://host/out", "hf://org/name/out"):
        assert main([each.format(address, run=record.run) for each in OUT[command]]) == 2
        said = capsys.readouterr().err
        assert "is an address, and liftune writes to disks alone" in said, said
        assert "name a place here" in said
    assert main([each.format(f"file://{tmp_path}/out", run=record.run) for each in OUT[command]]) == 2
    path = shlex.quote(f"{tmp_path}/out")
    assert f"give the path: {path}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


MODELS = {
    "predict": ["predict", "{0}", "hello"],
    "evaluate": ["evaluate", "sample:emotions", "--model", "{0}"],
    "tune": ["tune", "sample:emotions", "--model", "{0}"],
    "report": ["report", "{0}"],
    "compare": ["compare", "{0}", "{0}"],
    "export": ["export", "{0}", "--to", "out", "--format", "merged"],
    "check": ["check", "{0}"],
    "serve": ["serve", "{0}", "--port", "0"],
    "serve by name": ["serve", "mood={0}", "--port", "0"],
    "push": ["push", "{0}", "org/name", "--dry-run"],
    "base": ["predict", "{run}", "hello", "--base", "{0}"],
    "doctor": ["doctor", "sample:emotions", "--model", "{0}"],
    "config": ["tune", "sample:emotions", "--config", "{0}"],
    "resume": ["tune", "--resume", "{0}"],
}


@pytest.mark.parametrize("command", MODELS)
def test_no_model_is_read_from_an_address(
    command: str,
    record: TuneRecord,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for address in ("s3://bucket/run", "https://me:SECRET@host/run?sig=SECRET", "file:///runs/mine", "http://h/run"):
        assert main([each.format(address, run=record.run) for each in MODELS[command]]) == 2
        said = capsys.readouterr().err
        assert "SECRET" not in said
        assert "address" in said or "is read from a disk alone" in said or "give the path" in said, said
    assert list(tmp_path.iterdir()) == []
