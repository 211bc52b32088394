"""From a path to something that predicts: `load_predictor`.

In: a path to a run, its adapter folder, a merged folder or a bundle.  Out: a Predictor.
Not here: what a path leads to (locate.py), what a Predictor does (predictor.py), its kinds (adapter_predictor.py;
onnx_bundle.py, which needs no torch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from liftune.errors import choose
from liftune.hardware.plan import PRECISIONS
from liftune.inference.adapter_predictor import AdapterPredictor
from liftune.inference.loading import FASTEST
from liftune.inference.locate import SavedModel, locate_model
from liftune.inference.onnx_bundle import Bundle, refuse_options
from liftune.inference.predictor import Predictor
from liftune.inference.reload import Origin
from liftune.models.foreign.said import NOTHING, Said
from liftune.models.hub import at_hand
from liftune.models.moved_bases import places

#: Loading sets what all threads share: warnings, torch's default precision, the initialisation of modules.
_LOADING = Lock()


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
    }
    said = replace(said, trust_remote_code=trust_remote_code)
    check_precision(precision, (*PRECISIONS, FASTEST))
    model = locate_model(path, use=use, said=said)
    predictor = _opened_bundle(model, options) if model.kind == "bundle" else _opened_adapter(model, options)
    predictor.note = model.note
    if model.card is not None and Path(model.card.base).is_dir():  # which may have been named from where we are
        said = replace(said, bases=(model.card.base,))
    asked = {"use": use, **options, "said": said}
    predictor.origin = Origin(str(Path(at_hand(path)).resolve()), asked, model.files, places())
    return predictor


def _opened_bundle(model: SavedModel, options: dict[str, Any]) -> Predictor:
    refuse_options(**{name: options[name] for name in ("device", "with_base", "precision")})
    return Bundle.open(model.folder, min_precision=options["min_precision"])


def _opened_adapter(model: SavedModel, options: dict[str, Any]) -> Predictor:
    """An adapter on its base model, or another contender."""
    adapter = partial(AdapterPredictor.open, card=model.card)
    other = partial(AdapterPredictor.open_contender, why=model.note)
    opener = adapter if model.kind == "adapter" else other
    with _LOADING:
        predictor = opener(model.folder, **options)
    predictor.contender = model.contender
    return predictor


def check_precision(name: str | None, known: Sequence[str]) -> None:
    """Refuse a precision that is not one of the known.

    Raises:
        SpecError: naming them.
    """
    if name is not None:
        choose(name, known, "precision", "--precision")
