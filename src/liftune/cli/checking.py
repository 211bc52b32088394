"""The command that looks whether files are as they were written: check.

In: what typer read off the command line.  Out: the state of each file.
Not here: registering the command (main.py), any work.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from liftune.cli.options import Json
from liftune.cli.printing import print_or_json, say
from liftune.errors import pasted
from liftune.records.check import State

#: State -> what it means.
_MEANING: dict[State, str] = {
    "damaged": "damaged",
    "newer": "written by a newer liftune",
    "not checked": "not checked, as what seals them cannot be read",
    "not sealed": "for readers alone, without a seal",
    "unsealed": "without a seal; nothing is wrong with them that can be seen",
    "whole": "as they were written",
}


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
    from liftune.reports.base import ReportTable, Section
    from liftune.sweeps.check import check as run_check
    from liftune.workflows.check import refuse_damaged

    record = run_check(path, seal=seal)
    counts = Counter(each.state for each in record.files)
    notes = [f"{count:,} file{'s' * (count != 1)}: {_MEANING[state]}" for state, count in sorted(counts.items())]
    notes += record.notes
    if not record.sealed and record.kind != "foreign" and Path(path).exists():
        notes.append(f"files without a seal are read as they are; `liftune check --seal {pasted(path)}` gives them one")
    rows = tuple((each.name, each.state, each.reason) for each in record.files)
    table = ReportTable(("file", "state", "what is wrong"), rows, whole=frozenset({0}))
    print_or_json(
        record.to_json(), (Section(f"{record.kind.capitalize()} {path}", tuple(notes), (table,)),), as_json=as_json
    )
    refuse_damaged(record)


def say_unsealed(*runs: str) -> None:
    """Say on stderr which runs have no seal."""
    from liftune.seals import is_sealed, unsealed_note

    for run in dict.fromkeys(runs):
        card = Path(run) / "record.json"
        if card.is_file() and not is_sealed(card):
            say(f"liftune: {run}: {unsealed_note(Path(run))}", error=True)
