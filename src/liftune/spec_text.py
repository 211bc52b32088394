"""A spec as text: the command that asks for it, and a TOML file that explains every option.

In: a RunSpec.  Out: text.
Not here: what an option means (spec.py), reading such a file (settings_file.py).

TOML is written here, as no library writes a comment above each key that is left out.
"""

from __future__ import annotations

import ast
import inspect
import json
import shlex
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from liftune.errors import SpecError
from liftune.files import write_text
from liftune.option_values import joined_fields, switched_off
from liftune.spec import IN_MEMORY, OPTIONS, DataSpec, RunSpec
from liftune.spec_base import Spec


@dataclass(frozen=True)
class Asked:
    """The verb by which data were asked for: hints name the same one.

    >>> Asked("evaluate", {"model": "a run"}).with_data(RunSpec.of(data="b.csv", label="x,y").data)
    "liftune evaluate b.csv --label x,y --model 'a run'"
    >>> Asked("evaluate", {"model": "run"}).with_data(RunSpec.of(data=IN_MEMORY, label="x").data)
    "liftune.evaluate(rows, label='x', model='run')"
    """

    verb: str = "tune"
    more: Mapping[str, str] = field(default_factory=dict)
    """Options that it needs besides the data's."""

    def with_data(self, data: DataSpec) -> str:
        """The command, or the call of Python where the rows are in memory."""
        spec = RunSpec(data=data)
        if data.source == IN_MEMORY:
            given = {**settings_of(spec), **self.more}
            named = "".join(f", {name}={as_python(value)!r}" for name, value in given.items() if name != "data")
            return f"liftune.{self.verb}(rows{named})"
        words = ["liftune", self.verb, *shlex.split(command_line(spec))[2:]]
        return shlex.join([*words, *(word for name, value in self.more.items() for word in (f"--{name}", value))])


#: Options that are typed once for each of their values.
_REPEATED = ("set", "answers", "cost")
#: What data are asked for where nothing else is said.
TUNE = Asked()


def as_python(value: Any) -> Any:
    """An option's value as a call of Python would give it: no member of an enumeration, and a list for several.

    >>> from liftune.tasks import TaskKind
    >>> as_python(TaskKind.REGRESSION), as_python(("a", "b"))
    ('regression', ['a', 'b'])
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {name: as_python(each) for name, each in value.items()}
    return [as_python(each) for each in value] if isinstance(value, tuple | list) else value


def command_line(spec: RunSpec) -> str:
    """The `liftune tune` command of this spec; defaults are left out.

    >>> command_line(RunSpec.of(data="my rows.csv", seeds="0,1", set=["rank=4"], with_full=True))
    "liftune tune 'my rows.csv' --set rank=4 --seeds 0,1 --with-full"
    >>> command_line(RunSpec.of(data="rows.csv", near_duplicates="none", folds="none"))
    'liftune tune rows.csv --near-duplicates none --folds none'
    """
    words = ["liftune", "tune"]
    for name, (section, *fields) in OPTIONS.items():
        owner = getattr(spec, section) if fields else spec
        field = fields[0] if fields else section
        declared = type(owner).model_fields[field]
        value, default = getattr(owner, field), declared.get_default(call_default_factory=True)
        option = f"--{name.replace('_', '-')}"
        if name == "data":
            words.append(str(value))
        elif value == default:
            continue
        elif isinstance(value, bool):
            words.append(option)
        elif name in _REPEATED:
            words += [word for key, each in value.items() for word in (option, f"{key}={each}")]
        elif value == 0 and any(getattr(each, "func", None) is switched_off for each in declared.metadata):
            words += [option, "none"]
        else:
            words += [option, _as_text(value)]
    return shlex.join(words)


def _as_text(value: Any) -> str:
    """An option's value as it is typed; None, where it is not the default, is none."""
    if value is None:
        return "none"
    if isinstance(value, dict):
        return ",".join(f"{key}={each}" for key, each in value.items())
    return (joined_fields(map(str, value)) or "none") if isinstance(value, tuple) else str(value)


def settings_of(spec: RunSpec) -> dict[str, Any]:
    """Option -> its value, where that is not the default.

    >>> settings_of(RunSpec.of(data="rows.csv", epochs=2))
    {'data': 'rows.csv', 'epochs': 2}
    """
    usual = RunSpec()
    found = {name: getattr(owner_of(spec, home), home[-1]) for name, home in OPTIONS.items()}
    return {n: value for n, value in found.items() if value != getattr(owner_of(usual, OPTIONS[n]), OPTIONS[n][-1])}


def owner_of(spec: RunSpec, home: tuple[str, ...]) -> Any:
    """The section that holds an option, by its place in OPTIONS."""
    return getattr(spec, home[0]) if len(home) > 1 else spec


def description_of(section: type[Spec], field: str) -> str:
    """What a field of a spec means: its description, else the text below it in the source.

    >>> description_of(DataSpec, "text_pair")
    'Column with the second text of a pair.'
    """
    return section.model_fields[field].description or _docstrings().get((section.__name__, field), "")


@cache
def _docstrings() -> dict[tuple[str, str], str]:
    """Class and field -> the text below it. Read once, where pydantic would read the source once for each class."""
    module = inspect.getmodule(DataSpec)
    assert module is not None
    try:
        tree = ast.parse(inspect.getsource(module))
    except OSError:  # installed without sources
        return {}
    return {
        (owner.name, field.target.id): inspect.cleandoc(text.value.value)
        for owner in tree.body
        if isinstance(owner, ast.ClassDef)
        for field, text in pairwise(owner.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def explained(spec: RunSpec) -> str:
    """A TOML file with every option of `tune` and what it does: those of the spec are set, the others left out.

    >>> print(explained(RunSpec.of(epochs=2)).split("[train]")[1].split("# Rows")[0].strip())
    # Maximum number of epochs; the best one on validation is kept. Default: depends on the number of train rows.
    epochs = 2
    """
    lines = ["# Options of `liftune tune --config FILE`; options of the command line override them.", ""]
    before = ""
    default = RunSpec()
    ordered = sorted(OPTIONS.items(), key=lambda item: len(item[1]))  # a key without section comes before the sections
    for home in (home for _, home in ordered):
        section = home[0] if len(home) > 1 else ""
        if section != before:
            lines += [f"[{section}]", ""]
            before = section
        owner = owner_of(spec, home)
        description = description_of(type(owner), home[-1])
        value, usual = getattr(owner, home[-1]), getattr(owner_of(default, home), home[-1])
        lines += textwrap.wrap(" ".join(description.split()), 110, initial_indent="# ", subsequent_indent="# ")
        if value != usual:
            lines.append(f"{home[-1]} = {_toml(value)}")
        else:
            lines.append(f"# {home[-1]} = {'' if usual is None else _toml(usual)}".rstrip())
        lines.append("")
    return "\n".join(lines)


def write_settings(spec: RunSpec, to: str, *, overwrite: bool = False) -> Path:
    """Write a file of options, all of them explained.

    Raises:
        SpecError: it is no TOML file by its name, or exists.
        ArtifactError: it cannot be written.
    """
    path = Path(to)
    if path.suffix != ".toml":
        raise SpecError(f"{to} is not named as TOML", where="--to", hint="end it in .toml")
    if path.exists() and not overwrite:
        raise SpecError(f"{to} exists", where="--to", hint="name another file, or give --overwrite")
    write_text(path, explained(spec))
    return path


def _toml(value: Any) -> str:
    """A value as TOML."""
    if value is None:  # where it is not the default: switched off
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{_toml(str(key))} = {_toml(each)}" for key, each in value.items()) + " }"
            if value
            else "{}"
        )
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, int | float):
        return repr(value)
    # A basic string of TOML is one of JSON, but for DEL.
    return json.dumps(str(getattr(value, "value", value)), ensure_ascii=False).replace("\x7f", "\\u007f")
