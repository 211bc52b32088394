"""What a user says of a model that others saved, where its files do not.

In: options of a command.  Out: a Said.  Not here: what is made of it (card.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from liftune.errors import choose
from liftune.option_values import several
from liftune.tasks import TaskKind


@dataclass(frozen=True)
class Said:
    """Options that name what liftune's own card would hold; of liftune's own models none of them changes anything."""

    label_names: tuple[str, ...] = ()
    """Of the head's outputs, in order."""
    task: TaskKind | None = None
    bases: tuple[str, ...] = ()
    """Folders or hub ids of base models that are no longer where they were."""
    sole: bool = True
    """Whether there is one model, whose base it is that is named."""
    pairs: bool = False
    """Whether it is to read pairs of texts: no file says so."""
    max_length: int | None = None
    """Tokens read of each text."""
    long: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """How longer texts are read: options of a ModelSpec."""
    trust_remote_code: bool = False
    """Whether Python code of the model's own may run: no file says so."""


#: Nothing was said.
NOTHING = Said()


def said_of(label_names: Sequence[str] | str | None, task: str | None) -> Said:
    """What options say, as they were typed or given in Python.

    Raises:
        SpecError: there is no such kind of task.

    >>> said_of("neg,pos", "single_label").label_names
    ('neg', 'pos')
    """
    names = several(label_names) if label_names else ()
    kind = None
    if task is not None:
        kind = TaskKind(choose(task.replace("-", "_"), list(TaskKind), "kind of task", "--task"))
    return Said(tuple(names), kind)
