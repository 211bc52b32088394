"""Few rows of many terms, as rows of fewer columns with the same inner products.

In: features (N, D), dense or scipy CSR.  Out: the same, or (N, N) float32 where that is less to compute with.
Not here: fitting (linear_models.py).

A linear model with a squared penalty on its weights, fitted to some of the rows, gives any of them logits that depend
on the rows' inner products alone (the representer theorem: Schoelkopf, Herbrich and Smola, 2001), and so does each step
of L-BFGS that begins at zero. So the terms of tf-idf, thousands a label, may be replaced by the rows of a root of the
matrix of inner products. The weights are then no longer those of terms: this is for fits of which the logits alone are
wanted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Rows at most: products with dense rows take longer beyond.
MOST_ROWS = 2_000
#: Columns a row from which it pays.
LEAST_COLUMNS = 4
#: Added to the diagonal: of rows that are alike there is no root. What float32 cannot tell from 1.
RIDGE = 1e-8


def in_fewer_columns(features: Any) -> Any:
    """The rows of a lower triangular root of their inner products, where they are few and sparse."""
    rows, columns = features.shape
    if isinstance(features, np.ndarray) or rows > MOST_ROWS or columns < LEAST_COLUMNS * rows:
        return features
    wide = features.astype(np.float64)
    products = (wide @ wide.T).toarray()
    largest = float(products.diagonal().max(initial=0.0))
    products[np.diag_indices(rows)] += RIDGE * (largest or 1.0)
    return np.linalg.cholesky(products).astype(np.float32)
