"""A spec's fields as command-line options, and usage errors of typer as errors of liftune.

In: sections and fields of a RunSpec.  Out: a command that takes them and gets the RunSpec; SpecErrors.
Not here: the commands (main.py), what an option means (spec.py: name, help, type and default come from its fields).
"""

from __future__ import annotations

import inspect as signatures
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from liftune.errors import SpecError, nearest
from liftune.option_values import MERGES
from liftune.settings_file import sound_under, spec_under
from liftune.spec import OPTIONS, RunSpec, sound
from liftune.tasks import TaskKind

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

#: Headings of the help text, by section of the spec.
_PANELS = {"data": "Data", "model": "Model", "method": "Method", "train": "Training", "evaluation": "Evaluation"}
#: What stands for an option's value in the help text, by its type.
_METAVARS = {int: "N", float: "X", str: "TEXT"}
#: ... and where the type says too little.
_SHOWN = {"set": "KEY=VALUE", "split": "ROLE=NAME,...", "label_map": "LABEL=NAME,...", "seeds": "N,N,..."} | {
    "validation": "FILE",
    "label_names": "NAME,...",
    "merge_labels": ",".join(MERGES),
    "accelerations": "none|NAME,...",
    "near_duplicates": "none|X",
    "folds": "auto|none|N",
    "test": "FILE",
    "columns": "NAME,...",
    "out": "DIR",
}
#: An option is offered for one that is at least so much alike, both with their dashes.
_NEAR = 0.75
KEYWORD = signatures.Parameter.KEYWORD_ONLY
#: Base class of what typer raises for wrong arguments, whether it brings click along or imports it.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def takes_spec(
    *wanted: str,
    required: Mapping[str, str] | None = None,
    help_texts: Mapping[str, str] | None = None,
    wrong_with: str | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options of a RunSpec, collected into its first argument.

    Args:
        wanted: sections of the spec, such as `data`, or single fields, such as `model.max_length`.
        required: option -> its help text, for options that have no default here.
        help_texts: option -> its help text, for options whose absence means something else here.
        wrong_with: the command's own switch with which options of a wrong value are left out of the spec, and their
            faults given to it as `wrong`.
    """
    required, help_texts = required or {}, help_texts or {}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        chosen = [name for name, home in OPTIONS.items() if home[0] in wanted or ".".join(home) in wanted]
        own = list(signatures.signature(command, eval_str=True).parameters.values())[1:]
        own = [each for each in own if wrong_with is None or each.name != "wrong"]

        def wrapped(config: str | None, **given: Any) -> None:
            values = {name: given.pop(name) for name in chosen}
            values = {name: value for name, value in values.items() if value not in (None, False, [])}
            if wrong_with is not None and given[wrong_with]:
                values, wrong = sound(values)
                spec, beside = sound_under(config, values, chosen)
                command(spec, **given, wrong=(*wrong, *beside))
            else:
                command(spec_under(config, values, chosen), **given)

        parameters = [parameter.replace(kind=KEYWORD) for parameter in own]
        declared = [_parameter(name, required.get(name), help_texts.get(name)) for name in chosen]
        declared.append(signatures.Parameter("config", KEYWORD, default=None, annotation=Config))
        wrapped.__signature__ = signatures.Signature([*declared, *parameters])  # type: ignore[attr-defined]
        wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
        return wrapped

    return decorate


def _parameter(name: str, required: str | None, help_text: str | None) -> signatures.Parameter:
    """A spec's field as a typer parameter.

    Values stay text for the spec to check: it then lists every wrong one at once, in the same words as in Python.
    """
    section, *rest = OPTIONS[name]
    field = RunSpec.model_fields[section]
    if rest:
        assert isinstance(field.annotation, type)
        field = field.annotation.model_fields[rest[0]]
    kinds = {_bare(each) for each in (field.annotation, *getattr(field.annotation, "__args__", ()))}
    shown = _SHOWN.get(name) or next((_METAVARS[kind] for kind in (int, float, str) if kind in kinds), "TEXT")
    text = (required or help_text or field.description or "").replace("`", "").replace("[", "\\[")
    if not (required or help_text) and isinstance(field.default, str | int | float) and bool not in kinds:
        text += f" \\[default: {field.default}]"
    if name == "data":
        declared: Any = typer.Argument(metavar="DATA", help=text, show_default=False)
    else:
        declared = typer.Option(
            f"--{name.replace('_', '-')}",
            help=text,
            show_default=False,
            metavar=None if bool in kinds else shown,
            rich_help_panel=_PANELS.get(section, "Output"),
        )
    # None stands for "not given", so that the spec's own default is the only one.
    kind: Any = bool if bool in kinds else (list[str] if name == "set" else str) | None
    default = signatures.Parameter.empty if required else False if bool in kinds else None
    annotation: Any = Annotated[str if required else kind, declared]
    return signatures.Parameter(name, KEYWORD, default=default, annotation=annotation)


def _bare(kind: Any) -> Any:
    """A type without what annotates it."""
    return getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind


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
