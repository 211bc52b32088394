"""Options in a text as Python names them: `--skip-bad-rows` becomes `skip_bad_rows=True`.

In: a text that names options as the command line does.  Out: the same with the names and values of Python.
Not here: how options are found in it (option_texts.py); who asks for it: what Python's functions raise and tell
(api/calls.py), a notebook's cells (reports/render/notebook.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, cast

from liftune.option_texts import Mention, renamed
from liftune.spec import OPTIONS, RunSpec

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from liftune.spec_base import Spec

#: What the command line does, where a text says what Python does in its place.
_OF_THE_SHELL = re.compile(r"(?:^|(?<=: ))[^:]*, or in Python ")
#: Option of the command line -> its argument in Python, where they differ.
_RENAMED = {"in": "data", "import": "filled_in", "for": "label"}
#: What the command line takes without an option -> what Python's functions call it, where that is another name.
_PLACES = {"RUN": ("run", "model"), "RUN_A": ("a",), "RUN_B": ("b",)}


def in_python(text: str, flags: Collection[str] = ()) -> str:
    """The text with Python's names of its options.

    Args:
        flags: arguments that are True or False, beyond those of a spec.

    >>> in_python("fix the row, or drop such rows with --skip-bad-rows")
    'fix the row, or drop such rows with skip_bad_rows=True'
    >>> in_python("give --folds 5, --text 'What happened?' or another --out; leave --shard out")
    'give folds=5, text="What happened?" or another out=; leave shard= out'
    >>> print(in_python("no label '--out'; --merge-labels case makes one of both, --split train=A,test=B divides"))
    no label '--out'; merge_labels="case" makes one of both, split={"train": A, "test": B} divides
    >>> in_python("--method: lora there; --set rank: 4 there")
    'method: lora there; set rank: 4 there'
    >>> in_python("run it again: liftune tune rows.csv --folds 5")
    'run it again: liftune tune rows.csv --folds 5'
    >>> in_python("give each text its second one: --pair, or in Python (text, text) tuples")
    'give each text its second one: (text, text) tuples'
    """
    known = _switches() | set(flags)

    def named(option: Mention) -> str:
        name, value = option.name.replace("-", "_"), option.value
        name = _RENAMED.get(name, name)
        if option.is_subject:
            return f"{option.before}{name}{f' {value}' if value else ''}"
        if name in known:
            return f"{option.before}{name}={'' if option.before else 'True'}{f' {value}' if value else ''}"
        return f"{option.before}{name}={_literal(value) if value else ''}"

    return renamed(_OF_THE_SHELL.sub("", text), named)


def meant(name: str, takes: Collection[str]) -> str | None:
    """The argument that someone means who writes an option's name as Python can have it.

    >>> meant("import_", ["filled_in"]), meant("for_", ["label"]), meant("in_", ["label"])
    ('filled_in', 'label', None)
    """
    own = _RENAMED.get(name.strip("_"))
    return own if own in takes else None


def argument(where: str, takes: Collection[str] = ()) -> str:
    """Where a fault is, by Python's name of the option.

    Args:
        takes: arguments of the function that was called; what the command line takes without an option is one of them.

    >>> argument("--max-length"), argument("--set rank=9"), argument("rows.csv, line 3")
    ('max_length', 'set rank=9', 'rows.csv, line 3')
    >>> argument("RUN", ["run"]), argument("RUN", ["data", "model"]), argument("RUN_B", ["a", "b"])
    ('run', 'model', 'b')
    """
    if re.fullmatch("[A-Z_]+", where):
        own = _PLACES.get(where, (where.lower(),))
        return next((name for name in own if name in takes), where)
    names = re.sub(r"(?<![\w-])--([a-z][a-z0-9-]*)", lambda match: match[1].replace("-", "_"), where)
    return _RENAMED.get(names, names)


def _literal(value: str) -> str:
    """A value of the command line as Python's source has it."""
    if value[0] in "'\"":
        return f'"{value[1:-1]}"'
    if re.fullmatch(r"-?[\d.]+(e-?\d+)?|[A-Z][A-Z_]*", value):
        return value
    if re.fullmatch(r"\d+(,\d+)+", value):
        return f"[{', '.join(value.split(','))}]"
    pairs = [each.partition("=")[::2] for each in value.split(",")]
    if all(name and held for name, held in pairs):
        return "{" + ", ".join(f'"{name}": {_literal(held)}' for name, held in pairs) + "}"
    return f'"{value}"'


def _switches() -> set[str]:
    """Options of a spec that are True or False."""
    return {name for name, home in OPTIONS.items() if len(home) > 1 and _field(*home).annotation is bool}


def _field(section: str, name: str) -> FieldInfo:
    holder = cast("type[Spec]", RunSpec.model_fields[section].annotation)
    return holder.model_fields[name]
