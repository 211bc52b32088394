"""The command that looks whether files are as they were written: check.

In: what typer read off the command line.  Out: the state of each file.
Not here: registering the command (main.py), any work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from liftune.cli.options import Json
from liftune.cli.printing import print_or_json, say


def check(
    path: Annotated[
        str,
        typer.Argument(
            metavar="RUN|BUNDLE|SWEEP",
            help="A run, one of its models, an adapter, a bundle, a sweep; also a model of others, or a hub id.",
        ),
    ],
    seal: Annotated[
        bool, typer.Option("--seal", help="Give seals to files of an earlier liftune, once they are seen to be sound.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that every file is as it was written: sha256 seals, and what the files say of each other.

    Ends with exit code 2 where a file is damaged.
    """
    from liftune.reports.sections.checking import check_sections
    from liftune.sweeps.check import check as run_check
    from liftune.workflows.check import refuse_damaged

    record = run_check(path, seal=seal)
    print_or_json(record.to_json(), check_sections(record, path), as_json=as_json)
    refuse_damaged(record)


def say_unsealed(*runs: str) -> None:
    """Say on stderr which runs have no seal."""
    from liftune.seals import is_sealed, unsealed_note

    for run in dict.fromkeys(runs):
        card = Path(run) / "record.json"
        if card.is_file() and not is_sealed(card):
            say(f"liftune: {run}: {unsealed_note(Path(run))}", error=True)
