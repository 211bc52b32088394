"""What every contender of a run is made with: `RunContext`.

In: a RunContext.  Out: backbones and recipes of it; what listeners are told.
Not here: settling it (preparing.py), contenders (baselines.py, finetune.py), their order (tune_stages.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from liftune.baselines.soft_labels import SoftLabels
from liftune.data.answers import Answers
from liftune.data.descriptions import Descriptions
from liftune.data.folds import Folds
from liftune.data.splits import Splits
from liftune.evaluation.ladder import ContenderLogits
from liftune.events import ContenderScored, Events
from liftune.hardware.flops import Shapes
from liftune.hardware.plan import Plan
from liftune.models.backbone import Backbone, load_backbone
from liftune.models.classifier import Classifier
from liftune.models.crew import NO_CREW, Crew
from liftune.models.helper import Recipe
from liftune.models.methods.registry import Method
from liftune.records.dry_run import DiskNeed
from liftune.records.run import Contender
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec, TrainSpec
from liftune.training.schedule import Schedule, rate_of
from liftune.workflows.memo import NO_MEMO, Memo
from liftune.workflows.starting_rows import Beginning


@dataclass(frozen=True)
class RunContext:
    """Everything that is settled before the first contender is scored."""

    spec: RunSpec
    method: Method
    options: Any
    splits: Splits
    metric: str
    plan: Plan
    folder: RunFolder
    events: Events
    shapes: Shapes
    """Of the model before it is changed."""
    notes: tuple[str, ...] = ()
    """What loading the model said."""
    folds: Folds | None = None
    """With cross-validation: `splits` is then the whole, every row of it test."""
    folds_fit: bool = False
    """Whether cross-validation would be worth its time and accepted."""
    memo: Memo = NO_MEMO
    """What was worked out before, perhaps by an earlier process."""
    disk: DiskNeed | None = None
    """What the run writes; None where the size of what is trained is not known before."""
    soft_labels: SoftLabels | None = None
    """Of train's rows; known once the baselines are fitted."""
    base_model: str = ""
    """Its hub id, empty for a local folder."""
    base_license: str | None = None
    crew: Crew = NO_CREW
    """Other processes that compute a part of what takes long."""
    jobs: int = 1
    """Seeds or folds at once."""
    answers: tuple[Answers, ...] = ()
    """Those that were made elsewhere."""
    descriptions: Descriptions | None = None
    """Of the labels, for a model that needs no training here."""
    beginning: Beginning | None = None
    """With --start."""
    chooses_long: bool = False
    """Whether it is to be chosen how long texts are read (long_texts.py)."""
    width: int = 0
    """Of the base's states."""
    row_tokens: float = 0.0
    """Of a train row, on average."""

    def schedule(self, spec: TrainSpec, method: Method, rows: int) -> Schedule:
        """That of tuning by a method on so many rows."""
        rate = rate_of(method, self.width)
        return Schedule.of(spec, rows=rows, learning_rate=rate, row_tokens=self.row_tokens)

    def save_logits(self, name: str, logits: ContenderLogits) -> None:
        """Write a contender's logits to disk as soon as they are known."""
        self.folder.save_logits(name, test=logits.test, validation=logits.validation, unanswered=logits.unanswered)


def note_passes(memo: Memo, classifier: Classifier, events: Events) -> str:
    """Have it read rows in smaller passes where an earlier process of the run died in a larger one.

    Args:
        memo: of what the classifier is for: what fitted beside another model says little.

    Returns:
        what was said of it; empty where none died.
    """
    note = memo.passes()
    classifier.note_passes(note)
    if note.said:
        events.note(f"  {note.said}")
    return note.said


def recipe_for(
    context: RunContext,
    seed: int,
    method: Method | None = None,
    options: Any = None,
    *,
    plan: Plan | None = None,
    steps: int = 1,
) -> Recipe:
    """Of a classifier that is attached to what `load_for` loads; without a method the base as it is."""
    splits = context.splits
    name = method.name if method else None
    started = context.beginning.started if context.beginning and method is context.method else None
    return Recipe(
        context.spec.model,
        splits.task,
        tuple(splits.labels),
        seed,
        plan or context.plan,
        name,
        options,
        steps,
        shard=context.crew.shard,
        start=str(started.folder) if started else None,
    )


def load_for(context: RunContext, seed: int) -> Backbone:
    """The base, with a head drawn at random from the seed where the data need a new one."""
    splits = context.splits
    return load_backbone(context.spec.model, task=splits.task, labels=splits.labels, seed=seed, plan=context.plan)


def log_contender(context: RunContext, contender: Contender) -> None:
    """Report a contender to listeners as soon as it is scored."""
    context.events.send(ContenderScored(contender, context.metric))
