"""Checkpoints of training: when one is written, which are kept, which one training goes on from.

In: a folder, how often, and a state to save (state.py).  Out: files; the newest whole state of the same request.
Not here: what the state is (state.py), the file format (nested.py), training (loop.py).

    FOLDER/000001.safetensors, ...   the newest two: where the last is damaged, training goes on from the one before
    FOLDER/passes.json               which size of pass is being tried (hardware/pass_notes.py)
    FOLDER/done.safetensors          the trained weights and the log: nothing is left to train

When: as soon as a stop is wanted; within an epoch when so many minutes have passed; and when an epoch ends, unless the
last save, or the start, is under EPOCH_SECONDS ago, as then it is cheaper to train those seconds again. No save but
that of a stop comes before SHARE times as long as the one before took has passed: saving takes 2% of the time at most.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from liftune.baselines.soft_labels import SoftLabels
from liftune.data.splits import Splits
from liftune.errors import ArtifactError, Stopped, lacks_memory
from liftune.events import Events
from liftune.json_text import parse_json
from liftune.launch import RankLost
from liftune.models.classifier import Classifier
from liftune.models.helper import fingerprints
from liftune.records.training import TrainLog
from liftune.spec import TrainSpec
from liftune.training.nested import DamagedError, Nested, read_nested, write_nested
from liftune.training.schedule import Schedule
from liftune.training.state import restore_trained
from liftune.versions import versions

Value = TypeVar("Value")
#: An epoch's end so soon after the last save is not saved.
EPOCH_SECONDS = 10.0
#: How many times as long as the last save took must pass before the next.
SHARE = 50
#: Packages by whose version the same request may give other numbers.
COMPUTING = ("liftune", "torch", "transformers", "peft", "accelerate", "numpy")
#: Of a trained number: itself, two moments and the best so far, in float32.
STATE_BYTES = 16
#: How fast a state is written, by a modest guess.
BYTES_PER_SECOND = 200e6
DONE, PASSES = "done.safetensors", "passes.json"


def never() -> bool:
    """No stop is wanted."""
    return False


@dataclass(frozen=True)
class Checkpoints:
    """Where and how often one training is saved.

    Args:
        folder: of this training alone; it is made when the first is written. What it holds from an earlier process is
            gone on from.
        minutes: between two, within an epoch; 0 saves after every step.
        stop_wanted: asked after every step and epoch; once it is true, training is saved and `Stopped` is raised.
    """

    folder: Path
    minutes: float = 5.0
    stop_wanted: Callable[[], bool] = never


class Keeper:
    """Writes and reads the checkpoints of one training.

    Args:
        request: facts that decide what training computes: a checkpoint of another request is not gone on from.
        events: are told what was found.
        size: of a state, in bytes, about: what the first save costs is guessed from it.
    """

    def __init__(self, checkpoints: Checkpoints, request: dict[str, Any], events: Events, *, size: int = 0) -> None:
        self._checkpoints, self._request, self._events = checkpoints, request, events
        self._whole: list[Path] = []
        """Those that can be gone on from, the newest last."""
        self._last, self._cost = time.monotonic(), size / BYTES_PER_SECOND
        self._cannot = False
        """Whether a method of somebody else's keeps what no file of tensors and JSON can hold."""

    def finished_before(self, classifier: Classifier) -> TrainLog | None:
        """Leave the classifier as an earlier process did that trained it to the end; None where none did."""
        done = self._read(self._checkpoints.folder / DONE)
        if not done:
            return None
        log = fits(self._checkpoints.folder, lambda: TrainLog.model_validate(done["log"]))
        fits(self._checkpoints.folder, lambda: restore_trained(classifier, done))
        self._events.note("  trained before: going on after its last step")
        return log

    def newest(self) -> Nested | None:
        """The newest state that is whole and of this request; None where there is none."""
        for half in self._checkpoints.folder.glob("*.safetensors.new"):
            half.unlink(missing_ok=True)
        for path in reversed(self._numbered()):
            state = self._read(path)
            if state is not None:
                self._whole = [path]
                return state
        return None

    def offer(
        self, read: Callable[[], Nested], *, step: int, epoch_ended: bool = False, lost: RankLost | None = None
    ) -> None:
        """Save the state, if it is time to.

        Args:
            read: gives the state.
            step: the last one taken, over all epochs.
            lost: a process is gone without which there is no next step: save now, and have the error say so.

        Raises:
            Stopped: a stop is wanted.
            ArtifactError: the disk is full or read-only. Training ends here, where little is lost: it could not be
                saved later either.
        """
        stop = self._checkpoints.stop_wanted()
        if stop or lost or self._due(epoch_ended=epoch_ended):
            self._save(self._next(), read)
        saved = "training cannot be saved" if self._cannot else f"training was saved after step {step}"
        if stop:
            stopped = Stopped(saved)
            if lost:  # asked to end as well, or the first to end: then the launcher has asked this one
                stopped.add_note(lost.message)
            raise stopped
        if lost:
            lost.add_note(saved)

    def finish(self, read: Callable[[], Nested]) -> None:
        """Save the end of training.

        Raises:
            Stopped: a stop is wanted; nothing is left to train.
        """
        self._save(self._checkpoints.folder / DONE, read)
        if self._checkpoints.stop_wanted():
            raise Stopped("training was over, and was saved")

    def _due(self, *, epoch_ended: bool) -> bool:
        if not self._checkpoints.minutes:
            return True
        least = EPOCH_SECONDS if epoch_ended else 60 * self._checkpoints.minutes
        return time.monotonic() - self._last >= max(least, SHARE * self._cost)

    def _save(self, path: Path, read: Callable[[], Nested]) -> None:
        """Write; then keep the newest two. Room for a third is only taken where the older one could not be read."""
        if self._cannot:
            return
        started = time.monotonic()
        self._remove_all_but(self._whole[-1:] or self._numbered())
        try:
            write_nested(path, {"request": self._request, "state": read()})
        except TypeError as error:
            self._cannot = True
            self._events.note(f"training cannot be saved, and goes on without: {error}")
            return
        if path.name != DONE:
            self._whole = [*self._whole[-1:], path]
        self._remove_all_but(self._whole)
        self._last = time.monotonic()
        self._cost = self._last - started

    def _next(self) -> Path:
        number = max((int(path.stem) for path in self._numbered()), default=0) + 1
        return self._checkpoints.folder / f"{number:06d}.safetensors"

    def _numbered(self) -> list[Path]:
        return sorted(path for path in self._checkpoints.folder.glob("*.safetensors") if path.stem.isdecimal())

    def _remove_all_but(self, kept: list[Path]) -> None:
        for path in self._numbered():
            if path in kept:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _read(self, path: Path) -> Nested | None:
        """The state in a file; None, and said why, where it cannot be gone on from."""
        if not path.exists():
            return None
        try:
            saved = read_nested(path)
            request, state = dict(saved["request"]), dict(saved["state"])
        except (DamagedError, KeyError, TypeError, ValueError) as error:
            self._events.note(f"the checkpoint {path} is damaged ({error}): the one before it counts")
            return None
        differs = [name for name, value in self._request.items() if request.get(name) != value]
        if differs == ["threads"]:
            was, now = request["threads"], self._request["threads"]
            self._events.note(
                f"  the checkpoint was computed by {was} threads, now there are {now}: last digits may differ"
            )
        elif differs:
            self._events.note(f"the checkpoint {path} is of another request ({', '.join(differs)} differ): not used")
            return None
        return state


def fits(path: Path, restore: Callable[[], Value]) -> Value:
    """Put a state back, or a part of it.

    Raises:
        ArtifactError: it is whole, and yet not one of this model.
    """
    try:
        return restore()
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if lacks_memory(error):
            raise
        raise ArtifactError(
            f"the checkpoint does not fit this training: {type(error).__name__}: {error}",
            where=str(path),
            hint="delete that folder: training then begins anew",
        ) from None


def open_keeper(
    checkpoints: Checkpoints,
    classifier: Classifier,
    splits: Splits,
    spec: TrainSpec,
    schedule: Schedule,
    soft_labels: SoftLabels | None,
    *,
    metric: str,
    seed: int,
    events: Events,
) -> Keeper:
    """The keeper of this training, before its first step."""
    request = request_of(classifier, splits, spec, schedule, soft_labels, metric=metric, seed=seed)
    return Keeper(checkpoints, request, events, size=STATE_BYTES * classifier.trainable_parameters())


def request_of(
    classifier: Classifier,
    splits: Splits,
    spec: TrainSpec,
    schedule: Schedule,
    soft_labels: SoftLabels | None,
    *,
    metric: str,
    seed: int,
) -> dict[str, Any]:
    """All that decides what training computes, as JSON holds it. Taken before the first step."""
    plan = classifier.plan.to_json()
    facts = {
        "method": [classifier.method.name if classifier.method else None, classifier.options.model_dump(mode="json")],
        "options": spec.model_dump(mode="json", exclude={"seeds", "accelerations"}),
        "schedule": asdict(schedule),
        "metric": metric,
        "seed": seed,
        "plan": {name: value for name, value in plan.items() if name not in ("choices", "requested")},
        "tokens": [classifier.max_length, asdict(classifier.long)],
        "rows": _rows(splits),
        "soft labels": _soft_labels(soft_labels),
        "model": _model(classifier),
        "versions": versions(COMPUTING),
        "threads": torch.get_num_threads(),
    }
    return dict(parse_json(json.dumps(facts)))


def _rows(splits: Splits) -> str:
    """sha256 over train and validation, and what their targets mean."""
    digest = hashlib.sha256(json.dumps([splits.task.value, splits.labels, splits.unseen, splits.pairs]).encode())
    for split in (splits.train, splits.validation):
        for each in zip(split.rows, split.targets, strict=True):
            digest.update(json.dumps(each).encode() + b"\n")
        digest.update(b"\n")
    return digest.hexdigest()


def _soft_labels(soft_labels: SoftLabels | None) -> list[Any] | None:
    if soft_labels is None:
        return None
    return [soft_labels.name, soft_labels.score, hashlib.sha256(soft_labels.targets.tobytes()).hexdigest()]


def _model(classifier: Classifier) -> str:
    """sha256 over the sums of every parameter and buffer: of the base, of a random head, of what a method drew."""
    model, whole = classifier.model, fingerprints(classifier)
    sums = {name: [list(each.shape), str(each.dtype), whole[name]] for name, each in model.named_parameters()}
    sums |= {f"buffer {name}": [list(each.shape), str(each.dtype), whole[name]] for name, each in model.named_buffers()}
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest()
