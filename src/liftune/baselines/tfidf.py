"""Baselines that read no pretrained model: the majority prediction, and a linear model on tf-idf counts.

In: splits.  Out: Scorers, with the number of coefficients that were fitted.
Not here: the probe on a model's features (linear_probe.py), scoring (evaluation/evaluate.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.linear_models import BestFit, Linear, choose_strength
from liftune.baselines.soft_labels import BaselineFit
from liftune.data.splits import Splits
from liftune.errors import DataError, need
from liftune.metrics.registry import check_metric
from liftune.tasks import task_of
from liftune.types import FloatArray, Row

#: Of n-grams, in the order of their columns; the second is left out where texts are long.
KINDS = ("words", "characters")
#: Inverse strengths along the path; rows have unit length, so useful ones lie well above those of dense features.
_STRENGTHS = (0.1, 1.0, 3.0, 10.0, 30.0, 100.0)
#: The same for ridge, whose loss grows with the target's square.
_RIDGE_STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)
#: Characters of train text above which character n-grams are not tried: they take ten times the words' time.
_MOST_CHARACTERS = 2_000_000
#: Texts from which on an n-gram must occur in two of them: before, all are needed; after, most n-grams occur once.
_RARE_NGRAMS_FROM = 1_000
#: Coefficients of the largest model; the vocabulary keeps the most frequent n-grams that fit.
_MOST_COEFFICIENTS = 3_000_000


@dataclass(frozen=True)
class Majority:
    """Predicts the same for every row."""

    constant: NDArray[np.float32]
    """(C,) logits: the log of the labels' share of train; one value for regression."""

    def logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """(N, C) float32, all rows alike."""
        return np.tile(self.constant, (len(rows), 1))

    @property
    def trainable_parameters(self) -> int:
        """One share for each label, or one mean."""
        return int(self.constant.size)


def majority(splits: Splits) -> Majority:
    """The best constant logits on train: see `Task.prior_logits`."""
    return Majority(task_of(splits.task).prior_logits(splits.encoded(splits.train), splits.outputs))


@dataclass(frozen=True)
class Tfidf:
    """A linear model on tf-idf weighted n-grams."""

    ngrams: Ngrams
    model: Linear
    strength: float
    score: tuple[float, float]
    """On validation, the metric signed so that higher is better, then minus the loss."""

    def logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """(N, C) float32."""
        return self.model.logits(self.ngrams.features(rows))

    @property
    def trainable_parameters(self) -> int:
        """Coefficients and biases."""
        return self.model.parameters

    def baseline_fit(self, train: Sequence[Row]) -> BaselineFit:
        """What it stands on, for fits that leave some of train's rows out."""
        return BaselineFit("tfidf", self.ngrams.features(train), self.strength, self.score)


def tfidf(splits: Splits, metric: str | None = None) -> Tfidf:
    """Logistic regression (one-vs-rest for multi-label, ridge for regression) on tf-idf, chosen on validation, fitted
    on train.

    Words and word pairs, and where the texts are not long also character n-grams of 3 to 5; the better kind and its
    strength are what validation says by `metric` (None: the task's default), ties settled by the loss.
    """
    need("sklearn")
    measure = check_metric(metric, splits.task)
    outputs = splits.outputs
    targets = [splits.encoded(part) for part in (splits.train, splits.validation)]
    best: tuple[Ngrams, BestFit] | None = None
    strengths: Sequence[float] = _STRENGTHS if task_of(splits.task).has_probabilities else _RIDGE_STRENGTHS
    for characters in (False, True) if _characters(splits.train.rows) <= _MOST_CHARACTERS else (False,):
        ngrams, features = Ngrams.learn(splits.train.rows, characters=characters, most=_MOST_COEFFICIENTS // outputs)
        train, validation = (features, targets[0]), (ngrams.features(splits.validation.rows), targets[1])
        chosen = choose_strength(train, validation, outputs, splits.task, measure, strengths)
        if best is None or chosen.score > best[1].score:
            best = (ngrams, chosen)
        # More features to a row need no weaker penalty: the words' strength bounds the longer search.
        strengths = [chosen.strength * factor for factor in (0.3, 1.0)]
    assert best is not None
    return Tfidf(best[0], best[1].model, best[1].strength, best[1].score)


def _characters(rows: Sequence[Row]) -> int:
    return sum(len(text) for text in _flat(rows))


@dataclass(frozen=True)
class Ngrams:
    """Turns rows into sparse tf-idf features, with the vocabulary of train.

    A pair becomes both texts, their product, their distance n-gram by n-gram, and their cosine: a linear model of two
    separate bags
    cannot see that they share words.
    """

    vectorizers: tuple[Any, ...]
    pairs: bool

    @classmethod
    def learn(cls, rows: Sequence[Row], *, characters: bool, most: int) -> tuple[Ngrams, Any]:
        """The vocabulary of these rows, and their features (N, D).

        Args:
            characters: whether character n-grams join the words.
            most: features at most; a pair's four blocks share them.

        Raises:
            DataError: no text holds a word or a sign.
        """
        pairs = isinstance(rows[0], tuple)
        texts = _flat(rows)
        shared = {
            "min_df": 2 if len(texts) >= _RARE_NGRAMS_FROM else 1,
            "max_features": max(1_000, most // ((4 if pairs else 1) * (2 if characters else 1))),
        }
        kinds = [_vectorizer(kind, **shared) for kind in (KINDS if characters else KINDS[:1])]
        try:
            vectors = [kind.fit_transform(texts) for kind in kinds]
        except ValueError as error:
            raise DataError(f"tf-idf finds no words in train: {error}", hint="name the text column") from None
        ngrams = cls(tuple(kinds), pairs)
        return ngrams, ngrams._arranged(vectors)

    @classmethod
    def again(cls, terms: Mapping[str, Sequence[str]], idf: Mapping[str, FloatArray], *, pairs: bool) -> Ngrams:
        """From a vocabulary that was learnt before: as of `terms` and `idf`."""
        kinds = []
        for kind, each in terms.items():
            vectorizer = _vectorizer(kind, vocabulary=list(each))
            vectorizer.idf_ = np.asarray(idf[kind], dtype=np.float32)
            kinds.append(vectorizer)
        return cls(tuple(kinds), pairs)

    @property
    def terms(self) -> dict[str, list[str]]:
        """Kind -> its terms, in order of their columns."""
        return {kind: list(each.get_feature_names_out()) for kind, each in zip(KINDS, self.vectorizers, strict=False)}

    @property
    def idf(self) -> dict[str, NDArray[np.float32]]:
        """Kind -> the inverse document frequency of each of its terms."""
        return {
            kind: np.asarray(each.idf_, dtype=np.float32) for kind, each in zip(KINDS, self.vectorizers, strict=False)
        }

    def features(self, rows: Sequence[Row]) -> Any:
        """(N, D) CSR float32."""
        from scipy.sparse import csr_array

        if not rows:
            return csr_array((0, self.width), dtype=np.float32)
        texts = _flat(rows)
        return self._arranged([kind.transform(texts) for kind in self.vectorizers])

    @property
    def width(self) -> int:
        """D."""
        terms = sum(len(kind.vocabulary_) for kind in self.vectorizers)
        return 4 * terms + 1 if self.pairs else terms

    def _arranged(self, vectors: list[Any]) -> Any:
        """Vectors of the flat texts, each vectorizer's own, as features of the rows."""
        from scipy.sparse import csr_array, hstack

        both = csr_array(hstack(vectors))
        if not self.pairs:
            return both
        first, second = both[0::2], both[1::2]
        product = first.multiply(second)
        cosine = csr_array(np.asarray(product.sum(axis=1)).reshape(-1, 1).astype(np.float32))
        return csr_array(hstack([first, second, product, abs(first - second), cosine]))


def _vectorizer(kind: str, **more: Any) -> Any:
    """An unfitted one, of words and word pairs or of characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Single characters count as words: the pattern of scikit-learn drops "I" and every one-sign word of Chinese.
    of_kind: dict[str, dict[str, Any]] = {
        "words": {"ngram_range": (1, 2), "token_pattern": r"(?u)\w+|[^\w\s]"},
        "characters": {"analyzer": "char_wb", "ngram_range": (3, 5)},
    }
    return TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **of_kind[kind], **more)


def _flat(rows: Sequence[Row]) -> list[str]:
    """Texts; the two of a pair one after the other."""
    return [text for row in rows for text in ((row,) if isinstance(row, str) else row)]
