"""The interface between models and everything above them: rows in, logits out, numpy on both sides.

A torch model, a baseline, an exported bundle, a server's client and a test's fake are all Scorers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:  # numpy is a quarter of what `liftune --help` would take
    import numpy as np
    from numpy.typing import NDArray

#: One input: a text, or a text pair.
Row: TypeAlias = str | tuple[str, str]
#: A target as the data gives it: a label, the labels of a multi-label row, or a number.
Target: TypeAlias = str | tuple[str, ...] | float
#: How a text that is longer than the model reads is read: its beginning, its first and last part, or all in windows.
LongRule: TypeAlias = Literal["cut", "head-tail", "windows"]
#: How the logits of a text's windows become the text's own: their mean, or the greatest of each label.
Pooling: TypeAlias = Literal["mean", "max"]
FloatArray: TypeAlias = "NDArray[np.floating]"
IntArray: TypeAlias = "NDArray[np.integer]"
BoolArray: TypeAlias = "NDArray[np.bool_]"


class Scorer(Protocol):
    """Anything that gives logits for rows."""

    def logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """(N, C) float32, one row of scores per input row, in input order.

        Single-label: softmax over C labels gives probabilities. Multi-label: sigmoid of each. Regression: the value.
        """
        ...
