"""Worker processes of a sweep: one that dies ends nothing but its cell, and none outlives the sweep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import dying_cells
import pytest

from liftune.errors import ArtifactError
from liftune.processes import cause_of_death
from liftune.records.sweep import CellRecord
from liftune.sweeps.grid import Cell
from liftune.sweeps.workers import in_processes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def carried_out(folder: Path, *methods: str) -> tuple[dict[str, CellRecord], list[str]]:
    """Method -> record; what was said meanwhile."""
    said: list[str] = []
    cells = [Cell("m", method, 0) for method in methods]
    records = list(in_processes(cells, partial(dying_cells.work, str(folder)), 2, said.append))
    return {record.method: record for record in records}, said


def test_a_worker_that_dies_costs_its_cell_a_second_try_and_the_others_nothing(tmp_path: Path) -> None:
    """Killed once: done in a fresh process. Killed twice: failed, with the signal as its reason."""
    records, said = carried_out(tmp_path, "SIGKILL", "a", "once-SIGTERM", "b", "exit")
    states = {method: record.state for method, record in records.items()}
    assert states == {"SIGKILL": "failed", "a": "done", "once-SIGTERM": "done", "b": "done", "exit": "failed"}
    reason = records["SIGKILL"].reason or ""
    assert "ended by SIGKILL (the system does that when memory is short), twice" in reason
    assert "fewer --jobs" in reason
    assert "exit code 3, twice" in (records["exit"].reason or "")
    assert sorted(line.split(";")[0].split("(")[0].strip() for line in said) == [
        "m SIGKILL seed 0: its process was ended by SIGKILL",
        "m exit seed 0: its process ended with exit code 3",
        "m once-SIGTERM seed 0: its process was ended by SIGTERM",
    ]
    processes = [(tmp_path / f"{name}-{number}").read_text() for name in ("SIGKILL", "exit") for number in (1, 2)]
    assert len(set(processes)) == 4
    assert not (tmp_path / "SIGKILL-3").exists()


def test_what_no_other_cell_would_survive_ends_the_workers_too(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no space") as full:
        carried_out(tmp_path, "disk", "SIGKILL")
    assert (full.value.where, full.value.hint) == ("here", "make room")


def test_where_no_process_starts_it_is_said_at_once(tmp_path: Path) -> None:
    """As in a script without `if __name__ == "__main__"`, whose every worker would run it again."""
    script = tmp_path / "script.py"
    lines = [
        "import sys, dying_cells as d, liftune.errors",
        "try: list(d.in_processes([d.Cell('m', 'a', 0)] * 5, d.partial(d.work, sys.argv[1]), 2, print))",
        "except liftune.errors.SpecError as error: print('refused', error.hint)",
    ]
    script.write_text("\n".join(lines))
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert "refused leave --jobs out; in a script, call liftune.sweep below `if __name__" in done.stdout


def test_a_worker_starts_without_torch() -> None:
    """It would take each of them seconds before it hears what to do; some need none."""
    code = "import sys, liftune.sweeps.workers; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("name", "whom"),
    [
        ("SIGKILL", "parent"),
        ("SIGTERM", "parent"),
        ("SIGINT", "all"),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in (("SIGHUP", "parent"), ("SIGTERM", "all"))),
    ],
)
def test_workers_save_and_end_with_their_parent(name: str, whom: str, tmp_path: Path) -> None:
    """Sent to the parent alone, or to all, as a terminal's Ctrl-C is."""
    parent = subprocess.Popen(
        [sys.executable, dying_cells.__file__, str(tmp_path)], start_new_session=True, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    starts = [tmp_path / "saves-1", tmp_path / "waits-1"]
    wait_until(lambda: all(each.is_file() and each.read_text() for each in starts))
    workers = [int(each.read_text()) for each in starts]
    (os.killpg if whom == "all" else os.kill)(parent.pid, getattr(signal, name))
    parent.communicate()
    wait_until(lambda: not any(alive(each) for each in workers))
    assert (tmp_path / "saved").is_file()
    assert not list(tmp_path.glob("*-2")), "a worker that is told to end is not one that died"


def wait_until(met: Callable[[], bool]) -> None:
    for _ in range(6000):
        if met():
            return
        time.sleep(0.01)
    pytest.fail("it did not come to pass within a minute")


def alive(process: int) -> bool:
    """Whether it runs; what has ended and was not fetched does not."""
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def test_exit_codes_are_signals_as_a_shell_says_them() -> None:
    assert "SIGTERM" in cause_of_death(143)
    assert "exit code 1" in cause_of_death(1)
