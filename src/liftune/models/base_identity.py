"""What of a pretrained model decides its answers beside its weights: its tokenizer, and the fields of its config.

In: a model's config.json as it is on disk, its tokenizer.  Out: what an adapter's card keeps of them; what has changed.
Not here: the weights' hash (files.py), loading (backbone.py).

The tokenizer is known by its vocabulary and by how it reads a few texts, not by its file, which a library may write in
another form without any change of meaning. The config is kept field by field, so that a message can name what changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from liftune.data.token_rules import check_template

#: Fields of config.json that name, count or speed up things, or matter in training only.
_UNIMPORTANT = frozenset(
    {
        *("_name_or_path", "architectures", "transformers_version", "torch_dtype", "dtype", "use_cache", "return_dict"),
        *("id2label", "label2id", "num_labels", "problem_type", "finetuning_task", "task_specific_params"),
        *("output_attentions", "output_hidden_states", "attn_implementation", "_attn_implementation"),
        *("initializer_range", "gradient_checkpointing", "pad_token_id"),
    }
)
#: Case, accents, digits, punctuation, blanks, other scripts, a rare character: what normalisers and splitters treat.
_TEXTS = (
    "The QUICK brown fox, isn't it?  1,234.5 times!\n\tEnd",
    "Caf\u00e9 na\u00efve \u00dcbung \ufb01 \u0130stanbul e\u0301",
    "\u4f60\u597d \u041f\u0440\u0438\u0432\u0435\u0442 \u0645\u0631\u062d\u0628\u0627 \U0001f642 @user #tag http://a.b/c_d",
    "",
)


def tokenizer_identity(tokenizer: PreTrainedTokenizerBase) -> str:
    """sha256 of a tokenizer's vocabulary and of the ids that it gives some texts, alone and as a pair.

    Raises:
        ArtifactError: it adds far more to a text than special tokens.
    """
    calls: Any = tokenizer
    if isinstance(tokenizer, PreTrainedTokenizerFast):
        check_template(tokenizer.backend_tokenizer)
    read = [list(calls(text, truncation=False)["input_ids"]) for text in _TEXTS]
    read.append(list(calls(_TEXTS[0], _TEXTS[1], truncation=False)["input_ids"]))
    known = sorted(tokenizer.get_vocab().items())
    return hashlib.sha256(json.dumps([known, read]).encode()).hexdigest()


def deciding_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a config.json that decide the answers of a model with given weights."""
    return {key: value for key, value in config.items() if key not in _UNIMPORTANT and "drop" not in key}


def changed_fields(before: Mapping[str, Any], now: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """What differs between two configs, in words; a field that is left out has its default.

    >>> changed_fields({"activation": "gelu"}, {"activation": "relu", "eps": 1}, {"eps": 1})
    ["activation was 'gelu' and is 'relu'"]
    """
    keys = sorted({*before, *now})
    pairs = {key: (before.get(key, defaults.get(key)), now.get(key, defaults.get(key))) for key in keys}
    return [f"{key} was {old!r} and is {new!r}" for key, (old, new) in pairs.items() if old != new]
