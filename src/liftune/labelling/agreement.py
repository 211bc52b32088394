"""What several people said of one row, as one label.

In: targets of one row.  Out: the one that most gave, or None.
Not here: reading what they said (given_labels.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from liftune.tasks import Task
from liftune.types import Target


def agreed(task: Task, given: Sequence[Target]) -> Target | None:
    """The label that more people gave than any other; of values the median; None where no label leads.

    >>> from liftune.tasks import TaskKind, task_of
    >>> one, value = task_of(TaskKind.SINGLE_LABEL), task_of(TaskKind.REGRESSION)
    >>> agreed(one, ["a", "b", "a"]), agreed(one, ["a", "b"]), agreed(value, [1.0, 2.0, 9.0])
    ('a', None, 2.0)
    """
    if task.shape == "value":
        return float(median(float(each) for each in given if not isinstance(each, tuple)))
    (first, most), *others = Counter(given).most_common()
    return None if others and others[0][1] == most else first
