"""How a command starts: a spec is the command that asks for it, typed in again; help waits for nothing it needs not."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest
import typer

from liftune.cli.commands import COMMANDS as LAZY
from liftune.cli.commands import Commands
from liftune.cli.main import app
from liftune.spec import OPTIONS, RunSpec
from liftune.spec_text import command_line

COMMANDS = typer.main.get_command(app)


def typed(line: str) -> RunSpec:
    """What the command line makes of a line."""
    program, name, *arguments = shlex.split(line)
    assert (program, name) == ("liftune", "tune")
    given = COMMANDS.commands[name].make_context(name, arguments).params  # type: ignore[attr-defined]
    return RunSpec.of(
        **{key: value for key, value in given.items() if key in OPTIONS and value not in (None, False, [])}
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"data": "it's here/rows of mine.csv", "out": "runs/a b", "lr": 3e-4, "epochs": 2, "with_full": True},
        {
            "data": "x.csv",
            "seeds": (0, 1, 2),
            "split": {"train": "a", "test": "b"},
            "label_map": {"neg": "N", "pos": "P"},
        },
        {"data": "x.csv", "method": "dora", "set": ["rank=4", "target_modules=q_lin,v_lin"], "skip_bad_rows": True},
        {"data": "x.csv", "accelerations": "none", "task": "regression", "weight_decay": 0.0, "warmup_fraction": 0},
        {"data": "x.csv", "accelerations": "packing,bfloat16", "trust_remote_code": True, "split_seed": 3},
    ],
)
def test_the_command_of_a_spec_asks_for_that_spec(options):
    spec = RunSpec.of(**options)
    assert typed(command_line(spec)) == spec


def test_what_is_as_by_default_is_left_out():
    assert command_line(RunSpec.of(data="x.csv", epochs=3)) == "liftune tune x.csv --epochs 3"


def started(*argv: str) -> tuple[set[str], list[str], str]:
    """The modules that a command imported, the commands that it built, and what it printed."""
    program = (
        "import json, sys; from liftune.cli.main import main; from liftune.cli.commands import COMMANDS; main();"
        "print(json.dumps([[*sys.modules], [*COMMANDS._built]]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, *argv], capture_output=True, text=True, check=True)
    modules, built = json.loads(done.stderr)
    return set(modules), built, done.stdout


#: What takes longer to import than help may: drawing, checking of values, looks at what is installed.
SLOW = {"rich", "markdown_it", "pygments", "importlib.metadata", "email", "attr", "multiprocessing", "tomllib", "numpy"}


@pytest.mark.parametrize("command", ["", "predict", "serve", "compare"])
def test_help_without_a_spec_imports_no_pydantic_and_builds_one_command(command: str) -> None:
    argv = [command] if command else []
    modules, built, printed = started(*argv, "--help")
    assert modules & (SLOW | {"pydantic", "liftune.spec", "liftune.records", "liftune.hardware"}) == set()
    assert built == argv
    assert "--help" in printed


def test_help_of_tune_draws_nothing_builds_no_model_and_looks_at_no_package() -> None:
    modules, built, printed = started("tune", "--help")
    assert modules & SLOW == set()
    assert built == ["tune"]
    assert "Evaluation:\n" in printed
    assert "[default: sample:emotions]" in printed


def test_every_command_has_a_summary_and_is_built_when_asked_for() -> None:
    assert all(text for _, text in LAZY.summaries())
    assert list(LAZY) == [name for name, _ in LAZY.summaries()]
    some = Commands()

    @some.command("a-name")
    def one() -> None:
        """First
        line.

        More.
        """

    assert (some.summaries(), dict(some._built)) == ([("a-name", "First line.")], {})
    assert some["a-name"].name == "a-name"
    assert some["a-name"] is some["a-name"]


@pytest.mark.parametrize(("settings", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_help_is_coloured_where_the_terminal_wants_it(
    settings: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    context = COMMANDS.make_context("liftune", ["list"], resilient_parsing=True)
    assert ("\x1b[" in COMMANDS.get_help(context)) is coloured
