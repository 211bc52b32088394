"""A scikit-learn classifier of texts: fit, predict, predict_proba, score; in pipelines, searches and cross-validation.

In: texts or a data frame, labels.  Out: LiftuneClassifier.
Not here: any work; it calls `liftune.tune` and `liftune.load`.

    >>> from liftune.sklearn import LiftuneClassifier
    >>> LiftuneClassifier(epochs=2, lr=3e-4)
    LiftuneClassifier(epochs=2, lr=0.0003)
"""

from __future__ import annotations

from liftune.errors import EXTRAS, need

need(*EXTRAS["tune"])  # says what to install, where scikit-learn is missing

from liftune.sklearn.classifier import NOT_PARAMETERS, PARAMETERS, LiftuneClassifier  # noqa: E402

__all__ = ["NOT_PARAMETERS", "PARAMETERS", "LiftuneClassifier"]
