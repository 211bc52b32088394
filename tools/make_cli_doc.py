"""The command line's pages of the site, from its commands: python tools/make_cli_doc.py [FOLDER]

In: COMMANDS, as `--help` shows them.  Out: a page a command and one that lists them, Markdown; printed, or in FOLDER.
Not here: any command, option or help text of its own; where the pages stand in the site (site_hooks.py).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from liftune.cli.commands import COMMANDS, sections_of
from liftune.cli.main import app

INDEX = "index.md"
#: Options and commands in a help text.
_CODE = re.compile(r"(?<![\w-])(--[a-z][a-z-]*[a-z]|liftune list [a-z]+|liftune [a-z]+(?: --[a-z-]+[a-z])?)")
#: Characters that Markdown or a table would take for its own.
_ESCAPED = str.maketrans({each: f"\\{each}" for each in "*_<>[]|"})


def pages() -> dict[str, str]:
    """File name -> page: one a command, and the list of them."""
    context = typer.main.get_command(app).make_context("liftune", [], resilient_parsing=True)
    return {INDEX: _index(context)} | {f"{name}.md": "\n".join(_page(name, context)) + "\n" for name in COMMANDS}


def _index(context: Any) -> str:
    rows = [f"| [`{name}`]({name}.md) | {_prose(summary)} |" for name, summary in COMMANDS.summaries()]
    lines = [
        "# Command line",
        "",
        _prose(context.command.help),
        "",
        "`liftune COMMAND --help` prints what these pages say. A wrong option or unusable input ends with exit code 2"
        " and three things: what is wrong, where, and a hint.",
        "",
        "| command | what it does |",
        "|---|---|",
        *rows,
    ]
    return "\n".join([*lines, "", *_tables(context.command, context)]) + "\n"


def _page(name: str, above: Any) -> Iterator[str]:
    command = COMMANDS[name]
    context = command.context_class(command, info_name=name, parent=above)
    yield f"# liftune {name}"
    yield ""
    yield f"```text\nliftune {name} {' '.join(command.collect_usage_pieces(context))}\n```"
    for paragraph in (command.help or "").split("\n\n"):
        yield ""
        yield _prose(" ".join(paragraph.split()))
    yield ""
    yield from _tables(command, context)


def _tables(command: Any, context: Any) -> Iterator[str]:
    for heading, rows in sections_of(command, context).items():
        taken = "argument" if heading == "Arguments" else "option"
        yield f"## {heading}\n\n| {taken} | meaning |\n|---|---|"
        yield from (f"| {_typed(name)} | {_prose(text)} |" for name, text in rows)
        yield ""


def _typed(name: str) -> str:
    """`-q`, `--quiet`: as code, each spelling by itself."""
    return ", ".join(f"`{each}`" for each in name.split(", "))


def _prose(text: str) -> str:
    """Help as Markdown: options and commands in it are code."""
    text = re.sub(r"\s*\[default: ([^]]+)\]$", r" Default: \1.", " ".join(text.split()).replace("`", ""))
    return _CODE.sub(r"`\1`", text.translate(_ESCAPED))


def main() -> int:
    """Print the pages, or write them."""
    made = pages()
    if len(sys.argv) < 2:
        print("\n".join(made.values()))
        return 0
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
