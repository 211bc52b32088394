"""A workflow as named stages: what each one writes, and what its outcome depends on.

In: a RunContext.  Out: a fingerprint for each stage.
Not here: the stages of `tune` (tune_stages.py), carrying them out (tune.py).

Every stage of a run that goes on runs again; what is slow in it is read back (memo.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from liftune.data.answers import Answers
from liftune.data.descriptions import Descriptions
from liftune.data.splits import Splits
from liftune.versions import versions

if TYPE_CHECKING:  # brings torch, which a fingerprint does not need
    from liftune.workflows.context import RunContext

State = TypeVar("State")


@dataclass(frozen=True)
class Stage(Generic[State]):
    """One step of a workflow: it takes what is known so far, and returns it with its own results.

    Args:
        name: as listeners hear it.
        run: must not change its argument, but for the ladder, which grows.
        outputs: files in the run folder, by their paths there.
        depends_on: names of facts: `rows`, `metric`, `plan`, or a part of the spec such as `train` or `data.seed`.
    """

    name: str
    run: Callable[[State], State]
    outputs: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()

    def fingerprint(self, context: RunContext) -> str:
        """sha256 over the facts that the stage depends on, and the versions of the packages that compute."""
        facts = {name: fact(name, context) for name in self.depends_on}
        text = json.dumps({"stage": self.name, "facts": facts, "versions": versions()}, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def fact(name: str, context: RunContext) -> Any:
    """A fact that a stage may depend on, as JSON can hold it.

    >>> from types import SimpleNamespace
    >>> fact("metric", SimpleNamespace(metric="accuracy"))
    'accuracy'
    """
    if name == "rows":
        return rows_fingerprint(context.splits)
    if name == "metric":
        return context.metric
    if name == "plan":
        plan = context.plan
        return [plan.device, plan.dtype, plan.inference_dtype, plan.attention, sorted(plan.accelerations)]
    value: Any = context.spec
    for part in name.split("."):
        value = getattr(value, part)
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def rows_fingerprint(splits: Splits) -> str:
    """sha256 over every row of every split, with its id, target, group and kept columns, and over the labels."""
    digest = hashlib.sha256(json.dumps([splits.task.value, splits.labels, splits.unseen, splits.pairs]).encode())
    for split in (splits.train, splits.validation, splits.test):
        digest.update(b"\nsplit\n")
        groups = split.groups or (None,) * len(split)
        for each in zip(split.ids, split.rows, split.targets, groups, strict=True):
            digest.update(json.dumps(each).encode() + b"\n")
        for column in split.kept:
            digest.update(json.dumps([column.name, column.values]).encode() + b"\n")
    return digest.hexdigest()


def outside_fingerprint(answers: Sequence[Answers], descriptions: Descriptions | None) -> str:
    """sha256 over answers and descriptions from elsewhere; empty where there are none."""
    if not answers and descriptions is None:
        return ""
    of_answers = [
        [each.name, sorted(each.targets.items()), each.labels, sorted((each.shares or {}).items())] for each in answers
    ]
    of_labels = sorted(descriptions.texts.items()) if descriptions else []
    return hashlib.sha256(json.dumps([of_answers, of_labels], default=list).encode()).hexdigest()
