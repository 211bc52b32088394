"""Which modules a method changes, found by walking the model, so that no architecture needs a table.

In: a loaded model, the names of its head's modules, what the user asked for.
Out: names for PEFT's `target_modules`: ends of names where those are unambiguous, whole names where they are not.
Not here: finding the head (classifier.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd
from typing import TYPE_CHECKING

from liftune.errors import MethodError, nearest
from liftune.models.methods.options import ALL_LINEAR, ALL_NORMS
from liftune.models.module_names import within

if TYPE_CHECKING:
    from torch import nn


#: What the families call their key and value projections, alone or fused with the query.
KEYS_AND_VALUES = frozenset(
    {"k", "k_lin", "k_proj", "key", "key_proj", "v", "v_lin", "v_proj", "value", "value_proj"}
    | {"Wqkv", "c_attn", "in_proj", "qkv_proj", "query_key_value"}
)


def linear_targets(model: nn.Module, head: Sequence[str], wanted: Sequence[str] = (ALL_LINEAR,)) -> list[str]:
    """Whole names of the linear layers to change, in the model's order.

    `all-linear` is every linear layer from the first repeated block on: attention, feed-forward, and a pooler that was
    loaded with the body. Left out are the head, which is trained whole, and what comes before the blocks (embedding
    projections), unless they are named. XLNet's attention is made of bare parameters, which no adapter wraps: there it
    is the feed-forward alone. Poolers count: on minilm and sample:emotions, three epochs of LoRA had a validation
    log-loss of 1.40 with the pooler and 1.50 without.

    Raises:
        MethodError: a name that fits no linear layer outside the head.
    """
    everything = [name for name, module in model.named_modules() if is_linear(module) and not within(name, head)]
    if ALL_LINEAR not in wanted:
        return _chosen(everything, wanted, kind="linear layer", shorthand=ALL_LINEAR)
    stacks = _stacks(model)
    first = next((i for i, name in enumerate(everything) if within(name, stacks)), 0)
    return everything[first:]


def block_linears(model: nn.Module, head: Sequence[str]) -> list[str]:
    """Whole names of the linear layers inside the repeated blocks, in the model's order, the head left out."""
    stacks = _stacks(model)
    return [
        name
        for name, module in model.named_modules()
        if is_linear(module) and within(name, stacks) and not within(name, head)
    ]


def norm_targets(model: nn.Module, head: Sequence[str], wanted: Sequence[str] = (ALL_NORMS,)) -> list[str]:
    """Whole names of the layer norms to train, in the model's order: LayerNorm and every kind of RMSNorm.

    Raises:
        MethodError: a name that fits no layer norm outside the head.
    """
    everything = [name for name, module in model.named_modules() if _is_norm(module) and not within(name, head)]
    return everything if ALL_NORMS in wanted else _chosen(everything, wanted, kind="layer norm", shorthand=ALL_NORMS)


def short_names(targets: Iterable[str], model: nn.Module) -> list[str]:
    """The shortest ends of names that PEFT takes for the same modules: it matches `end` and whatever ends in `.end`.

    Keeps adapter_config.json readable: `q_lin`, not six times `distilbert.transformer.layer.N.attention.q_lin`.
    """
    wanted = set(targets)
    others = [name for name, _ in model.named_modules() if name and name not in wanted]
    taken = {end for name in others for end in _ends(name)}
    unique: dict[str, None] = {}
    for name in targets:
        unique[next((end for end in _ends(name) if end not in taken and not end[0].isdigit()), name)] = None
    return list(unique)


def rescaling_targets(model: nn.Module, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Among linear layers, those whose output IA3 rescales and those whose input.

    Outputs: of keys and values, found by name (fused projections count). Inputs: of the feed-forward layers that
    narrow, whose input is the inner activation. If there is neither, every layer's output. Source: Liu et al. 2022.
    """
    names = list(names)
    scaled = [name for name in names if _ends(name)[0] in KEYS_AND_VALUES]
    narrowing = [name for name in names if _narrows(model.get_submodule(name)) and not _in_attention(name)]
    return (scaled, narrowing) if scaled or narrowing else (names, [])


def common_width(model: nn.Module, targets: Iterable[str]) -> int:
    """The greatest common divisor of the targets' input widths: what a block size must divide."""
    return gcd(*(widths(model.get_submodule(name))[0] for name in targets))


def common_output_width(model: nn.Module, targets: Iterable[str]) -> int:
    """The greatest common divisor of the targets' output widths."""
    return gcd(*(widths(model.get_submodule(name))[1] for name in targets))


def biases(model: nn.Module, head: Sequence[str]) -> list[str]:
    """Names of the biases outside the head, of linear layers and norms alike."""
    return [
        name for name, _ in model.named_parameters() if name.rpartition(".")[2] == "bias" and not within(name, head)
    ]


def smallest_weight(model: nn.Module, targets: Iterable[str]) -> int:
    """Entries of the smallest target's weight matrix."""
    return min(wide * high for wide, high in (widths(model.get_submodule(name)) for name in targets))


def uses_conv1d(model: nn.Module, targets: Iterable[str]) -> bool:
    """Whether a target is GPT-2's Conv1D, a linear layer whose weight is stored (in, out)."""
    return any(_is_conv1d(model.get_submodule(name)) for name in targets)


def widths(module: nn.Module) -> tuple[int, int]:
    """Input and output width of a linear layer."""
    rows, columns = module.weight.shape  # type: ignore[misc]
    return (int(rows), int(columns)) if _is_conv1d(module) else (int(columns), int(rows))


def _is_conv1d(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, Conv1D)


def is_linear(module: nn.Module) -> bool:
    """Whether it is a linear layer, GPT-2's kind included."""
    from torch import nn

    return isinstance(module, nn.Linear) or _is_conv1d(module)


def _is_norm(module: nn.Module) -> bool:
    # Every family brings its own class (T5LayerNorm, LlamaRMSNorm, ...); the name is all that they share.
    return (
        type(module).__name__.lower().endswith(("layernorm", "rmsnorm")) and getattr(module, "weight", None) is not None
    )


def _in_attention(name: str) -> bool:
    # Every family has "att" in the name of its attention: attn, attention, self_attn, SelfAttention, attentions.
    return "att" in name.lower()


def _narrows(module: nn.Module) -> bool:
    wide, narrow = widths(module)
    return wide > narrow


def _stacks(model: nn.Module) -> list[str]:
    """Names of the outermost lists of blocks."""
    from torch import nn

    lists = [name for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    return [name for name in lists if not any(name.startswith(f"{outer}.") for outer in lists)]


def _ends(name: str) -> list[str]:
    """Every end of a dotted name, shortest first."""
    parts = name.split(".")
    return [".".join(parts[i:]) for i in reversed(range(len(parts)))]


def _chosen(names: Sequence[str], wanted: Sequence[str], *, kind: str, shorthand: str) -> list[str]:
    known = list(dict.fromkeys(part for name in names for part in _ends(name)[:1]))
    for each in wanted:
        if not any(name == each or name.endswith(f".{each}") for name in names):
            raise MethodError(
                f"target_modules: {each!r} names no {kind} of this model{nearest(each, known)}",
                where="--set target_modules",
                hint=f"choose among: {', '.join([*known, shorthand])}",
            )
    return [name for name in names if any(name == each or name.endswith(f".{each}") for each in wanted)]
