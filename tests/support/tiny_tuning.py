"""A method on a tiny random model with nothing but plain PEFT around it: attach, train a few steps, save, reload.

In: a method's and a family's name.  Out: PEFT models and their logits.
Not here: assertions, liftune's own attach and save, which have contract tests of their own.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from tiny_models import tiny_config
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from liftune.models.methods.registry import METHODS, BackboneShape, Method, parse_options

#: Names that any of the families gives to parts of its head.
HEADS = (
    "classifier",
    "pre_classifier",
    "score",
    "classification_head",
    "sequence_summary",
    "logits_proj",
    "head",
    "pooler",
)
#: Families that share a tiny family's code under another name.
COUSINS = {"camembert": "roberta", "xlm-roberta": "roberta", "mistral": "llama"}
STEPS = 4

torch.set_num_threads(1)  # threads only get in each other's way on models this small


def tiny_classifier(family: str, *, seed: int = 0) -> Any:
    """A tiny sequence classifier with three labels, all of it random."""
    config = tiny_config(COUSINS.get(family, family))
    if family in COUSINS:
        facts = {key: value for key, value in config.to_dict().items() if key != "model_type"}
        config = AutoConfig.for_model(family, **facts)
    config.num_labels = 3
    config.pad_token_id = config.pad_token_id or 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForSequenceClassification.from_config(config).eval()


def shape_of(model: Any, *, total_steps: int = STEPS) -> BackboneShape:
    """The model's shape, its head the modules outside the body and the pooler, as if none had been trained."""
    heads = [name for name, _ in model.named_modules() if name.rpartition(".")[2] in HEADS]
    outermost = tuple(name for name in heads if not any(name.startswith(f"{outer}.") for outer in heads))
    return BackboneShape(model.config.model_type, model, outermost, total_steps)


def rows(family: str) -> dict[str, Tensor]:
    """(3, 9) token ids that end as the family's rows do, without padding."""
    ids = torch.randint(10, 100, (3, 9), generator=torch.Generator().manual_seed(0))
    if family in ("bart", "t5"):
        ids[:, -1] = tiny_config(family).eos_token_id
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def padded(batch: dict[str, Tensor], pad: int) -> dict[str, Tensor]:
    """The same rows beside a row four tokens longer."""
    ids, mask = batch["input_ids"], batch["attention_mask"]
    longer = torch.full((1, ids.shape[1] + 4), 20)
    wider = torch.cat([ids, torch.full((len(ids), 4), pad)], dim=1)
    mask = torch.cat([mask, torch.zeros((len(ids), 4), dtype=mask.dtype)], dim=1)
    return {"input_ids": torch.cat([wider, longer]), "attention_mask": torch.cat([mask, torch.ones_like(longer)])}


def logits(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """(N, 3) answers, dropout off."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        answers: Tensor = model(**batch).logits
    model.train(was_training)
    return answers


def attach(method: Method, model: Any, raw: dict[str, Any] | None = None) -> Any:
    """The model with the method's adapter on it, as PEFT alone would do it. Changes the model in place."""
    small = {"virtual_tokens": 4} if "virtual_tokens" in method.options.model_fields else {}
    shape = shape_of(model)
    config = method.build(parse_options(method, {**small, **(raw or {})}), shape)
    assert config is not None
    config.modules_to_save = list(shape.head_modules)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        tuned = get_peft_model(model, config)
    if method.after_attach:
        method.after_attach(tuned)
    return tuned


def train(method: Method, tuned: Any, batch: dict[str, Tensor], *, steps: int = STEPS, head: bool = True) -> None:
    """A few optimizer steps at three times the method's rate, every hook called as documented."""
    if not head:
        for name, parameter in tuned.named_parameters():
            if "modules_to_save" in name:
                parameter.requires_grad_(False)
    rate = 3 * method.learning_rate
    if method.optimizer:
        optimizer = method.optimizer(tuned, method.options(), rate, 0.01)
    else:
        optimizer = torch.optim.AdamW([each for each in tuned.parameters() if each.requires_grad], lr=rate)
    tuned.train()
    for step in range(1, steps + 1):
        loss = nn.functional.cross_entropy(tuned(**batch).logits, torch.tensor([0, 1, 2]))
        if method.penalty:
            loss = loss + method.penalty(tuned)
        loss.backward()
        optimizer.step()
        if method.after_step:
            method.after_step(tuned, step)
        optimizer.zero_grad()
    tuned.eval()


def reopen(base: Any, folder: Path) -> Any:
    """The saved adapter in plain PEFT on a copy of the untouched base whose head is new."""
    fresh = copy.deepcopy(base)
    with torch.no_grad():
        for name in shape_of(fresh).head_modules:
            for parameter in fresh.get_submodule(name).parameters():
                parameter.normal_()
    return PeftModel.from_pretrained(fresh, folder).eval()


def peft_methods() -> list[str]:
    """Names of the methods that PEFT carries out."""
    return [method.name for method in METHODS.entries() if method.kind == "peft"]
