"""From a path to something that predicts: `load_predictor`.

In: a path to a run, its adapter folder, a merged folder or a bundle; rows.  Out: a Predictor; Predictions.
Not here: what a path leads to (locate.py), the Predictors (adapter_predictor.py; onnx_bundle.py, which needs no torch),
files of rows (files.py).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from liftune.errors import choose
from liftune.hardware.memory import Attempts
from liftune.hardware.plan import PRECISIONS
from liftune.inference.adapter_predictor import AdapterPredictor
from liftune.inference.loading import FASTEST
from liftune.inference.locate import locate_model
from liftune.inference.onnx_bundle import Bundle, refuse_options
from liftune.inference.prediction import Prediction
from liftune.inference.reload import Origin
from liftune.inference.rows import Given
from liftune.models.foreign.said import NOTHING, Said
from liftune.models.hub import at_hand
from liftune.models.moved_bases import places
from liftune.records.base import Head, TextColumns
from liftune.tasks import TaskKind
from liftune.types import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


def check_precision(name: str | None, known: Sequence[str]) -> None:
    """Refuse a precision that is not one of the known.

    Raises:
        SpecError: naming them.
    """
    if name is not None:
        choose(name, known, "precision", "--precision")
