"""Folders of small files of rows, and what `predict` makes of them.

Not here: assertions; models (v0_1.py has a tiny bundle).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from liftune.bulk.run import predict_folder
from liftune.progress import Progress
from liftune.records.predictions import FolderRecord
from liftune.workflows.predict import PredictOptions

WORDS = ("sunny", "laugh", "dance", "shout", "slam", "rage")


class Log(Progress):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def log(self, text: str) -> None:
        self.lines.append(text)


def rows_of(count: int) -> list[dict[str, Any]]:
    return [{"id": i, "text": f"{WORDS[i % 6]} {WORDS[i * 5 % 6]} {i}"} for i in range(count)]


def csv_of(rows: list[dict[str, Any]]) -> str:
    return "id,text\n" + "".join(f"{row['id']},{row['text']}\n" for row in rows)


def options(model: Path, source: Path | str, out: Path | str, **more: Any) -> PredictOptions:
    return PredictOptions(str(model), source=str(source), out=str(out), **more)


def predicted(model: Path, source: Path | str, out: Path | str, **more: Any) -> tuple[FolderRecord, list[str]]:
    """The record, and what was logged."""
    log = Log()
    return predict_folder(options(model, source, out, **more), log), log.lines


def outputs(folder: Path) -> dict[str, bytes]:
    """The files that a reader of the folder sees."""
    found = (each for each in folder.rglob("*") if each.is_file())
    names = ((each.relative_to(folder).as_posix(), each) for each in found)
    return {name: each.read_bytes() for name, each in names if not name.startswith(".")}
