"""Commands, each built when it is asked for, and their help.

In: functions and their annotations.  Out: typer's commands; help as text, bold and coloured in a terminal.
Not here: the functions (main.py, tuning.py, deployment.py, checking.py), what an option means.

Help is laid out by click's own formatter: rich, which draws boxes, takes longer to import than all of the rest.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

F = TypeVar("F", bound=Callable[..., None])
#: Widest line of a help text, in characters.
_WIDEST = 100
#: Of every command.
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": _WIDEST}
#: Headings of options that have none of their own.
_ARGUMENTS, _OPTIONS = "Arguments", "Options"


class Commands(Mapping[str, Any]):
    """Name -> typer's command, in the order in which they are added. A look-up builds that one alone."""

    def __init__(self) -> None:
        self._functions: dict[str, Callable[..., None]] = {}
        self._built: dict[str, Any] = {}

    def command(self, name: str | None = None) -> Callable[[F], F]:
        """Make a function the command of a name, its own if not given."""

        def decorate(function: F) -> F:
            self._functions[name or function.__name__] = function
            return function

        return decorate

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _built(name, self._functions[name])
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def summaries(self) -> list[tuple[str, str]]:
        """Each name and the first paragraph of its help; builds nothing."""
        texts = {name: inspect.getdoc(function) or "" for name, function in self._functions.items()}
        return [(name, " ".join(text.partition("\n\n")[0].split())) for name, text in texts.items()]


#: The commands of liftune.
COMMANDS = Commands()


class Group(TyperGroup):
    """`liftune` itself: its commands are COMMANDS."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = COMMANDS

    def get_help_option(self, ctx: Any) -> Any:
        """--help, off where it is not given: of None, typer would ask pydantic whether it is a bool."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False
        return option

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in order."""
        return list(COMMANDS)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Options, then commands."""
        _write_options(self, ctx, formatter)
        _write_section(formatter, "Commands", COMMANDS.summaries())


class Command(TyperCommand):
    """A command whose options stand under headings."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Options, by heading."""
        _write_options(self, ctx, formatter)


def _built(name: str, function: Callable[..., None]) -> Any:
    from liftune.cli.options import with_spec

    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name, cls=Command, context_settings=SETTINGS)(with_spec(function))
    return typer.main.get_command(alone)


def sections_of(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    """Heading -> each argument or option below it, as it is typed, and its help."""
    sections: dict[str, list[tuple[str, str]]] = {_ARGUMENTS: [], _OPTIONS: []}
    for each in command.get_params(context):
        record = each.get_help_record(context)
        if record is not None:
            (name, text), usual = record, _OPTIONS
            if each.param_type_name == "argument":
                name, usual = name.partition(" <")[0], _ARGUMENTS  # typer adds the type, which is always text
            sections.setdefault(getattr(each, "rich_help_panel", None) or usual, []).append((name, text))
    return {heading: rows for heading, rows in sections.items() if rows}


def _write_options(command: Any, context: Any, formatter: Any) -> None:
    for heading, rows in sections_of(command, context).items():
        _write_section(formatter, heading, rows)


def _write_section(formatter: Any, heading: str, rows: list[tuple[str, str]]) -> None:
    with formatter.section(_styled(heading, bold=True)):
        formatter.write_dl([(_styled(name, fg="cyan", bold=True), text) for name, text in rows])


def _styled(text: str, **style: Any) -> str:
    """Text with codes for a terminal, which click takes away where it is written to something else."""
    return text if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else typer.style(text, **style)
