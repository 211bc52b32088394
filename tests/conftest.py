"""What every test stands on: one thread, no network, no cache of the user's."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before torch or a tokenizer is imported: tests are many and small, and may run beside each other.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# A shell starts what it puts into the background deaf to Ctrl-C, and so is all that tests start; nohup ignores SIGHUP.
for name, default in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    signum = getattr(signal, name, None)
    if signum is not None and signal.getsignal(signum) is signal.SIG_IGN:
        signal.signal(signum, default)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What liftune measures of the machine is kept for the session only."""
    before = os.environ.get("LIFTUNE_CACHE")
    os.environ["LIFTUNE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["LIFTUNE_CACHE"]
    else:
        os.environ["LIFTUNE_CACHE"] = before


@pytest.fixture(autouse=True)
def _bases_stay_where_they_are() -> Iterator[None]:
    """Where one test says that a base has moved to, another one's adapter of the same weights is not looked for."""
    yield
    moved = sys.modules.get("liftune.models.moved_bases")
    if moved:
        moved._PLACES.clear()


@pytest.fixture(autouse=True, scope="session")
def _few_rows_are_no_reason_to_try_pairs() -> Iterator[None]:
    """Almost every run of these tests has few rows, and each would cross-validate: those that want it say so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("liftune.workflows.few_wanted.MOST_ROWS_A_LABEL", 0)
        yield


#: Where charts are laid out and printed as matplotlib does it: the pages themselves, and runs of every kind of task.
PRINTED = ("reports", "cli/test_commands.py")


@pytest.fixture(autouse=True, scope="module")
def _charts_are_drawn_but_not_printed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Elsewhere every chart of a run is drawn, and stays unprinted: that takes a third of a small run's time."""
    if any(request.path.is_relative_to(Path(__file__).parent / place) for place in PRINTED):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("liftune.reports.render.svg._printed", lambda figure: '<svg viewBox="0 0 4 3"></svg>')
        yield


#: Where a run's flips are explained: the two models of it are opened for that.
EXPLAINED = ("workflows/test_explained_flips.py",)


@pytest.fixture(autouse=True, scope="module")
def _flips_are_explained_where_that_is_tested(request: pytest.FixtureRequest) -> Iterator[None]:
    """Elsewhere none is: models are opened once more for it, at the end of every run."""
    if any(request.path.is_relative_to(Path(__file__).parent / place) for place in EXPLAINED):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("liftune.workflows.explained_flips.MOST_FLIPS", 0)
        yield


@pytest.fixture
def emotions(tmp_path: Path) -> Path:
    """A folder of a few rows that words alone decide, train, validation and test."""
    return _emotions(tmp_path)


@pytest.fixture(scope="session")
def kept_emotions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows, for runs that several tests look at: nobody changes them."""
    return _emotions(tmp_path_factory.mktemp("kept"))


def _emotions(place: Path) -> Path:
    import json

    words = {"joy": ("sunny", "laugh", "dance", "smile"), "anger": ("shout", "slam", "rage", "glare")}
    folder = place / "emotions"
    folder.mkdir()
    for part, each in (("train", 24), ("validation", 8), ("test", 10)):
        rows = [
            {"text": f"{part} {i} {words[label][i % 4]} {words[label][(i + 1) % 4]}", "label": label}
            for i in range(each)
            for label in words
        ]
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder
