"""A run is whole once its record is on the disk: what can be made of it again may be missing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from made_runs import made_run

import liftune.workflows.report as report
from liftune.errors import ArtifactError
from liftune.events import Events, Listener, Note
from liftune.workflows.report import publish_or_say


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
