"""Methods that leave the weights alone and put trained positions before each row.

In: options and a model's shape.  Out: entries of METHODS.  Not here: the length limit that shrinks by those positions
(`virtual_tokens` in registry.py).

They fit few families. A prompt of embeddings hides the tokens from the model: XLNet, BART and T5 need them to find
where a row ends, and refuse it or pool the padding. Decoders then read the last position, so the classifier hands
them rows of equal length (classifier.py). A prefix of keys and values needs a model that takes a cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liftune.models.methods import hooks, options
from liftune.models.methods.base import METHODS, BackboneShape, only

if TYPE_CHECKING:
    from peft import PeftConfig

#: Encoders that pool without looking at the tokens.
ENCODERS = (
    "albert",
    "bert",
    "camembert",
    "deberta-v2",
    "distilbert",
    "electra",
    "modernbert",
    "mpnet",
    "roberta",
    "xlm-roberta",
)
#: Encoders whose code also serves as a decoder, and so takes a cache.
ENCODERS_WITH_CACHE = ("bert", "camembert", "electra", "roberta", "xlm-roberta")
DECODERS = ("gpt2", "llama", "mistral", "qwen2", "qwen3")


def _positions(shape: BackboneShape) -> dict[str, Any]:
    """The sizes of a prompt. Said outright: PEFT cannot infer them for DistilBERT, and infers ALBERT's wrong."""
    embeddings: Any = shape.model.get_input_embeddings().weight
    return {
        "task_type": "SEQ_CLS",
        "token_dim": int(embeddings.shape[1]),
        "num_layers": int(shape.model.config.num_hidden_layers),
        "num_attention_heads": int(shape.model.config.num_attention_heads),
        "num_transformer_submodules": 1,
    }


@METHODS.entry(
    "prompt",
    summary="Learnt embeddings put before each row.",
    options=options.PromptOptions,
    learning_rate=1e-1,
    families=only(*ENCODERS, *DECODERS),
    optimizer=hooks.prompt_optimizer,
    pipelines=False,
    goes_on=False,
    four_bits=True,
)
def prompt(chosen: options.PromptOptions, shape: BackboneShape) -> PeftConfig:
    """Lester et al. 2021. Rate: the head's, as measured (docs/log.md); the prompt's is 10 times it."""
    from peft import PromptTuningConfig

    return PromptTuningConfig(num_virtual_tokens=chosen.virtual_tokens, **_positions(shape))


@METHODS.entry(
    "p_tuning",
    summary="Embeddings put before each row, made by a small network.",
    options=options.PTuningOptions,
    learning_rate=3e-3,
    families=only(*ENCODERS, *DECODERS),
    pipelines=False,
    goes_on=False,
    four_bits=True,
)
def p_tuning(chosen: options.PTuningOptions, shape: BackboneShape) -> PeftConfig:
    """Liu et al. 2021 (GPT Understands, Too). Rate: measured (docs/log.md); PEFT's example has 1e-3."""
    from peft import PromptEncoderConfig

    return PromptEncoderConfig(
        num_virtual_tokens=chosen.virtual_tokens, encoder_hidden_size=chosen.hidden_size, **_positions(shape)
    )


@METHODS.entry(
    "prefix",
    summary="Learnt keys and values put before each row in every layer.",
    options=options.PrefixOptions,
    learning_rate=1e-2,
    families=only(*ENCODERS_WITH_CACHE, *DECODERS),
    optimizer=hooks.prompt_optimizer,
    pipelines=False,
    goes_on=False,
    recomputes=False,
    four_bits=True,
)
def prefix(chosen: options.PrefixOptions, shape: BackboneShape) -> PeftConfig:
    """Li & Liang 2021. Rate: the head's; the prefix's is 10 times it. Measured (docs/log.md)."""
    from peft import PrefixTuningConfig

    # The sizes of keys and values, which grouped attention makes smaller, are what PEFT infers well.
    return PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=chosen.virtual_tokens)
