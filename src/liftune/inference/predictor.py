"""From a path to something that predicts: `load_predictor`.

In: a path to a run, its adapter folder, a merged folder or a bundle; rows.  Out: a Predictor; Predictions.
Not here: what a path leads to (locate.py), the model (models/), the other Predictor, which needs no torch
(onnx_bundle.py), files of rows (files.py).
Torch is imported where an adapter is loaded.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from liftune.errors import EXTRAS, choose, need
from liftune.evaluation.selective import cutoff_for
from liftune.hardware.memory import Attempts
from liftune.hardware.plan import PRECISIONS
from liftune.inference.contenders import SavedContender, open_contender, read_contender_card, refuse_torch_options
from liftune.inference.loading import FASTEST, load_classifier, prediction_plan
from liftune.inference.locate import locate_model
from liftune.inference.onnx_bundle import Bundle, refuse_options
from liftune.inference.prediction import Prediction, predictions_of_logits
from liftune.inference.reload import Origin, Reloadable, worded
from liftune.inference.rows import Given, rows_of
from liftune.models.foreign.said import NOTHING, Said
from liftune.models.hub import at_hand
from liftune.models.moved_bases import places
from liftune.records.base import Head, TextColumns
from liftune.records.contender import ContenderCard
from liftune.records.training import AdapterCard
from liftune.tasks import TaskKind, ThresholdValues
from liftune.types import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from liftune.models.classifier import Classifier

#: Loading sets what all threads share: warnings, torch's default precision, the initialisation of modules.
_LOADING = Lock()


class Predictor(Protocol):
    """A tuned model that is loaded: an AdapterPredictor, or a Bundle. Threads may share it."""

    @property
    def pairs(self) -> bool:
        """Whether a row is two texts."""
        ...

    @property
    def columns(self) -> TextColumns | None:
        """Where its texts were read from; None where nobody kept it."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `logits`; none for a regression."""
        ...

    @property
    def task(self) -> TaskKind:
        """What it predicts."""
        ...

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """Of each label of a multi-label model, the probability from which on it is predicted; None is one half."""
        ...

    @property
    def base_head(self) -> Head | None:
        """Whether the base model's head was trained by anyone; None where the base model does not predict too."""
        ...

    @property
    def min_precision(self) -> float | None:
        """The precision by which it abstains; None where it predicts every row."""
        ...

    def note_passes(self, note: Attempts) -> None:
        """Note each pass before it is computed; try none that an earlier process may have died of."""

    def as_read(self, row: Row) -> Hashable | None:
        """The tokens that are read of a row, to be compared; None of what reads words, however many."""
        ...

    def logits(self, rows: Given) -> NDArray[np.float32]:
        """(N, C) float32, in input order: a Scorer."""
        ...

    def predict(self, rows: Given, *, min_precision: float | None = None) -> list[Prediction]:
        """One prediction per row, in order.

        Args:
            rows: one text, any iterable of texts, or of (text, text) tuples for a model of pairs; a mapping of the
                columns that the model was tuned on in the place of any row.
            min_precision: the share of predictions that must be right, as far as validation data can support it;
                rows of which the model is too unsure get no label. None takes the one given when it was loaded.

        Raises:
            DataError: a row is no text, or no pair where the model was tuned on pairs; it names the row.
            SpecError: validation data cannot support that precision.
        """
        ...


def load_predictor(
    path: str | Path,
    *,
    use: str | None = None,
    device: str | None = None,
    with_base: bool = False,
    precision: str | None = None,
    min_precision: float | None = None,
    trust_remote_code: bool = False,
    said: Said = NOTHING,
) -> Predictor:
    """Load the model that a path leads to: a bundle, which needs no torch, an adapter on its base model, or another
    contender of a run.

    Args:
        path: a run, its adapter folder, a merged folder or a bundle.
        use: of a run, a contender's name, or `recommended`. None takes the tuned one, but where the verdict says that
            it is worse than the recommended one.
        device: as in ModelSpec.
        with_base: predict with the base model as well.
        precision: one of PRECISIONS, or FASTEST; None takes float32 on a CPU, and the precision of training on a GPU.
        min_precision: the share of predictions that must be right; rows of which the model is too unsure get no label.
        trust_remote_code: run Python code of the model's own, where it needs some: read it first.
        said: what the user says of a model that others saved: see `find_model`.

    Raises:
        ModelError: the model needs code of its own, and it was not allowed; or another's base is not at hand.
        ArtifactError: the path leads to no tuned model, or it is damaged, or its base model has changed.
        SpecError: an unknown precision, an unknown contender, an option that the model cannot follow, or a
            min_precision that validation data cannot support.
    """
    options: dict[str, Any] = {
        "device": device,
        "with_base": with_base,
        "precision": precision,
        "min_precision": min_precision,
        "trust_remote_code": trust_remote_code,
        "said": replace(said, trust_remote_code=trust_remote_code),
    }
    check_precision(precision, (*PRECISIONS, FASTEST))
    model = locate_model(path, use=use, said=options["said"])
    predictor: Bundle | AdapterPredictor
    if model.kind == "bundle":
        refuse_options(device=device, with_base=with_base, precision=precision)
        predictor = Bundle.open(model.folder, min_precision=min_precision)
    else:
        adapter = partial(AdapterPredictor.open, card=model.card)
        other = partial(AdapterPredictor.open_contender, why=model.note)
        opener = adapter if model.kind == "adapter" else other
        with _LOADING:
            predictor = opener(
                model.folder,
                device=device,
                with_base=with_base,
                precision=precision,
                min_precision=min_precision,
                trust_remote_code=trust_remote_code,
            )
        predictor.contender = model.contender
    predictor.note = model.note
    if model.card is not None and Path(model.card.base).is_dir():  # which may have been named from where we are
        options["said"] = replace(options["said"], bases=(model.card.base,))
    predictor.origin = Origin(str(Path(at_hand(path)).resolve()), {"use": use, **options}, model.files, places())
    return predictor


class AdapterPredictor(Reloadable):
    """An adapter on its base model, a fully tuned or merged model, or another contender of a run: a Predictor.

    It needs torch, but for contenders that read words alone.

    A model, its tokenizer and torch's number of threads have state while they compute, so that calls from several
    threads take turns.

    Attributes:
        card: what the model says of itself: thresholds, cutoffs, and more.
        min_precision: the default of `predict`.
        contender: which one of its run.
        note: what to say of that choice; empty where it is the tuned model.
    """

    contender, note = "tuned", ""

    def __init__(
        self,
        classifier: Classifier | SavedContender,
        card: AdapterCard | ContenderCard,
        *,
        base: Classifier | None = None,
        min_precision: float | None = None,
    ) -> None:
        self._classifier, self._base, self.card, self.min_precision = classifier, base, card, min_precision
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
        from liftune.models.attach import attach
        from liftune.models.backbone import reload_backbone
        from liftune.models.trust import check_code

        card = card or read_card(folder)
        check_code(card, allowed=trust_remote_code, asked_by=folder / CARD)
        if min_precision is not None:
            cutoff_for(card.cutoffs, min_precision)  # refused before the model is loaded
        plan = prediction_plan(device, precision)
        base = None
        if with_base:
            # With the head that it had before tuning, its outputs in the adapter's order of labels.
            backbone = reload_backbone(card, seed=0, plan=plan, trust_remote_code=trust_remote_code)
            base = attach(backbone, None, plan=plan)
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
        if min_precision is not None:
            cutoff_for(card.cutoffs, min_precision)
        if card.base is None:
            refuse_torch_options(card.name, why, device=device, with_base=with_base, precision=precision)
            return cls(open_contender(folder), card, min_precision=min_precision)
        need(*EXTRAS["tune"])
        opened = open_contender(folder, plan=prediction_plan(device, precision), trust_remote_code=trust_remote_code)
        return cls(opened, card, base=opened.base if with_base else None, min_precision=min_precision)

    @property
    def pairs(self) -> bool:
        """Whether it was tuned on text pairs."""
        return self.card.pairs

    @property
    def columns(self) -> TextColumns | None:
        """Where its texts were read from."""
        return self.card.columns

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `logits`."""
        return self._classifier.labels

    @property
    def task(self) -> TaskKind:
        """What it predicts."""
        return self._classifier.task

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """Of each label, the probability from which on it is predicted; None is one half."""
        return self.card.thresholds

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
    def logits(self, rows: Given) -> NDArray[np.float32]:
        """(N, C) float32, in input order: a Scorer."""
        return self._logits(self._classifier, rows_of(rows, pairs=self.pairs, columns=self.columns))

    @worded
    def features(self, rows: Given) -> NDArray[np.float32] | None:
        """(N, D) float32, what the model's last layer reads; None of a contender that reads words alone."""
        given = rows_of(rows, pairs=self.pairs, columns=self.columns)
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
        """One prediction per row, in order; see Predictor.predict."""
        given = rows_of(rows, pairs=self.pairs, columns=self.columns)
        precision = self.min_precision if min_precision is None else min_precision
        above = None if precision is None else cutoff_for(self.card.cutoffs, precision).above
        predictions = self._predictions(self._classifier, given, self.card.thresholds, above)
        if self.contender != "tuned":
            predictions = [replace(each, contender=self.contender) for each in predictions]
        if self._base is None:
            return predictions
        bases = self._predictions(self._base, given, self.card.base_thresholds, None)
        return [replace(each, base=base) for each, base in zip(predictions, bases, strict=True)]

    def _predictions(
        self,
        classifier: Classifier | SavedContender,
        rows: Sequence[Row],
        thresholds: ThresholdValues | None,
        above: float | None,
    ) -> list[Prediction]:
        return predictions_of_logits(
            rows,
            self._logits(classifier, rows),
            labels=self.labels,
            task=self.task,
            thresholds=thresholds,
            above=above,
        )

    def _logits(self, classifier: Classifier | SavedContender, rows: Sequence[Row]) -> NDArray[np.float32]:
        with self._computing:
            return classifier.logits(rows)


def check_precision(name: str | None, known: Sequence[str]) -> None:
    """Refuse a precision that is not one of the known.

    Raises:
        SpecError: naming them.
    """
    if name is not None:
        choose(name, known, "precision", "--precision")
