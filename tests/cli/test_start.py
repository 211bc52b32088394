"""A spec as the command that asks for it: typed in again, it gives the same spec."""

from __future__ import annotations

import shlex

import pytest
import typer

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
