"""Which options of a run each command takes, and what is wrong with those that were given.

In: a command; options by name.  Out: names; the options that have a sound value, and the faults of the others.
Not here: the options themselves (spec.py), those that only a command has (cli/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftune.errors import SpecError
from liftune.spec import OPTIONS, RunSpec

#: Command -> the sections and fields of a RunSpec that it takes, on the command line and in Python.
TAKEN: dict[str, tuple[str, ...]] = {
    "tune": ("data", "model", "method", "train", "evaluation", "out"),
    "init": ("data", "model", "method", "train", "evaluation", "out"),
    "inspect": ("data", "model.name", "model.max_length"),
    "evaluate": ("data", "model", "evaluation.metric", "evaluation.answers", "evaluation.cost"),
    "sweep": (
        "data",
        "model.label_map",
        "model.max_length",
        "model.long",
        "model.window_overlap",
        "model.window_pooling",
        "model.device",
        "model.base_precision",
        "model.trust_remote_code",
        "method.options",
        "train",
        "evaluation.metric",
        "out",
    ),
    "doctor": ("data", "model", "train.batch_size", "train.accelerations"),
}


def options_of(command: str) -> list[str]:
    """The options of a RunSpec that a command takes."""
    return [name for name, home in OPTIONS.items() if home[0] in TAKEN[command] or ".".join(home) in TAKEN[command]]


def sound(options: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[SpecError, ...]]:
    """The options that have a value of their type and range, and the fault of each other but the data.

    >>> found, wrong = sound({"epochs": "x", "batch_size": -3, "lr": "0.1"})
    >>> found, [each.message for each in wrong]
    ({'lr': '0.1'}, ["--epochs: must be a whole number, not 'x'", '--batch-size: must be greater than 0, not -3'])
    """
    found, wrong = {}, []
    for name, value in options.items():
        try:
            RunSpec.of(**{name: value})
        except SpecError as error:
            if name == "data":
                raise  # with other data all that follows would mean something else
            wrong.append(SpecError(error.message, where=f"--{name.replace('_', '-')}", hint=error.hint))
        else:
            found[name] = value
    return found, tuple(wrong)
