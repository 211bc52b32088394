"""A tuned adapter that is tuned further: its weights, its method, and a head with a row for each new label.

In: the folder of an adapter that liftune saved, the labels that the model is to have.  Out: a Classifier to train.
Not here: a new adapter (attach.py), one to predict with (adapter_io.py), rows of new labels that are better than random
(training/new_labels.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from liftune.errors import ModelError
from liftune.hardware.plan import Plan
from liftune.models import families
from liftune.models.adapter_io import load_peft, read_card, sound
from liftune.models.attach import as_classifier, body_matrices
from liftune.models.backbone import Backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.options import Options
from liftune.models.methods.registry import Method
from liftune.models.module_names import within
from liftune.models.saved_backbone import reload_unchanged
from liftune.records.training import AdapterCard
from liftune.spec import ModelSpec
from liftune.tasks import task_of

#: Deviation of the random rows of new labels, over that of the old rows.
_SMALL = 0.1


def go_on_from(
    folder: Path,
    model: ModelSpec,
    labels: Sequence[str],
    method: Method,
    options: Options | None = None,
    *,
    plan: Plan | None = None,
    seed: int = 0,
) -> Classifier:
    """A classifier that trains what the adapter trained, from where that ended.

    Args:
        model: where its base is, and whether code of its own is allowed.
        labels: of the new model: those of the adapter keep their rows of the head, by name; rows of others are random.
        options: of the method, for its optimizer.
        seed: of these rows.

    Raises:
        ArtifactError: the folder is damaged.
        ModelError: the base cannot be loaded, or is another.
    """
    card, plan = read_card(folder), plan or Plan()
    base = base_for(card, model, seed=seed, plan=plan)
    base.model.requires_grad_(False)
    matrices = body_matrices(base)
    with sound(card, folder):
        peft: Any = load_peft(base, folder, trainable=True)
    method = method.going_on()
    if method.after_attach is not None:
        method.after_attach(peft)
    added = tuple(each for each in labels if each not in card.labels) if task_of(card.task).outputs_labels else ()
    backbone = replace(base, head="trained", fresh=(), added_labels=added)
    if task_of(card.task).outputs_labels and tuple(labels) != card.labels:
        backbone = with_labels(backbone, peft, tuple(labels), seed=seed)
    return as_classifier(backbone, peft, matrices, method, options, plan=plan, room=card.max_length)


def base_for(card: AdapterCard, model: ModelSpec, *, seed: int, plan: Plan) -> Backbone:
    """The adapter's base, where the user says that it is.

    Raises:
        ModelError: other weights are there.
        ArtifactError: they have changed since.
    """
    named = card.model_copy(update={"base": model.name, "base_revision": None})
    return reload_unchanged(named, seed=seed, plan=plan, trust_remote_code=model.trust_remote_code)


def refuse_other_base(card: AdapterCard, found: Backbone) -> None:
    """Refuse weights that are not those that the adapter was tuned on.

    Raises:
        ModelError: they are not.
    """
    if found.sha256 == card.base_sha256:
        return
    raise ModelError(
        f"the model to start from was tuned on {card.base}, whose weights are not those of {found.name}",
        where="--model",
        hint="leave --model out, or name the folder in which the same weights are now; to tune another base, leave "
        "--start out",
    )


def with_labels(backbone: Backbone, model: nn.Module, labels: tuple[str, ...], *, seed: int) -> Backbone:
    """Give the last layer a row for each label, by name; in place. Rows of labels that it did not have are random.

    Args:
        model: around the backbone's model, with the trained copy of its head.
    """
    outputs = backbone.outputs
    name = families.final_layer(backbone.model, backbone.head_modules, outputs)
    head = next(each for each in backbone.head_modules if within(name, [each]))
    places = [backbone.labels.index(each) if each in backbone.labels else None for each in labels]
    layers = {
        id(layer): layer
        for path, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and layer.out_features == outputs and _is_of(path, head, name)
    }
    generator = torch.Generator().manual_seed(seed)
    for layer in layers.values():
        _resize(layer, places, generator)
    fields = task_of(backbone.task).config_fields(labels)
    for key, value in fields.items():
        setattr(backbone.model.config, key, value)
    if hasattr(backbone.model, "num_labels"):
        backbone.model.num_labels = len(labels)  # type: ignore[assignment]
    return replace(backbone, labels=labels)


#: Where PEFT's wrapper of a module that is saved in full keeps it: as it was, and as it is trained.
_COPIES = (".original_module", ".modules_to_save.default")


def _is_of(path: str, head: str, name: str) -> bool:
    """Whether a path of PEFT's model is the last layer, in one of the copies of its module."""
    inner = name[len(head) :]
    for copy in _COPIES:
        inner = inner.removeprefix(copy)
    return any(f".{path}".endswith(f".{head}{copy}{inner}") for copy in ("", *_COPIES))


def _resize(layer: nn.Linear, places: Sequence[int | None], generator: torch.Generator) -> None:
    """Rows at these places of the layer as it is, and for none small random ones with the least bias."""
    weight, bias = layer.weight, layer.bias
    small = float(weight.detach().float().std()) * _SMALL

    def row(place: int | None) -> Tensor:
        if place is not None:
            return weight.detach()[place].float()
        return small * torch.randn(weight.shape[1], generator=generator)

    rows = torch.stack([row(each) for each in places]).to(weight)
    layer.weight = nn.Parameter(rows, requires_grad=weight.requires_grad)
    if bias is not None:
        least = float(bias.detach().min())
        shifts = torch.tensor([least if each is None else float(bias.detach()[each]) for each in places])
        layer.bias = nn.Parameter(shifts.to(bias), requires_grad=bias.requires_grad)
    layer.out_features = len(places)
