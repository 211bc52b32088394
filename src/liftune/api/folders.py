"""`check` and `render`: what is made of folders that liftune wrote.

In: a path.  Out: the state of its files, a report.  Not here: any work.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from liftune import arguments
from liftune.api.calls import verb

if TYPE_CHECKING:
    from liftune.records.check import CheckRecord


@verb
def check(path: str | os.PathLike[str], *, seal: bool = False) -> CheckRecord:
    """Whether every file of a run, one of its models, an adapter, a bundle or a sweep is as it was written:
    `liftune check`.

    Args:
        seal: give seals to what an earlier liftune wrote without, if nothing is wrong that can be seen.

    Returns:
        the state of each file; `damaged` names those that are not whole.
    """
    from liftune.sweeps.check import check as run_check

    return run_check(arguments.path(path, "path"), seal=arguments.switch(seal, "seal"))


@verb
def render(run: str | os.PathLike[str], *, format: str = "md") -> str:
    """The report of a run as Markdown, HTML or JSON: `liftune report`. In Python `liftune.report` is a package.

    Args:
        format: md, html or json.
    """
    from liftune.run_folder import RunFolder
    from liftune.workflows.report import FORMATS, format_of, read_run

    to_text = FORMATS[format_of(arguments.text(format, "format"), None) or "md"]
    return to_text(*read_run(RunFolder.open(arguments.path(run, "run"), where="run")))
