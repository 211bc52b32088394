"""What liftune must know of a task kind: one object a kind, so that no other package asks which kind it is.

In: targets as the data gives them, logits (N, C).  Out: arrays, and facts such as the metric that decides.
Not here: the kinds (single_label.py, multi_label.py, regression.py), metrics (metrics/), the torch losses
(training/loss.py, one a `Task.loss`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from liftune.types import BoolArray, FloatArray, Target

if TYPE_CHECKING:  # imported where it is used, for the sake of a quick `liftune --help`
    import numpy as np
    from numpy.typing import NDArray

#: Probabilities in (0, 1) from which on a label is predicted.
ThresholdValues: TypeAlias = "Sequence[float] | NDArray[np.float64]"
Floats: TypeAlias = "NDArray[np.float64]"
Floats32: TypeAlias = "NDArray[np.float32]"
#: Encoded targets: what `Task.encode` gives.
Targets: TypeAlias = "NDArray[Any]"
#: What a target is, and the field of a prediction that holds one: a label, a tuple of labels, or a number.
TargetShape: TypeAlias = Literal["label", "labels", "value"]

#: Thresholds of the first and of the second of two models.
FlipThresholds: TypeAlias = "tuple[ThresholdValues | None, ThresholdValues | None]"

#: The least probability that log-loss gives the true label, scikit-learn's own for float64: a row costs at most 36.04.
#: A row whose label the model never had costs just that.
LEAST_PROBABILITY = 2.0**-52
#: The logit of an answer that is given without a probability, and by how much one stands above its threshold or the
#: other labels that is to be the answer whatever its probability.
SURE, JUST_ABOVE = 20.0, 1e-3


class TaskKind(StrEnum):
    """What a row's target is, as it is written in specs and records."""

    SINGLE_LABEL = "single_label"
    MULTI_LABEL = "multi_label"
    REGRESSION = "regression"


class Task(ABC):
    """All that the rest of liftune must know of a task kind.

    N is rows, C the model's outputs, L labels: the model's C, then those of the rows that it never had. Encoded targets
    are numbered over L, logits over C; a label beyond C is never predicted.

    A new kind is a member of TaskKind, a module of this package named like its value that ends in `TASK = ...`, and a
    loss in training/loss.py.
    """

    kind: ClassVar[TaskKind]
    problem_type: ClassVar[str]
    """The name that transformers gives this kind in a model's config."""
    shape: ClassVar[TargetShape]
    """What a target is."""
    loss: ClassVar[str]
    """The name of the loss in training/loss.py."""
    default_metric: ClassVar[str]
    """The metric that decides where none was asked for."""
    group_metric: ClassVar[str]
    """The metric of few rows, such as those of one length: defined on almost any of them."""
    selection_metric: ClassVar[str]
    """The metric by which a fit is chosen that must be right in size, not in rank alone."""
    metrics: ClassVar[tuple[str, ...]] = ()
    """Metrics registered for other kinds that fit this one too."""
    outputs_labels: ClassVar[bool] = True
    """Whether the model has one output a label; without labels it has a single nameless one."""
    has_probabilities: ClassVar[bool] = True
    """Whether logits stand for probabilities, which can be calibrated."""
    has_thresholds: ClassVar[bool] = False
    """Whether each label has a probability of its own, from which on it is predicted."""
    has_confidence: ClassVar[bool] = False
    """Whether a row has one prediction with one probability, so that the model can abstain where it is low."""
    scales_targets: ClassVar[bool] = False
    """Whether targets are scaled to mean 0 and variance 1 for training."""
    summary: ClassVar[str]
    """What the model does, for the model card: `predicts ...`."""
    counts_unanswered: ClassVar[str]
    """What a row without an answer counts as, in words: those of `wrong_logits`."""
    reliability_names: ClassVar[tuple[str, str]] = ("predicted probability", "observed accuracy")
    """What a reliability diagram shows across and up."""

    def is_target(self, value: object) -> bool:
        """Whether a value that was read from a file is a target of this kind.

        >>> from liftune.tasks import task_of
        >>> [task_of(kind).is_target("joy") for kind in TaskKind]
        [True, False, False]
        """
        if self.shape == "value":
            return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        labels = value if self.shape == "labels" else (value,)
        return isinstance(labels, tuple) and all(isinstance(each, str) for each in labels)

    def outputs(self, labels: Sequence[str]) -> int:
        """C, the columns of the logits of a model with these labels."""
        return len(labels) if self.outputs_labels else 1

    def config_fields(self, labels: Sequence[str]) -> dict[str, Any]:
        """What transformers must be told to load a base as a model of this kind with these labels.

        >>> from liftune.tasks import task_of
        >>> task_of(TaskKind.REGRESSION).config_fields(())["id2label"]
        {0: 'value'}
        """
        names = tuple(labels) if self.outputs_labels else ("value",)
        return {
            "num_labels": len(names),
            "id2label": dict(enumerate(names)),
            "label2id": {name: i for i, name in enumerate(names)},
            "problem_type": self.problem_type,
        }

    @abstractmethod
    def encode(self, targets: Sequence[Target], labels: Sequence[str]) -> Targets:
        """Targets as numbers, in an array of N rows.

        Args:
            labels: every label that occurs: the model's own, then any that it never saw.
        """

    @abstractmethod
    def decode(self, decisions: NDArray[Any], labels: Sequence[str]) -> list[Target]:
        """N decisions or encoded targets as the data would give them: the inverse of `encode`."""

    @abstractmethod
    def probabilities(self, logits: FloatArray) -> Floats:
        """(N, C) probabilities; values that are none pass unchanged."""

    @abstractmethod
    def decide(self, logits: FloatArray, thresholds: ThresholdValues | None = None) -> NDArray[Any]:
        """N predictions, in the form of encoded targets over the model's labels.

        Args:
            thresholds: where `has_thresholds`, (C,), or (N, C) for thresholds of each row; None is one half for all.
        """

    def are_alike(self, decisions: NDArray[Any], targets: Targets) -> bool:
        """Whether N predictions are one and the same, whatever the row; without predictions they are.

        Args:
            targets: (N, ...) encoded, for the scale of what has one.
        """
        import numpy as np

        return len(np.unique(decisions, axis=0)) <= 1

    def margins(self, logits: FloatArray, thresholds: ThresholdValues | None = None) -> Floats | None:
        """(N,) in [0, 1] how far each row's decision is from another one, in probability; None where none is made.

        Args:
            thresholds: as of `decide`.
        """
        return None

    @abstractmethod
    def is_right(self, targets: Targets, logits: FloatArray, thresholds: ThresholdValues | None = None) -> BoolArray:
        """(N,) whether a row is predicted rightly, with all of its labels where it may have several."""

    @abstractmethod
    def row_losses(self, targets: Targets, logits: FloatArray) -> Floats:
        """(N,) the loss of each row, whose mean is `selection_metric` or a monotone function of it."""

    @abstractmethod
    def strata(self, targets: Sequence[Target]) -> list[Hashable]:
        """(N,) what each row counts as when a part must look like the whole."""

    @abstractmethod
    def prior_logits(self, targets: Targets, outputs: int) -> Floats32:
        """(C,) the best constant logits: what a model predicts that reads no text."""

    @abstractmethod
    def loss_and_slope(self, logits: Floats32, wanted: Floats32) -> tuple[float, Floats32]:
        """Summed loss of (N, C) logits, and its gradient in them, (N, C).

        Args:
            wanted: (N, C) zeros and ones, or probabilities; of a value (N, 1).
        """

    @abstractmethod
    def flips(
        self, targets: Targets, before: FloatArray, after: FloatArray, thresholds: FlipThresholds = (None, None)
    ) -> tuple[BoolArray, BoolArray, Floats]:
        """(N,) rows that the second model fixed, (N,) that it broke, and (N,) by how much, or how surely.

        Args:
            thresholds: of the first and of the second model.
        """

    # Answers that were made elsewhere ---------------------------------------------------------------------------------

    @abstractmethod
    def sure_logits(self, answers: Targets, outputs: int) -> Floats32:
        """(N, C) logits that decide as the encoded answers, as surely as a model can; a value is itself."""

    @abstractmethod
    def logits_of_shares(self, probabilities: Floats, answers: Targets) -> Floats32:
        """(N, C) logits of those probabilities, which decide as the encoded answers even where these disagree."""

    @abstractmethod
    def wrong_logits(self, targets: Targets, prior: Floats32) -> Floats32:
        """(N, C) logits that are wrong of every row, as unsurely as can be: of several wrong labels each in turn.

        Args:
            targets: encoded, of the rows.
            prior: (C,) the best constant logits, which stand for a value that is not known.
        """

    # Tasks with labels ------------------------------------------------------------------------------------------------

    @abstractmethod
    def indicators(self, targets: Targets, outputs: int) -> Floats32:
        """(N, C) the targets as `loss_and_slope` wants them: ones at the labels of each row; values as a column."""

    @abstractmethod
    def known(self, targets: Targets, outputs: int) -> tuple[BoolArray, Targets]:
        """(N,) rows that a model of C outputs can get right, and their targets within its labels, to fit on."""

    @abstractmethod
    def truth_and_predicted(
        self, targets: Targets, logits: FloatArray, thresholds: ThresholdValues | None = None
    ) -> tuple[BoolArray, BoolArray]:
        """(N, L) labels that are true, and labels that are predicted."""

    @abstractmethod
    def aligned(
        self, targets: Targets, logits: FloatArray, thresholds: ThresholdValues | None = None
    ) -> tuple[NDArray[Any], NDArray[Any], int]:
        """Targets and predictions in one form, the smallest that scikit-learn's metrics read, and L."""

    @abstractmethod
    def row_briers(self, targets: Targets, logits: FloatArray) -> Floats:
        """(N,) squared distance of the probabilities from what is true."""

    @abstractmethod
    def confidence(self, logits: FloatArray) -> Floats:
        """(N,) how sure a row's prediction is: the probability of its least sure decision."""

    @abstractmethod
    def reliability(self, targets: Targets, logits: FloatArray) -> tuple[Floats, BoolArray]:
        """(N, 1) or (N, C) probabilities, and whether each came true: what a reliability diagram is drawn from."""

    @abstractmethod
    def self_confidence(self, targets: Targets, probabilities: Floats) -> Floats:
        """(N,) probability of the given target; of several labels, of the least probable decision.

        Source: the score of Northcutt, Jiang and Chuang (2021), Confident Learning, JAIR 70.
        """

    @abstractmethod
    def choices(self, targets: Targets, probabilities: Floats) -> list[tuple[Floats, Targets]]:
        """The choices of one among K that a target is made of: probabilities, (N, K), and which is given, (N,)."""

    @abstractmethod
    def flipped(self, targets: Targets, outputs: int, rows: NDArray[Any], seed: int) -> Targets:
        """A copy of the targets in which each of some rows has one wrong decision, drawn evenly: another label; of
        several labels, one too many or too few."""

    @abstractmethod
    def corrected(self, targets: Targets, probabilities: Floats, doubted: BoolArray) -> NDArray[Any]:
        """N targets as the probabilities would have them, in the form of predictions.

        Args:
            doubted: (N, number of choices) those to change, where a target is made of several.
        """

    @abstractmethod
    def worst_gain(self, targets: Targets, before: FloatArray, after: FloatArray) -> float:
        """The least that any row's loss could fall from `before` to `after`, were its second likeliest target true."""


def from_thresholds(logits: FloatArray, thresholds: ThresholdValues | None) -> FloatArray:
    """(N, C) how far each logit lies above its threshold: what `decide` goes by. Not to be read as probabilities.

    >>> import numpy as np
    >>> from_thresholds(np.array([[0.0, 0.0]]), [0.5, 0.5])
    array([[0., 0.]])
    """
    import numpy as np

    if thresholds is None:
        return logits
    shares = np.asarray(thresholds, dtype=np.float64)
    return np.asarray(logits - (np.log(shares) - np.log1p(-shares)))
