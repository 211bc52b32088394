"""Answers for new texts: open a run or a bundle and ask it.

In: a run folder (or its adapter folder), or an exported bundle; rows.  Out: Answers.
Not here: the model (models/), files of rows (bulk.py), a bundle (runtime.py).
Torch is imported where a run is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from liftune.errors import EXTRAS, ArtifactError, SpecError, nearest, need
from liftune.evaluation.selective import cutoff_for
from liftune.inference.onnx_bundle import Bundle, is_bundle, refuse_options
from liftune.inference.prediction import Prediction, check_kind, predictions_of_logits
from liftune.models.checkpoint import ALIASES
from liftune.records.base import Head
from liftune.records.training import AdapterCard
from liftune.run_folder import adapter_folder
from liftune.tasks.base import TaskKind, ThresholdValues
from liftune.types import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from liftune.hardware.plan import Plan
    from liftune.models.classifier import Classifier

#: float32: as plain PEFT answers; bfloat16: rounded; fastest: the one that was measured to be faster on this machine.
Precision: TypeAlias = Literal["float32", "bfloat16", "fastest"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "fastest")


def open_predictor(
    path: str | Path,
    *,
    device: str | None = None,
    with_base: bool = False,
    precision: str | None = None,
    min_precision: float | None = None,
) -> Predictor | Bundle:
    """What answers under a path: a Bundle where there is a bundle.json, which needs no torch, else a Predictor.

    Args:
        device: as in ModelSpec.
        with_base: answer with the untuned model as well.
        precision: one of PRECISIONS; None answers in float32 on a processor, and as it was tuned on an accelerator.
        min_precision: the share of answers that must be right; rows of which the model is too unsure get none.

    Raises:
        ArtifactError: nothing that answers is there, or it is damaged, or its base has changed.
        SpecError: an unknown precision, an option that a bundle cannot follow, or a min_precision that validation
            cannot vouch for.
    """
    chosen = _precision(precision)
    if is_bundle(path):
        refuse_options(device=device, with_base=with_base)
        if chosen is not None:
            raise SpecError(
                "a bundle's precision was settled when it was exported",
                where="--precision",
                hint="leave it out, or export the run again with another --format",
            )
        return Bundle.open(path, min_precision=min_precision)
    return Predictor.open(path, device=device, with_base=with_base, precision=chosen, min_precision=min_precision)


def files_of(path: str | Path) -> list[list[str | int]]:
    """Name, size and time of each file of an adapter or a bundle: what tells a model from a later one in its place."""
    folder = Path(path) if is_bundle(path) else adapter_folder(path) or Path(path)
    found = ((each.name, each.stat()) for each in sorted(folder.iterdir()) if each.is_file())
    return [[name, facts.st_size, facts.st_mtime_ns] for name, facts in found]


class Predictor:
    """A tuned model, ready to answer.

    Attributes:
        card: what the adapter says of itself: thresholds, the table of confidences, and more.
        min_precision: that of `predict` where none is asked for; None answers every row.
    """

    def __init__(
        self,
        classifier: Classifier,
        card: AdapterCard,
        *,
        base: Classifier | None = None,
        min_precision: float | None = None,
    ) -> None:
        self._classifier, self._base, self.card, self.min_precision = classifier, base, card, min_precision

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        device: str | None = None,
        with_base: bool = False,
        precision: Precision | None = None,
        min_precision: float | None = None,
    ) -> Predictor:
        """Load a run's adapter onto its base, and fold it into the base's weights where the method allows.

        Args:
            path: a run folder, or an adapter folder.
            device: as in ModelSpec.
            with_base: answer with the untuned model as well.
            precision, min_precision: as of `open_predictor`.

        Raises:
            ArtifactError: no adapter there, or it is damaged, or its base has changed.
        """
        need(*EXTRAS["tune"])
        folder = adapter_folder(path)
        if folder is None:
            raise no_adapter(str(path))
        from liftune.models.adapter_io import read_card
        from liftune.models.attach import attach
        from liftune.models.backbone import reload_backbone

        card = read_card(folder)
        if min_precision is not None:
            cutoff_for(card.cutoffs, min_precision)  # refused before the model is loaded
        plan = _plan(device, precision)
        base = None
        if with_base:
            # With the head that it had before tuning, its outputs in the adapter's order of labels.
            base = attach(reload_backbone(card, seed=0, plan=plan), None, plan=plan)
        return cls(_open(folder, card.method, plan), card, base=base, min_precision=min_precision)

    @property
    def pairs(self) -> bool:
        """Whether it was tuned on text pairs."""
        return self.card.pairs

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `logits`."""
        return self._classifier.labels

    @property
    def task(self) -> TaskKind:
        """What the answers are."""
        return self._classifier.task

    @property
    def base_head(self) -> Head | None:
        """Whether the untuned model's head was trained by anyone: the answers of a fresh one are chance."""
        return self._base.backbone.head if self._base else None

    def logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """(N, C) float32: a Scorer."""
        return self._classifier.logits(rows)

    def predict(self, rows: Sequence[Row], *, min_precision: float | None = None) -> list[Prediction]:
        """One answer a row, in order.

        Args:
            min_precision: the share of answers that must be right, as far as validation can vouch; rows of which the
                model is too unsure get no label. None takes the one that it was opened with.

        Raises:
            DataError: texts where the model was tuned on pairs, or the other way round.
            SpecError: validation cannot vouch for that precision.
        """
        check_kind(rows, pairs=self.pairs)
        asked = self.min_precision if min_precision is None else min_precision
        above = None if asked is None else cutoff_for(self.card.cutoffs, asked).above
        answers = self._answers(self._classifier, rows, self.card.thresholds, above)
        if self._base is None:
            return answers
        bases = self._answers(self._base, rows, self.card.base_thresholds, None)
        return [replace(each, base=base) for each, base in zip(answers, bases, strict=True)]

    def _answers(
        self, classifier: Classifier, rows: Sequence[Row], thresholds: ThresholdValues | None, above: float | None
    ) -> list[Prediction]:
        return predictions_of_logits(
            rows, classifier.logits(rows), labels=self.labels, task=self.task, thresholds=thresholds, above=above
        )


def _precision(asked: str | None) -> Precision | None:
    found = next((each for each in PRECISIONS if each == asked), None)
    if asked is not None and found is None:
        raise SpecError(
            f"unknown precision {asked!r}{nearest(asked, PRECISIONS)}",
            where="--precision",
            hint=f"choose one of: {', '.join(PRECISIONS)}",
        )
    return found


def _plan(device: str | None, precision: Precision | None) -> Plan:
    """The plan by which to answer; ids of rows that are read once are not kept on the disk."""
    from liftune.hardware.measure import measure_machine
    from liftune.hardware.plan import make_plan

    made = make_plan(measure_machine(), device=device)
    dtype = made.inference_dtype if precision is None else made.dtype if precision == "fastest" else precision
    return replace(made, dtype=dtype, accelerations=made.accelerations - {"token-cache"})


def _open(folder: Path, method: str, plan: Plan) -> Classifier:
    """Merged on a processor, where that answers as before to 1e-5; an accelerator answers as it was tuned."""
    from liftune.models.adapter_io import open_adapter
    from liftune.models.merge import open_merged
    from liftune.models.methods.registry import METHODS

    if plan.device == "cpu" and method in METHODS and METHODS[method].mergeable:
        return open_merged(folder, plan=plan)
    return open_adapter(folder, plan=plan)


def no_adapter(path: str) -> ArtifactError:
    """Why a path is no tuned model, as far as can be seen."""
    folder, hint = Path(path), "give a folder that `liftune tune` wrote"
    if (folder / "config.json").is_file() or path in ALIASES:
        what = f"{path} is a pretrained model, not a run"
        hint = f"tune it: liftune tune DATA --model {path}; or score it: liftune evaluate DATA --model {path}"
    elif (folder / "adapter_config.json").is_file():
        what = f"{path} is an adapter without liftune.json: liftune did not write it"
    elif (folder / "spec.json").is_file():
        what, hint = f"{path} is an unfinished run: it has no adapter", "run `liftune tune` again"
    else:
        what = f"{path} holds no run" if folder.exists() else f"there is no run folder {path}"
    return ArtifactError(what, where="RUN", hint=hint)
