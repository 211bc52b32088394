"""How much a sweep writes, worked out before it writes any of it.

In: stages, how many cells run at once.  Out: a DiskNeed.
Not here: that of one run, and the refusal (workflows/disk_needs.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from liftune.records.dry_run import DiskNeed
from liftune.sweeps.cells import Stage
from liftune.tasks import task_of
from liftune.training.checkpoint import STATE_BYTES
from liftune.workflows.disk_needs import CHECKPOINTS, FLOAT, feature_bytes, logit_bytes, room_at

#: Of one cell's record, about; of the sweep's own there is one more of each.
RECORD_BYTES = 2**14
#: Contenders of a model that are not tuned: majority, tfidf, base, probe.
UNTUNED = 4


def sweep_need(stages: Mapping[str, Stage], path: Path, *, jobs: int) -> DiskNeed:
    """What a sweep keeps and what it holds at most, against what is free where it would lie.

    Adapters are not kept. A model's features stay until the sweep has ended, a cell's checkpoints until it is done.

    Args:
        path: the sweep's folder; what it holds already need not be written again.
        jobs: cells tuned at once.
    """
    free, there = room_at(path)
    kept = features = trained = 0
    for stage in stages.values():
        splits, spec = stage.context.splits, stage.spec
        cells = len(spec.run.train.seeds) * sum(name not in stage.unfit for name in spec.methods)
        if spec.search is not None:
            cells += spec.search.trials * len(spec.run.train.seeds)  # perhaps all of one model
        kept += (UNTUNED + cells) * logit_bytes(splits) + 2 * (cells + 1) * RECORD_BYTES
        kept += FLOAT * task_of(splits.task).outputs(splits.labels) * len(splits.train)  # the teacher's soft labels
        features += feature_bytes(splits, stage.context.shapes.width, free)
        trained = max(trained, *(size.trained for size in stage.sizes.values() if size), 0)
    checkpoints = jobs * CHECKPOINTS * STATE_BYTES * trained
    return DiskNeed(kept_bytes=kept, peak_bytes=kept + features + checkpoints, free_bytes=free + there)
