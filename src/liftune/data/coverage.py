"""What the rows cannot show: labels with too few of them, a part with one target only, an imbalance.

In: the parts of a run.  Out: a Coverage.
Not here: what it means for a metric, in words (reports/sections/coverage.py), leaks and duplicates (audit.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from liftune.data.splits import Split
from liftune.records.data import Coverage

#: Rows of a label from which on its own score says something: with 9 of 10 right, its interval is still 0.55 to 1.
ENOUGH_ROWS = 10
#: A label is rare where it has less than this share of the rows of the most frequent one.
RARE = 0.1


def coverage(train: Split, validation: Split, test: Split) -> Coverage:
    """How well the rows cover the labels. A part without rows is not judged; neither are the labels of a regression.

    A label counts in a part where it is in train or in that part.
    """
    counts = {name: rows_by_label(part) for name, part in (("validation", validation), ("test", test)) if len(part)}
    of_train = rows_by_label(train)
    known = {name: {*of_train, *each} for name, each in counts.items()}
    only = {name: part.targets[0] for name, part in (("validation", validation), ("test", test)) if _one_target(part)}
    most, rows = max(of_train.items(), key=lambda each: (each[1], each[0]), default=("", 0))
    return Coverage(
        labels={name: len(each) for name, each in known.items() if each},
        few={
            name: few
            for name, each in known.items()
            if (few := _fewest(((label, counts[name][label]) for label in each), below=ENOUGH_ROWS))
        },
        only=only,
        most_frequent=most,
        share=rows / len(train) if rows else 0.0,
        rare=_fewest(of_train.items(), below=RARE * rows),
    )


def rows_by_label(part: Split) -> Counter[str]:
    """Rows that carry each label; none for a regression."""
    counts: Counter[str] = Counter()
    for target in part.targets:
        counts.update((target,) if isinstance(target, str) else target if isinstance(target, tuple) else ())
    return counts


def _fewest(counts: Iterable[tuple[str, int]], *, below: float) -> dict[str, int]:
    return dict(sorted((each for each in counts if each[1] < below), key=lambda each: (each[1], each[0])))


def _one_target(part: Split) -> bool:
    return len(part) > 1 and len(set(part.targets)) == 1
