"""A spec's fields as command-line options.

In: which options of a RunSpec a command takes.  Out: a command that takes them and gets the RunSpec.
Not here: the commands (main.py), what an option means (spec.py: name, help, type and default come from its fields).
"""

from __future__ import annotations

import inspect as signatures
from collections.abc import Callable
from typing import Annotated, Any

import typer

from liftune.cli.options import Config, Taking
from liftune.command_options import options_of, sound
from liftune.settings_file import sound_under, spec_under
from liftune.spec import OPTIONS, RunSpec
from liftune.spec_base import Spec
from liftune.spec_text import description_of

#: Headings of the help text, by section of the spec.
_PANELS = {"data": "Data", "model": "Model", "method": "Method", "train": "Training", "evaluation": "Evaluation"}
#: What stands for an option's value in the help text, by its type.
_METAVARS = {int: "N", float: "X", str: "TEXT"}
#: ... and where the type says too little.
_SHOWN = {"set": "KEY=VALUE", "split": "ROLE=NAME,...", "label_map": "LABEL=NAME,...", "seeds": "N,N,..."} | {
    "validation": "FILE",
    "label_names": "NAME,...",
    "merge_labels": "NAME,...",
    "accelerations": "none|NAME,...",
    "near_duplicates": "none|X",
    "folds": "auto|none|N",
    "test": "FILE",
    "columns": "NAME,...",
    "out": "DIR",
    "answers": "NAME=FILE",
    "describe": "FILE",
    "cost": "NAME=X",
}
#: Options that may be repeated.
_REPEATED = ("set", "answers", "cost")
KEYWORD = signatures.Parameter.KEYWORD_ONLY


def collecting(command: Callable[..., None], taking: Taking) -> Callable[..., None]:
    """The command with options of a RunSpec in place of its first argument."""
    chosen, wrong_with = options_of(taking.command), taking.wrong_with
    named = {"RunSpec": RunSpec}  # which its module imports for type checkers alone
    own = list(signatures.signature(command, locals=named, eval_str=True).parameters.values())[1:]
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
    declared = [_parameter(name, taking.required.get(name), taking.help_texts.get(name)) for name in chosen]
    declared.append(signatures.Parameter("config", KEYWORD, default=None, annotation=Config))
    wrapped.__signature__ = signatures.Signature([*declared, *parameters])  # type: ignore[attr-defined]
    wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
    return wrapped


def _parameter(name: str, required: str | None, help_text: str | None) -> signatures.Parameter:
    """A spec's field as a typer parameter.

    Values stay text for the spec to check: it then lists every wrong one at once, in the same words as in Python.
    """
    section, *rest = OPTIONS[name]
    owner: type[Spec] = RunSpec
    if rest:
        inner = RunSpec.model_fields[section].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, Spec)
        owner = inner
    key = rest[0] if rest else section
    field = owner.model_fields[key]
    kinds = {_bare(each) for each in (field.annotation, *getattr(field.annotation, "__args__", ()))}
    shown = _SHOWN.get(name) or next((_METAVARS[kind] for kind in (int, float, str) if kind in kinds), "TEXT")
    text = (required or help_text or description_of(owner, key)).replace("`", "")
    if not (required or help_text) and isinstance(field.default, str | int | float) and bool not in kinds:
        text += f" [default: {field.default}]"
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
    kind: Any = bool if bool in kinds else (list[str] if name in _REPEATED else str) | None
    default = signatures.Parameter.empty if required else False if bool in kinds else None
    annotation: Any = Annotated[str if required else kind, declared]
    return signatures.Parameter(name, KEYWORD, default=default, annotation=annotation)


def _bare(kind: Any) -> Any:
    """A type without what annotates it."""
    return getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind
