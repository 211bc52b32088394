"""What came of predicting a folder of files.

Not here: how (bulk/), the predictions of one row (inference/prediction.py).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from liftune.records.base import StoredRecord


class FolderRecord(StoredRecord):
    """The output of `liftune predict --in DIR --out DIR --json`."""

    sections_from: ClassVar[str] = "liftune.reports.sections.folder:folder_sections"
    words_from: ClassVar[str] = "liftune.reports.sections.folder:briefly"

    source: str
    """The folder that was read."""
    path: str
    """The folder that was written."""
    files: int
    """With predictions, those of earlier calls included."""
    earlier: int = 0
    """How many of them were done by an earlier call, and not again."""
    rows: int
    """In these files."""
    errors: int
    """Rows without a prediction: their column `error` says why."""
    labels: dict[str, int] = Field(default_factory=dict)
    """Label -> rows that were given it, the most frequent first."""
    failed: dict[str, str] = Field(default_factory=dict)
    """Name of a file without predictions -> why."""
    left_out: dict[str, str] = Field(default_factory=dict)
    """Name of what is no file of rows, or is not written in its format -> why."""
    seconds: float
    """This call took."""
    rows_per_second: float | None = None
    """Of the rows that this call predicted; None where there were none."""
    notes: tuple[str, ...] = ()
