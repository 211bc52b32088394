"""A tiny random model and a byte tokenizer of every family, written to a folder as a checkpoint. No network.

In: a family's name.  Out: a folder that `from_pretrained` reads, without a classification head unless one is asked for.
Not here: assertions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

HIDDEN, LAYERS, HEADS, FEED_FORWARD = 32, 2, 4, 64


@dataclass(frozen=True)
class Marks:
    """A tokenizer's special tokens, in order of id, and how it wraps a text and a pair."""

    tokens: tuple[str, ...]
    roles: dict[str, str]
    single: str | None = None
    pair: str | None = None
    token_types: bool = False
    padding_side: str = "right"


_BERT_ROLES = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_ROBERTA_ROLES = {
    "bos_token": "<s>",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "mask_token": "<mask>",
}
BERT = Marks(
    tuple(_BERT_ROLES.values()),
    _BERT_ROLES,
    "[CLS] $A [SEP]",
    "[CLS] $A [SEP] $B:1 [SEP]:1",
    token_types=True,
)
DISTILBERT = Marks(BERT.tokens, BERT.roles, BERT.single, BERT.pair)
ROBERTA = Marks(("<s>", "<pad>", "</s>", "<unk>", "<mask>"), _ROBERTA_ROLES, "<s> $A </s>", "<s> $A </s> </s> $B </s>")
XLNET = Marks(
    ("<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>"),
    {
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "cls_token": "<cls>",
        "sep_token": "<sep>",
        "pad_token": "<pad>",
        "mask_token": "<mask>",
    },
    "$A <sep> <cls>:2",
    "$A <sep> $B:1 <sep>:1 <cls>:2",
    token_types=True,
    padding_side="left",
)
T5 = Marks(
    ("<pad>", "</s>", "<unk>"),
    {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
    "$A </s>",
    "$A </s> $B </s>",
)
#: No pad token at all, as the published GPT-2 has none.
GPT2 = Marks(("<|endoftext|>",), {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"})
#: A beginning of text, and no pad token.
LLAMA = Marks(
    ("<unk>", "<s>", "</s>"),
    {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"},
    "<s> $A",
    "<s> $A <s>:1 $B:1",
    padding_side="left",
)
QWEN = Marks(("<|endoftext|>", "<|im_end|>"), {"pad_token": "<|endoftext|>", "eos_token": "<|im_end|>"})


@dataclass(frozen=True)
class Family:
    """How to make one family's tiny config, its headless model class, and its tokenizer."""

    config_class: str
    model_class: str
    marks: Marks
    sizes: dict[str, Any]
    model_arguments: dict[str, Any]


def _bert_like(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": FEED_FORWARD,
        "max_position_embeddings": 128,
        "initializer_range": 0.1,
        **more,
    }


_NO_POOLER = {"add_pooling_layer": False}
_CAUSAL = _bert_like(num_key_value_heads=2, use_cache=False)

#: config.model_type -> how to make it.
FAMILIES: dict[str, Family] = {
    "distilbert": Family(
        "DistilBertConfig",
        "DistilBertModel",
        DISTILBERT,
        {
            "dim": HIDDEN,
            "n_layers": LAYERS,
            "n_heads": HEADS,
            "hidden_dim": FEED_FORWARD,
            "max_position_embeddings": 128,
            "initializer_range": 0.1,
        },
        {},
    ),
    "bert": Family("BertConfig", "BertModel", BERT, _bert_like(), _NO_POOLER),
    "roberta": Family(
        "RobertaConfig", "RobertaModel", ROBERTA, _bert_like(max_position_embeddings=130, type_vocab_size=1), _NO_POOLER
    ),
    "deberta-v2": Family(
        "DebertaV2Config",
        "DebertaV2Model",
        BERT,
        # As microsoft/deberta-v3 is published: relative positions inside the attention, none outside.
        _bert_like(
            relative_attention=True,
            position_buckets=16,
            pos_att_type=["p2c", "c2p"],
            norm_rel_ebd="layer_norm",
            share_att_key=True,
            position_biased_input=False,
            type_vocab_size=0,
        ),
        {},
    ),
    "modernbert": Family(
        "ModernBertConfig",
        "ModernBertModel",
        DISTILBERT,
        _bert_like(
            local_attention=16,
            global_attn_every_n_layers=2,
            reference_compile=False,
            bos_token_id=2,
            eos_token_id=3,
        ),
        {},
    ),
    "albert": Family("AlbertConfig", "AlbertModel", BERT, _bert_like(embedding_size=16), _NO_POOLER),
    "electra": Family("ElectraConfig", "ElectraModel", BERT, _bert_like(embedding_size=16), {}),
    "xlnet": Family(
        "XLNetConfig",
        "XLNetModel",
        XLNET,
        {"d_model": HIDDEN, "n_layer": LAYERS, "n_head": HEADS, "d_inner": FEED_FORWARD, "initializer_range": 0.1},
        {},
    ),
    "bart": Family(
        "BartConfig",
        "BartModel",
        ROBERTA,
        {
            "d_model": HIDDEN,
            "encoder_layers": LAYERS,
            "decoder_layers": LAYERS,
            "encoder_attention_heads": HEADS,
            "decoder_attention_heads": HEADS,
            "encoder_ffn_dim": FEED_FORWARD,
            "decoder_ffn_dim": FEED_FORWARD,
            "max_position_embeddings": 128,
            "init_std": 0.1,
            "decoder_start_token_id": 2,
            "forced_eos_token_id": 2,
        },
        {},
    ),
    "t5": Family(
        "T5Config",
        "T5Model",
        T5,
        {
            "d_model": HIDDEN,
            "d_kv": HIDDEN // HEADS,
            "d_ff": FEED_FORWARD,
            "num_layers": LAYERS,
            "num_heads": HEADS,
            "decoder_start_token_id": 0,
            "classifier_dropout": 0.1,
        },
        {},
    ),
    "mpnet": Family("MPNetConfig", "MPNetModel", ROBERTA, _bert_like(max_position_embeddings=130), _NO_POOLER),
    "gpt2": Family(
        "GPT2Config",
        "GPT2Model",
        GPT2,
        {"n_embd": HIDDEN, "n_layer": LAYERS, "n_head": HEADS, "n_positions": 128, "initializer_range": 0.1},
        {},
    ),
    "llama": Family("LlamaConfig", "LlamaModel", LLAMA, _CAUSAL, {}),
    "qwen2": Family("Qwen2Config", "Qwen2Model", QWEN, _CAUSAL, {}),
    "qwen3": Family("Qwen3Config", "Qwen3Model", QWEN, {**_CAUSAL, "head_dim": HIDDEN // HEADS}, {}),
}


def tiny_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer (every text has a code, one token a byte) with the family's special tokens."""
    marks = FAMILIES[family].marks
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate((*marks.tokens, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if marks.single is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=marks.single,
            pair=marks.pair,
            special_tokens=[(token, vocabulary[token]) for token in marks.tokens],
        )
    names = ["input_ids", *(["token_type_ids"] if marks.token_types else []), "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=128,
        padding_side=marks.padding_side,
        model_input_names=names,
        **marks.roles,
    )


def tiny_config(family: str) -> Any:
    """The family's config at toy size, its special token ids those of `tiny_tokenizer`."""
    entry = FAMILIES[family]
    tokenizer = tiny_tokenizer(family)
    tokens = {
        f"{role}_token_id": getattr(tokenizer, f"{role}_token_id")
        for role in ("pad", "bos", "eos", "cls", "sep")
        if getattr(tokenizer, f"{role}_token_id") is not None
    }
    if tokenizer.pad_token_id is None:
        tokens["pad_token_id"] = None
    config_class = getattr(transformers, entry.config_class)
    return config_class(vocab_size=len(tokenizer), **tokens, **entry.sizes)


def save_tiny(
    family: str,
    folder: Path,
    *,
    seed: int = 0,
    head: Sequence[str] | None = None,
    change: Callable[[Any], None] | None = None,
) -> Path:
    """Write a checkpoint of the family to `folder`, and return it.

    Args:
        head: label names; None saves the headless model, so that every part of the classifier is fresh on loading.
        change: edits the config before the model is built.
    """
    entry = FAMILIES[family]
    config = tiny_config(family)
    if head is not None:
        config.id2label = dict(enumerate(head))
        config.label2id = {label: i for i, label in enumerate(head)}
    if change is not None:
        change(config)
    transformers_logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if head is None:
            model = getattr(transformers, entry.model_class)(config, **entry.model_arguments)
        else:
            model = AutoModelForSequenceClassification.from_config(config)
    model.save_pretrained(folder)
    tiny_tokenizer(family).save_pretrained(folder)
    return folder
