"""What differs between model families, read from the model itself: its head, its padding side, its length limit.

In: a loaded model and its tokenizer.  Out: names, numbers, and the tokenizer with a pad token where it had none.
Not here: loading (backbone.py), PEFT (attach.py). There is no table of names: the same rules hold for a family that
liftune has never met.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from liftune.errors import ModelError
from liftune.models.module_names import within

Side = Literal["left", "right"]

#: Tokenizers without a limit of their own give an astronomic model_max_length.
_NO_LIMIT = 10**6


def base_name(model: PreTrainedModel) -> str:
    """Name of the submodule that holds the model without its head, or "" where there is none."""
    prefix = model.base_model_prefix
    return prefix if prefix and isinstance(getattr(model, prefix, None), nn.Module) else ""


def fresh_parameters(model: PreTrainedModel, initialised: Iterable[str]) -> tuple[str, ...]:
    """The parameters that loading initialised at random, in the model's order.

    Args:
        initialised: missing and mismatched keys as transformers reports them. Buffers among them are computed, not
            learned; a parameter tied to a loaded one is listed once, under its first name.
    """
    initialised = set(initialised)
    return tuple(name for name, _ in model.named_parameters() if name in initialised)


def head_modules(model: PreTrainedModel, fresh: Iterable[str]) -> tuple[str, ...]:
    """Whole names of the modules that are trained and saved in full: the head, and what is fresh inside the body.

    The head is every child beside the body that has parameters: DeBERTa's pooler and classifier, XLNet's
    sequence_summary and logits_proj. Inside the body (BERT's pooler) it is the topmost module with fresh parameters
    alone.

    Args:
        fresh: as `fresh_parameters` gives them.

    Raises:
        ModelError: a fresh parameter belongs to no module that could be saved in full without saving the whole model.
    """
    base = base_name(model)
    outside = [name for name, child in model.named_children() if name != base and any(True for _ in child.parameters())]
    if not base:
        # Without a marked body the head is what loading initialised, or failing that the last layer.
        outside = [] if list(fresh) else outside[-1:]
    fresh = [name for name in fresh if not within(name, outside)]
    inside = dict.fromkeys(_topmost(model, name, frozenset(fresh), base) for name in fresh)
    return (*inside, *outside)


def _topmost(model: PreTrainedModel, parameter: str, fresh: frozenset[str], base: str) -> str:
    """The largest module around a fresh parameter that has fresh parameters alone, else the one that owns it."""
    owner = parameter.rpartition(".")[0]
    if owner in ("", base):
        raise ModelError(
            f"the checkpoint lacks {parameter}, which no adapter can hold",
            hint="use --method full, or a checkpoint that has it",
        )
    best = owner
    module = owner
    while module not in ("", base):
        names = [f"{module}.{name}" for name, _ in model.get_submodule(module).named_parameters()]
        if not fresh.issuperset(names):
            break
        best, module = module, module.rpartition(".")[0]
    return best


def final_layer(model: nn.Module, modules: Iterable[str], outputs: int) -> str:
    """Name of the linear layer that gives the logits: the last of the head with that many outputs.

    Raises:
        ModelError: the head ends in something else.
    """
    last = ""
    for module in modules:
        for name, layer in model.get_submodule(module).named_modules(prefix=module):
            if isinstance(layer, nn.Linear) and layer.out_features == outputs:
                last = name
    if not last:
        raise ModelError(f"{type(model).__name__} has no linear layer with {outputs} outputs at its end")
    return last


def padding_side(config: PretrainedConfig) -> Side:
    """The side on which padding cannot change a row's logits.

    Right: position 0 stays the row's first token, causal attention never sees the padding, and classifiers that read
    the last token find it by the pad id. XLNet reads position -1 whatever token is there; its positions are relative.
    """
    return "left" if getattr(config, "summary_type", None) == "last" else "right"


def pools_at_eos(config: PretrainedConfig) -> bool:
    """Whether the classifier reads the state at the end-of-text token (T5, BART and their kin).

    They refuse a batch whose rows differ in how many such tokens they hold, so text may not bring its own.
    """
    return bool(getattr(config, "is_encoder_decoder", False)) and getattr(config, "eos_token_id", None) is not None


def pools_last_token(model: PreTrainedModel) -> bool:
    """Whether the classifier finds the row's last token by the pad id in `input_ids` (GPT-2, Llama, Qwen, ...).

    Given embeddings instead, as prompt methods give them, it reads position -1.
    """
    return hasattr(model, "score") and not getattr(model.config, "is_encoder_decoder", False)


def fix_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Give tokenizer and config the same pad token and the right padding side, and return the token's id.

    A tokenizer without one uses its end of text, else its unknown token: the classifier looks from the right for the
    last token that is not the pad token, so it needs one that ordinary text never ends with.

    Raises:
        ModelError: there is no special token to use.
    """
    if tokenizer.pad_token_id is None:
        token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.bos_token
        if token is None:
            raise ModelError(
                "the tokenizer has no pad token and no special token to use instead",
                hint="add a pad_token to tokenizer_config.json",
            )
        tokenizer.pad_token = token
    pad = int(tokenizer.pad_token_id)
    vocabulary = model.config.get_text_config().vocab_size
    if not 0 <= pad < vocabulary:
        raise ModelError(
            f"the tokenizer's pad token has id {pad}, but the model has only {vocabulary} tokens",
            hint="use the tokenizer that belongs to the model",
        )
    # The classifier compares ids with the config's pad: the two must be the same token.
    model.config.pad_token_id = pad
    model.config.get_text_config().pad_token_id = pad
    tokenizer.padding_side = padding_side(model.config)
    return pad


def check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer that knows tokens which the model has no embedding for: a text with one could not be read.

    Raises:
        ModelError: naming the first such token.
    """
    try:
        rows = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[index]
    except NotImplementedError:  # a model with code of its own may not say which table it is
        rows = int(model.config.get_text_config().vocab_size)
    beyond = sorted((place, token) for token, place in tokenizer.get_vocab().items() if place >= rows)
    if beyond:
        place, token = beyond[0]
        raise ModelError(
            f"the tokenizer has {len(beyond):,} tokens that the model has no embedding for: the first is {token!r} "
            f"with id {place}, and the model has {rows:,} tokens",
            hint="use the tokenizer that belongs to the model, or enlarge the model once: "
            "model.resize_token_embeddings(len(tokenizer)); model.save_pretrained(PATH)",
        )


def width(model: PreTrainedModel) -> int:
    """Numbers in a token's state; 0 where the config does not say."""
    found = getattr(model.config.get_text_config(), "hidden_size", None)
    return found if isinstance(found, int) else 0


def position_limit(model: PreTrainedModel) -> int | None:
    """Most tokens that the model has positions for, or None where positions are relative (T5, XLNet).

    RoBERTa and MPNet number positions from padding_idx + 1, so their tables hold that many rows more than positions.
    """
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0:
        return None
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.num_embeddings == limit:
            return limit if module.padding_idx is None else limit - module.padding_idx - 1
    return limit


def length_limit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: int | None) -> int:
    """Tokens kept of each row: the number asked for, or 512, as far as the model has positions.

    Raises:
        ModelError: the special tokens leave no room for one token of text.
    """
    usual = min(512, tokenizer.model_max_length if tokenizer.model_max_length < _NO_LIMIT else 512)
    limit = position_limit(model)
    length = min(asked or usual, limit if limit is not None else _NO_LIMIT)
    # A pair has the most special tokens; both its texts need room.
    needed = tokenizer.num_special_tokens_to_add(pair=True) + 2
    if length < needed:
        raise ModelError(
            f"max length {length} leaves no room for text beside the special tokens",
            where="--max-length",
            hint=f"give at least {needed}",
        )
    return length


def longest_reading(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Most tokens of a row that the model was made to read; None where nothing says so, as of relative positions."""
    limit = position_limit(model)
    return None if limit is None else min(limit, tokenizer.model_max_length)


def is_four_bits(parameter: object) -> bool:
    """Whether bitsandbytes holds a parameter in four bits."""
    return getattr(parameter, "quant_state", None) is not None


def total_parameters(model: nn.Module) -> int | None:
    """Number of parameters, trained or frozen, shared ones once; None where some are packed in four bits.

    A part that PEFT trains as a copy counts once: its `print_trainable_parameters` also counts what the copy replaces.
    """
    every = [each for name, each in model.named_parameters() if ".original_module." not in name]
    return None if any(map(is_four_bits, every)) else sum(each.numel() for each in every)
