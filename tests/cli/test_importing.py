"""Libraries are imported without looking for garbage meanwhile: that took a sixth of the import's processor time."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from liftune.cli import importing
from liftune.cli.importing import ImportsAtOnce, import_at_once
from liftune.events import Events

#: Plays a run's first stages to the listener of the command line, and says what was imported and set aside by then.
STAGES = """
import gc, sys
from liftune.cli.importing import ImportsAtOnce
from liftune.events import Events

def tell():
    print("torch" in sys.modules, "sklearn.metrics" in sys.modules, gc.get_freeze_count() > 100_000, gc.isenabled())

events = Events([ImportsAtOnce()])
with events.stage("data"):
    tell()
with events.stage("model"):
    tell()
"""
LIBRARY = "import gc, liftune, liftune.workflows.tune, liftune.api.tuning; print(gc.get_freeze_count())"


def child(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    return done.stdout


@pytest.mark.slow
def test_a_run_imports_what_it_computes_with_once_its_rows_are_read_and_looks_for_garbage_again() -> None:
    assert child(STAGES).splitlines() == ["False False False True", "True True True True"]


def test_a_run_imports_before_its_model_is_loaded_and_at_no_other_time(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[tuple[str, ...]] = []
    monkeypatch.setattr(importing, "import_at_once", lambda *modules: imported.append(modules))
    events = Events([ImportsAtOnce()])
    with events.stage("data"):
        assert imported == []
    with events.stage("model"):
        assert imported == [importing.OF_TUNE]
    with events.stage("inputs"):
        assert imported == [importing.OF_TUNE]


@pytest.mark.parametrize("collects", [True, False])
def test_an_import_that_fails_leaves_the_collector_as_it_was(collects: bool) -> None:
    (gc.enable if collects else gc.disable)()
    try:
        with pytest.raises(ModuleNotFoundError):
            import_at_once("json", "liftune.no_such_module")
        assert gc.isenabled() == collects
        assert gc.get_freeze_count() > 0
    finally:
        gc.enable()
        gc.unfreeze()


def test_the_library_sets_nothing_aside() -> None:
    """Only the command line may: in a host's process the host's garbage would stay for good."""
    assert int(child(LIBRARY)) < 1_000  # of Python's own start
