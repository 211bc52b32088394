"""What a process leaves that dies in a pass, and what the next one makes of it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liftune.errors import OutOfMemory
from liftune.hardware import pass_notes
from liftune.hardware.memory import Passes, memory_kills
from liftune.hardware.pass_notes import NO_NOTE, PassNote


@pytest.fixture(autouse=True)
def _no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pass_notes, "has_process_limit", lambda: False)


def system(root: Path, machine: int, group: int | None = None) -> Path:
    """The files by which a system says how many processes it has ended."""
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/vmstat").write_text(f"pgfault 7\noom_kill {machine}\n")
    (root / "proc/self/cgroup").write_text("0::/own\n")
    if group is not None:
        (root / "sys/fs/cgroup/own").mkdir(parents=True, exist_ok=True)
        (root / "sys/fs/cgroup/own/memory.events").write_text(f"oom 3\noom_kill {group}\n")
    return root


def dies(path: Path, tokens: int, **options: Any) -> PassNote:
    """A process that never comes out of a pass."""
    note = PassNote(path, **options)
    with note.trying(tokens):
        left = path.read_bytes()
    path.write_bytes(left)
    return note


def test_one_death_changes_nothing_and_the_second_at_the_same_place_does(tmp_path: Path) -> None:
    """Whoever kills a run gets the same bits; what would die there for ever does not."""
    root, path = system(tmp_path, 1), tmp_path / "passes.json"
    dies(path, 1000, root=root)
    again = dies(path, 1000, root=root)
    assert (again.most, again.said) == (None, "")
    third = PassNote(path, root=root)
    assert third.most == 500
    assert third.said == "a process died in a pass of 1,000 tokens, 2 times: now 500 a pass at most"
    assert (PassNote(path, root=root).most, PassNote(path, root=root).said) == (500, ""), "it is kept, and said once"


def test_two_deaths_at_different_places_change_nothing(tmp_path: Path) -> None:
    root, path = system(tmp_path, 1), tmp_path / "passes.json"
    dies(path, 1000, root=root)
    with PassNote(path, root=root).trying(1000):
        pass
    dies(path, 2000, root=root)
    assert PassNote(path, root=root).most is None


@pytest.mark.parametrize(
    ("before", "after", "most"),
    [
        ((1, None), (1, None), None),
        ((1, None), (2, None), 500),
        ((1, 0), (2, 0), None),  # another group's process was ended
        ((1, 0), (2, 1), 500),
        ((5, 3), (0, None), None),  # the machine has started anew
    ],
)
def test_one_death_is_enough_where_the_system_has_counted_it(
    before: tuple[int, int | None], after: tuple[int, int | None], most: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "passes.json"
    dies(path, 1000, root=system(tmp_path, *before))
    if after[1] is None and before[1] is not None:
        (tmp_path / "sys/fs/cgroup/own/memory.events").unlink()
    assert PassNote(path, root=system(tmp_path, *after)).most == most


def test_one_death_is_enough_under_a_limit_where_libraries_abort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "passes.json"
    dies(path, 1000)
    monkeypatch.setattr(pass_notes, "has_process_limit", lambda: True)
    assert PassNote(path).most == 500


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process dies")
def test_a_process_that_is_killed_leaves_its_note(tmp_path: Path) -> None:
    path = tmp_path / "run" / "passes.json"
    child = os.fork()
    if not child:
        with PassNote(path).trying(300):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    kept = json.loads(path.read_text())
    assert (kept["tried"], kept["fitted"]) == (300, 0)


def test_an_exception_is_no_death_and_what_has_fitted_is_not_noted_again(tmp_path: Path) -> None:
    path = tmp_path / "passes.json"
    note = PassNote(path)
    with pytest.raises(KeyboardInterrupt), note.trying(1000):
        raise KeyboardInterrupt
    assert json.loads(path.read_text())["tried"] == 0
    with note.trying(1000):
        assert json.loads(path.read_text())["tried"] == 1000
    written = path.stat().st_mtime_ns
    with note.trying(1010):
        pass
    assert path.stat().st_mtime_ns == written


def test_of_passes_side_by_side_the_largest_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "passes.json"
    note = PassNote(path)
    with note.trying(1000):
        with note.trying(2000):
            assert json.loads(path.read_text())["tried"] == 2000
        assert json.loads(path.read_text())["tried"] == 0, "2,000 have fitted meanwhile"


def test_one_row_of_which_processes_die_is_refused_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "passes.json"
    for _ in range(4):
        dies(path, 1000)
    with pytest.raises(OutOfMemory, match="1,000 tokens again and again") as caught, PassNote(path).trying(1000):
        pass
    assert "--max-length 500" in str(caught.value.hint)
    path.unlink()
    with PassNote(path).trying(1000):
        pass


@pytest.mark.parametrize("damage", ["", "[1]", '{"tried": "x"}', '{"tried": 9, "kills": 3}', "[" * 60_000])
def test_a_damaged_note_says_nothing(damage: str, tmp_path: Path) -> None:
    (tmp_path / "passes.json").write_text(damage)
    assert PassNote(tmp_path / "passes.json").most is None


def test_a_place_that_cannot_be_written_keeps_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with PassNote(tmp_path / "file" / "passes.json").trying(10):
        pass
    with NO_NOTE.trying(10):
        pass


def test_rows_are_read_in_passes_as_small_as_the_note_says(tmp_path: Path) -> None:
    path = tmp_path / "passes.json"
    dies(path, 8)
    dies(path, 8)
    passes, computed = Passes(), list[int]()
    passes.note_in(PassNote(path))
    passes(lambda rows: computed.append(len(rows)), np.arange(8), len)
    assert computed == [4, 4]


def test_this_system_counts_or_says_nothing() -> None:
    assert all(count >= 0 for count in memory_kills().values())


def test_a_full_disk_keeps_no_note_and_no_half_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pass_notes.os, "replace", full)
    with PassNote(tmp_path / "notes" / "passes.json").trying(100):
        pass
    assert not list((tmp_path / "notes").iterdir())
