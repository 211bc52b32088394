"""What a tuning method is: its record, the families it fits, what it may know of a model.

In: nothing.  Out: types, and METHODS, which is empty until registry.py registers its entries: import it from there.
Not here: the methods. This module needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from liftune.errors import MethodError
from liftune.models.methods.options import NoOptions, Options
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
    complement: bool = False

    def __contains__(self, family: str) -> bool:
        return (family in self.names) is not self.complement

    def __str__(self) -> str:
        named = ", ".join(sorted(self.names))
        return (f"all but {named}" if named else "all") if self.complement else named


ALL = Families(complement=True)
#: Their linear layers are Conv1D, which some of PEFT's tuners do not wrap.
CONV1D_FAMILIES = ("gpt2", "openai-gpt")


def only(*names: str) -> Families:
    """These families and no other.

    >>> str(only("gpt2", "bert")), "t5" in only("bert")
    ('bert, gpt2', False)
    """
    return Families(frozenset(names))


def all_but(*names: str) -> Families:
    """Every family but these, known or not.

    >>> str(all_but("gpt2")), "gpt2" in all_but("gpt2"), "newcomer" in all_but("gpt2")
    ('all but gpt2', False, True)
    """
    return Families(frozenset(names), complement=True)


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

    The hooks, all optional, in the order in which they are called; `model` is the PEFT model:
        after_attach(model): once, right after `get_peft_model`.
        after_start(model): instead of that, once a saved adapter was read that is tuned further.
        optimizer(model, options, lr, weight_decay): instead of one AdamW over all trainable parameters.
        penalty(model): a scalar tensor, to be added to the loss of each optimizer step.
        after_step(model, step): after `optimizer.step()` and *before* the gradients are cleared; step counts from 1.
        state(model): all that the hooks keep outside parameters and buffers, as tensors, numbers, texts, and lists and
            dicts of them.
        restore_state(model, state): put that back into a model that was attached anew.
        before_save(model): once, after training and after the best epoch is restored, before anything is saved.
    """

    name: str
    summary: str
    build: Callable[[Any, BackboneShape], PeftConfig | None]
    """(options, shape) -> the config, without its `modules_to_save`; None for probe and full."""
    learning_rate: float
    """Peak rate that is taken when none is asked for; the entry's docstring says where it is from."""
    options: type[Options] = NoOptions
    space: Mapping[str, Sequence[Any]] | None = None
    """Option -> values that a search tries where none are given; None takes those of the options' class. The learning
    rate is searched around the method's own."""
    families: Families = ALL
    mergeable: bool = False
    """Whether the tuned weights can be folded into the model's own, leaving its architecture as it was."""
    four_bits: bool = False
    """Whether it can be tuned on frozen weights in four bits: its gradients are then those on the same numbers in
    float32. The others read or write the weights themselves."""
    recomputes: bool = True
    """Whether a block gives the same when it is computed again on the way back (gradient checkpointing)."""
    kind: Literal["peft", "probe", "full"] = "peft"
    pipelines: bool = True
    """Whether transformers reads its adapters without PEFT's own loader, as `pipeline` does: not the prompts, nor what
    is shared by layers; and of DoRA it leaves out the magnitudes, with a warning alone (5.23)."""
    goes_on: bool = True
    """Whether a saved adapter can be tuned further. PEFT reads prompts for predicting alone, and of p-tuning keeps what
    its network made; a whole model is a base."""
    after_attach: Callable[[nn.Module], None] | None = None
    after_start: Callable[[nn.Module], None] | None = None
    optimizer: Callable[[nn.Module, Any, float, float], Optimizer] | None = None
    penalty: Callable[[nn.Module], Tensor] | None = None
    after_step: Callable[[nn.Module, int], None] | None = None
    state: Callable[[nn.Module], dict[str, Any]] | None = None
    restore_state: Callable[[nn.Module, dict[str, Any]], None] | None = None
    before_save: Callable[[nn.Module], None] | None = None

    def going_on(self) -> Method:
        """The same for an adapter that is tuned further: what its first training did from step to step, such as
        spending AdaLoRA's budget, is done."""
        return replace(self, after_attach=self.after_start, after_step=None, state=None, restore_state=None)

    @property
    def searched(self) -> Mapping[str, Sequence[Any]]:
        """Option -> values that a search tries where none are given."""
        return self.options.searched if self.space is None else self.space


METHODS: Registry[Method] = Registry("method", Method, error=MethodError)
