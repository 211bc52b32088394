"""Experiment trackers as listeners of a run, through Accelerate's tracking interface.

In: events.  Out: settings, the scores of each epoch and contender, the report, in a tracker.
Not here: events themselves (events.py).

To add a tracker, register a function that opens it; `keep_report` puts the report where the tracker keeps files. A
tracker that fails says so once and is left out: it never fails a run.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from liftune.errors import need
from liftune.events import ContenderScored, EpochEnded, EpochStarted, Listener, RunEnded, RunStarted, TuningStarted
from liftune.option_values import several
from liftune.registry import Registry

#: What trackers call the project or experiment that holds all runs.
PROJECT = "liftune"
_PAGE = "report.html"


def _nowhere(tracker: Any, report: Path) -> None:
    """The tracker has no place for files."""


def _nothing_kept(run: Path) -> str:
    """The tracker itself keeps runs of one name apart."""
    return ""


@dataclass(frozen=True)
class Tracker:
    """A kind of tracker.

    Args:
        build: from the run's folder to a GeneralTracker of Accelerate's, not started yet.
        modules: what it needs, for the message where one is missing.
        keep_report: puts the report into the tracker's own place for files.
        set_aside: moves away what an earlier run in the same folder left, and says where to; empty where nothing was.
    """

    name: str
    summary: str
    build: Callable[[Path], Any] = field(repr=False)
    modules: tuple[str, ...]
    keep_report: Callable[[Any, Path], None] = field(default=_nowhere, repr=False)
    set_aside: Callable[[Path], str] = field(default=_nothing_kept, repr=False)


TRACKERS: Registry[Tracker] = Registry("tracker", Tracker, option="track")


def _artifact_of_mlflow(tracker: Any, report: Path) -> None:
    tracker.log_artifact(str(report))


@TRACKERS.entry(
    "mlflow",
    summary="MLflow, at MLFLOW_TRACKING_URI; the report is an artifact.",
    modules=("mlflow",),
    keep_report=_artifact_of_mlflow,
)
def _mlflow(run: Path) -> Any:
    from accelerate.tracking import MLflowTracker

    # MLflow's own are 7 retries of 120 seconds each, for which a run would wait where no server answers.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    return MLflowTracker(experiment_name=PROJECT, run_name=run.name)


def _text_of_tensorboard(tracker: Any, report: Path) -> None:
    from liftune.run_folder import RunFolder
    from liftune.workflows.report import FORMATS, read_run

    tracker.tracker.add_text("report", FORMATS["md"](*read_run(RunFolder.open(report.parent), look=False)))
    tracker.tracker.flush()


def _events_set_aside(run: Path) -> str:
    """TensorBoard draws all event files of a folder as one run: those of an earlier run would mix with the new ones."""
    place = _events_of(run)
    if not any(place.rglob("events.out.tfevents.*")):
        return ""
    aside = next(to for i in itertools.count(1) if not (to := place.with_name(f"{place.name}.{i}")).exists())
    place.rename(aside)
    return f"the curves of the run that was in {run} are now in {aside}"


def _events_of(run: Path) -> Path:
    return run.parent / "tensorboard" / run.name


@TRACKERS.entry(
    "tensorboard",
    summary="TensorBoard, in the folder `tensorboard` beside the run; the report is a text.",
    modules=("tensorboard",),
    keep_report=_text_of_tensorboard,
    set_aside=_events_set_aside,
)
def _tensorboard(run: Path) -> Any:
    from accelerate.tracking import TensorBoardTracker

    return TensorBoardTracker(run_name=run.name, logging_dir=str(_events_of(run).parent))


def _file_of_trackio(tracker: Any, report: Path) -> None:
    import trackio

    name = re.sub(r"[^A-Za-z0-9._-]+", "-", report.parent.name)  # all that it takes
    artifact = trackio.Artifact(name=f"{name}-report", type="report")
    artifact.add_file(str(report))
    tracker.tracker.log_artifact(artifact)


@TRACKERS.entry(
    "trackio",
    summary="Trackio, in its own local store; the report is an artifact.",
    modules=("trackio",),
    keep_report=_file_of_trackio,
)
def _trackio(run: Path) -> Any:
    from accelerate.tracking import TrackioTracker

    return TrackioTracker(PROJECT, name=run.name)


class Tracking(Listener):
    """Sends what happens in a run to one tracker.

    Args:
        entry: which.
        log: where it says that a tracker fails.
    """

    def __init__(self, entry: Tracker, log: Callable[[str], None]) -> None:
        self._entry, self._log = entry, log
        self._tracker: Any = None
        self._failed = False
        self._trainings = 0

    def on_run(self, event: RunStarted | RunEnded) -> None:
        """Settings at the begin; at the end the report."""
        if isinstance(event, RunStarted):
            self._safely(lambda: self._begin(Path(event.run), _plain(event.settings), event.goes_on))
            return
        report = Path(event.run) / _PAGE
        if event.record is not None and report.is_file():
            self._safely(lambda: self._entry.keep_report(self._tracker, report))
        if self._tracker is not None:
            self._safely(lambda: self._tracker.finish())

    def _begin(self, run: Path, settings: dict[str, Any], goes_on: bool) -> None:
        if not goes_on and (said := self._entry.set_aside(run)):
            self._log(f"{self._entry.name}: {said}")
        self._tracker = self._entry.build(run)
        self._tracker.start()
        self._tracker.store_init_configuration(settings)

    def on_tuning(self, event: TuningStarted) -> None:
        """Another training: of another seed, another fold, or of all rows."""
        self._trainings += 1

    def on_epoch(self, event: EpochStarted | EpochEnded) -> None:
        """The epoch's loss and scores on validation."""
        if isinstance(event, EpochStarted):
            return
        place = "" if self._trainings < 2 else f"training{self._trainings}/"
        values: dict[str, float | None] = {f"{place}validation/{name}": each for name, each in event.validation.items()}
        values |= {f"{place}train/loss": event.loss, f"{place}train/rows_per_second": event.rows_per_second}
        self._send(values, event.epoch)

    def on_contender(self, event: ContenderScored) -> None:
        """Its scores on test, with their intervals."""
        values: dict[str, float | None] = {}
        for name, score in event.contender.metrics.items():
            place = f"test/{event.contender.name}/{name}"
            values |= {place: score.value, f"{place}.low": score.low, f"{place}.high": score.high}
        self._send(values, 0)

    def _send(self, values: Mapping[str, float | None], step: int) -> None:
        known = {name: float(value) for name, value in values.items() if value is not None}
        self._safely(lambda: self._tracker.log(known, step=step))

    def _safely(self, action: Callable[[], None]) -> None:
        """Nothing where the tracker has failed before; where it fails now, that is said once."""
        if self._failed:
            return
        try:
            with contextlib.redirect_stdout(sys.stderr):  # stdout is for results
                action()
        except Exception as error:  # a tracker's errors, of any class, must not end the run; that is logged
            self._failed = True
            said = (str(error).splitlines() or [""])[0]
            self._log(f"{self._entry.name} failed, and the run goes on without it: {type(error).__name__}: {said}")


def _plain(settings: Mapping[str, object]) -> dict[str, Any]:
    """Settings as trackers take them: numbers, texts and truth values."""
    kept = (bool, int, float, str)
    return {name: value if isinstance(value, kept) else str(value) for name, value in settings.items()}


def tracking(names: Iterable[str], log: Callable[[str], None]) -> tuple[Listener, ...]:
    """A listener for each tracker.

    Args:
        names: each may hold several, between commas.

    Raises:
        SpecError: there is no such tracker.
        MissingExtra: what it needs is not installed.
    """
    found = [TRACKERS[name] for name in dict.fromkeys(each for given in names for each in several(given))]
    for each in found:
        need(*each.modules)
    return tuple(Tracking(each, log) for each in found)
