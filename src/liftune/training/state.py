"""All that training changes, so that it can go on in another process as if it had never stopped.

In: a classifier in training, its optimizer and schedule, how far it is.  Out: a nested value; and all of it put back.
Not here: the disk (nested.py), when it is saved (checkpoint.py), training (loop.py).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from liftune.hardware.plan import Plan
from liftune.models.bits import bits
from liftune.models.classifier import Classifier
from liftune.training.early_stopping import BestCheckpoint
from liftune.training.nested import Nested


@dataclass
class Place:
    """How far training is."""

    epoch: int = 1
    """The one that runs, or runs next."""
    losses: list[float] = field(default_factory=list)
    """Of its steps so far."""
    seconds: float = 0.0
    """Spent on those steps."""
    steps: int = 0
    """Taken in the epochs before it."""
    with_soft_labels: bool = False
    """Whether soft labels have a share of its targets."""
    soft_epochs: int = 0
    """Of the epochs before it."""
    order: dict[str, Any] = field(default_factory=dict)
    """Of the generator that decides the epoch's order, before it did."""
    workers: list[Tensor] = field(default_factory=list)
    """Of each worker's own generator; empty where an epoch begins, or where they have none."""

    slowed: str = ""
    """Why it went back once, and goes on more slowly; empty where it did not."""
    halved: list[str] = field(default_factory=list)
    """Each time that the loss jumped and the rate was halved."""
    rate_share: float = 1.0
    """Of the schedule's rates."""
    first: list[float] = field(default_factory=list)
    """Losses of the first steps, which are looked at for a jump."""

    def next_epoch(self, order: dict[str, Any]) -> None:
        """The epoch is over; the next one's order is drawn from a generator in this state."""
        self.soft_epochs += self.with_soft_labels
        self.steps += len(self.losses)
        self.epoch, self.losses, self.seconds, self.order, self.workers = self.epoch + 1, [], 0.0, order, []


@dataclass
class TrainingState:
    """What changes while a classifier is trained."""

    classifier: Classifier
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    best: BestCheckpoint
    place: Place
    frozen: dict[str, int] = field(default_factory=dict)
    """What `bits` gave of every tensor that is not trained, before the first step."""

    def __post_init__(self) -> None:
        self.frozen = {name: bits(tensor) for name, tensor in _not_trained(self.classifier)}

    def read(self, workers: Sequence[Tensor] = ()) -> Nested:
        """All of it; tensors are those that training goes on changing, no copies.

        Args:
            workers: states of each worker's own generator, within an epoch.
        """
        classifier = self.classifier
        schedule = {key: value for key, value in self.scheduler.state_dict().items() if key != "lr_lambdas"}
        losses = torch.tensor(self.place.losses, dtype=torch.float64)
        return {
            **self.trained(),
            "place": {**asdict(self.place), "losses": losses, "workers": list(workers)},
            "optimizer": self.optimizer.state_dict(),
            "schedule": schedule,
            "masks": classifier.packed_encoder.mask_state() if classifier.packed_encoder else [],
            "best": self.best.saved(),
        }

    def trained(self) -> Nested:
        """The part of it that is left when training is over."""
        classifier, method = self.classifier, self.classifier.method
        return {
            "weights": dict(classifier.trainable()),
            "changed": {name: each for name, each in _not_trained(classifier) if bits(each) != self.frozen[name]},
            "method": method.state(classifier.model) if method and method.state else None,
            "random": random_states(classifier.plan.device),
            "plan": classifier.plan.to_json(),
        }

    def restore(self, saved: Nested) -> None:
        """Put back what `read` gave, into a classifier that was made anew by the same request."""
        restore_trained(self.classifier, saved)
        self.place = Place(**{**saved["place"], "losses": saved["place"]["losses"].tolist()})
        self.optimizer.load_state_dict(saved["optimizer"])
        lambdas = [None] * len(saved["schedule"]["base_lrs"])
        self.scheduler.load_state_dict({**saved["schedule"], "lr_lambdas": lambdas})
        if self.classifier.packed_encoder:
            self.classifier.packed_encoder.restore_masks(saved["masks"])
        self.best.restore(saved["best"])
        shapes = {name: each.shape for name, each in self.classifier.trainable()}
        if not 1 <= self.place.epoch <= self.best.epochs:
            raise ValueError(f"it stands in epoch {self.place.epoch} of {self.best.epochs}")
        if self.best.state is not None and {name: each.shape for name, each in self.best.state.items()} != shapes:
            raise ValueError("its best epoch has other parameters")


def restore_trained(classifier: Classifier, saved: Nested) -> None:
    """Put back what `TrainingState.trained` gave, into a classifier that was made anew by the same request."""
    method, plan = classifier.method, Plan.from_json(saved["plan"])
    if plan.computing != classifier.plan.computing:
        raise ValueError("its plan is another")
    classifier.plan = plan
    classifier.restore(saved["weights"])
    with torch.no_grad():
        for name, tensor in _not_trained(classifier):
            if name in saved["changed"]:
                tensor.copy_(saved["changed"][name])
    if method and method.restore_state:
        method.restore_state(classifier.model, saved["method"])
    restore_random(saved["random"], classifier.plan.device)


def _not_trained(classifier: Classifier) -> Iterator[tuple[str, Tensor]]:
    """Frozen parameters, and buffers: a method, or a norm of batches, may change some all the same."""
    for name, parameter in classifier.model.named_parameters():
        if not parameter.requires_grad:
            yield name, parameter
    yield from classifier.model.named_buffers()


def random_states(device: str) -> Nested:
    """Of every generator that training may draw from: torch's, the device's, numpy's and Python's own."""
    numpy: Any = np.random.get_state(legacy=False)
    version, numbers, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "device": _device_generator(device).get_state() if _has_generator(device) else None,
        "numpy": {
            **numpy,
            "state": {**numpy["state"], "key": torch.from_numpy(numpy["state"]["key"].astype(np.int64))},
        },
        "python": (version, torch.tensor(numbers), gauss),
    }


def restore_random(states: Nested, device: str) -> None:
    """Put every generator back into the state that `random_states` gave."""
    torch.set_rng_state(states["torch"])
    if states["device"] is not None and _has_generator(device):
        _device_generator(device).set_state(states["device"])
    numpy = states["numpy"]
    key = numpy["state"]["key"].numpy().astype(np.uint32)
    np.random.set_state({**numpy, "state": {**numpy["state"], "key": key}})
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers.tolist()), gauss))


def _has_generator(device: str) -> bool:
    return torch.device(device).type in ("cuda", "mps")


def _device_generator(device: str) -> torch.Generator:
    """The accelerator's own, from which dropout there draws."""
    kind, index = torch.device(device).type, torch.device(device).index
    if kind == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.cuda.default_generators[torch.cuda.current_device() if index is None else index]
