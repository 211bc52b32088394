"""A model that no device holds: each process has a part of its frozen weights, and all of what is trained.

In: a classifier on the CPU, a group.  Out: the same, its frozen weights divided (FSDP2) over the processes' devices.
Not here: the passes, which all processes then begin and end together (classifier.py, training/crew_steps.py).

What a method trains is small, and stays whole in every process: the first one's optimizer and files need nothing else.
Each layer's frozen weights are brought together while it computes, forward and back, and are given up again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from liftune.errors import MethodError, ModelError
from liftune.hardware.plan import Plan, Precision
from liftune.models import families
from liftune.models.backbone import Backbone
from liftune.models.bits import bits
from liftune.models.methods.hooks import split_to_lora
from liftune.models.methods.registry import Method
from liftune.models.packed.install import PACKED

if TYPE_CHECKING:
    from liftune.hardware.ranks import Group
    from liftune.models.classifier import Classifier

_WHY = "not with --shard: all processes go through each layer together"


def plan_of_shards(plan: Plan) -> Plan:
    """The plan without what does not go with shards; frozen weights of one precision, in training and after it."""
    off = dict.fromkeys(PACKED, _WHY)
    if plan.device == "cpu":
        off["bfloat16"] = "not with --shard on a CPU: frozen weights are divided once, and answers are in float32"
    fitting = plan.without(off)
    dtype: Precision = "bfloat16" if "bfloat16" in fitting.accelerations else "float32"
    return replace(fitting, dtype=dtype, inference_dtype=dtype)


def check_shards(backbone: Backbone, method: Method) -> None:
    """Refuse what cannot be divided.

    Raises:
        MethodError: the method trains, or turns to embeddings, what would have to be divided.
        ModelError: the frozen weights are no plain numbers.
    """
    if backbone.base_precision:
        raise ModelError(
            f"--base-precision {backbone.base_precision} packs the frozen weights, which --shard would have to divide",
            where="--shard",
            hint="leave out one of the two",
        )
    if method.kind == "full":
        raise MethodError(
            f"--method {method.name} trains every weight, and --shard divides those that are not trained",
            where="--shard",
            hint="choose another method, such as lora; or leave out --shard",
        )
    if method.before_save is split_to_lora:
        raise MethodError(
            f"--method {method.name} is given another form when it is saved, which one process cannot do alone",
            where="--shard",
            hint="choose another method, such as lora; or leave out --shard",
        )
    if method.kind == "peft" and method.name in _EMBEDDED and families.pools_last_token(backbone.model):
        raise MethodError(
            f"--method {method.name} reads each length of row by itself here, and --shard needs passes in step",
            where="--shard",
            hint="choose another method, such as lora; or leave out --shard",
        )


#: Methods whose prompts enter as embeddings.
_EMBEDDED = ("prompt", "p_tuning")


def shard(classifier: Classifier, group: Group, device: str) -> None:
    """Divide the frozen weights, layer by layer, and move everything to the device.

    Args:
        classifier: newly attached, on the CPU.
    """
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.fsdp import fully_shard

    kind = torch.device(device).type
    mesh = DeviceMesh.from_group(group.tensors_group(), kind)
    model: Any = classifier.model
    classifier.fingerprints = {name: bits(each) for name, each in _tensors(model)}
    whole = {parameter for parameter in model.parameters() if parameter.requires_grad}
    whole |= classifier.backbone.head_parameters()
    for layer in _layers(classifier.backbone.model):
        fully_shard(layer, mesh=mesh, ignored_params=whole)
    # By itself FSDP leaves the last group whole after a pass: here that is the table of embeddings.
    fully_shard(model, mesh=mesh, ignored_params=whole, reshard_after_forward=True)
    for parameter in whole:
        parameter.data = parameter.data.to(device)
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = buffer.to(device)
    classifier.in_step = True


def _tensors(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


def _layers(model: nn.Module) -> list[nn.Module]:
    """The model's blocks: the modules of its longest lists."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module)]
    longest = max((len(each) for each in lists), default=0)
    found = [each for each in lists if len(each) == longest]
    return [layer for each in found[:2] for layer in each]
