"""Any number of labels a row: a sigmoid for each label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from liftune.tasks.base import (
    JUST_ABOVE,
    LEAST_PROBABILITY,
    SURE,
    FlipThresholds,
    Floats,
    Floats32,
    Targets,
    Task,
    TaskKind,
    ThresholdValues,
    from_thresholds,
)
from liftune.types import BoolArray, FloatArray, Target

if TYPE_CHECKING:
    from numpy.typing import NDArray


class MultiLabel(Task):
    """A target is a tuple of labels; encoded, (N, L) zeros and ones."""

    kind = TaskKind.MULTI_LABEL
    problem_type = "multi_label_classification"
    shape = "labels"
    loss = "binary_cross_entropy"
    default_metric = "micro_f1"
    """Micro-F1 weighs every decision alike, where macro-F1 swings with the rarest label of a set."""
    group_metric = "micro_f1"
    selection_metric = "log_loss"
    has_thresholds = True
    summary = "predicts any number of labels per text"
    counts_unanswered = "wrong: as one without any label, and with one if it has none"
    reliability_names = ("predicted probability of a label", "share of examples with the label")

    def encode(self, targets: Sequence[Target], labels: Sequence[str]) -> Targets:
        """(N, L) int zeros and ones.

        >>> TASK.encode([("b",), ()], ["a", "b"])
        array([[0, 1],
               [0, 0]])
        """
        import numpy as np

        index = {label: i for i, label in enumerate(labels)}
        rows = np.zeros((len(targets), len(labels)), dtype=np.int64)
        for i, target in enumerate(targets):
            assert isinstance(target, tuple)
            rows[i, [index[label] for label in target]] = 1
        return rows

    def decode(self, decisions: NDArray[Any], labels: Sequence[str]) -> list[Target]:
        """N tuples of labels, in the order of `labels`."""
        import numpy as np

        return [tuple(labels[int(j)] for j in np.flatnonzero(row)) for row in decisions]

    def probabilities(self, logits: FloatArray) -> Floats:
        """(N, C) the sigmoid of each, without overflow.

        >>> import numpy as np
        >>> TASK.probabilities(np.array([[0.0, 1000.0]]))
        array([[0.5, 1. ]])
        """
        import numpy as np

        values = np.asarray(logits, dtype=np.float64)
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))

    def decide(self, logits: FloatArray, thresholds: ThresholdValues | None = None) -> NDArray[Any]:
        """(N, C) ones where a label's probability reaches its threshold."""
        import numpy as np

        return np.asarray(from_thresholds(logits, thresholds) >= 0, dtype=np.int64)

    def margins(self, logits: FloatArray, thresholds: ThresholdValues | None = None) -> Floats:
        """(N,) how far the label that is nearest to its threshold is from it.

        >>> import numpy as np
        >>> TASK.margins(np.array([[0.0, 9.0], [9.0, -9.0]]), [0.4, 0.5]).round(2)
        array([0.1, 0.5])
        """
        import numpy as np

        shares = self.probabilities(logits)
        ends = np.full(shares.shape[1], 0.5) if thresholds is None else np.asarray(thresholds, dtype=np.float64)
        return np.asarray(np.abs(shares - ends).min(axis=1, initial=1.0))

    def is_right(self, targets: Targets, logits: FloatArray, thresholds: ThresholdValues | None = None) -> BoolArray:
        """(N,) whether all labels of a row are predicted, and no other."""
        import numpy as np

        truth, predicted = self.truth_and_predicted(targets, logits, thresholds)
        return np.asarray((truth == predicted).all(axis=1))

    def row_losses(self, targets: Targets, logits: FloatArray) -> Floats:
        """(N,) mean over labels of `row_label_losses`."""
        import numpy as np

        return np.asarray(self.row_label_losses(targets, logits).mean(axis=1))

    def row_label_losses(self, targets: Targets, logits: FloatArray) -> Floats:
        """(N, L) binary log-loss of each label in nats, each at most -log(LEAST_PROBABILITY).

        A label that the model never had counts as one that it is sure not to see.
        """
        import numpy as np

        values = np.asarray(logits, dtype=np.float64)
        losses = np.where(targets == 1, -np.log(LEAST_PROBABILITY), 0.0)
        known = np.logaddexp(0.0, values) - values * targets[:, : values.shape[1]]
        losses[:, : values.shape[1]] = np.minimum(known, -np.log(LEAST_PROBABILITY))
        return losses

    def strata(self, targets: Sequence[Target]) -> list[Hashable]:
        """Each row's rarest label, as whole label sets are often unique.

        Source: Sechidis et al. (2011), the first step of iterative stratification.
        """
        sets = [target if isinstance(target, tuple) else () for target in targets]
        counts = Counter(label for each in sets for label in each)
        return [min(each, key=lambda label: (counts[label], label)) if each else () for each in sets]

    def prior_logits(self, targets: Targets, outputs: int) -> Floats32:
        """(C,) log-odds of each label, half a row added to each count: a label is predicted where at least half of the
        rows have it."""
        import numpy as np

        share = (targets[:, :outputs].sum(axis=0) + 0.5) / (len(targets) + 1.0)
        return np.asarray(np.log(share / (1.0 - share)).astype(np.float32))

    def loss_and_slope(self, logits: Floats32, wanted: Floats32) -> tuple[float, Floats32]:
        """Summed binary cross-entropy over all outputs, and its gradient in the logits."""
        import numpy as np

        loss = (np.logaddexp(0.0, logits) - logits * wanted).sum(dtype=np.float64)
        return float(loss), np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)) - wanted, dtype=np.float32)

    def flips(
        self, targets: Targets, before: FloatArray, after: FloatArray, thresholds: FlipThresholds = (None, None)
    ) -> tuple[BoolArray, BoolArray, Floats]:
        """Rows that just one of the two gets right with all labels; weighed by the second's confidence."""
        was, now = (
            self.is_right(targets, logits, each) for logits, each in zip((before, after), thresholds, strict=True)
        )
        return ~was & now, was & ~now, self.confidence(after)

    def sure_logits(self, answers: Targets, outputs: int) -> Floats32:
        """(N, C) a high logit at each label that the row has, a low one at the others."""
        import numpy as np

        return np.asarray(SURE * (2.0 * self.indicators(answers, outputs) - 1.0), dtype=np.float32)

    def logits_of_shares(self, probabilities: Floats, answers: Targets) -> Floats32:
        """(N, C) their log-odds; a label on the other side of one half than the answer is put just across it."""
        import numpy as np

        shares = np.clip(probabilities, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
        logits, given = np.log(shares) - np.log1p(-shares), self.indicators(answers, shares.shape[1]) > 0.5
        logits = np.where(given, np.maximum(logits, JUST_ABOVE), np.minimum(logits, -JUST_ABOVE))
        return np.asarray(logits, dtype=np.float32)

    def wrong_logits(self, targets: Targets, prior: Floats32) -> Floats32:
        """(N, C) no label, and of a row that has none one label."""
        import numpy as np

        outputs = len(prior)
        logits = np.full((len(targets), outputs), -JUST_ABOVE, dtype=np.float32)
        bare = np.flatnonzero(targets[:, :outputs].sum(axis=1) == 0)
        logits[bare, np.arange(len(bare)) % outputs] = JUST_ABOVE
        return logits

    def indicators(self, targets: Targets, outputs: int) -> Floats32:
        """(N, C) the targets of the model's labels."""
        import numpy as np

        return np.asarray(targets[:, :outputs].astype(np.float32))

    def known(self, targets: Targets, outputs: int) -> tuple[BoolArray, Targets]:
        """Every row, with the model's labels alone."""
        import numpy as np

        return np.ones(len(targets), dtype=bool), targets[:, :outputs]

    def truth_and_predicted(
        self, targets: Targets, logits: FloatArray, thresholds: ThresholdValues | None = None
    ) -> tuple[BoolArray, BoolArray]:
        """(N, L); a label that the model never had is never predicted."""
        import numpy as np

        predicted = np.zeros(targets.shape, dtype=bool)
        predicted[:, : logits.shape[1]] = self.decide(logits, thresholds)
        return np.asarray(targets, dtype=bool), predicted

    def aligned(
        self, targets: Targets, logits: FloatArray, thresholds: ThresholdValues | None = None
    ) -> tuple[NDArray[Any], NDArray[Any], int]:
        """(N, L) indicators of both."""
        return *self.truth_and_predicted(targets, logits, thresholds), targets.shape[1]

    def row_briers(self, targets: Targets, logits: FloatArray) -> Floats:
        """(N,) mean over labels, 0 to 1."""
        import numpy as np

        shares = self.probabilities(logits)
        given = np.zeros(targets.shape)
        given[:, : shares.shape[1]] = shares
        return np.asarray(((given - targets) ** 2).mean(axis=1))

    def confidence(self, logits: FloatArray) -> Floats:
        """(N,) probability of the least sure decision, each label being one."""
        import numpy as np

        p = self.probabilities(logits)
        return np.asarray(np.maximum(p, 1.0 - p).min(axis=1))

    def reliability(self, targets: Targets, logits: FloatArray) -> tuple[Floats, BoolArray]:
        """(N, C) every probability of every label, and whether the row carries it."""
        import numpy as np

        shares = self.probabilities(logits)
        return shares, np.asarray(targets[:, : shares.shape[1]], dtype=bool)

    def self_confidence(self, targets: Targets, probabilities: Floats) -> Floats:
        """(N,) probability of the given decision on the label where it is least."""
        import numpy as np

        given = targets[:, : probabilities.shape[1]]
        return np.asarray(np.where(given == 1, probabilities, 1.0 - probabilities).min(axis=1))

    def choices(self, targets: Targets, probabilities: Floats) -> list[tuple[Floats, Targets]]:
        """One a label, with or without it."""
        import numpy as np

        return [
            (np.column_stack([1.0 - probability, probability]), targets[:, label])
            for label, probability in enumerate(probabilities.T)
        ]

    def flipped(self, targets: Targets, outputs: int, rows: NDArray[Any], seed: int) -> Targets:
        """(N, L) in which those rows have or lack one label wrongly."""
        import numpy as np

        wrong = targets.copy()
        labels = np.random.default_rng(seed).integers(0, outputs, len(rows))
        wrong[rows, labels] = 1 - wrong[rows, labels]
        return wrong

    def corrected(self, targets: Targets, probabilities: Floats, doubted: BoolArray) -> NDArray[Any]:
        """(N, C) the given labels, with the doubted decisions turned round."""
        import numpy as np

        given = targets[:, : probabilities.shape[1]]
        return np.where(doubted, 1 - given, given)

    def worst_gain(self, targets: Targets, before: FloatArray, after: FloatArray) -> float:
        """Over all rows and labels, as if that one label were otherwise."""
        truths = targets, 1 - targets
        seen, other = (self.row_label_losses(each, before) - self.row_label_losses(each, after) for each in truths)
        return float((seen.mean(axis=1)[:, None] + (other - seen) / seen.shape[1]).min())


TASK = MultiLabel()
