"""A tuned classifier without its adapter: the same logits from the model's own architecture.

In: an adapter's folder.  Out: a Classifier around a plain model, the tuned weights merged into its own.
Not here: writing it anywhere (export/).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from liftune.errors import LiftuneError, MethodError, lacks_memory
from liftune.hardware.plan import Plan
from liftune.models.adapter_io import open_adapter, read_card
from liftune.models.attach import attach
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.records.training import AdapterCard


def open_merged(
    folder: Path, *, plan: Plan, card: AdapterCard | None = None, trust_remote_code: bool = False
) -> Classifier:
    """The adapter's classifier with all tuned weights merged into the model's in float32, then in the plan's precision.

    Args:
        card: as of `open_adapter`.

    Raises:
        ArtifactError, ModelError: as `open_adapter`.
        MethodError: the method changes more than weights, so that no plain model gives its logits.
    """
    card = card or read_card(folder)
    check_mergeable(card.method)
    bare = replace(plan, dtype="float32", accelerations=frozenset(), requested=frozenset())
    opened = open_adapter(folder, card=card, plan=bare, trust_remote_code=trust_remote_code)
    model: Any = opened.model
    if opened.method is not None and opened.method.kind != "full":
        model = _merged(model, folder)
    plain = replace(opened.backbone, model=model)
    return attach(plain, None, plan=plan)


def _merged(model: Any, folder: Path) -> nn.Module:
    """The plain model.

    Raises:
        MethodError: PEFT cannot merge the adapter, with whatever error it says so.
    """
    try:
        # PEFT takes a wrapper of trained modules for a layer in some methods, and looks for its weight.
        plain: nn.Module = _unwrapped(_unwrapped(model).merge_and_unload())
    except Exception as error:  # PEFT's methods that cannot merge say so by errors of any class
        if isinstance(error, LiftuneError) or lacks_memory(error):
            raise
        said = (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__
        raise MethodError(
            f"the adapter cannot be merged into its model's weights: {said}",
            where=str(folder),
            hint="use the adapter's folder itself",
        ) from None
    return plain


def _unwrapped(model: Any) -> Any:
    """The model with trained modules in place of PEFT's wrappers, which some methods leave there (LN tuning)."""
    from peft.utils import ModulesToSaveWrapper

    for name, module in list(model.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):
            (adapter,) = module.active_adapters
            model.set_submodule(name, module.modules_to_save[adapter])
    return model


def check_mergeable(name: str) -> None:
    """Check that a method's tuned weights can be merged into the model's own.

    Raises:
        MethodError: they cannot; it names the method and what can be done.
    """
    if name in METHODS and not METHODS[name].mergeable:
        mergeable = [each.name for each in METHODS.entries() if each.mergeable]
        raise MethodError(
            f"method {name} adds inputs of its own to the model, and cannot be merged into its weights",
            where="RUN",
            hint=f"use the run's folder itself, or tune with one of: {', '.join(mergeable)}",
        )
