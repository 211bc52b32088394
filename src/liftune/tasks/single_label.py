"""One label a row: softmax over the labels."""

from __future__ import annotations

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
)
from liftune.types import BoolArray, FloatArray, Target

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SingleLabel(Task):
    """A target is a label; encoded, (N,) its index."""

    kind = TaskKind.SINGLE_LABEL
    problem_type = "single_label_classification"
    shape = "label"
    loss = "cross_entropy"
    default_metric = "accuracy"
    """What single-label sets are reported in."""
    group_metric = "accuracy"
    selection_metric = "log_loss"
    has_confidence = True
    summary = "predicts one label per text"
    counts_unanswered = (
        "wrong: an error in accuracy, one of the other labels in turn in F1, no more than a guess in log-loss"
    )

    def encode(self, targets: Sequence[Target], labels: Sequence[str]) -> Targets:
        """(N,) int label index.

        >>> TASK.encode(["b", "a"], ["a", "b"])
        array([1, 0])
        """
        import numpy as np

        index = {label: i for i, label in enumerate(labels)}
        return np.array([index[str(target)] for target in targets], dtype=np.int64)

    def decode(self, decisions: NDArray[Any], labels: Sequence[str]) -> list[Target]:
        """N labels."""
        return [labels[int(each)] for each in decisions]

    def probabilities(self, logits: FloatArray) -> Floats:
        """(N, C) softmax across labels.

        >>> import numpy as np
        >>> TASK.probabilities(np.array([[0.0, 0.0]]))
        array([[0.5, 0.5]])
        """
        import numpy as np

        values = np.asarray(logits, dtype=np.float64)
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def decide(self, logits: FloatArray, thresholds: ThresholdValues | None = None) -> NDArray[Any]:
        """(N,) index of the likeliest label."""
        import numpy as np

        return np.asarray(logits.argmax(axis=1), dtype=np.int64)

    def margins(self, logits: FloatArray, thresholds: ThresholdValues | None = None) -> Floats:
        """(N,) the gap between the two largest probabilities; 1 where there is one label.

        >>> import numpy as np
        >>> TASK.margins(np.log([[0.5, 0.3, 0.2]])).round(6)
        array([0.2])

        Source: Scheffer, Decomain and Wrobel (2001), margin sampling.
        """
        import numpy as np

        shares = self.probabilities(logits)
        if shares.shape[1] < 2:
            return np.ones(len(shares))
        two = np.partition(shares, -2, axis=1)[:, -2:]
        return np.asarray(two[:, 1] - two[:, 0])

    def is_right(self, targets: Targets, logits: FloatArray, thresholds: ThresholdValues | None = None) -> BoolArray:
        """(N,); a label that the model never had is never right."""
        import numpy as np

        return np.asarray(self.decide(logits) == targets)

    def row_losses(self, targets: Targets, logits: FloatArray) -> Floats:
        """(N,) negative log-probability of the true label in nats, at most -log(LEAST_PROBABILITY)."""
        import numpy as np

        values = np.asarray(logits, dtype=np.float64)
        known = targets < values.shape[1]
        shifted = values - values.max(axis=1, keepdims=True)
        chosen = shifted[np.arange(len(values)), np.where(known, targets, 0)]
        log_p = np.where(known, chosen - np.log(np.exp(shifted).sum(axis=1)), -np.inf)
        return np.asarray(-np.clip(log_p, np.log(LEAST_PROBABILITY), np.log1p(-LEAST_PROBABILITY)))

    def strata(self, targets: Sequence[Target]) -> list[Hashable]:
        """Each row's label."""
        return list(targets)

    def prior_logits(self, targets: Targets, outputs: int) -> Floats32:
        """(C,) log of each label's share. Half a row is added to each count, so that no logit is infinite."""
        import numpy as np

        counts = np.bincount(targets, minlength=outputs) + 0.5
        return np.asarray(np.log(counts / counts.sum()), dtype=np.float32)

    def loss_and_slope(self, logits: Floats32, wanted: Floats32) -> tuple[float, Floats32]:
        """Summed cross-entropy, and its gradient in the logits."""
        import numpy as np

        logits = logits - logits.max(axis=1, keepdims=True)
        powers = np.exp(logits)
        total = powers.sum(axis=1, keepdims=True)
        loss = np.log(total[:, 0]).sum(dtype=np.float64) - (logits * wanted).sum(dtype=np.float64)
        return float(loss), powers / total - wanted

    def flips(
        self, targets: Targets, before: FloatArray, after: FloatArray, thresholds: FlipThresholds = (None, None)
    ) -> tuple[BoolArray, BoolArray, Floats]:
        """Rows that just one of the two gets right; weighed by the second's confidence."""
        was, now = self.is_right(targets, before), self.is_right(targets, after)
        return ~was & now, was & ~now, self.confidence(after)

    def sure_logits(self, answers: Targets, outputs: int) -> Floats32:
        """(N, C) a high logit at the label."""
        import numpy as np

        return np.asarray(SURE * self.indicators(answers, outputs), dtype=np.float32)

    def logits_of_shares(self, probabilities: Floats, answers: Targets) -> Floats32:
        """(N, C) their logarithms; an answer that another label exceeds is raised just above it."""
        import numpy as np

        logits = np.log(np.clip(probabilities, LEAST_PROBABILITY, 1.0))
        rows = np.flatnonzero(answers < logits.shape[1])
        chosen, most = logits[rows, answers[rows]], logits[rows].max(axis=1)
        ahead = (logits[rows].argmax(axis=1) == answers[rows]) & ((logits[rows] == most[:, None]).sum(axis=1) == 1)
        logits[rows, answers[rows]] = np.where(ahead, chosen, most + JUST_ABOVE)
        return np.asarray(logits, dtype=np.float32)

    def wrong_logits(self, targets: Targets, prior: Floats32) -> Floats32:
        """(N, C) another label than the row's."""
        import numpy as np

        outputs, rows = len(prior), np.arange(len(targets))
        logits = np.zeros((len(targets), outputs), dtype=np.float32)
        if outputs > 1:
            known = np.where(targets < outputs, targets, 0)
            logits[rows, (known + 1 + rows % (outputs - 1)) % outputs] = JUST_ABOVE
        return logits

    def indicators(self, targets: Targets, outputs: int) -> Floats32:
        """(N, C) a one at the row's label; none where the model never had it."""
        import numpy as np

        return np.asarray(targets[:, None] == np.arange(outputs), dtype=np.float32)

    def known(self, targets: Targets, outputs: int) -> tuple[BoolArray, Targets]:
        """Rows whose label the model has."""
        import numpy as np

        known = np.asarray(targets < outputs)
        return known, targets[known]

    def truth_and_predicted(
        self, targets: Targets, logits: FloatArray, thresholds: ThresholdValues | None = None
    ) -> tuple[BoolArray, BoolArray]:
        """(N, L) one-hot."""
        import numpy as np

        labels = np.arange(self._labels(targets, logits))
        return targets[:, None] == labels, self.decide(logits)[:, None] == labels

    def aligned(
        self, targets: Targets, logits: FloatArray, thresholds: ThresholdValues | None = None
    ) -> tuple[NDArray[Any], NDArray[Any], int]:
        """(N,) label indices of both."""
        return targets, self.decide(logits), self._labels(targets, logits)

    def _labels(self, targets: Targets, logits: FloatArray) -> int:
        return max(int(logits.shape[1]), int(targets.max(initial=-1)) + 1)

    def row_briers(self, targets: Targets, logits: FloatArray) -> Floats:
        """(N,) summed over the labels, 0 to 2 (Brier 1950)."""
        import numpy as np

        shares = self.probabilities(logits)
        known = targets < shares.shape[1]
        true = np.where(known, shares[np.arange(len(shares)), np.where(known, targets, 0)], 0.0)
        return np.asarray((shares**2).sum(axis=1) - 2.0 * true + 1.0)

    def confidence(self, logits: FloatArray) -> Floats:
        """(N,) probability of the predicted label."""
        import numpy as np

        return np.asarray(self.probabilities(logits).max(axis=1))

    def reliability(self, targets: Targets, logits: FloatArray) -> tuple[Floats, BoolArray]:
        """(N, 1) probability of the predicted label, and whether it is right."""
        return self.confidence(logits)[:, None], self.is_right(targets, logits)[:, None]

    def self_confidence(self, targets: Targets, probabilities: Floats) -> Floats:
        """(N,) probability of the given label."""
        import numpy as np

        return np.asarray(probabilities[np.arange(len(targets)), targets])

    def choices(self, targets: Targets, probabilities: Floats) -> list[tuple[Floats, Targets]]:
        """One, of a label among all."""
        return [(probabilities, targets)]

    def flipped(self, targets: Targets, outputs: int, rows: NDArray[Any], seed: int) -> Targets:
        """(N,) in which those rows have another label, each of the others as often."""
        import numpy as np

        wrong = targets.copy()
        wrong[rows] = (wrong[rows] + np.random.default_rng(seed).integers(1, outputs, len(rows))) % outputs
        return wrong

    def corrected(self, targets: Targets, probabilities: Floats, doubted: BoolArray) -> NDArray[Any]:
        """(N,) index of the likeliest label."""
        return self.decide(probabilities)

    def worst_gain(self, targets: Targets, before: FloatArray, after: FloatArray) -> float:
        """Over all rows, as if the second likeliest label before were the true one."""
        import numpy as np

        if before.shape[1] < 2:
            return 0.0
        runner_up = np.argsort(before, axis=1)[:, -2]
        return float((self.row_losses(runner_up, before) - self.row_losses(runner_up, after)).min())


TASK = SingleLabel()
