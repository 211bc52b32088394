"""Task kinds: what a target is, how logits become probabilities and predictions, which metric decides.

In: a TaskKind.  Out: its Task.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from liftune.tasks.base import Task, TaskKind, ThresholdValues

__all__ = ["Task", "TaskKind", "ThresholdValues", "task_of"]


@cache
def task_of(kind: TaskKind) -> Task:
    """The task of that kind: `TASK` of the module named like the kind.

    >>> task_of(TaskKind.REGRESSION).default_metric
    'pearson'
    """
    task = import_module(f"{__name__}.{kind.value}").TASK
    assert isinstance(task, Task)
    return task
