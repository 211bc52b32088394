"""A tuned classifier on disk: a folder that plain PEFT loads, with a card; and the check of what was saved.

In: a Classifier and a folder.  Out: the folder; a Classifier rebuilt from it; a RoundTripCheck.
Not here: the base under it (saved_backbone.py), the run folder around it (run_folder.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from liftune.errors import ArtifactError, LiftuneError, ModelError, lacks_memory
from liftune.files import atomic_folder, read_json_object, safetensor_errors
from liftune.hardware.plan import Plan, Precision
from liftune.json_text import parse_json
from liftune.models.attach import rebuild
from liftune.models.backbone import Backbone
from liftune.models.classifier import Classifier
from liftune.models.finite import check_finite, first_not_finite
from liftune.models.foreign.card import ForeignCard
from liftune.models.foreign.folders import CONFIG
from liftune.models.foreign.heads import unfit_weights
from liftune.models.methods.registry import METHODS, Method
from liftune.models.open_foreign import check_saved_rank, length_with, load_foreign
from liftune.models.pretrained import quiet
from liftune.models.saved_backbone import reload_backbone, reload_unchanged, reload_whole
from liftune.models.tokens.saving import is_data, save_tokenizer
from liftune.models.trust import CodeRefusedError, check_code
from liftune.records.reading import ADAPTER_CARD, read_record, write_sealed
from liftune.records.training import AdapterCard, RoundTripCheck
from liftune.seals import checked, unreadable_in
from liftune.types import Row

CARD = ADAPTER_CARD
_WEIGHTS = "adapter_model.safetensors"
#: What to do about a damaged adapter.
RESTORE = "restore the folder, or tune again"
#: Far from the seeds that people give.
OTHER_SEED = 0x5EED_0DD5
#: On so many rows at most a saved model is compared with the live one.
CHECKED_ROWS = 64

#: Largest gap of a logit, relative to the largest logit where that is above 1, that float32 and bfloat16 may leave.
TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}


def save_adapter(
    classifier: Classifier, folder: Path, *, pairs: bool = False, learnt: Mapping[str, Any] | None = None
) -> AdapterCard:
    """Write the adapter (for `full` the whole model), its tokenizer and liftune.json; return what the latter holds.

    What was in the folder is replaced only once all of the new adapter is written.

    Args:
        learnt: fields of the card that validation gave: temperature, thresholds, base_thresholds, cutoffs.

    Raises:
        ArtifactError: the disk is full or read-only.
        ModelError: weights are not finite.
        ValueError: the classifier has no method, or its target scale is not folded yet.
    """
    method = classifier.method
    if method is None:
        raise ValueError("a classifier without a method has nothing to save")
    if classifier.has_target_scale:
        raise ValueError("fold_target_scale() first: the saved model must predict in the target's unit")
    if method.before_save is not None:
        method.before_save(classifier.model)
    broken = first_not_finite(classifier.trainable())
    if broken is not None:
        raise ModelError(
            f"the tuned weights are not finite numbers, the first is {broken}: training has diverged",
            where=str(folder),
            hint="tune again with a lower --lr",
        )
    card = describe(classifier, method.name, pairs=pairs, learnt=learnt)
    with atomic_folder(folder) as fresh, safetensor_errors():
        return _write(classifier, card, fresh)


def describe(
    classifier: Classifier, method: str, *, pairs: bool, learnt: Mapping[str, Any] | None = None
) -> AdapterCard:
    """All that is needed to load the classifier's base again and to predict with it, but for weights.

    Args:
        method: the name to write.
        learnt: as of `save_adapter`.
    """
    backbone = classifier.backbone
    return AdapterCard(
        liftune=version("liftune"),
        task=classifier.task,
        labels=classifier.labels,
        method=method,
        base=backbone.name,
        base_revision=backbone.revision,
        base_sha256=backbone.sha256,
        base_tokenizer=backbone.tokenizer_sha256,
        base_config=dict(backbone.config_fields),
        config_changes=dict(backbone.config_changes),
        family=backbone.family,
        head=backbone.head,
        max_length=classifier.max_length,
        **classifier.long.card_fields(classifier.max_length),
        pad_token_id=backbone.pad_token_id,
        truncation_side=backbone.tokenizer.truncation_side,
        dtype=classifier.trained_in,
        base_precision=backbone.base_precision,
        base_kept=backbone.base_kept,
        pairs=pairs,
        trust_remote_code=backbone.trust_remote_code,
        **(learnt or {}),
    )


def save_encoder(classifier: Classifier, folder: Path) -> None:
    """Write an adapter's weights and PEFT's config of them, for a contender whose head is another.

    Args:
        classifier: with a method of PEFT's.

    Raises:
        ArtifactError: the disk is full or read-only.
    """
    assert classifier.method is not None
    if classifier.method.before_save is not None:
        classifier.method.before_save(classifier.model)
    with safetensor_errors(), quiet():
        _save_peft(classifier.model, folder)


def _save_peft(model: Any, folder: Path) -> None:
    # Embeddings are never resized here; "auto" would ask the hub whether they were.
    model.save_pretrained(folder, save_embedding_layers=False)
    _sort_sets(model.peft_config.values(), folder)


def _write(classifier: Classifier, card: AdapterCard, folder: Path) -> AdapterCard:
    model: Any = classifier.model
    whole = classifier.method is not None and classifier.method.kind == "full"
    with quiet():
        if whole:
            model.save_pretrained(folder)
        else:
            _save_peft(model, folder)
        if whole or is_data(classifier.backbone.tokenizer):  # without the base's code the files would be of no use
            save_tokenizer(classifier.backbone.tokenizer, folder)
    return write_sealed(folder / CARD, card)


def _sort_sets(configs: Iterable[Any], folder: Path) -> None:
    """PEFT writes sets, such as the names of target modules, in an order that differs from process to process."""
    path = folder / "adapter_config.json"
    values = parse_json(path.read_text(encoding="utf-8"))
    for config in configs:
        sets = {name: sorted(each) for name, each in vars(config).items() if isinstance(each, set | frozenset)}
        values.update({name: each for name, each in sets.items() if name in values})
    path.write_text(json.dumps(values, indent=2, sort_keys=True), encoding="utf-8")


def read_card(folder: Path) -> AdapterCard:
    """The adapter's card.

    Raises:
        ArtifactError: there is none, it is damaged, or of a newer liftune.
    """
    return read_record(folder / CARD, AdapterCard, "adapter")


def open_adapter(
    folder: Path,
    *,
    card: AdapterCard | None = None,
    plan: Plan | None = None,
    seed: int = 0,
    trust_remote_code: bool = False,
) -> Classifier:
    """Rebuild the classifier from what is on disk.

    Args:
        card: what describes it; None reads liftune.json.
        seed: of the parameters that loading the base makes up; it cannot matter where the adapter holds them all.
        trust_remote_code: whether the user allows Python code of the model's own, where the card says it needs some.

    Raises:
        ArtifactError: the folder is missing or damaged, or the base is not the one that the adapter was trained on.
        ModelError: the base model cannot be loaded, or needs code that was not allowed.
    """
    card = card or read_card(folder)
    check_code(card, allowed=trust_remote_code, asked_by=folder / CARD)
    method = _method(card, folder)
    plan = plan or Plan()
    if isinstance(card, ForeignCard):
        return _open_foreign(card, folder, method, plan=plan, seed=seed)
    if method.kind == "full":
        with sound(card, folder):
            whole = reload_whole(card, folder, seed=seed, plan=plan, trust_remote_code=trust_remote_code)
            if whole.fresh:
                raise _incomplete(whole.fresh, folder)
            return rebuild(whole, method, lambda: whole.model, plan=plan, max_length=card.max_length)
    backbone = reload_unchanged(card, seed=seed, plan=plan, trust_remote_code=trust_remote_code)
    with sound(card, folder):
        return rebuild(backbone, method, lambda: load_peft(backbone, folder), plan=plan, max_length=card.max_length)


def _open_foreign(card: ForeignCard, folder: Path, method: Method, *, plan: Plan, seed: int) -> Classifier:
    """What others saved; `reload_backbone` and `reload_whole` hold its need of code against what the user allowed."""
    allowed = card.trust_remote_code
    if method.kind == "full":
        whole = reload_whole(card, folder, seed=seed, plan=plan, trust_remote_code=allowed)
        with _damage(folder):
            check_finite(folder)
        if whole.fresh:
            raise unfit_weights(whole.fresh, folder, read_json_object(folder / CONFIG, hint=RESTORE))
        return rebuild(whole, method, lambda: whole.model, plan=plan, max_length=whole.max_length)
    backbone = reload_backbone(card, seed=seed, plan=plan, trust_remote_code=allowed)
    length = length_with(backbone, card.virtual_tokens)
    return rebuild(backbone, method, lambda: load_foreign(backbone, folder), plan=plan, max_length=length)


def _method(card: AdapterCard, folder: Path) -> Method:
    if card.method not in METHODS:
        raise ArtifactError(
            f"the adapter was tuned with {card.method!r}, a method that is not installed here",
            where=str(folder / CARD),
            hint="install the package that brings it, or a liftune that has it",
        )
    return METHODS[card.method]


def verify_saved_adapter(
    classifier: Classifier, folder: Path, rows: Sequence[Row], *, most: int = CHECKED_ROWS
) -> RoundTripCheck:
    """Rebuild the saved classifier under another seed and compare it with the live one, logit by logit.

    Raises:
        ArtifactError: they differ by more than the precision explains: something that was trained is not in the folder.
    """
    rows = rows[:most]
    live = classifier.logits(rows)
    allowed = classifier.backbone.trust_remote_code  # the live model runs that code already
    again = open_adapter(folder, plan=classifier.plan, seed=OTHER_SEED, trust_remote_code=allowed)
    again.pass_sizes_of(classifier)
    return check_round_trip(live, again.logits(rows), folder, what="adapter", dtype=classifier.plan.dtype)


def check_round_trip(
    live: NDArray[np.float32], again: NDArray[np.float32], folder: Path, *, what: str, dtype: Precision
) -> RoundTripCheck:
    """Compare the logits (N, C) of a live model with those of the same model read from disk.

    Args:
        what: was saved, for the message.
        dtype: the precision of both.

    Raises:
        ArtifactError: they differ by more than the precision explains.
    """
    gap = float(np.abs(live - again).max(initial=0.0))
    tolerance = TOLERANCE[dtype] * max(1.0, float(np.abs(live).max(initial=0.0)))
    if not gap <= tolerance:  # so that a NaN fails too
        raise ArtifactError(
            f"the saved {what} does not predict what the trained model does: a logit differs by {gap:.3g}",
            where=str(folder),
            hint=f"do not use this {what}; report the model and the method as a defect of liftune",
        )
    return RoundTripCheck(rows=len(live), largest_gap=gap, tolerance=tolerance)


def load_peft(backbone: Backbone, folder: Path, *, trainable: bool = False) -> nn.Module:
    """PEFT's model around the backbone's, with all that the folder holds.

    Args:
        trainable: whether what was trained is to be trained further.

    Raises:
        ArtifactError: weights are missing.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(folder / _WEIGHTS, framework="pt") as file:
        saved = set(file.keys())
        check_saved_rank(folder, [file.get_slice(name).get_shape() for name in saved])
    with quiet():
        model: Any = PeftModel.from_pretrained(backbone.model, folder, is_trainable=trainable, torch_device="cpu")
        # PEFT only warns of what the file lacks.
        lacking = sorted(set(get_peft_model_state_dict(model, save_embedding_layers=False)) - saved)
    if lacking:
        raise _incomplete(lacking, folder)
    assert isinstance(model, nn.Module)
    return model


def _incomplete(lacking: Sequence[str], folder: Path) -> ArtifactError:
    return ArtifactError(
        f"the adapter's weights are incomplete: {len(lacking)} are missing, the first is {lacking[0]}",
        where=str(folder),
        hint=RESTORE,
    )


@contextmanager
def sound(card: AdapterCard, folder: Path) -> Iterator[None]:
    """The files are those that were saved, or the block's work is for nothing."""
    with checked(folder, card.files, card=CARD, hint=RESTORE), _damage(folder):
        if not card.files:  # what is sealed was looked at when it was saved
            check_finite(folder)
        yield


@contextmanager
def _damage(folder: Path) -> Iterator[None]:
    """Turn what PEFT, transformers and the file readers raise over a bad folder into an ArtifactError."""
    try:
        yield
    except (ArtifactError, CodeRefusedError):
        raise
    except Exception as error:  # PEFT takes a config's values as they are: any error may come of one of another type
        if lacks_memory(error) or (isinstance(error, LiftuneError) and not isinstance(error, ModelError | ValueError)):
            raise
        message = str(error).strip() or type(error).__name__
        raise unreadable_in(folder) or ArtifactError(
            f"the adapter is damaged: {message.splitlines()[0]}", where=str(folder), hint=RESTORE
        ) from None
