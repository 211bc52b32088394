"""An evaluation that several processes share: each computes some of the batches, and the first has all of the rows.

In: the batches of an evaluation.  Out: those of this process; in the first one, what the others computed.
Not here: the passes (classifier.py), the processes and what they are told (crew.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from liftune.data.batching import dealt

if TYPE_CHECKING:
    from liftune.models.tokens.collator import Tokens

Positions = NDArray[np.intp]


class Part(ABC):
    """The batches of one rank: as many tokens as the others', about."""

    def __init__(self, rank: int, ranks: int) -> None:
        self.rank, self.ranks = rank, ranks
        self.positions = np.zeros(0, dtype=np.intp)
        """Of the rows of this rank."""

    def mine(
        self, batches: Iterable[Positions], lengths: NDArray[np.int32], *, equal: bool = False
    ) -> Iterator[tuple[Positions, int]]:
        """The batches that are computed here, and how many rows all ranks have computed with each, about.

        Args:
            equal: every rank has as many: some compute one again that is another's.
        """
        every = list(batches)
        if equal:  # they are ordered by length
            hand = list(range(self.rank, len(every), self.ranks))
            self.positions = np.concatenate([self.positions, *(every[i] for i in hand)])
            hand += [len(every) - 1] * (-(-len(every) // self.ranks) - len(hand))
        else:
            hand = sorted(dealt([len(each) * int(lengths[each].max()) for each in every], self.ranks)[self.rank])
            self.positions = np.concatenate([self.positions, *(every[i] for i in hand)])
        done, rows = 0, sum(map(len, every))
        for number, i in enumerate(hand, 1):
            now = rows * number // len(hand)
            yield every[i], now - done
            done = now

    @abstractmethod
    def complete(self, found: dict[str, NDArray[np.float32]]) -> None:
        """The rows of this rank are computed: send them to the first, or have in it those of the others."""


class Share(Protocol):
    """What is shared of a classifier's evaluations."""

    def of(self, classifier: Any, tokens: Tokens, work: str, *, random: bool) -> AbstractContextManager[Part | None]:
        """A block in which a part of these rows is computed; None: all of them.

        Args:
            classifier: a Classifier, which imports this module.
            work: the classifier's method.
            random: whether it draws random numbers.
        """
        ...


class _Alone:
    """Nothing is shared."""

    def of(self, classifier: Any, tokens: Tokens, work: str, *, random: bool) -> AbstractContextManager[Part | None]:
        return nullcontext()


ALONE = _Alone()
