"""Every contender of a run is kept: saved beside the tuned adapter, and read again to see that it predicts the same.

In: a RunContext, a fitted contender, its logits.  Out: RUN/contenders/NAME.
Not here: fitting and scoring (baselines.py, finetune.py), reading one again (inference/contenders.py).
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from liftune.baselines.linear_probe import LinearProbe
from liftune.baselines.saved import save_baseline
from liftune.baselines.tfidf import Majority, Tfidf
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.ladder import ContenderLogits
from liftune.evaluation.selective import cutoffs
from liftune.files import atomic_folder
from liftune.inference.contenders import SavedContender, open_contender
from liftune.models.adapter_io import (
    CHECKED_ROWS,
    OTHER_SEED,
    check_round_trip,
    describe,
    save_adapter,
    save_encoder,
    verify_saved_adapter,
)
from liftune.models.classifier import Classifier
from liftune.models.frozen import save_head
from liftune.option_values import CONTRASTIVE
from liftune.records.contender import AS_IT_IS, ContenderCard
from liftune.records.reading import write_sealed
from liftune.records.training import AdapterCard
from liftune.run_folder import CONTENDER_CARD
from liftune.workflows.context import RunContext


def learned_by_tuning(context: RunContext, logits: ContenderLogits, base: ContenderLogits | None) -> dict[str, Any]:
    """What an adapter's card must hold: see `learned_on_validation`."""
    temperature = logits.calibration.temperature if logits.calibration else 1.0
    return {"temperature": temperature, **learned_on_validation(context, logits, base)}


def learned_on_validation(
    context: RunContext, logits: ContenderLogits, base: ContenderLogits | None = None
) -> dict[str, Any]:
    """What a card must hold, so that predictions are decided everywhere as in the run.

    Args:
        base: the untuned model's; None where they are not known.
    """
    splits = context.splits
    return {
        "thresholds": logits.threshold_values,
        "base_thresholds": base.threshold_values if base else None,
        "columns": splits.columns,
        "cutoffs": cutoffs(Evaluation.of("validation", logits.validation, splits, splits.validation)),
    }


def keep_words(context: RunContext, name: str, model: Majority | Tfidf, logits: ContenderLogits) -> None:
    """Keep a contender that reads words alone.

    Raises:
        ArtifactError: the disk is full, or what was saved does not predict the same.
    """
    with atomic_folder(context.folder.contender(name)) as folder:
        settings = save_baseline(model, folder)
        _write_card(context, folder, name, logits, settings=settings)
        _check(context, open_contender(folder), logits, folder)


def keep_base(context: RunContext, base: Classifier, logits: ContenderLogits) -> None:
    """Keep the base model as it is; `keep_probe` reads it again.

    Raises:
        ArtifactError: the disk is full.
    """
    with atomic_folder(context.folder.contender("base")) as folder:
        save_head(base, folder)
        card = describe(base, AS_IT_IS, pairs=context.splits.pairs)
        _write_card(context, folder, "base", logits, base=card)


def keep_probe(
    context: RunContext, base: Classifier, probe: LinearProbe, base_logits: ContenderLogits, logits: ContenderLogits
) -> None:
    """Keep the probe; it and the base, which was kept before, are read again with one loading of the model.

    Raises:
        ArtifactError: the disk is full, or what was saved does not predict the same.
    """
    with atomic_folder(context.folder.contender("probe")) as folder:
        card = describe(base, AS_IT_IS, pairs=context.splits.pairs)
        settings = save_baseline(probe, folder)
        _write_card(context, folder, "probe", logits, settings=settings, base=card, base_logits=base_logits)
        base_folder = context.folder.contender("base")
        allowed = base.backbone.trust_remote_code
        again = open_contender(base_folder, plan=base.plan, seed=OTHER_SEED, trust_remote_code=allowed)
        if again.base:
            again.base.pass_sizes_of(base)
        _check(context, again, base_logits, base_folder)
        _check(context, open_contender(folder, base=again.base), logits, folder)


def keep_contrastive(context: RunContext, encoder: Classifier, probe: LinearProbe, logits: ContenderLogits) -> None:
    """Keep an encoder that learned from pairs of rows, and the linear model on its states.

    Raises:
        ArtifactError: the disk is full, or what was saved does not predict the same.
    """
    assert encoder.method is not None
    with atomic_folder(context.folder.contender(CONTRASTIVE)) as folder:
        save_encoder(encoder, folder)
        card = describe(encoder, encoder.method.name, pairs=context.splits.pairs)
        settings = save_baseline(probe, folder)
        _write_card(context, folder, CONTRASTIVE, logits, settings=settings, base=card)
        allowed = encoder.backbone.trust_remote_code
        again = open_contender(folder, plan=encoder.plan, seed=OTHER_SEED, trust_remote_code=allowed)
        if again.base:
            again.base.pass_sizes_of(encoder)
        _check(context, again, logits, folder)


def keep_full(context: RunContext, full: Classifier, logits: ContenderLogits, base: ContenderLogits | None) -> None:
    """Keep the fully tuned model, as `--method full` keeps it.

    Raises:
        ArtifactError: the disk is full, or what was saved does not predict the same.
    """
    with atomic_folder(context.folder.contender("full")) as folder:
        save_adapter(full, folder, pairs=context.splits.pairs, learnt=learned_by_tuning(context, logits, base))
        verify_saved_adapter(full, folder, context.splits.validation.rows)


def _write_card(
    context: RunContext,
    folder: Path,
    name: str,
    logits: ContenderLogits,
    *,
    settings: dict[str, Any] | None = None,
    base: AdapterCard | None = None,
    base_logits: ContenderLogits | None = None,
) -> None:
    splits = context.splits
    card = ContenderCard(
        liftune=version("liftune"),
        name=name,
        task=splits.task,
        labels=splits.labels,
        pairs=splits.pairs,
        settings=settings or {},
        base=base,
        **learned_on_validation(context, logits, base_logits),
    )
    write_sealed(folder / CONTENDER_CARD, card)


def _check(context: RunContext, again: SavedContender, logits: ContenderLogits, folder: Path) -> None:
    """Compare what was read from disk with what was scored, logit by logit."""
    rows = context.splits.validation.rows[:CHECKED_ROWS]
    dtype = again.base.plan.dtype if again.base else "float32"
    check_round_trip(logits.validation[: len(rows)], again.logits(rows), folder, what=again.card.name, dtype=dtype)
