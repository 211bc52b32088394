"""What of a record must be the same when a run is repeated on one machine, or was interrupted and went on.

In: a record, or its JSON.  Out: its JSON without what tells of time, place and memory.
Not here: records that are compared with each other (evaluation/compare.py).
"""

from __future__ import annotations

from typing import Any

from liftune.records.base import Record
from liftune.seals import FILES, SEAL

#: Fields that tell when a run was, and how long a part of it took, or follow from that.
TIME = (
    *("started", "seconds", "train_seconds", "evaluate_seconds", "tried_seconds"),
    *("rows_per_second", "tokens_per_second", "gemm_fraction", "gemm_rate"),
    "fronts",
)
#: Fields that tell where a run is.
PLACE = ("run", "sweep")
#: Fields that tell what a process has held.
MEMORY = ("peak_mib", "memory_mib")
#: Hashes of files, some of which hold times too: these are compared themselves.
SEALS = (FILES, SEAL)


def comparable(record: Record | dict[str, Any]) -> dict[str, Any]:
    """The record as JSON, without time, place and memory, at every depth.

    >>> comparable({"seconds": 2.5, "contenders": [{"name": "tuned", "peak_mib": 300.0}]})
    {'contenders': [{'name': 'tuned'}]}
    """
    values = record.model_dump(mode="json", by_alias=True) if isinstance(record, Record) else record
    return {name: _comparable(value) for name, value in values.items() if name not in (*TIME, *PLACE, *MEMORY, *SEALS)}


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return comparable(value)
    return [_comparable(each) for each in value] if isinstance(value, list) else value
