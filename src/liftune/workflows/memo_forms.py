"""The written form of each outcome that a run keeps, and the outcome again.

In: fitted baselines, soft labels, label errors, logits.  Out: an Outcome; the same values, to the last bit.
Not here: where outcomes are kept (memo.py), the contenders that a finished run keeps (baselines/saved.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.linear_models import Linear
from liftune.baselines.linear_probe import LinearProbe, Scale
from liftune.baselines.soft_labels import SoftLabels
from liftune.baselines.tfidf import Ngrams, Tfidf
from liftune.diagnostics.label_errors import LabelErrors
from liftune.records.data import LabelError, LabelErrorSummary, Shift
from liftune.workflows.memo import Outcome

#: A fit, and the seconds that it took.
Timed = tuple[Any, float]
#: Logits, features by pooling, and the seconds that they took.
Pass = tuple[NDArray[np.float32], dict[str, NDArray[np.float32]], float]


def pack_tfidf(timed: tuple[Tfidf, float]) -> Outcome:
    """Vocabulary, idf, weights."""
    fit, seconds = timed
    arrays = {"weight": fit.model.weight, "bias": fit.model.bias}
    arrays |= {f"idf.{kind}": idf for kind, idf in fit.ngrams.idf.items()}
    values = {"terms": fit.ngrams.terms, "pairs": fit.ngrams.pairs, "strength": fit.strength, "score": fit.score}
    return Outcome({**values, "seconds": seconds}, arrays)


def unpack_tfidf(kept: Outcome) -> tuple[Tfidf, float]:
    """The fit again."""
    values = kept.values
    idf = {kind: kept[f"idf.{kind}"] for kind in values["terms"]}
    ngrams = Ngrams.again(values["terms"], idf, pairs=values["pairs"])
    fit = Tfidf(ngrams, Linear(kept["weight"], kept["bias"]), values["strength"], _score(values))
    return fit, values["seconds"]


def pack_probe(timed: tuple[LinearProbe, float]) -> Outcome:
    """Scale and weights."""
    fit, seconds = timed
    arrays = {"weight": fit.model.weight, "bias": fit.model.bias, "mean": fit.scale.mean, "spread": fit.scale.spread}
    values = {"pooling": fit.pooling, "scaling": fit.scale.kind, "norm": fit.scale.norm, "strength": fit.strength}
    return Outcome({**values, "score": fit.score, "seconds": seconds}, arrays)


def unpack_probe(kept: Outcome) -> tuple[LinearProbe, float]:
    """The fit again."""
    values = kept.values
    scale = Scale(values["scaling"], kept["mean"], kept["spread"], values["norm"])
    model = Linear(kept["weight"], kept["bias"])
    return LinearProbe(values["pooling"], scale, model, values["strength"], _score(values)), values["seconds"]


def _score(values: dict[str, Any]) -> tuple[float, float]:
    first, second = values["score"]
    return float(first), float(second)


def pack_pass(read: Pass) -> Outcome:
    """One pass of the base model over a split."""
    logits, features, seconds = read
    return Outcome(
        {"seconds": seconds, "poolings": list(features)},
        {"logits": logits, **{f"features.{name}": each for name, each in features.items()}},
    )


def unpack_pass(kept: Outcome) -> Pass:
    """The same, poolings in their order, on which ties depend."""
    features = {name: kept[f"features.{name}"] for name in kept.values["poolings"]}
    return kept["logits"], features, kept.values["seconds"]


def pack_soft_labels(soft: SoftLabels | None) -> Outcome:
    """None is an outcome too."""
    if soft is None:
        return Outcome()
    return Outcome({"name": soft.name, "score": soft.score, "temperature": soft.temperature}, {"targets": soft.targets})


def unpack_soft_labels(kept: Outcome) -> SoftLabels | None:
    """The same again."""
    return None if kept.values is None else SoftLabels(targets=kept["targets"], **kept.values)


def pack_label_errors(found: LabelErrors | None) -> Outcome:
    """None is an outcome too."""
    if found is None:
        return Outcome()
    listed = [each.model_dump(mode="json") for each in found.listed]
    return Outcome({"summary": found.summary.model_dump(mode="json"), "listed": listed, "flagged": found.flagged})


def unpack_label_errors(kept: Outcome) -> LabelErrors | None:
    """The same again."""
    if kept.values is None:
        return None
    listed = tuple(LabelError.model_validate(each) for each in kept.values["listed"])
    return LabelErrors(LabelErrorSummary.model_validate(kept.values["summary"]), listed, tuple(kept.values["flagged"]))


def pack_shift(found: Shift | None) -> Outcome:
    """None is an outcome too."""
    return Outcome(None if found is None else found.model_dump(mode="json"))


def unpack_shift(kept: Outcome) -> Shift | None:
    """The same again."""
    return None if kept.values is None else Shift.model_validate(kept.values)
