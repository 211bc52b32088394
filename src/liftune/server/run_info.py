"""The result of the run that a served model came from.

In: a ServedModel.  Out: its verdict in sentences, and where its report is.
Not here: how a verdict is worded (reports/sections/verdict.py).
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from liftune.errors import LiftuneError
from liftune.reports.document import named_sections
from liftune.run_folder import RunFolder, run_around
from liftune.server.engine import ServedModel
from liftune.server.schemas import RunInfo


def run_info(model: ServedModel) -> RunInfo:
    """The verdict, if the run's record is there; a bundle has none."""
    report = report_of(model)
    return RunInfo(
        name=model.name,
        verdict=_verdict(model.path),
        report=f"/v1/models/{quote(model.name, safe='')}/report" if report else None,
    )


def report_of(model: ServedModel) -> Path | None:
    """The report's file, or None where none was written."""
    for folder in (model.path, run_around(model.path)):
        if (folder / "record.json").is_file() and (folder / "report.html").is_file():
            return folder / "report.html"
    return None


def _verdict(path: Path) -> list[str]:
    """Of a run folder, or of the run that a contender's folder lies in."""
    for folder in (path, run_around(path)):
        if (folder / "record.json").is_file():
            try:
                record = RunFolder.open(folder).record()
            except LiftuneError as error:
                return [f"The record of this model's run cannot be read: {error.message}"]
            return [
                text for each in named_sections(record) if each.name == "verdict" for text in each.section.sentences
            ]
    return []
