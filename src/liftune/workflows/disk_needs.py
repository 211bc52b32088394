"""How much a run writes, worked out before it writes any of it, and whether there is room for it.

In: a request, its rows, the sizes of what is trained.  Out: a DiskNeed; an ArtifactError with the sum.
Not here: writing (run_folder.py, memo.py, training/checkpoint.py), a disk that fills up all the same (files.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from liftune.data.splits import Split, Splits
from liftune.errors import ArtifactError
from liftune.files import disk_errors, nearest_existing
from liftune.formatting import size
from liftune.records.dry_run import DiskNeed
from liftune.spec import RunSpec
from liftune.tasks import task_of
from liftune.training.checkpoint import STATE_BYTES

#: Of the page, the record, the READMEs and the baselines, about.
REPORT_BYTES = 2**20
#: Contenders whose logits are kept, beside full fine-tuning: majority, tfidf, base, probe, tuned.
CONTENDERS = 5
#: Checkpoints of a training: the newest two.
CHECKPOINTS = 2
#: Bytes of a number in float32.
FLOAT = 4
#: Poolings of a model's features.
POOLINGS = 4
#: Of the free disk, that an outcome may take at most: what is larger is computed again (memo.py).
MOST_OF_DISK = 0.25


def disk_need(
    spec: RunSpec,
    splits: Splits,
    path: Path,
    *,
    width: int,
    trained: Sequence[int],
    passes: int = 1,
    from_pairs: bool = False,
) -> DiskNeed:
    """What a run keeps and what it holds at most, against what is free where it would lie.

    Args:
        path: the run's folder, there or not. What an interrupted run has left there need not be written again.
        width: of the model's features.
        trained: numbers that the tuned model trains, and the fully tuned one where that is wanted beside it.
        passes: in which the model's features are read and kept: with folds one for each and one for all rows.
        from_pairs: whether the encoder may start from pairs of rows, which is a contender with an adapter of its own.
    """
    free, there = room_at(path)
    logits = logit_bytes(splits)
    kept = REPORT_BYTES + text_bytes(splits.test) + text_bytes(splits.validation) + FLOAT * sum(trained)
    kept += (CONTENDERS + len(trained) - 1) * logits
    # The best adapter so far is there until a better one is whole; each seed's logits until the run ends.
    seeds = len(spec.train.seeds)
    passing = (FLOAT * trained[0] if seeds > 1 else 0) + seeds * logits
    if from_pairs:
        kept += FLOAT * trained[0] + logits
        passing += seeds * (FLOAT * trained[0] + logits)  # each seed's start, until the run ends
    checkpoints = CHECKPOINTS * STATE_BYTES * max(trained)
    features = passes * feature_bytes(splits, width, free)
    return DiskNeed(kept_bytes=kept, peak_bytes=kept + passing + checkpoints + features, free_bytes=free + there)


def room_at(path: Path) -> tuple[int, int]:
    """Bytes that are free where a folder is or would be, and those that it holds already.

    Raises:
        ArtifactError: the disk cannot be asked.
    """
    with disk_errors(path):
        free = shutil.disk_usage(nearest_existing(path.absolute())).free
        there = sum(each.stat().st_size for each in path.rglob("*") if each.is_file()) if path.is_dir() else 0
    return free, there


def logit_bytes(splits: Splits) -> int:
    """Of one contender's logits on test and validation."""
    return FLOAT * task_of(splits.task).outputs(splits.labels) * (len(splits.test) + len(splits.validation))


def feature_bytes(splits: Splits, width: int, free: int) -> int:
    """Of a model's features of all rows, as far as they are kept."""
    rows = len(splits.train) + len(splits.validation) + len(splits.test)
    return min(FLOAT * POOLINGS * width * rows, int(MOST_OF_DISK * free))


def text_bytes(split: Split) -> int:
    """That the rows take in a file, about."""
    return sum(_characters(row) + 80 for row in split.rows)


def _characters(row: str | tuple[str, str]) -> int:
    return len(row) if isinstance(row, str) else sum(map(len, row))


def check_disk(need: DiskNeed, path: str | Path | None, *, what: str = "run") -> None:
    """Refuse a run, or a sweep, for which there is no room.

    Raises:
        ArtifactError: the disk has less free than the run holds at most.
    """
    if need.peak_bytes > need.free_bytes:
        raise ArtifactError(
            f"the {what} needs about {size(need.peak_bytes)} on the disk, {size(need.free_bytes)} are free: "
            f"{size(need.kept_bytes)} stay, the others are checkpoints and what is kept until it ends",
            where=None if path is None else str(path),
            hint="free some space, or name a folder on another disk with --out",
        )
