"""Evaluations made up from logits, hits or counts of rows, for tests of scores and comparisons.

In: arrays.  Out: Evaluations.  Not here: assertions, runs on disk (made_runs.py).
"""

import numpy as np

from liftune.evaluation.evaluate import Evaluation
from liftune.tasks import TaskKind


def evaluation(name, logits, targets, task=TaskKind.SINGLE_LABEL, **more):
    logits = np.asarray(logits, dtype=np.float32)
    labels = tuple("abcdefgh"[: logits.shape[1]]) if task is not TaskKind.REGRESSION else ()
    facts = {
        "labels": labels,
        "unseen": (),
        "ids": tuple(f"test:{i}" for i in range(len(logits))),
        "fingerprint": "same",
    }
    return Evaluation(name=name, task=task, logits=logits, targets=np.asarray(targets), **{**facts, **more})


def answering(name, hits, **more):
    """A contender of two labels that answers these rows rightly and the others wrongly."""
    hits = np.asarray(hits, dtype=bool)
    targets = np.arange(len(hits)) % 2
    return evaluation(name, np.eye(2)[np.where(hits, targets, 1 - targets)], targets, **more)


def from_counts(both, lost, won, neither):
    base = np.repeat([True, True, False, False], [both, lost, won, neither])
    tuned = np.repeat([True, False, True, False], [both, lost, won, neither])
    return answering("base", base), answering("tuned", tuned)
