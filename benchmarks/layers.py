"""The one adapter that every contender trains: LoRA on queries, keys and values, and a new head in full.

In: a model.  Out: module names.  Not here: ranks and rates (work.py).
"""

from __future__ import annotations

#: config.model_type -> what its queries, keys and values are called.
TARGETS = {
    "distilbert": ("q_lin", "k_lin", "v_lin"),
    "bert": ("query", "key", "value"),
    "roberta": ("query", "key", "value"),
    "qwen2": ("q_proj", "k_proj", "v_proj"),
}
#: config.model_type -> the modules of a new head. PEFT alone would leave DistilBERT's first one random and untrained.
HEADS = {
    "distilbert": ("pre_classifier", "classifier"),
    "bert": ("classifier",),
    "roberta": ("classifier",),
    "qwen2": ("score",),
}


def known(model_type: str) -> str:
    """The type, if the opponents' recipes know it.

    Raises:
        ValueError: they do not.
    """
    if model_type not in TARGETS:
        raise ValueError(f"the recipes know {', '.join(TARGETS)}; this model is a {model_type}")
    return model_type
