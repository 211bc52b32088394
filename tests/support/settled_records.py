"""Records of two runs, to be told apart by what they found and not by when and where.

In: a record as JSON.  Out: the same without what is measured anew by each run.
"""

from __future__ import annotations

from typing import Any

#: Options of a run that takes a second.
FAST = {"epochs": 1, "batch_size": 8, "lr": 1e-2}
#: What differs from run to run, anywhere in a record.
MEASURED = {
    *("run", "data", "started", "seconds", "rows_per_second", "tokens_per_second", "gemm_fraction", "gemm_rate"),
    *("peak_mib", "train_seconds", "evaluate_seconds", "tried_seconds"),
    *("files", "seal"),  # of files that hold times too
}


def settled(value: Any) -> Any:
    """A record without what is measured anew by each run."""
    if isinstance(value, dict):
        return {key: settled(each) for key, each in value.items() if key not in MEASURED}
    return [settled(each) for each in value] if isinstance(value, list) else value
