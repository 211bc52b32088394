"""The command for a page in the browser: ui.

In: what typer read off the command line.  Out: a running page.
Not here: registering commands (main.py), any work.
"""

from __future__ import annotations

from typing import Annotated

import typer

from liftune.cli.options import Quiet


def ui(
    folder: Annotated[
        str, typer.Option(metavar="DIR", help="Where files and runs are kept; the same folder shows them again.")
    ] = "runs/ui",
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A model to offer on the page besides minilm: a hub id or a local folder; may be repeated.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(metavar="N", help="Port; 0 takes a free one.")] = 8010,
    host: Annotated[str, typer.Option(metavar="TEXT", help="An address of this machine that no other reaches.")] = (
        "127.0.0.1"
    ),
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Limit: upload_bytes, unpacked_bytes, rows, check_seconds, ..."),
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    quiet: Quiet = False,
) -> None:
    """Open a page to tune on: drop a file, start a run, watch it, try it, download it; for this machine alone."""
    from liftune.progress import Progress
    from liftune.ui.serving import UiOptions, serve_ui

    progress = Progress(quiet=quiet, mute=False)  # without the address there is no way in
    options = UiOptions(folder, model or (), host, port, limit or (), open_browser)
    serve_ui(options, log=progress.log, tell=progress.tell)
