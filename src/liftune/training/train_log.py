"""How training went, for the record.

In: the best epoch and all epochs, how far training came.  Out: a TrainLog.
Not here: training (loop.py).
"""

from __future__ import annotations

from liftune.baselines.soft_labels import SoftLabels
from liftune.models.tokens.collator import Tokens
from liftune.records.training import TrainLog
from liftune.spec import TrainSpec
from liftune.training.early_stopping import BestCheckpoint
from liftune.training.schedule import Schedule
from liftune.training.state import Place


def train_log(
    best: BestCheckpoint,
    place: Place,
    schedule: Schedule,
    spec: TrainSpec,
    rows: Tokens,
    soft_labels: SoftLabels | None,
    seed: int,
) -> TrainLog:
    """The log of a training that is over."""
    taught = soft_labels if best.log else None  # nobody learns from a teacher where no step is taken
    return TrainLog(
        seed=seed,
        teacher=taught.name if taught else None,
        teacher_share=spec.teacher_share if taught else 0.0,
        taught_epochs=place.soft_epochs,
        learning_rate=schedule.learning_rate,
        batch_size=schedule.batch_size,
        steps=place.steps,
        best_epoch=best.epoch,
        start=best.before,
        epochs=tuple(best.log),
        seconds=sum(epoch.seconds for epoch in best.log),
        stopped=best.stopped or "all epochs ran",
        tokens=len(best.log) * rows.total,
        token_pairs=len(best.log) * rows.token_pairs,
        slowed=place.slowed or None,
        halved=tuple(place.halved),
    )
