"""What helpers hold and do: copies of the first process's classifiers, parts of its evaluations.

In: commands of the first process.  Out: what each gives, as the answer.
Not here: who sends them (crew.py), how processes speak (hardware/ranks.py), steps of training (training/crew_steps.py).

A helper keeps nothing that the run depends on: no file, no score, no optimizer. Before each evaluation and step it is
given the weights.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from liftune.hardware.plan import Plan
from liftune.hardware.ranks import Failure, Group
from liftune.launch import OutOfStep, RankLost
from liftune.models.attach import attach, restore_full_precision
from liftune.models.backbone import Backbone, load_backbone
from liftune.models.bits import bits
from liftune.models.classifier import Classifier
from liftune.models.methods.options import Options
from liftune.models.methods.registry import METHODS
from liftune.models.shards import shard
from liftune.models.sharing import ALONE, Part
from liftune.models.started import go_on_from
from liftune.models.tokens.collator import Tokens
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind


@dataclass(frozen=True)
class Recipe:
    """All that makes a classifier, in every process the same."""

    model: ModelSpec
    task: TaskKind
    labels: tuple[str, ...]
    seed: int
    plan: Plan
    method: str | None = None
    """None: the base as it is."""
    options: Options | None = None
    steps: int = 1
    """Of training, at most."""
    shard: bool = False
    """Whether each process has a part of the frozen weights."""
    start: str | None = None
    """The folder of an adapter to go on from; None begins anew."""

    def backbone(self) -> Backbone:
        """Newly loaded."""
        return load_backbone(self.model, task=self.task, labels=self.labels, seed=self.seed, plan=self.plan)

    def make(self, group: Group | None = None, backbone: Backbone | None = None) -> Classifier:
        """Newly attached.

        Args:
            group: whose processes all make it.
            backbone: where it is loaded already.
        """
        if not self.shard or group is None:
            return self._attached(backbone or self.backbone())
        whole = replace(self, plan=replace(self.plan, device="cpu"), shard=False)
        classifier = whole.make(None, backbone)
        shard(classifier, group, self.plan.device)
        classifier.plan = replace(classifier.plan, device=self.plan.device)
        return classifier

    def _attached(self, backbone: Backbone) -> Classifier:
        if self.method is None:
            return attach(backbone, None, None, plan=self.plan)
        method = METHODS[self.method]
        if self.start is not None:
            return go_on_from(
                Path(self.start),
                self.model,
                self.labels,
                method,
                self.options,
                plan=self.plan,
                seed=self.seed,
            )
        return attach(backbone, method, self.options, plan=self.plan, seed=self.seed, total_steps=self.steps)


class Command(Protocol):
    """What the first process tells the helpers to do."""

    def run(self, helper: Helper) -> Any:
        """Do it, in a helper; what it gives is the answer."""
        ...


class Helper:
    """A process that helps the first one: waits, does as it is told, answers."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.classifiers: dict[int, tuple[Classifier, Recipe]] = {}
        self.tokens: dict[int, Tokens] = {}
        self.training: Any = None
        """What steps need beside a classifier."""

    def serve(self) -> Any:
        """Until the first process says that it is over; what it says.

        Raises:
            RankLost: the first process is gone.
        """
        while True:
            gone, command = self.group.wait()
            for key in gone:
                self.classifiers.pop(key, None)
            if isinstance(command, End):
                return command.outcome
            try:
                value = command.run(self)
            except RankLost:
                raise
            except Exception as error:  # whatever a command raises: the first process decides what it means
                value = as_failure(error)
            self.group.answer(value)


def as_failure(error: Exception) -> Failure:
    """An error that can be sent."""
    told = f"{type(error).__name__}: {error}"
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class makes of being pickled
        error = RuntimeError(told)
    return Failure(error, told)


@dataclass(frozen=True)
class UseDevice:
    """Where to compute."""

    device: str

    def on(self, group: Group | None) -> None:
        """In a process."""
        assert group is not None
        if self.device.startswith("cuda"):
            torch.cuda.set_device(group.here.local)
        group.use_device(self.device)

    def run(self, helper: Helper) -> None:
        """See `Command`."""
        self.on(helper.group)


@dataclass(frozen=True)
class Make:
    """A copy of a classifier."""

    key: int
    recipe: Recipe

    def run(self, helper: Helper) -> dict[str, int]:
        """Its fingerprints."""
        classifier = self.recipe.make(helper.group)
        helper.classifiers[self.key] = classifier, self.recipe
        return fingerprints(classifier)


@dataclass(frozen=True)
class Repair:
    """Tensors that came out otherwise on other hardware: a decomposition's signs, a draw."""

    key: int
    names: list[str]

    def on(self, group: Group | None, classifier: Classifier) -> None:
        """In a process."""
        assert group is not None
        tensors = tensors_of(classifier)
        group.share([tensors[name] for name in self.names])

    def run(self, helper: Helper) -> None:
        """See `Command`."""
        self.on(helper.group, helper.classifiers[self.key][0])


@dataclass(frozen=True)
class FullPrecision:
    """After training."""

    key: int

    def run(self, helper: Helper) -> None:
        """See `Command`."""
        classifier, recipe = helper.classifiers[self.key]
        restore_full_precision(classifier, recipe.backbone() if classifier.rounded else classifier.backbone)


@dataclass(frozen=True)
class Hold:
    """Rows to remember; and those to forget."""

    key: int
    tokens: Tokens
    forget: int | None

    def run(self, helper: Helper) -> None:
        """See `Command`."""
        helper.tokens.pop(self.forget or 0, None)
        helper.tokens[self.key] = self.tokens


@dataclass(frozen=True)
class Evaluate:
    """A part of an evaluation."""

    key: int
    tokens: int
    work: str
    target_scale: tuple[float, float]
    random: bool

    def run(self, helper: Helper) -> tuple[NDArray[np.intp], dict[str, NDArray[np.float32]]]:
        """Positions of the rows that were computed here, and what they gave."""
        classifier, recipe = helper.classifiers[self.key]
        helper.group.share(moving(classifier))
        classifier.target_scale = self.target_scale
        here = helper.group.here
        share = _Helping(_HelpersPart(here.rank, here.size))
        if self.random:
            torch.manual_seed(seed_of(recipe.seed, self.work, here.rank))
        classifier.share = share
        try:
            getattr(classifier, self.work)(helper.tokens[self.tokens], **({"dropout": True} if self.random else {}))
        except Exception as error:  # whatever a pass raises: in step, the others wait for this one inside of a layer
            if classifier.in_step:
                raise OutOfStep(error) from error
            raise
        finally:
            classifier.share = ALONE
        return share.part.positions, share.part.found


@dataclass(frozen=True)
class End:
    """Nothing is left to do."""

    outcome: Any = None

    def run(self, helper: Helper) -> None:
        """See `Command`."""


@dataclass(frozen=True)
class _Helping:
    """The share of a classifier in a helper."""

    part: _HelpersPart

    @contextmanager
    def of(self, classifier: Classifier, tokens: Tokens, work: str, *, random: bool) -> Iterator[Part | None]:
        """See `Share`."""
        yield self.part


class _HelpersPart(Part):
    """Of a helper, which gives the rows away."""

    def __init__(self, rank: int, ranks: int) -> None:
        super().__init__(rank, ranks)
        self.found: dict[str, NDArray[np.float32]] = {}

    def complete(self, found: dict[str, NDArray[np.float32]]) -> None:
        """Keep what was computed."""
        self.found = {name: values[self.positions] for name, values in found.items()}


def moving(classifier: Classifier) -> list[Tensor]:
    """What may change from one evaluation, or step, to the next: trained weights, the last layer, means of batches."""
    norms = [module for module in classifier.model.modules() if isinstance(module, _BatchNorm)]
    every = [
        *(parameter for _, parameter in classifier.trainable()),
        *classifier.final_layer().parameters(),
        *(buffer for module in norms for buffer in module.buffers()),
    ]
    return list({id(each): each for each in every}.values())


def tensors_of(classifier: Classifier) -> dict[str, Tensor]:
    """Every parameter and buffer, by name."""
    return dict(classifier.model.named_parameters()) | dict(classifier.model.named_buffers())


def fingerprints(classifier: Classifier) -> dict[str, int]:
    """Of every parameter and buffer; of one that is divided, as it was whole."""
    return classifier.fingerprints or {name: bits(each) for name, each in tensors_of(classifier).items()}


def seed_of(*facts: object) -> int:
    """What a helper's draws follow from: never the first process's own."""
    return int.from_bytes(hashlib.sha256(repr(facts).encode()).digest()[:7])
