"""A run that was interrupted says when it first began, and the time of all its processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from liftune.workflows import clock
from liftune.workflows.clock import Clock
from liftune.workflows.memo import Memo


def test_the_first_start_and_the_sum_of_all_processes_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A night between two processes is no time of the run."""
    memo = Memo(tmp_path, "asked")
    assert Clock.going_on(memo, None, 1000.0) == Clock(1000.0, 0.0, 1000.0)
    assert Clock.going_on(memo, 1060.0, 5000.0) == Clock(1000.0, 60.0, 5000.0)
    third = Clock.going_on(memo, 5005.0, 9000.0)
    assert third == Clock(1000.0, 65.0, 9000.0)
    monkeypatch.setattr(clock.time, "time", lambda: 9010.0)
    assert third.seconds() == 75.0
    assert Clock.going_on(Memo(tmp_path, "asked otherwise"), None, 7.0) == Clock(7.0, 0.0, 7.0)
