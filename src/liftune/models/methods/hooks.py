"""What a few methods do beyond a PEFT config: optimizers with a rate of their own, AdaLoRA's budget, starts of LoRA.

In: a PEFT model.  Out: an optimizer, a penalty, or the model changed in place.
Not here: when each is called (base.py says), the configs (registry.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn
    from torch.optim import Optimizer

ADAPTER = "default"
#: Widest weight, by its smaller side, whose exact singular value decomposition is worth its seconds.
WIDEST_EXACT = 1024


def boosted_adamw(model: nn.Module, marker: str, *, ratio: float, lr: float, weight_decay: float) -> Optimizer:
    """AdamW in which the parameters whose name holds `marker` learn `ratio` times as fast as the rest.

    Weights decay, vectors (biases, norms) do not.
    """
    from torch.optim import AdamW

    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = lr * ratio if marker in name else lr
            groups.setdefault((rate, weight_decay if parameter.ndim > 1 else 0.0), []).append(parameter)
    return AdamW(
        [{"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()],
        lr=lr,
    )


def loraplus_optimizer(model: nn.Module, options: Any, lr: float, weight_decay: float) -> Optimizer:
    """B learns faster than A. Source: Hayou et al. 2024, LoRA+.

    PEFT's own `create_loraplus_optimizer` also speeds up every bias and the head's; the paper speaks of B alone.
    """
    return boosted_adamw(model, "lora_B", ratio=options.lr_ratio, lr=lr, weight_decay=weight_decay)


def fourierft_optimizer(model: nn.Module, options: Any, lr: float, weight_decay: float) -> Optimizer:
    """The spectrum learns faster than the head. Source: Gao et al. 2024, table 9: separate rates, about ten to one."""
    return boosted_adamw(model, "fourierft_spectrum", ratio=options.lr_ratio, lr=lr, weight_decay=0.0)


def vblora_optimizer(model: nn.Module, options: Any, lr: float, weight_decay: float) -> Optimizer:
    """The choice of vectors learns faster than the vectors. Source: Li et al. 2024, VB-LoRA: 1e-2 to 1e-3."""
    return boosted_adamw(model, "vblora_logits", ratio=options.lr_ratio, lr=lr, weight_decay=0.0)


def c3a_optimizer(model: nn.Module, options: Any, lr: float, weight_decay: float) -> Optimizer:
    """The kernels learn much faster than the head: what they add is divided by the layer's width. They do not decay."""
    return boosted_adamw(model, "c3a_kernel", ratio=options.lr_ratio, lr=lr, weight_decay=0.0)


def prompt_optimizer(model: nn.Module, options: Any, lr: float, weight_decay: float) -> Optimizer:
    """The prompt learns faster than the head, and does not decay. Source: Lester et al. 2021, a rate of 0.3."""
    return boosted_adamw(model, "prompt_encoder", ratio=options.lr_ratio, lr=lr, weight_decay=0.0)


def adalora_penalty(model: nn.Module) -> Tensor:
    """How far each P and Q is from orthogonal: mean Frobenius norm, weighted. Source: Zhang et al. 2023, equation 4.

    PEFT adds it to a loss that the model computes itself; here the loss is computed outside the model.
    """
    import torch

    gaps = []
    for name, parameter in model.named_parameters():
        if f"lora_A.{ADAPTER}" in name or f"lora_B.{ADAPTER}" in name:
            product = parameter @ parameter.T if "lora_A" in name else parameter.T @ parameter
            gaps.append(
                torch.linalg.norm(product - torch.eye(len(product), device=product.device, dtype=product.dtype))
            )
    weight = float(_config(model).orth_reg_weight)
    return torch.stack(gaps).mean() * weight


def adalora_step(model: nn.Module, step: int) -> None:
    """Spend the rank budget: prune the least important directions. Reads the gradients of the step just taken."""
    from torch import zeros_like

    for name, parameter in model.named_parameters():
        # A layer that the forward pass leaves out has no gradient, which PEFT would multiply with.
        if "lora_" in name and parameter.grad is None:
            parameter.grad = zeros_like(parameter)
    model.base_model.update_and_allocate(step)  # type: ignore[union-attr, operator]


#: What PEFT's rank allocator sums up from step to step, of each factor.
_IMPORTANCE = ("ipt", "exp_avg_ipt", "exp_avg_unc")


def adalora_state(model: nn.Module) -> dict[str, Any]:
    """The importance of each factor so far, and which directions the last allocation left alive."""
    allocator: Any = model.base_model.rankallocator  # type: ignore[union-attr]
    return {name: getattr(allocator, name) for name in _IMPORTANCE} | {"rank_pattern": _config(model).rank_pattern}


def adalora_restore(model: nn.Module, state: dict[str, Any]) -> None:
    """Go on from there."""
    allocator: Any = model.base_model.rankallocator  # type: ignore[union-attr]
    for name in _IMPORTANCE:
        setattr(allocator, name, state[name])
    _config(model).rank_pattern = state["rank_pattern"]


def adalora_keep_what_lives(model: nn.Module) -> None:
    """Make the saved ranks those of the weights as they are.

    PEFT saves the ranks of its last allocation, which are wrong for weights restored from an earlier epoch.
    """
    alive = {
        name: (parameter.detach().flatten() != 0).tolist()
        for name, parameter in model.base_model.model.named_parameters()  # type: ignore[union-attr]
        if f"lora_E.{ADAPTER}" in name
    }
    _config(model).rank_pattern = alive


def pissa_begin(model: nn.Module) -> None:
    """Start each A and B at the principal directions of its weight. Source: Meng et al. 2024, PiSSA."""
    _begin_at(model, _principal)


def milora_begin(model: nn.Module) -> None:
    """Start each A and B at the least directions of its weight. Source: Wang et al. 2024, MiLoRA."""
    _begin_at(model, _least)


def olora_begin(model: nn.Module) -> None:
    """Start each B at an orthonormal basis of its weight's columns. Source: Büyükakyüz 2024, OLoRA."""
    _begin_at(model, _orthonormal)


def freeze_a(model: nn.Module) -> None:
    """Leave each A as it was drawn. Source: Zhang et al. 2023, LoRA-FA."""
    for layer in _lora_layers(model):
        layer.lora_A[ADAPTER].weight.requires_grad_(False)


def _begin_at(model: nn.Module, start: Callable[[Any], tuple[Tensor, Tensor]]) -> None:
    """Start each A and B at a part of its weight W, and take that part out of what the layer puts out.

    B A is trained on the residual W - s B0 A0. The residual is not stored here: W stays as it is, and s B0 A0 x is
    taken from the layer's output: W is not rounded twice in bfloat16, and disabling the adapter gives the model back.

    Args:
        start: a layer to its A0 (r, in) and B0 (out, r).
    """
    for layer in _lora_layers(model):
        first_a, first_b = start(layer)
        layer.lora_A[ADAPTER].weight.data.copy_(first_a)
        layer.lora_B[ADAPTER].weight.data.copy_(first_b)
        layer.register_buffer("first_A", first_a, persistent=False)
        layer.register_buffer("first_B", first_b, persistent=False)
        layer.first_hook = layer.register_forward_hook(_without_first)


def split_to_lora(model: nn.Module) -> None:
    """Turn the adapter into a plain LoRA of twice the rank, the same function.

    s B A - s B0 A0 = s [B, -B0] [A; A0]. Source: Meng et al. 2024, PiSSA, appendix C. Without this the adapter would
    only be right on a base whose weights were split in the very same way.
    """
    from torch import cat
    from torch.nn import Parameter

    for layer in _lora_layers(model):
        if not hasattr(layer, "first_hook"):
            continue
        for linear, first, axis in (
            (layer.lora_A[ADAPTER], layer.first_A, 0),
            (layer.lora_B[ADAPTER], -layer.first_B, 1),
        ):
            wider = cat([linear.weight.detach(), first.to(linear.weight.dtype)], dim=axis)
            linear.weight = Parameter(wider, requires_grad=linear.weight.requires_grad)
            linear.out_features, linear.in_features = wider.shape
        layer.first_hook.remove()
        del layer.first_hook, layer.first_A, layer.first_B
        layer.r[ADAPTER] *= 2
        layer.lora_alpha[ADAPTER] *= 2  # the scaling, alpha / rank, stays
        config = _config(model)
        config.r, config.lora_alpha = layer.r[ADAPTER], layer.lora_alpha[ADAPTER]


def _principal(layer: Any) -> tuple[Tensor, Tensor]:
    """A (r, in) and B (out, r) such that s B A is the weight's best approximation of rank r.

    Source: Meng et al. 2024, equations 2 and 3. Wide weights take the randomised decomposition, as the paper does.
    """
    import torch

    weight, rank = _weight(layer), layer.r[ADAPTER]
    if min(weight.shape) > WIDEST_EXACT:
        left, values, right = torch.svd_lowrank(weight, q=min(rank + 8, *weight.shape), niter=16)
        right = right.T
    else:
        left, values, right = torch.linalg.svd(weight, full_matrices=False)
    return _factors(left[:, :rank], values[:rank], right[:rank], layer)


def _least(layer: Any) -> tuple[Tensor, Tensor]:
    """A (r, in) and B (out, r) such that s B A is what the weight's r smallest singular values make of it.

    Source: Wang et al. 2024, section 3.2. The smallest have no randomised shortcut: wide weights take their time.
    """
    import torch

    rank = layer.r[ADAPTER]
    left, values, right = torch.linalg.svd(_weight(layer), full_matrices=False)
    return _factors(left[:, -rank:], values[-rank:], right[-rank:], layer)


def _orthonormal(layer: Any) -> tuple[Tensor, Tensor]:
    """A (r, in) and B (out, r) from the first columns of Q and rows of R, where W = Q R.

    Source: Büyükakyüz 2024, algorithm 1. A carries 1 / s, so that s B A is the product of the two as they are.
    """
    import torch

    basis, rest = torch.linalg.qr(_weight(layer))
    rank = layer.r[ADAPTER]
    return _padded(rest[:rank] / layer.scaling[ADAPTER], basis[:, :rank], rank)


def _weight(layer: Any) -> Tensor:
    """(out, in) float32, the layer's own."""
    weight: Tensor = layer.get_base_layer().weight.detach().float()
    return weight.T if layer.fan_in_fan_out else weight


def _factors(left: Tensor, values: Tensor, right: Tensor, layer: Any) -> tuple[Tensor, Tensor]:
    """Singular triples as A and B, each with the root of the values."""
    root = (values / layer.scaling[ADAPTER]).sqrt()
    return _padded(root[:, None] * right, left * root, layer.r[ADAPTER])


def _padded(first_a: Tensor, first_b: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """A rank above the weight's own has nothing to start from: zeros."""
    from torch.nn.functional import pad

    spare = rank - len(first_a)
    return pad(first_a, (0, 0, 0, spare)).contiguous(), pad(first_b, (0, spare)).contiguous()


def _without_first(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    from torch.nn.functional import linear

    if layer.disable_adapters:
        return output
    first: Tensor = linear(linear(inputs[0].to(layer.first_A.dtype), layer.first_A), layer.first_B)
    return output.sub(first.to(output.dtype), alpha=layer.scaling[ADAPTER])


def _lora_layers(model: nn.Module) -> Iterator[Any]:
    from peft.tuners.lora import LoraLayer

    return (module for module in model.modules() if isinstance(module, LoraLayer))


def _config(model: nn.Module) -> Any:
    return model.peft_config[ADAPTER]  # type: ignore[index]
