"""The tuning methods: one entry is a method's whole registration.

In: a method's options and the shape of a loaded model.  Out: the PEFT config that changes it, and hooks where a method
needs more than a config.
Not here: option types (options.py), module names (targets.py), finding the head, saving, loading (classifier.py,
adapter.py). This module is listed without torch: what needs torch imports it inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from liftune.errors import MethodError
from liftune.models.options import LoraOptions, NoOptions, Options, parse
from liftune.models.targets import linear_targets, short_names, uses_conv1d
from liftune.registry import Registry

if TYPE_CHECKING:
    from peft import PeftConfig
    from torch import Tensor, nn
    from torch.optim import Optimizer
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Families:
    """A set of model families, by transformers' `model_type`: those named, or all but those named."""

    names: frozenset[str] = frozenset()
    all_but: bool = False

    def __contains__(self, family: str) -> bool:
        return (family in self.names) is not self.all_but

    def __str__(self) -> str:
        named = ", ".join(sorted(self.names))
        return (f"all but {named}" if named else "all") if self.all_but else named


ALL = Families(all_but=True)


def only(*names: str) -> Families:
    """These families and no other."""
    return Families(frozenset(names))


def all_but(*names: str) -> Families:
    """Every family but these."""
    return Families(frozenset(names), all_but=True)


@dataclass(frozen=True)
class BackboneShape:
    """What a method may know of the model that it changes."""

    family: str
    """transformers' `config.model_type`."""
    model: PreTrainedModel
    head_modules: tuple[str, ...]
    """Whole names of the modules that are trained and saved in full."""
    total_steps: int
    """Optimizer steps that training will take at most."""


@dataclass(frozen=True)
class Method:
    """A way of tuning.

    The hooks, all optional, in the order in which they are called:
        after_attach(model): once, right after `get_peft_model`.
        optimizer(model, options, lr, weight_decay): instead of one AdamW over all trainable parameters; `model` is the
            PEFT model.
        penalty(model): a scalar tensor that is added to each micro-batch's loss.
        after_step(model, step): after `optimizer.step()` and *before* the gradients are cleared; step counts from 1.
        before_save(model): once, after training and after the best epoch is restored, before anything is saved.
    """

    name: str
    summary: str
    build: Callable[[Any, BackboneShape], PeftConfig | None]
    """(options, shape) -> the config, without its `modules_to_save`; None for probe and full."""
    learning_rate: float
    options: type[Options] = NoOptions
    families: Families = ALL
    mergeable: bool = False
    """Whether the tuned weights can be folded into the model's own, leaving its architecture as it was."""
    kind: Literal["peft", "probe", "full"] = "peft"
    after_attach: Callable[[nn.Module], None] | None = None
    optimizer: Callable[[nn.Module, Any, float, float], Optimizer] | None = None
    penalty: Callable[[nn.Module], Tensor] | None = None
    after_step: Callable[[nn.Module, int], None] | None = None
    before_save: Callable[[nn.Module], None] | None = None


METHODS: Registry[Method] = Registry("method", Method, error=MethodError)


def find_method(name: str) -> Method:
    """A method by name, forgiving in how it is written: `p-tuning`, `LoRA+`, `prefix_tuning`.

    Raises:
        MethodError: no such method; names the nearest.
    """
    plain = name.strip().casefold().replace("+", "plus").replace("-", "_").replace(" ", "_")
    for candidate in (name, plain, plain.removesuffix("_tuning"), f"{plain}_tuning"):
        if candidate in METHODS:
            return METHODS[candidate]
    return METHODS[name]


def parse_options(method: Method, raw: Mapping[str, Any]) -> Options:
    """The method's options from raw values, which may be strings as `--set` gives them.

    Raises:
        MethodError: an unknown option, or a value of the wrong type or range; all of them at once.
    """
    return parse(method.options, raw, method=method.name)


def virtual_tokens(options: Options) -> int:
    """Positions that the method puts before each row's tokens: the model's length limit shrinks by as many."""
    return int(getattr(options, "virtual_tokens", 0))


def check_family(method: Method, family: str) -> None:
    """Refuse a method that is asked for where it does not work.

    Raises:
        MethodError: names the families that the method fits and the methods that fit the family.
    """
    if family in method.families:
        return
    fitting = [each.name for each in METHODS.entries() if family in each.families]
    raise MethodError(
        f"method {method.name} does not fit {family} models; it fits: {method.families}",
        where=f"--method {method.name}",
        mend=f"choose one of: {', '.join(fitting)}",
    )


def _targets(options: Any, shape: BackboneShape) -> list[str]:
    return linear_targets(shape.model, shape.head_modules, options.target_modules)


def _lora(options: LoraOptions, shape: BackboneShape, **more: Any) -> PeftConfig:
    from peft import LoraConfig, TaskType

    targets = _targets(options, shape)
    return LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=options.rank,
        lora_alpha=options.alpha,  # type: ignore[arg-type]  # only ever divided by the rank
        lora_dropout=options.dropout,
        bias=options.bias,
        target_modules=short_names(targets, shape.model),
        fan_in_fan_out=uses_conv1d(shape.model, targets),
        **more,
    )


@METHODS.entry(
    "lora",
    summary="A low-rank update beside each linear layer.",
    options=LoraOptions,
    learning_rate=1e-3,
    mergeable=True,
)
def lora(options: LoraOptions, shape: BackboneShape) -> PeftConfig:
    """Hu et al. 2021. Rate: measured on minilm at batch 16; ten times full fine-tuning's (LoRA Without Regret, 2025)."""
    return _lora(options, shape)


@METHODS.entry("probe", summary="The model's own head alone, on a frozen body.", learning_rate=1e-3, kind="probe")
def probe(options: NoOptions, shape: BackboneShape) -> None:
    """Nothing to change in the body: the head's modules are trained and saved."""


@METHODS.entry("full", summary="Every parameter; saves a whole model.", learning_rate=5e-5, kind="full", mergeable=True)
def full(options: NoOptions, shape: BackboneShape) -> None:
    """Nothing to add. Rate: the upper of the four that Devlin et al. 2019 search."""
