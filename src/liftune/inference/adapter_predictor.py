"""The Predictor that needs torch: an adapter on its base, a whole model, or another contender of a run.

In: a folder of a saved model; rows.  Out: an AdapterPredictor; Predictions.
Not here: which folder a path leads to (opening.py, locate.py), loading (loading.py, contenders.py), what is the same
for all Predictors (predictor.py), the one without torch (onnx_bundle.py). Torch is imported where an adapter is loaded.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from liftune.errors import EXTRAS, need
from liftune.hardware.memory import Attempts
from liftune.inference.contenders import SavedContender, open_contender, read_contender_card, refuse_torch_options
from liftune.inference.loading import load_classifier, prediction_plan
from liftune.inference.prediction import Prediction, predictions_of_logits
from liftune.inference.predictor import Predictor, confidence_for
from liftune.inference.reload import worded
from liftune.inference.rows import Given
from liftune.records.base import Head
from liftune.records.contender import ContenderCard
from liftune.records.training import AdapterCard
from liftune.types import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from liftune.hardware.plan import Plan
    from liftune.models.classifier import Classifier


class AdapterPredictor(Predictor):
    """An adapter on its base model, a fully tuned or merged model, or another contender of a run: a Predictor.

    It needs torch, but for contenders that read words alone.

    A model, its tokenizer and torch's number of threads have state while they compute, so that calls from several
    threads take turns.

    Attributes:
        contender: which one of its run.
    """

    card: AdapterCard | ContenderCard
    contender = "tuned"

    def __init__(
        self,
        classifier: Classifier | SavedContender,
        card: AdapterCard | ContenderCard,
        *,
        base: Classifier | None = None,
        min_precision: float | None = None,
    ) -> None:
        super().__init__(card, min_precision=min_precision)
        self._classifier, self._base = classifier, base
        self._computing = Lock()

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        card: AdapterCard | None = None,
        device: str | None = None,
        with_base: bool = False,
        precision: str | None = None,
        min_precision: float | None = None,
        trust_remote_code: bool = False,
    ) -> AdapterPredictor:
        """Load an adapter onto its base model, and merge it into the base model's weights where the method allows.

        Args:
            folder: where its files are.
            card: what describes it; None reads liftune.json. The others are those of `load_predictor`.

        Raises:
            ArtifactError: the adapter is damaged, or its base model has changed.
        """
        need(*EXTRAS["tune"])
        from liftune.models.adapter_io import CARD, read_card
        from liftune.models.trust import check_code

        card = card or read_card(folder)
        check_code(card, allowed=trust_remote_code, asked_by=folder / CARD)
        confidence_for(card, min_precision)  # refused before the model is loaded
        plan = prediction_plan(device, precision)
        base = _as_it_is(card, plan, trust_remote_code) if with_base else None
        opened = load_classifier(folder, card, plan, trust_remote_code)
        return cls(opened, card, base=base, min_precision=min_precision)

    @classmethod
    def open_contender(
        cls,
        folder: Path,
        *,
        device: str | None = None,
        with_base: bool = False,
        precision: str | None = None,
        min_precision: float | None = None,
        trust_remote_code: bool = False,
        why: str = "",
    ) -> AdapterPredictor:
        """Load a contender that is no adapter.

        Args:
            folder: where contender.json is; the others as of `load_predictor`.
            why: why it is used, where nobody named it.

        Raises:
            ArtifactError: a file is damaged, or the pretrained model has changed.
            SpecError: it reads words alone, and an option is of pretrained models.
        """
        card = read_contender_card(folder)
        confidence_for(card, min_precision)
        if card.base is None:
            refuse_torch_options(card.name, why, device=device, with_base=with_base, precision=precision)
            return cls(open_contender(folder), card, min_precision=min_precision)
        need(*EXTRAS["tune"])
        plan, allowed = prediction_plan(device, precision), trust_remote_code
        if not card.has_adapter:
            opened = open_contender(folder, plan=plan, trust_remote_code=allowed)
            return cls(opened, card, base=opened.base if with_base else None, min_precision=min_precision)
        encoder = load_classifier(folder, card.base, plan, allowed)
        base = _as_it_is(card.base, plan, allowed) if with_base else None
        opened = open_contender(folder, base=encoder, trust_remote_code=allowed)
        return cls(opened, card, base=base, min_precision=min_precision)

    @property
    def base_head(self) -> Head | None:
        """Whether the base model's head was trained by anyone: a randomly initialised one only guesses."""
        return self._base.backbone.head if self._base else None

    def note_passes(self, note: Attempts) -> None:
        """As of Predictor."""
        self._classifier.note_passes(note)
        if self._base is not None:
            self._base.note_passes(note)

    def as_read(self, row: Row) -> Hashable | None:
        """As of Predictor."""
        with self._computing:
            reads = self._classifier.base if isinstance(self._classifier, SavedContender) else self._classifier
            return None if reads is None else tuple(reads.encode([row])[0].ids.tolist())

    @worded
    def features(self, rows: Given) -> NDArray[np.float32] | None:
        """(N, D) float32, what the model's last layer reads; None of a contender that reads words alone."""
        given = self._rows(rows)
        with self._computing:
            if not isinstance(self._classifier, SavedContender):
                return self._classifier.final_inputs(given)
            frozen = self._classifier.base
            if frozen is None:
                return None
            found = frozen.features(given)
            return found.get("mean", next(iter(found.values())))

    @worded
    def predict(self, rows: Given, *, min_precision: float | None = None) -> list[Prediction]:
        """One prediction per row, in order, with the base model's where that was loaded too; see Predictor.predict."""
        given = self._rows(rows)
        predictions = super().predict(given, min_precision=min_precision)
        if self.contender != "tuned":
            predictions = [replace(each, contender=self.contender) for each in predictions]
        if self._base is None:
            return predictions
        logits, thresholds = self._computed(self._base, given), self.card.base_thresholds
        bases = predictions_of_logits(given, logits, labels=self.labels, task=self.task, thresholds=thresholds)
        return [replace(each, base=base) for each, base in zip(predictions, bases, strict=True)]

    def _logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        return self._computed(self._classifier, rows)

    def _computed(self, model: Classifier | SavedContender, rows: Sequence[Row]) -> NDArray[np.float32]:
        with self._computing:
            return model.logits(rows)


def _as_it_is(card: AdapterCard, plan: Plan, trust_remote_code: bool) -> Classifier:
    """The base with the head that it had before tuning, its outputs in the adapter's order of labels."""
    from liftune.models.attach import attach
    from liftune.models.saved_backbone import reload_backbone

    return attach(reload_backbone(card, seed=0, plan=plan, trust_remote_code=trust_remote_code), None, plan=plan)
