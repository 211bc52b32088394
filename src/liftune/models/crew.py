"""Classifiers that several processes hold: the first one's view of it.

In: a recipe of a classifier.  Out: the classifier; its evaluations are shared from then on.
Not here: what helpers do (helper.py), how processes speak (hardware/ranks.py), steps of training
(training/crew_steps.py).

The first process decides all, and asks the others for parts of the work that take long.
"""

from __future__ import annotations

import contextlib
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from liftune.errors import LiftuneError, ModelError
from liftune.hardware.memory import Room
from liftune.hardware.ranks import Failure, Group
from liftune.launch import OutOfStep, RankLost
from liftune.models.attach import restore_full_precision
from liftune.models.backbone import Backbone
from liftune.models.classifier import Classifier
from liftune.models.helper import (
    Command,
    Evaluate,
    FullPrecision,
    Hold,
    Make,
    Recipe,
    Repair,
    UseDevice,
    fingerprints,
    moving,
)
from liftune.models.sharing import Part
from liftune.models.tokens.collator import Tokens

#: Sets of rows that helpers remember.
REMEMBERED = 6


class Crew:
    """The first process's view of the helpers.

    Args:
        group: None where there are no helpers: then nothing is shared.
        shard: each process has a part of the frozen weights of every classifier.
    """

    def __init__(self, group: Group | None = None, *, shard: bool = False) -> None:
        self.group, self.shard = group, shard
        self._keys = 0
        self._gone: list[int] = []
        """Classifiers that nothing needs any more: what the helpers hold of them goes with the next command."""
        self._tokens: OrderedDict[int, tuple[int, Tokens]] = OrderedDict()
        """By identity: key and rows, which are kept so that no others come to lie there."""

    @property
    def size(self) -> int:
        """Processes, this one included."""
        return self.group.here.size if self.group else 1

    def share_of_memory(self, free: Room | None, device: str) -> Room | None:
        """What each process may take: of a GPU, which is its own, all of it."""
        if free is None or self.size == 1:
            return free
        if device.startswith("cuda"):
            return Room(free.bytes * self.size, f"{free.limit}, on {self.size} of them") if self.shard else free
        return Room(free.bytes // self.size, f"{free.limit} for each of {self.size} processes")

    def use_device(self, device: str) -> None:
        """Compute there in every process: on CUDA each on a GPU of its own."""
        if self.group:
            self.ask(UseDevice(device), lambda: UseDevice(device).on(self.group))

    def make(self, recipe: Recipe, backbone: Backbone | None = None) -> Classifier:
        """A classifier that every process holds; what differs elsewhere is made as it is here."""
        if self.group is None:
            return recipe.make(None, backbone)
        key = self._new_key()
        made, there = self.ask(Make(key, recipe), lambda: recipe.make(self.group, backbone))
        classifier: Classifier = made
        here = fingerprints(classifier)
        differ = [name for name in here if any(each.get(name) != here[name] for each in there)]
        if differ and recipe.shard:
            raise ModelError(
                f"the processes load other weights: {differ[0]} and {len(differ) - 1} more differ",
                where=recipe.model.name,
                hint="give every machine the same files of the model; or leave out --shard",
            )
        if differ:
            self.ask(Repair(key, differ), lambda: Repair(key, differ).on(self.group, classifier))
        classifier.share = _Leading(self, key, _shapes(classifier))
        weakref.finalize(classifier, self._gone.append, key)
        return classifier

    def restore_full_precision(self, classifier: Classifier, original: Callable[[], Backbone]) -> None:
        """See `attach.restore_full_precision`; everywhere."""
        held = leading(classifier)
        if held is None:
            restore_full_precision(classifier, original())
        else:
            self.ask(FullPrecision(held[1]), lambda: restore_full_precision(classifier, original()))

    def ask(self, command: Command, meanwhile: Callable[[], Any] = lambda: None) -> tuple[Any, list[Any]]:
        """Have every helper do something; what this process does meanwhile gives, and each helper's answer.

        Raises:
            LiftuneError: a helper could not do it.
        """
        with self.asking(command) as answers:
            return meanwhile(), answers()

    @contextmanager
    def asking(self, command: Command, *, in_step: bool = False) -> Iterator[Callable[[], list[Any]]]:
        """Have every helper do something while the block runs; its value gives their answers.

        Args:
            in_step: they go through each layer with this process: an error here leaves them there.

        Raises:
            LiftuneError: a helper could not do it.
        """
        assert self.group is not None
        group, heard = self.group, False
        group.tell((self._taken(), command))

        def answers() -> list[Any]:
            nonlocal heard
            heard = True
            every = [group.hear(rank) for rank in group.helpers]
            for rank, answer in enumerate(every, 1):
                if isinstance(answer, Failure):
                    raise _said_by(rank, answer)
            return every

        try:
            yield answers
        except RankLost:
            raise
        except Exception as error:  # whatever this process's own part of the work raises
            if in_step:  # they wait inside a layer, and cannot be told
                raise OutOfStep(error) from error
            if not heard:  # they must be ready for whatever follows this error
                with contextlib.suppress(LiftuneError):
                    answers()
            raise

    def hold(self, tokens: Tokens) -> int:
        """Give the helpers these rows, unless they have them; the key by which they have them."""
        known = self._tokens.get(id(tokens))
        if known:
            self._tokens.move_to_end(id(tokens))
            return known[0]
        key, old = self._new_key(), None
        if len(self._tokens) >= REMEMBERED:
            old = self._tokens.popitem(last=False)[1][0]
        self._tokens[id(tokens)] = key, tokens
        self.ask(Hold(key, tokens, old))
        return key

    def _new_key(self) -> int:
        self._keys += 1
        return self._keys

    def _taken(self) -> list[int]:
        gone, self._gone[:] = list(self._gone), []
        return gone


#: For one process.
NO_CREW = Crew()


def _said_by(rank: int, failure: Failure) -> BaseException:
    """A helper's error, which names it."""
    error = failure.error
    if isinstance(error, LiftuneError):
        error.message = f"rank {rank}: {error.message}"
        return error
    return LiftuneError(f"rank {rank} failed: {failure.told}", hint="with one process the same command may say more")


class _Leading:
    """The share of a classifier in the first process."""

    def __init__(self, crew: Crew, key: int, shapes: list[torch.Size]) -> None:
        self.crew, self.key, self._shapes = crew, key, shapes

    @contextmanager
    def of(self, classifier: Classifier, tokens: Tokens, work: str, *, random: bool) -> Iterator[Part | None]:
        """See `Share`. What was given another form, to be saved, is evaluated here alone."""
        group = self.crew.group
        if group is None or (_shapes(classifier) != self._shapes and not classifier.in_step):
            yield None
            return
        held = self.crew.hold(tokens)
        command = Evaluate(self.key, held, work, classifier.target_scale, random=random)
        with self.crew.asking(command, in_step=classifier.in_step) as answers:
            group.share(moving(classifier))
            yield _FirstPart(self.crew.size, answers)


class _FirstPart(Part):
    """Of the first process, which has all rows in the end."""

    def __init__(self, ranks: int, answers: Callable[[], list[Any]]) -> None:
        super().__init__(0, ranks)
        self._answers = answers

    def complete(self, found: dict[str, NDArray[np.float32]]) -> None:
        """Fill in the rows of the others."""
        rows = len(next(iter(found.values())))
        for positions, theirs in self._answers():
            for name, values in theirs.items():
                if name not in found:
                    found[name] = np.zeros((rows, values.shape[1]), dtype=np.float32)
                found[name][positions] = values


def _shapes(classifier: Classifier) -> list[torch.Size]:
    return [each.shape for each in moving(classifier)]


def leading(classifier: Classifier) -> tuple[Crew, int] | None:
    """The crew that holds a classifier, and by which key; None where this process is alone with it."""
    share = classifier.share
    return (share.crew, share.key) if isinstance(share, _Leading) else None
