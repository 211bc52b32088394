"""What a finished run has to show: its verdict, its report, its files to take away.

In: a job's folder.  Out: JSON; paths of files.
Not here: what a verdict says (reports/sections/), making a bundle (queue.py).
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from liftune.errors import LiftuneError, pasted
from liftune.files import atomic_write
from liftune.records.run import TuneRecord
from liftune.reports.document import named_sections
from liftune.run_folder import RunFolder
from liftune.server.errors import RequestError
from liftune.ui.following import contender_row
from liftune.ui.wording import for_page, note_for_page

#: Sections of the report that the page shows; all are in the report.
_SHOWN = ("verdict",)
#: Before a file's name in the report's command.
_TUNE = "liftune tune"


def result_of(run: Path) -> dict[str, Any]:
    """The contenders and the verdict of a finished run; what is wrong with it where it cannot be read."""
    try:
        record = RunFolder.open(run).record()
    except LiftuneError as error:
        error = for_page(error)
        return {"fault": {"detail": error.message, "where": error.where, "hint": error.hint}}
    return {
        "metric": record.metric,
        "recommended": record.recommended,
        "task": record.task.value,
        "labels": list(record.labels),
        "rows": record.rows.model_dump(),
        "contenders": [contender_row(each, record.metric) for each in record.contenders],
        "verdict": _verdict(record),
        "report": (run / "report.html").is_file(),
        "adapter": (run / "adapter").is_dir(),
    }


def _verdict(record: TuneRecord) -> list[str]:
    return [
        note_for_page(text) for each in named_sections(record) if each.name in _SHOWN for text in each.section.sentences
    ]


def report_of(run: Path, names: Mapping[str, str]) -> str:
    """The report's page, with files called as the user calls them.

    Args:
        names: a file's path here -> the user's name of it.

    Raises:
        RequestError: 404.
    """
    path = run / "report.html"
    if not path.is_file():
        raise RequestError(
            404, "this run has no report", hint="make one in a terminal: liftune report, with the run's folder"
        )
    page = path.read_text(encoding="utf-8")
    for here, name in names.items():
        page = page.replace(f"{_TUNE} {here}", f"{_TUNE} {escape(pasted(name))}").replace(here, escape(name))
    return page


def zipped(folder: Path) -> Path:
    """A folder as a zip file beside it, made at the first time.

    Raises:
        RequestError: 404, there is no such folder.
    """
    if not folder.is_dir():
        raise RequestError(404, f"this run has no {folder.name}", hint="reload the page")
    target = folder.with_name(f"{folder.name}.zip")
    if not target.is_file():
        # Weights hardly get smaller, and packing those of a bundle would keep the browser waiting.
        with atomic_write(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    archive.write(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
    return target
