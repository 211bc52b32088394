"""How much arithmetic tuning must do, so that its time can be held against the machine's own rate.

In: a model's shapes, and the tokens of the rows trained.  Out: floating-point operations. Pure.
Not here: walking the model (models/linear_shapes.py), measuring the machine (measure.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Passes = Literal["forward", "frozen", "trained"]
#: Operations on each weight for each token, a multiply-add counting as two: forward; forward and the gradient of the
#: input; both and the gradient of the weight.
PER_WEIGHT: dict[Passes, int] = {"forward": 2, "frozen": 4, "trained": 6}


@dataclass(frozen=True)
class Shapes:
    """What of a model the arithmetic depends on."""

    linears: tuple[tuple[int, int], ...]
    """(outputs, inputs) of every linear layer in the model's blocks, the head left out."""
    width: int = 0
    """Of a layer's attention: heads times the width of a head."""
    layers: int = 0
    unsupported_reason: str = ""
    """Why the formula below does not hold for this model; empty where it does."""

    @property
    def weights(self) -> int:
        """Weights of the linear layers, biases left out."""
        return sum(outputs * inputs for outputs, inputs in self.linears)

    def flops(self, tokens: int, token_pairs: int, *, passes: Passes = "frozen") -> float:
        """The operations that tuning on some rows takes, in the usual count of them.

        Linear layers take PER_WEIGHT operations a weight and token. Attention multiplies queries with keys and weights
        with values: 2 x 2 x L^2 x width operations for a row of L tokens and a layer, and twice that on the way back.
        Norms, activations, softmax, embeddings, the head, adapters and the optimizer are not counted; neither is
        padding. What an implementation leaves out (the lowest layer's gradient, unread positions) is counted: the
        number is of the task, the same for every implementation.

        Args:
            tokens: the sum of L over the rows, each as often as it is visited, without padding.
            token_pairs: the sum of L^2 over the same.
            passes: "frozen" for adapters, "trained" where all weights are, "forward" where only the head is.

        Raises:
            ValueError: the formula does not hold (`unsupported_reason`).

        >>> Shapes(linears=((4, 2),), width=2, layers=1).flops(tokens=3, token_pairs=9)
        312.0
        """
        if self.unsupported_reason:
            raise ValueError(self.unsupported_reason)
        attention = 4 * self.width * self.layers * (1 if passes == "forward" else 3)
        return float(PER_WEIGHT[passes] * self.weights * tokens + attention * token_pairs)


#: The linear layers of one block of a small encoder: what a machine's rate is measured at where no model is named.
SMALL_ENCODER = Shapes(linears=((384, 384),) * 4 + ((1536, 384), (384, 1536)), width=384, layers=1)
