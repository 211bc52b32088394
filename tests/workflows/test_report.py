"""A run is whole once its record is on the disk: what can be made of it again may be missing."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest
from made_runs import made_run

import liftune
import liftune.workflows.report as report
from liftune.cli.main import main
from liftune.errors import ArtifactError
from liftune.events import Events, Listener, Note
from liftune.reports.document import sections
from liftune.run_folder import RunFolder
from liftune.workflows.report import publish_or_say, read_run, to_json


class Notes(Listener):
    def __init__(self) -> None:
        self.said: list[str] = []

    def on_note(self, event: Note) -> None:
        self.said.append(event.text)


FAULTS = [
    OSError(errno.ENOSPC, "No space left on device"),
    ArtifactError("cannot write: no space left on device", where="run/report.html"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_full_disk_at_the_report_is_a_note(fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made_run(tmp_path / "run")

    def full(*_: object) -> None:
        raise fault

    heard = Notes()
    with monkeypatch.context() as patched:
        patched.setattr(report, "write_text", full)
        publish_or_say(folder, folder.record(), Events((heard,)))
    assert "the run is whole" in heard.said[0]
    assert "no space left" in heard.said[0].lower()
    folder.adapter.mkdir(exist_ok=True)
    publish_or_say(folder, folder.record(), Events((heard,)))
    assert (folder.path / "report.html").is_file()


FIXTURE = Path(__file__).parents[1] / "fixtures" / "schema_3" / "run"


def said_of(folder: Path) -> str:
    shown = sections(*read_run(RunFolder(folder)))
    return "\n".join(line for each in shown for line in (*each.caveats, *each.sentences, *each.commands))


def test_a_copied_run_is_named_where_it_is_now(tmp_path: Path) -> None:
    """Its old folder may hold another run, or nothing."""
    copied = shutil.copytree(FIXTURE, tmp_path / "moved here")
    commands = [line for line in said_of(copied).splitlines() if line.startswith(("liftune tune", "liftune predict"))]
    assert len(commands) == 2
    assert all(f"'{copied}'" in line for line in commands)


@pytest.mark.parametrize("gone", ["tuned", "recommended"])
def test_what_is_damaged_is_named_and_not_recommended(gone: str, tmp_path: Path) -> None:
    """Its scores stay: they are evidence. Its command would be refused."""
    copied = shutil.copytree(FIXTURE, tmp_path / "run")
    folder = RunFolder(copied)
    record = folder.record()
    name = "tuned" if gone == "tuned" else next(each.name for each in record.contenders if each.name != "tuned")
    record = record.model_copy(update={"recommended": name, "recommendation": None})
    folder.save_record(record)
    whole = said_of(copied)
    assert "Damaged" not in whole
    assert f"Recommended: {name}." in whole
    shutil.rmtree(folder.contender(name))
    said = said_of(copied)
    assert f"Damaged since the run: {name} (" in said
    assert f"{name} was recommended, and cannot be used" in said
    assert "Use the tuned model:" not in said
    assert [name] == list(read_run(folder)[1].damaged)
    assert '"damaged": {' in to_json(*read_run(folder))
    commands = [line for line in said.splitlines() if line.startswith("liftune predict")]
    assert all(f"--use {name}" not in line for line in commands)
    assert len(commands) == (0 if name == "tuned" else 1)


def test_a_sweep_that_has_ended_shows_its_ranking_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sweep = Path(__file__).parents[1] / "fixtures" / "schema_3" / "sweep"
    assert main(["report", str(sweep)]) == 0
    shown = capsys.readouterr().out
    assert "Leaderboard" in shown
    assert main(["report", str(sweep), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["leaderboard"]
    assert "Leaderboard" in liftune.report(sweep)
    assert liftune.report(sweep, out=tmp_path / "ranking.html") == str(tmp_path / "ranking.html")
    assert main(["report", str(sweep), "--format", "html"]) == 2
    assert "--out report.html" in capsys.readouterr().err
