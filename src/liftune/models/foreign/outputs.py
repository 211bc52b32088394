"""What the outputs of a model that others saved mean: the kind of task, and the labels' names.

In: config.json of the model or of its base, the number of outputs, what the user says.  Out: an Outputs, or a question
to the user.
Not here: how many outputs an adapter's head has (heads.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liftune.errors import ModelError, SpecError, first_of, pasted
from liftune.models.foreign.said import Said
from liftune.option_values import joined_fields
from liftune.tasks import TaskKind, task_of

_NO_NAME = re.compile(r"LABEL_\d+")
#: Names that a message shows at most.
_SHOWN = 5


@dataclass(frozen=True)
class Outputs:
    """What they mean, and why that was taken."""

    task: TaskKind
    labels: tuple[str, ...]
    why_task: str
    why_labels: str


def names_in(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels that a config.json names, in order of the outputs; those without a name are LABEL_0, ..., as in
    transformers, whose default is two."""
    named = config.get("id2label")
    if isinstance(named, dict) and named:
        try:
            return tuple(str(named[key]) for key in sorted(named, key=int))
        except ValueError:
            pass
    number = config.get("num_labels")
    return unnamed(number if isinstance(number, int) and 0 < number < 1 << 20 else 2)


def unnamed(number: int) -> tuple[str, ...]:
    """Names of so many outputs that nobody named."""
    return tuple(f"LABEL_{i}" for i in range(number))


def outputs_of(number: int, configs: Mapping[str, Mapping[str, Any]], said: Said, *, where: str) -> Outputs:
    """The meaning of so many outputs.

    Args:
        configs: what it is -> the config.json; the first that speaks of so many outputs counts.
        where: the model's folder, for messages.

    Raises:
        SpecError: what the user says does not fit the head.
        ModelError: outputs that liftune has no kind of task for.
    """
    fitting = {what: config for what, config in configs.items() if len(names_in(config)) == number}
    task, why = _task(number, fitting, said, where)
    if not task_of(task).outputs_labels:
        if said.label_names:
            raise SpecError(
                f"{where} predicts numbers: its outputs have no names", where="--label-names", hint="leave it out"
            )
        return Outputs(task, (), why, "")
    labels, source = _labels(number, fitting, said, where)
    return Outputs(task, labels, why, source)


def _task(number: int, configs: Mapping[str, Mapping[str, Any]], said: Said, where: str) -> tuple[TaskKind, str]:
    kinds = {task_of(kind).problem_type: kind for kind in TaskKind}
    problem, source = next(
        ((config["problem_type"], what) for what, config in configs.items() if config.get("problem_type") in kinds),
        (None, ""),
    )
    if said.task is not None:
        task, why = said.task, "as told"
    elif problem is not None:
        task, why = kinds[problem], f"as its {source} says"
    else:
        task = TaskKind.REGRESSION if number == 1 else TaskKind.SINGLE_LABEL
        why = f"as its head has {number:,} output{'s' if number > 1 else ''} (--task says otherwise)"
    one = not task_of(task).outputs_labels
    if (one and number != 1) or (task is TaskKind.SINGLE_LABEL and number == 1):
        fault = f"the head has {number:,} output{'' if number == 1 else 's'}, as no {task} model has"
        if said.task is not None:
            raise SpecError(fault, where="--task", hint="leave --task out, or name another kind")
        raise ModelError(fault, where=where, hint="say what its outputs are with --task")
    return task, why


def _labels(
    number: int, configs: Mapping[str, Mapping[str, Any]], said: Said, where: str
) -> tuple[tuple[str, ...], str]:
    own = next(
        (
            (names, what)
            for what, config in configs.items()
            if not all(map(_NO_NAME.fullmatch, names := names_in(config)))
        ),
        None,
    )
    if own is not None and len(set(own[0])) < number:
        own = None  # two outputs of one name are none
    if said.label_names:
        _check_names(said.label_names, number, own[0] if own else None, where)
        if own is not None and _folded(own[0]) == _folded(said.label_names) and own[0] != said.label_names:
            return own[0], f"in the order of its {own[1]}"
        return said.label_names, "as told"
    if own is not None:
        _check_numbers(configs[own[1]], own, where)
        return own[0], f"by its {own[1]}"
    last = f" to LABEL_{number - 1}" if number > 1 else ""
    return unnamed(
        number
    ), f"nothing names its labels, so that they are LABEL_0{last} (--label-names A,B,... names them)"


def _check_numbers(config: Mapping[str, Any], own: tuple[tuple[str, ...], str], where: str) -> None:
    """Refuse labels that are not numbered as outputs are, from 0: which is which is not said.

    Raises:
        ModelError: with the option that says it.
    """
    named = config.get("id2label")
    numbers = sorted(map(int, named)) if isinstance(named, dict) and named else []
    if numbers != list(range(len(numbers))):
        raise ModelError(
            f"its {own[1]} numbers its labels {first_of(list(map(str, numbers)), _SHOWN)}, and outputs are numbered "
            "from 0: which label is which is not clear",
            where=where,
            hint=f"name them in the order of the outputs, such as --label-names {pasted(joined_fields(own[0]))}, or "
            "correct id2label",
        )


def _folded(names: Sequence[str]) -> frozenset[str]:
    return frozenset(each.casefold() for each in names)


def _check_names(names: Sequence[str], number: int, own: Sequence[str] | None, where: str) -> None:
    twice = next(_repeated(names), None)
    known = f"; its config names them {first_of(own, _SHOWN)}" if own else ""
    if twice is not None:
        raise SpecError(f"two outputs are named {twice!r}", where="--label-names", hint=f"give {number:,} names{known}")
    if len(names) != number:
        raise SpecError(
            f"{len(names):,} name{'s' if len(names) > 1 else ''} for the {number:,} outputs of {where}",
            where="--label-names",
            hint=f"give {number:,} names, in the order of the outputs{known}",
        )


def _repeated(names: Sequence[str]) -> Iterator[str]:
    return (name for i, name in enumerate(names) if name in names[:i])
