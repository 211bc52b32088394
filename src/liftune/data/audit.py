"""What the rows say of themselves before any model sees them: repeats, conflicts, leaks, labels that train lacks.

In: the parts of a run.  Out: an Audit.  Not here: rows that cannot be read (examples.py), likely mislabels.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable

from liftune.data.rows import Split
from liftune.record import Audit
from liftune.seam import Row, Target


def audit(
    train: Split,
    validation: Split,
    test: Split,
    *,
    carved_validation: bool,
    skipped_rows: int = 0,
    notes: Iterable[str] = (),
) -> Audit:
    """The audit of the rows that a run uses. Texts are compared to the letter, pairs as pairs.

    Args:
        carved_validation: validation was taken from train, so that a test row in it leaks as one in train does.
    """
    seen = set(train.rows)
    known = seen | set(validation.rows) if carved_validation else seen
    leaked = tuple(id_ for id_, row in zip(test.ids, test.rows, strict=True) if row in known)
    return Audit(
        leaked_test_rows=len(leaked),
        leaked_validation_rows=sum(row in seen for row in validation.rows),
        duplicate_train_rows=len(train) - len(seen),
        conflicting_rows=_conflicting(train),
        skipped_rows=skipped_rows,
        unseen_labels=_unseen(train, validation, test),
        leaked_ids=leaked,
        notes=tuple(notes),
    )


def labels_of(split: Split) -> set[str]:
    """Every label that occurs in a part; none for a regression."""
    return {label for target in split.targets for label in _labels(target)}


def fingerprint(test: Split) -> str:
    """sha256 over the test rows' ids, texts and targets: two runs with one fingerprint answered the same questions."""
    digest = hashlib.sha256()
    for each in zip(test.ids, test.rows, test.targets, strict=True):
        digest.update(json.dumps(each).encode() + b"\n")
    return digest.hexdigest()


def _labels(target: Target) -> tuple[str, ...]:
    if isinstance(target, str):
        return (target,)
    return target if isinstance(target, tuple) else ()


def _conflicting(train: Split) -> int:
    targets: dict[Row, set[Target]] = defaultdict(set)
    for row, target in zip(train.rows, train.targets, strict=True):
        targets[row].add(target)
    return sum(len(targets[row]) > 1 for row in train.rows)


def _unseen(train: Split, validation: Split, test: Split) -> dict[str, int]:
    seen = labels_of(train)
    counts = Counter(
        label
        for split in (validation, test)
        for target in split.targets
        for label in _labels(target)
        if label not in seen
    )
    return dict(sorted(counts.items()))
