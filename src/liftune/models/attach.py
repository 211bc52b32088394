"""A backbone and a method become a Classifier.

In: a Backbone, a Method, its Options.  Out: a Classifier that trains what the method says, and every randomly
initialised parameter.
Not here: what the Classifier does (classifier.py), the disk (adapter_io.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from liftune.errors import ModelError
from liftune.hardware.plan import Plan
from liftune.models import families
from liftune.models.backbone import Backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.options import NoOptions, Options
from liftune.models.methods.registry import BackboneShape, Method, check_family, check_four_bits, virtual_tokens
from liftune.models.module_names import within
from liftune.models.packed import install_packed
from liftune.models.pretrained import quiet
from liftune.models.quantised import compute_in


def attach(
    backbone: Backbone,
    method: Method | None,
    options: Options | None = None,
    *,
    plan: Plan | None = None,
    seed: int = 0,
    total_steps: int = 1,
) -> Classifier:
    """Make a classifier that trains what the method says, the head, and every randomly initialised parameter.

    Args:
        method: None leaves the base as it is, in the planned precision; any other changes its model.
        seed: of the random numbers that the method draws.
        total_steps: optimizer steps that training will take at most.

    Raises:
        MethodError: the method does not fit the model's family, or names modules that it does not have.
        ModelError: a randomly initialised parameter that no adapter could hold.
    """
    plan = plan or Plan()
    options = options or (method.options() if method is not None else NoOptions())
    model: nn.Module = backbone.model
    model.requires_grad_(False)
    matrices = body_matrices(backbone)
    if method is None:
        _set_precision(model, matrices, plan)
        return _classifier(backbone, model, method, options, plan, backbone.max_length)
    check_family(method, backbone.family)
    check_four_bits(method, backbone.base_precision)
    if method.kind == "full":
        model.requires_grad_(True)
    else:
        shape = BackboneShape(backbone.family, backbone.model, backbone.head_modules, total_steps)
        model = _with_peft(backbone, method, options, shape, seed)
    _require_fresh_trained(model, backbone)
    limit = families.position_limit(backbone.model)
    room = backbone.max_length if limit is None else min(backbone.max_length, limit - virtual_tokens(options))
    return as_classifier(backbone, model, matrices, method, options, plan=plan, room=room)


def as_classifier(
    backbone: Backbone,
    model: nn.Module,
    matrices: list[nn.Parameter],
    method: Method,
    options: Options | None,
    *,
    plan: Plan,
    room: int,
) -> Classifier:
    """A classifier to train, around a model whose trained part is chosen.

    Args:
        matrices: of the body, as they were listed before PEFT added its own.
        room: tokens kept of each row.
    """
    _set_precision(model, matrices, plan)
    if plan.recompute:
        settings: Any = {"use_reentrant": False}  # the other way needs inputs with gradients, which frozen layers lack
        backbone.model.gradient_checkpointing_enable(settings)  # type: ignore[no-untyped-call]
    classifier = _classifier(backbone, model, method, options or method.options(), plan, room)
    classifier.rounded = {i: parameter for i, parameter in enumerate(matrices) if parameter.dtype == torch.bfloat16}
    return classifier


def restore_full_precision(classifier: Classifier, original: Backbone) -> None:
    """After training: give the frozen matrices their float32 values back where the plan wants float32 at inference.

    Args:
        original: the backbone, loaded again; its model is used up.
    """
    if classifier.plan.inference_dtype == "float32":
        exact = body_matrices(original)
        for position, held in classifier.rounded.items():
            held.data = exact[position].data.to(held.device)
        classifier.rounded = {}
    if classifier.plan.recompute:
        classifier.backbone.model.gradient_checkpointing_disable()  # type: ignore[no-untyped-call]
    classifier.plan = classifier.plan.for_inference
    compute_in(classifier.model, classifier.plan.dtype)


def check_method(backbone: Backbone, method: Method, options: Options) -> None:
    """Raise what `attach` would raise, and leave the model as it is: to be called before anything is computed.

    Raises:
        MethodError: the method does not fit the model's family, or names modules that it does not have.
    """
    check_family(method, backbone.family)
    check_four_bits(method, backbone.base_precision)
    method.build(options, BackboneShape(backbone.family, backbone.model, backbone.head_modules, total_steps=100))
    if method.kind != "full":
        _refuse_second_head(backbone)


def _refuse_second_head(backbone: Backbone) -> None:
    """PEFT trains in full whatever ends in the name of the head, with or without a dot before it.

    Raises:
        ModelError: that is something else too.
    """
    head = backbone.head_modules
    names = [name for name, _ in backbone.model.named_modules() if name.endswith(head) and not within(name, head)]
    if names:
        raise ModelError(
            f"PEFT takes {names[0]} for the head, as it ends in the name of {' or '.join(head)}",
            where=backbone.name,
            hint="use --method full, or rename it in the model's own code",
        )


def rebuild(
    backbone: Backbone, method: Method, load: Callable[[], nn.Module], *, plan: Plan, max_length: int
) -> Classifier:
    """A classifier around the model that `load` makes of the backbone's and the disk; nothing of it is trainable."""
    matrices = [] if method.kind == "full" else body_matrices(backbone)
    model = load()
    model.requires_grad_(False)
    _set_precision(model, matrices, plan)
    return _classifier(backbone, model, method, NoOptions(), plan, max_length)


def _classifier(
    backbone: Backbone,
    model: nn.Module,
    method: Method | None,
    options: Options,
    plan: Plan,
    max_length: int,
) -> Classifier:
    model.to(plan.device).eval()
    classifier = Classifier(backbone, model, method=method, options=options, plan=plan, max_length=max_length)
    use_packed_encoder(classifier)
    return classifier


def use_packed_encoder(classifier: Classifier) -> None:
    """Replace the encoder's forward pass as far as model, method and plan allow; the plan drops what does not fit.

    Raises:
        ModelError: an acceleration that was asked for by name does not fit.
    """
    backbone = classifier.backbone
    classifier.packed_encoder, classifier.plan = install_packed(
        classifier.model, backbone.model, classifier.forward, classifier.plan, pad=backbone.pad_token_id
    )


def _with_peft(backbone: Backbone, method: Method, options: Options, shape: BackboneShape, seed: int) -> nn.Module:
    from peft import LoraConfig, TaskType, get_peft_model
    from peft.utils.constants import DUMMY_TARGET_MODULES

    config: Any = method.build(options, shape)
    if config is None:
        # The method `probe` changes nothing in the body. PEFT's name for "no module" keeps it a plain PEFT adapter.
        config = LoraConfig(task_type=TaskType.SEQ_CLS, target_modules=DUMMY_TARGET_MODULES)
    config.modules_to_save = list(shape.head_modules)
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = get_peft_model(backbone.model, config)
        # PEFT extended the list by two guesses of its own; the file is to name what the model has.
        config.modules_to_save = list(shape.head_modules)
        config.base_model_name_or_path = backbone.base
        config.revision = backbone.revision
        if method.after_attach is not None:
            method.after_attach(model)
    assert isinstance(model, nn.Module)
    return model


def _require_fresh_trained(model: nn.Module, backbone: Backbone) -> None:
    """Every randomly initialised parameter must be trained and saved, whatever PEFT made of the list."""
    trained = {
        name.removeprefix("base_model.model.").removeprefix("base_model.").replace(".modules_to_save.default", "")
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    untrained = [name for name in backbone.fresh if name not in trained]
    if untrained:
        raise ModelError(
            f"parameters that are missing in the checkpoint would stay random: {', '.join(untrained)}",
            where=backbone.name,
            hint="use --method full, or a checkpoint that has them",
        )


def body_matrices(backbone: Backbone) -> list[nn.Parameter]:
    """The body's matrices, to be listed before PEFT adds its own."""
    head = backbone.head_modules
    parameters = backbone.model.named_parameters()
    return [parameter for name, parameter in parameters if parameter.ndim >= 2 and not within(name, head)]


def _set_precision(model: nn.Module, matrices: list[nn.Parameter], plan: Plan) -> None:
    """Convert the body's frozen matrices to the planned precision; everything that is trained stays float32.

    Vectors (norms, biases) stay float32 too: they are small, and CPU kernels of norms allow no mixed precision. They
    are copied, as a few views of the file that was loaded would keep all of it in memory.
    """
    compute_in(model, plan.dtype)
    if plan.dtype != "bfloat16":
        return
    frozen = {id(parameter) for parameter in matrices if not parameter.requires_grad}
    for parameter in model.parameters():
        if families.is_four_bits(parameter):
            continue
        rounded = id(parameter) in frozen
        parameter.data = parameter.data.to(torch.bfloat16) if rounded else parameter.data.clone()
