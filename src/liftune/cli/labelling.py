"""The command that says which rows to label next, and reads the labels back: label.

In: what typer read off the command line.  Out: a file of rows to label; a file of rows with labels.
Not here: registering the command (main.py), any work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from liftune.cli.options import Base, Device, Json, Quiet, Trust, Use
from liftune.cli.printing import print_record
from liftune.errors import EXTRAS, SpecError, need

if TYPE_CHECKING:
    from liftune.records.base import StoredRecord


def label(
    pool: Annotated[
        str | None,
        typer.Argument(metavar="POOL", help="Rows without labels: a file, folder, address or hub id, as tune reads."),
    ] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Run folder whose model is asked.")] = None,
    budget: Annotated[
        int | None, typer.Option("--budget", metavar="N", help="Labels that you can make; 100 if not given.")
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="How rows are chosen; liftune list strategies prints the ways, the usual one first."
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write the rows here: .csv, .tsv, .jsonl, or .json for tasks of Label Studio with their labeling "
            "configuration (.xml) beside; to-label.csv if not given. With --import a .jsonl file, labelled.jsonl.",
        ),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="csv|tsv|jsonl|label-studio", help="By the ending if not given.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    filled_in: Annotated[
        str | None,
        typer.Option(
            "--import",
            metavar="FILE",
            help="Read labels back: the file, filled in, or what Label Studio exports; with POOL, rows that are not in "
            "it are refused.",
        ),
    ] = None,
    new_labels: Annotated[
        bool, typer.Option("--new-labels", help="With --import: take labels that the run does not know.")
    ] = False,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of what is drawn; 0 if not given.")] = None,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="Column that holds the text.")] = None,
    text_pair: Annotated[str | None, typer.Option(metavar="TEXT", help="Column that holds the second text.")] = None,
    label: Annotated[
        str | None, typer.Option("--label", metavar="TEXT", help="With --import: column that holds the labels.")
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Encoding of what is read; found if not given."),
    ] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The first line of POOL is a row, and names no columns.")
    ] = False,
    columns: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Names of the columns of POOL, which has no header line.")
    ] = None,
    skip_lines: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Lines at the start of POOL to leave out: a title.")
    ] = None,
    use: Use = None,
    base: Base = None,
    device: Device = None,
    trust_remote_code: Trust = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Choose the rows of an unlabelled pool that are best labelled next, with suggestions; read their labels back.

    Rows that the run has seen are never chosen, near duplicates once.
    """
    need(*EXTRAS["tune"])  # before the imports below fail for want of it
    from liftune.data.readers.options import FileOptions
    from liftune.labelling.asked import Asked, carried_out
    from liftune.option_values import names
    from liftune.progress import Progress

    if run is None:
        raise SpecError("whose model is to be asked?", where="--run", hint="name a run's folder with --run RUN")
    asked = Asked(
        pool=pool,
        run=run,
        budget=budget,
        strategy=strategy,
        out=out,
        form=form,
        overwrite=overwrite,
        filled_in=filled_in,
        new_labels=new_labels,
        seed=seed,
        text=text,
        text_pair=text_pair,
        label=label,
        reading=FileOptions(encoding, no_header, names(columns or ()), skip_lines=skip_lines),
        use=use,
        base=base,
        device=device,
        trust_remote_code=trust_remote_code,
    )
    found: StoredRecord = carried_out(asked, Progress(quiet=quiet))
    print_record(found, as_json=as_json)
