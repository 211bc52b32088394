"""Adapters made by plain PEFT on tiny models, and what PEFT itself answers with them. Nothing of liftune is used.

Not here: assertions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
from numpy.typing import NDArray
from peft import PeftModel, get_peft_model
from tiny_models import save_tiny
from transformers import AutoModelForSequenceClassification, AutoTokenizer

LABELS = ("anger", "joy", "fear")
TEXTS = ("a", "a bad day, and some more words than that", "what joy", "fear é of the dark " * 4)
#: DistilBERT's head, of which PEFT knows `classifier` alone.
HEAD = ("pre_classifier", "classifier")

#: Name -> a PEFT config for DistilBERT.
KINDS: dict[str, Callable[[], Any]] = {
    "lora": lambda: peft.LoraConfig(r=4, target_modules=["q_lin", "v_lin"], **_usual()),
    "regex": lambda: peft.LoraConfig(r=4, target_modules=r".*\.(q_lin|lin1)", **_usual()),
    "dora": lambda: peft.LoraConfig(r=4, target_modules=["q_lin"], use_dora=True, **_usual()),
    "rank_pattern": lambda: peft.LoraConfig(
        r=4, target_modules=["q_lin", "v_lin"], rank_pattern={"v_lin": 2}, alpha_pattern={"q_lin": 3}, **_usual()
    ),
    "modules_to_save": lambda: peft.LoraConfig(
        r=4, target_modules=["q_lin"], task_type="SEQ_CLS", modules_to_save=[*HEAD, "sa_layer_norm"]
    ),
    "rslora": lambda: peft.LoraConfig(r=4, target_modules="all-linear", use_rslora=True, bias="all", **_usual()),
    "ia3": lambda: peft.IA3Config(target_modules=["k_lin", "lin2"], feedforward_modules=["lin2"], **_usual()),
    "adalora": lambda: peft.AdaLoraConfig(init_r=6, target_r=4, target_modules=["q_lin"], total_step=10, **_usual()),
    "loha": lambda: peft.LoHaConfig(r=3, target_modules=["v_lin"], **_usual()),
    "prompt": lambda: peft.PromptTuningConfig(
        num_virtual_tokens=3,
        token_dim=32,
        num_layers=2,
        num_attention_heads=4,
        num_transformer_submodules=1,
        prompt_tuning_init="TEXT",
        prompt_tuning_init_text="joy",
        tokenizer_name_or_path="BASE",
        **_usual(),
    ),
    "pissa": lambda: peft.LoraConfig(r=4, target_modules=["q_lin"], init_lora_weights="pissa", **_usual()),
    "embeddings": lambda: peft.LoraConfig(
        r=4, target_modules=["q_lin", "word_embeddings"], exclude_modules=r".*layer\.0.*", **_usual()
    ),
    "layers": lambda: peft.LoraConfig(
        r=4, target_modules=["q_lin"], layers_to_transform=[1], layers_pattern="layer", lora_bias=True, **_usual()
    ),
    "lokr": lambda: peft.LoKrConfig(r=3, target_modules=["v_lin"], **_usual()),
    "vera": lambda: peft.VeraConfig(r=4, target_modules=["v_lin"], **_usual()),
    "oft": lambda: peft.OFTConfig(oft_block_size=4, r=0, target_modules=["v_lin"], **_usual()),
    "ln": lambda: peft.LNTuningConfig(target_modules=["sa_layer_norm"], **_usual()),
    "p_tuning": lambda: peft.PromptEncoderConfig(
        num_virtual_tokens=3,
        encoder_hidden_size=8,
        token_dim=32,
        num_layers=2,
        num_attention_heads=4,
        num_transformer_submodules=1,
        **_usual(),
    ),
}


def _usual() -> dict[str, Any]:
    return {"task_type": "SEQ_CLS", "modules_to_save": list(HEAD)}


def save_base(folder: Path, *, head: Sequence[str] | None = None, family: str = "distilbert") -> Path:
    """The base; headless as pretrained models are, unless labels are given."""
    return save_tiny(family, folder, head=head)


def save_plain(
    base: Path,
    folder: Path,
    config: Any,
    *,
    labels: int = len(LABELS),
    head: dict[str, Any] | None = None,
    seed: int = 7,
) -> Path:
    """An adapter whose numbers are all moved, as training moves them; saved by PEFT.

    Args:
        head: more for the base's own config, such as a problem_type.
    """
    if getattr(config, "tokenizer_name_or_path", None) == "BASE":
        config.tokenizer_name_or_path = str(base)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=labels, **(head or {}))
        tuned: Any = get_peft_model(model, config)
        with torch.no_grad():
            for parameter in tuned.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1 * torch.randn_like(parameter))
        tuned.save_pretrained(folder)
    return folder


def answers(model: Any, tokenizer: Any, texts: Sequence[Any] = TEXTS) -> NDArray[np.float32]:
    """(N, C) logits, a row at a time."""
    rows = []
    with torch.inference_mode():
        for text in texts:
            pair = text if isinstance(text, list) else [text]
            tokens = tokenizer(*pair, return_tensors="pt", truncation=True, max_length=100)
            rows.append(model(**tokens).logits[0].float().numpy())
    return np.stack(rows)


def peft_answers(
    base: Path, folder: Path, *, labels: int = len(LABELS), texts: Sequence[Any] = TEXTS
) -> NDArray[np.float32]:
    """What PEFT answers with an adapter that it saved."""
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=labels)
    return answers(PeftModel.from_pretrained(model, folder).eval(), AutoTokenizer.from_pretrained(base), texts)
