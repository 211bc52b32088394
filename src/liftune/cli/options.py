"""Options that several commands take, which of them take a spec, and usage errors of typer as errors of liftune.

In: functions, errors of typer.  Out: annotations, functions with all of their options; SpecErrors.
Not here: the commands (main.py), a spec's fields as options (spec_options.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import typer

from liftune.errors import SpecError, nearest
from liftune.tasks.base import TaskKind

F = TypeVar("F", bound=Callable[..., None])

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="Run folder written by liftune tune.")]
Device = Annotated[
    str | None, typer.Option(metavar="TEXT", help="cpu, cuda, cuda:1, mps; the best available if not given.")
]
Metric = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Metric to compare by; the first run's own if not given.")
]
Margin = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Also test whether B is not worse than A by this much or more: points of accuracy, else the metric's own "
        "unit. To be chosen before the scores are seen.",
    ),
]
MaxHarm = Annotated[
    float | None,
    typer.Option(
        "--max-harm",
        metavar="X",
        help="Exit with code 1 unless the interval rules out that B is worse than A by more than this: points of "
        "accuracy, else the metric's own unit. A's test rows decide; B may have other rows and more labels.",
    ),
]

Precision = Annotated[
    str | None,
    typer.Option("--precision", metavar="TEXT", help="float32, bfloat16 or fastest; float32 on a CPU if not given."),
]

Use = Annotated[
    str | None,
    typer.Option(
        "--use",
        metavar="NAME",
        help="Contender of the run: tuned, recommended, probe, tfidf, ...; tuned if not given, unless test says that "
        "it is worse than the recommended one.",
    ),
]

Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="TOML or JSON file of options, as liftune init writes it, or a run's spec.json; options given here "
        "override it, and those of other commands in it are not read.",
    ),
]

Base = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="PATH",
        help="Folder or hub id of the adapter's base model, where it is no longer where it was when it was tuned on.",
    ),
]

LabelNames = Annotated[
    str | None,
    typer.Option(
        "--label-names",
        metavar="NAME,...",
        help="Names of the outputs, in order, of a model that others saved; by its config if not given.",
    ),
]

Task = Annotated[
    str | None,
    typer.Option(
        "--task",
        metavar="TEXT",
        help=f"What a model that others saved predicts: {', '.join(TaskKind)}; by its config or head if not given.",
    ),
]

Trust = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run Python code that comes with the model; read it first.")
]

#: An option is offered for one that is at least so much alike, both with their dashes.
_NEAR = 0.75
#: Base class of what typer raises for wrong arguments, whether it brings click along or imports it.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


@dataclass(frozen=True)
class Taking:
    """Which options of a RunSpec a command takes, collected into its first argument.

    Args:
        command: its name in `command_options.TAKEN`.
        required: option -> its help text, for options that have no default here.
        help_texts: option -> its help text, for options whose absence means something else here.
        wrong_with: the command's own switch with which options of a wrong value are left out of the spec, and their
            faults given to it as `wrong`.
    """

    command: str
    required: Mapping[str, str] = field(default_factory=dict)
    help_texts: Mapping[str, str] = field(default_factory=dict)
    wrong_with: str | None = None


_TAKING: dict[Callable[..., None], Taking] = {}


def takes_spec(
    command: str,
    *,
    required: Mapping[str, str] | None = None,
    help_texts: Mapping[str, str] | None = None,
    wrong_with: str | None = None,
) -> Callable[[F], F]:
    """Give a command options of a RunSpec, collected into its first argument; see Taking."""

    def decorate(function: F) -> F:
        _TAKING[function] = Taking(command, required or {}, help_texts or {}, wrong_with)
        return function

    return decorate


def with_spec(function: Callable[..., None]) -> Callable[..., None]:
    """A command with all of its options. What takes a spec imports what specs are only here."""
    taking = _TAKING.get(function)
    if taking is None:
        return function
    from liftune.cli.spec_options import collecting

    return collecting(function, taking)


def _of_others(option: str, context: Any) -> str:
    """Which other commands have an option."""
    commands = getattr(context.find_root().command, "commands", {})
    having = [name for name, each in commands.items() if any(option in one.opts for one in each.params)]
    return f", which is one of {', '.join(having)}" if having else ""


def usage_fault(error: Any) -> SpecError:
    """A usage error of typer as message, where and hint.

    Args:
        error: a UsageError.
    """
    context = error.ctx
    unknown = getattr(error, "option_name", None) if "No such option" in error.format_message() else None
    if unknown:
        known = [name for each in context.command.params for name in each.opts if name.startswith("--")] + ["--help"]
        near = nearest(unknown, known, least=_NEAR) if unknown.startswith("--") else ""
        what = f"unknown option {unknown!r}{near}{'' if near else _of_others(unknown, context)}"
    else:
        message = error.format_message().rstrip(".")
        what = f"{message[:1].lower()}{message[1:]}"
    path = context.command_path if context else "liftune"
    return SpecError(what, where=path, hint=f"see {path} --help")
