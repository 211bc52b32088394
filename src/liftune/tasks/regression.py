"""A number a row: the logit is the value."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from liftune.tasks.base import FlipThresholds, Floats, Floats32, Targets, Task, TaskKind, ThresholdValues
from liftune.types import BoolArray, FloatArray, Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Strata of values at most, and rows of each at least.
_BINS = 10
#: Of the targets' standard deviation: values that vary by less are one answer.
_ALIKE = 1e-3


class Regression(Task):
    """A target is a number; encoded, (N,) float."""

    kind = TaskKind.REGRESSION
    problem_type = "regression"
    shape = "value"
    loss = "squared_error"
    default_metric = "pearson"
    """What graded similarity (STS-B) is reported in first."""
    group_metric = "rmse"
    selection_metric = "rmse"
    outputs_labels = False
    has_probabilities = False
    scales_targets = True
    summary = "predicts a number for each text"
    counts_unanswered = "the mean of train"

    def encode(self, targets: Sequence[Target], labels: Sequence[str]) -> Targets:
        """(N,) float."""
        import numpy as np

        return np.array([float(target) for target in targets], dtype=np.float64)  # type: ignore[arg-type]

    def decode(self, decisions: NDArray[Any], labels: Sequence[str]) -> list[Target]:
        """N numbers."""
        return [float(each) for each in decisions]

    def probabilities(self, logits: FloatArray) -> Floats:
        """(N, 1) the values unchanged."""
        import numpy as np

        return np.asarray(logits, dtype=np.float64)

    def decide(self, logits: FloatArray, thresholds: ThresholdValues | None = None) -> NDArray[Any]:
        """(N,) values."""
        import numpy as np

        return np.asarray(logits[:, 0], dtype=np.float64)

    def are_alike(self, decisions: NDArray[Any], targets: Targets) -> bool:
        """Whether values vary by less than a thousandth of the targets' standard deviation.

        Equal to the last digit they hardly ever are, as arithmetic rounds by the row's length.
        """
        import numpy as np

        if not len(decisions):
            return True
        return bool(np.std(decisions) <= _ALIKE * np.std(np.asarray(targets, dtype=np.float64)))

    def is_right(self, targets: Targets, logits: FloatArray, thresholds: ThresholdValues | None = None) -> BoolArray:
        """(N,) whether the value is the target to the last digit."""
        import numpy as np

        return np.asarray(self.decide(logits) == targets)

    def row_losses(self, targets: Targets, logits: FloatArray) -> Floats:
        """(N,) squared error, in the square of the target's unit."""
        import numpy as np

        return np.asarray((self.decide(logits) - targets) ** 2)

    def strata(self, targets: Sequence[Target]) -> list[Hashable]:
        """Each row's tenth of the values."""
        bins = max(1, min(_BINS, len(targets) // _BINS))
        kinds: list[Hashable] = [0] * len(targets)
        for rank, position in enumerate(sorted(range(len(targets)), key=lambda i: float(targets[i]))):  # type: ignore[arg-type]
            kinds[position] = rank * bins // len(targets)
        return kinds

    def prior_logits(self, targets: Targets, outputs: int) -> Floats32:
        """(1,) the mean, whose correlation with anything is undefined and whose RMSE is the spread of the targets."""
        import numpy as np

        return np.array([targets.mean()], dtype=np.float32)

    def loss_and_slope(self, logits: Floats32, wanted: Floats32) -> tuple[float, Floats32]:
        """Summed squared error, and its gradient in the values."""
        import numpy as np

        errors = logits - wanted
        return float((errors**2).sum(dtype=np.float64)), np.asarray(2.0 * errors)

    def flips(
        self, targets: Targets, before: FloatArray, after: FloatArray, thresholds: FlipThresholds = (None, None)
    ) -> tuple[BoolArray, BoolArray, Floats]:
        """Rows whose error fell, rows whose error rose, and by how much."""
        import numpy as np

        change = np.abs(before[:, 0] - targets) - np.abs(after[:, 0] - targets)
        return change > 0, change < 0, np.abs(change)

    def sure_logits(self, answers: Targets, outputs: int) -> Floats32:
        """(N, 1) the values."""
        return self.indicators(answers, outputs)

    def logits_of_shares(self, probabilities: Floats, answers: Targets) -> NoReturn:
        """A value is no probability."""
        raise _no_labels()

    def wrong_logits(self, targets: Targets, prior: Floats32) -> Floats32:
        """(N, 1) the best constant."""
        import numpy as np

        return np.asarray(np.repeat(prior[None, :], len(targets), axis=0), dtype=np.float32)

    def indicators(self, targets: Targets, outputs: int) -> Floats32:
        """(N, 1) the values."""
        import numpy as np

        return np.asarray(targets, dtype=np.float32)[:, None]

    def known(self, targets: Targets, outputs: int) -> tuple[BoolArray, Targets]:
        """Every row."""
        import numpy as np

        return np.ones(len(targets), dtype=bool), targets

    def truth_and_predicted(
        self, targets: Targets, logits: FloatArray, thresholds: ThresholdValues | None = None
    ) -> NoReturn:
        """A value is no label."""
        raise _no_labels()

    def aligned(self, targets: Targets, logits: FloatArray, thresholds: ThresholdValues | None = None) -> NoReturn:
        """A value is no label."""
        raise _no_labels()

    def row_briers(self, targets: Targets, logits: FloatArray) -> NoReturn:
        """A value is no probability."""
        raise _no_labels()

    def confidence(self, logits: FloatArray) -> NoReturn:
        """A value is no probability."""
        raise _no_labels()

    def reliability(self, targets: Targets, logits: FloatArray) -> NoReturn:
        """A value is no probability."""
        raise _no_labels()

    def self_confidence(self, targets: Targets, probabilities: Floats) -> NoReturn:
        """A value is no probability."""
        raise _no_labels()

    def choices(self, targets: Targets, probabilities: Floats) -> NoReturn:
        """A value is no label."""
        raise _no_labels()

    def flipped(self, targets: Targets, outputs: int, rows: NDArray[Any], seed: int) -> NoReturn:
        """A value is no label."""
        raise _no_labels()

    def corrected(self, targets: Targets, probabilities: Floats, doubted: BoolArray) -> NoReturn:
        """A value is no label."""
        raise _no_labels()

    def worst_gain(self, targets: Targets, before: FloatArray, after: FloatArray) -> NoReturn:
        """A value has no second likeliest."""
        raise _no_labels()


def _no_labels() -> TypeError:
    return TypeError("a regression has neither labels nor probabilities: ask `outputs_labels` first")


TASK = Regression()
