"""What a few methods do beyond a PEFT config: optimizers with a rate of their own, AdaLoRA's budget, PiSSA's residual.

In: a PEFT model.  Out: an optimizer, a penalty, or the model changed in place.
Not here: when each is called (method.py says), the configs (methods.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn
    from torch.optim import Optimizer

ADAPTER = "default"


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
        [{"params": found, "lr": rate, "weight_decay": decay} for (rate, decay), found in groups.items()], lr=lr
    )


def loraplus_optimizer(model: nn.Module, options: Any, lr: float, weight_decay: float) -> Optimizer:
    """B learns faster than A. Source: Hayou et al. 2024, LoRA+.

    PEFT's own `create_loraplus_optimizer` also speeds up every bias and the head's; the paper speaks of B alone.
    """
    return boosted_adamw(model, "lora_B", ratio=options.lr_ratio, lr=lr, weight_decay=weight_decay)


def fourierft_optimizer(model: nn.Module, options: Any, lr: float, weight_decay: float) -> Optimizer:
    """The spectrum learns faster than the head. Source: Gao et al. 2024, table 9: separate rates, about ten to one."""
    return boosted_adamw(model, "fourierft_spectrum", ratio=options.lr_ratio, lr=lr, weight_decay=0.0)


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
    model.base_model.update_and_allocate(step)  # type: ignore[union-attr, operator]


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


def pissa_remember(model: nn.Module) -> None:
    """Keep each layer's first A and B beside it: what initialisation took out of the model's own weight."""
    for layer in _lora_layers(model):
        layer.register_buffer("pissa_A", layer.lora_A[ADAPTER].weight.detach().clone(), persistent=False)
        layer.register_buffer("pissa_B", layer.lora_B[ADAPTER].weight.detach().clone(), persistent=False)


def pissa_to_lora(model: nn.Module) -> None:
    """Give the model its own weights back and turn the adapter into a plain LoRA of twice the rank, the same function.

    W - s B0 A0 + s B A = W + s [B, -B0] [A; A0]. Source: Meng et al. 2024, PiSSA, appendix C. Without this the adapter
    would only be right on a base whose weights were split in the very same way.
    """
    for layer in _lora_layers(model):
        _one_pissa_to_lora(layer)
    config = _config(model)
    if config.init_lora_weights is not True:
        config.r, config.lora_alpha, config.init_lora_weights = 2 * config.r, 2 * config.lora_alpha, True


def _one_pissa_to_lora(layer: Any) -> None:
    import torch

    if not hasattr(layer, "pissa_A"):
        return
    base = layer.get_base_layer().weight
    first_a, first_b = layer.pissa_A.float(), layer.pissa_B.float()
    taken = layer.scaling[ADAPTER] * first_b @ first_a
    for name, parts, across in (("lora_A", (first_a,), 0), ("lora_B", (-first_b,), 1)):
        linear = getattr(layer, name)[ADAPTER]
        wider = torch.cat([linear.weight.detach().float(), *parts], dim=across).to(linear.weight.dtype)
        linear.weight = torch.nn.Parameter(wider, requires_grad=linear.weight.requires_grad)
        linear.out_features, linear.in_features = wider.shape
    with torch.no_grad():
        base.add_((taken.T if layer.fan_in_fan_out else taken).to(base.dtype))
    layer.r[ADAPTER] *= 2
    layer.lora_alpha[ADAPTER] *= 2  # the scaling, alpha / rank, stays
    del layer.pissa_A, layer.pissa_B


def _lora_layers(model: nn.Module) -> Iterator[Any]:
    from peft.tuners.lora import LoraLayer

    return (module for module in model.modules() if isinstance(module, LoraLayer))


def _config(model: nn.Module) -> Any:
    return model.peft_config[ADAPTER]  # type: ignore[index]
