"""Baselines on disk: plain arrays and JSON, nothing that could run code when it is read.

    weights.safetensors      tf-idf: idf of each kind of n-gram, weight, bias; probe: weight, bias, mean, spread
    vocabulary.json          tf-idf: the terms of each kind of n-gram, in order of their columns

In: a fitted baseline and a folder.  Out: files and settings; the same baseline again.
Not here: the card beside them (records/contender.py), the model whose features a probe reads (models/frozen.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.linear_models import Linear
from liftune.baselines.linear_probe import LinearProbe, Scale
from liftune.baselines.tfidf import Majority, Ngrams, Tfidf
from liftune.errors import need
from liftune.files import safetensor_errors
from liftune.json_text import parse_json

Baseline: TypeAlias = Majority | Tfidf | LinearProbe
WEIGHTS, VOCABULARY = "weights.safetensors", "vocabulary.json"
#: A baseline that was read from disk is not chosen among others: its score on validation is the record's to tell.
_NO_SCORE = (float("nan"), float("nan"))


def save_baseline(model: Baseline, folder: Path) -> dict[str, Any]:
    """Write a baseline's arrays.

    Returns:
        the rest of it, for its card.
    """
    if isinstance(model, Majority):
        return {"constant": model.constant.tolist()}
    from safetensors.numpy import save_file

    arrays = {"weight": model.model.weight, "bias": model.model.bias}
    settings: dict[str, Any] = {"strength": model.strength}
    if isinstance(model, Tfidf):
        ngrams = model.ngrams
        arrays |= {f"idf.{kind}": idf for kind, idf in ngrams.idf.items()}
        settings |= {"pairs": ngrams.pairs}
        (folder / VOCABULARY).write_text(json.dumps(ngrams.terms), encoding="utf-8")
    else:
        arrays |= {"mean": model.scale.mean, "spread": model.scale.spread}
        settings |= {"pooling": model.pooling, "scaling": model.scale.kind, "norm": model.scale.norm}
    with safetensor_errors():
        save_file({name: np.ascontiguousarray(each) for name, each in arrays.items()}, folder / WEIGHTS)
    return settings


def read_majority(settings: dict[str, Any]) -> Majority:
    """As `save_baseline` wrote it."""
    return Majority(np.asarray(settings["constant"], dtype=np.float32))


def read_tfidf(settings: dict[str, Any], folder: Path) -> Tfidf:
    """As `save_baseline` wrote it.

    Raises:
        OSError, ValueError, KeyError, SafetensorError: a file is missing or damaged.
    """
    need("sklearn", "safetensors")
    arrays = _arrays(folder)
    terms = parse_json((folder / VOCABULARY).read_bytes())
    idf = {kind: arrays[f"idf.{kind}"] for kind in terms}
    ngrams = Ngrams.again(terms, idf, pairs=bool(settings["pairs"]))
    model = Linear(arrays["weight"], arrays["bias"])
    if model.weight.shape[1] != ngrams.width:
        raise ValueError(f"{VOCABULARY} has {ngrams.width} columns, {WEIGHTS} {model.weight.shape[1]}")
    return Tfidf(ngrams, model, float(settings["strength"]), _NO_SCORE)


def read_probe(settings: dict[str, Any], folder: Path) -> LinearProbe:
    """As `save_baseline` wrote it.

    Raises:
        OSError, ValueError, KeyError, SafetensorError: a file is missing or damaged.
    """
    need("safetensors")
    arrays = _arrays(folder)
    scale = Scale(settings["scaling"], arrays["mean"], arrays["spread"], float(settings["norm"]))
    model = Linear(arrays["weight"], arrays["bias"])
    return LinearProbe(settings["pooling"], scale, model, float(settings["strength"]), _NO_SCORE)


def _is_sound(name: str, values: NDArray[Any]) -> bool:
    """Numbers; but what a probe divides a feature by is infinite where the feature is the same in every row."""
    return not np.isnan(values).any() if name == "spread" else bool(np.isfinite(values).all())


def _arrays(folder: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    arrays = dict(load_file(folder / WEIGHTS))
    broken = next((name for name, each in arrays.items() if not _is_sound(name, each)), None)
    if broken is not None:
        raise ValueError(f"{broken} in {WEIGHTS} is not finite")
    return arrays
