"""Config, tokenizer and weights of a pretrained model, read by transformers; its silence, and its errors as ours.

In: a Checkpoint.  Out: what transformers makes of it, or a ModelError that says how to fix it.
Not here: finding the files (checkpoint.py), the classifier made of the three (backbone.py).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from liftune.errors import LiftuneError, ModelError, OutOfMemory, lacks_memory, pasted
from liftune.hardware.memory import short_of_memory
from liftune.hardware.plan import Plan
from liftune.models.checkpoint import Checkpoint, config_file, holds_adapter, refuse_pickle, weight_files
from liftune.models.trust import refuse_code

# PEFT imports it where it is installed, and it asks every user of a CPU for a package that they need not have.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


def config_of(checkpoint: Checkpoint, trust_remote_code: bool) -> PretrainedConfig:
    """config.json, of a kind of model for which there is a classifier.

    Raises:
        ModelError: there is none.
    """
    config: PretrainedConfig = AutoConfig.from_pretrained(
        checkpoint.source,
        revision=checkpoint.revision,
        trust_remote_code=trust_remote_code,
    )
    remote = trust_remote_code and "AutoModelForSequenceClassification" in (getattr(config, "auto_map", None) or {})
    if type(config) not in AutoModelForSequenceClassification._model_mapping and not remote:
        raise ModelError(
            f"transformers has no sequence classifier for models of type {config.model_type}",
            where=checkpoint.name,
            hint="choose a model that AutoModelForSequenceClassification knows, such as BERT, DeBERTa, T5 or Llama",
        )
    return config


def classifies_rows(config: PretrainedConfig, trust_remote_code: bool) -> bool:
    """Whether the weights were saved with a head that classifies rows: not tokens, spans or choices.

    A config that does not say is believed; so is a class that comes with the model.
    """
    named = config.architectures or ()
    remote = trust_remote_code and "AutoModelForSequenceClassification" in (getattr(config, "auto_map", None) or {})
    return remote or not named or any("SequenceClassification" in each for each in named)


def tokenizer_of(checkpoint: Checkpoint, trust_remote_code: bool) -> PreTrainedTokenizerBase:
    """The tokenizer, with a vocabulary.

    Raises:
        ModelError: the model comes without one.
    """
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        checkpoint.source,
        revision=checkpoint.revision,
        trust_remote_code=trust_remote_code,
    )
    # Without tokenizer files transformers makes an empty tokenizer that knows only its special tokens.
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise ModelError(
            "the model has no tokenizer files",
            where=checkpoint.name,
            hint="copy tokenizer.json and tokenizer_config.json of the pretrained model beside config.json",
        )
    return tokenizer


#: No model that is used has as many: only then the weights are looked at.
_MANY_LAYERS = 1_000


def check_layers(checkpoint: Checkpoint) -> None:
    """Refuse a config.json with far more layers than the weights can be of: they would be built for hours.

    Raises:
        ModelError: it has.
    """
    fields = config_file(checkpoint)
    for name, count in fields.items():
        if "layer" not in name or not isinstance(count, int) or count <= _MANY_LAYERS:
            continue
        held = 0
        for path in weight_files(checkpoint):
            with safe_open(path, framework="np") as file:
                held += len(file.keys())
        if count > held:
            raise ModelError(
                f"config.json has {name} = {count:,}, and the weights have {held:,} tensors in all",
                where=checkpoint.name,
                hint="give a folder whose config.json and weights belong together",
            )


def model_of(
    checkpoint: Checkpoint,
    overrides: Mapping[str, Any],
    trust_remote_code: bool,
    seed: int,
    plan: Plan,
) -> tuple[PreTrainedModel, dict[str, Any], tuple[str, ...]]:
    """The classifier in float32, what transformers reports of its loading, and notes for the report.

    Args:
        overrides: fields of the config, and what else `from_pretrained` is told.
    """

    def load(attention: str) -> tuple[PreTrainedModel, dict[str, Any]]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model, info = AutoModelForSequenceClassification.from_pretrained(
                checkpoint.source,
                revision=checkpoint.revision,
                trust_remote_code=trust_remote_code,
                use_safetensors=True,
                dtype=torch.float32,
                attn_implementation=attention,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **overrides,
            )
        return model, info

    try:
        return (*load(plan.attention), ())
    except ValueError as error:
        if plan.attention == "eager" or "attention" not in str(error):
            raise
        return (*load("eager"), (f"attention: eager, because the model has no {plan.attention} attention",))


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' chatter and warnings: liftune says itself what matters of them."""
    # transformers leaves these untyped.
    log: Any = transformers_logging
    verbosity = log.get_verbosity()
    bars = log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()


@contextmanager
def as_model_error(checkpoint: Checkpoint) -> Iterator[None]:
    """Turn what transformers, the hub and the file readers raise over a bad model into a ModelError.

    Raises:
        OutOfMemory: the model may be whole, but memory is short.
    """
    try:
        yield
    except Exception as error:  # transformers takes files' values as they are: any error may come of another type
        if isinstance(error, LiftuneError) and not isinstance(error, ValueError | OutOfMemory):
            raise
        if lacks_memory(error):
            hint = "free some memory, raise its limit, or take a smaller model"
            raise short_of_memory(error, f"loading model {checkpoint.name}", hint) from None
        message = str(error).strip()
        first = message.splitlines()[0] if message else type(error).__name__
        if isinstance(error, KeyError):
            first = f"its files lack {first}"
        if "trust_remote_code" in message:
            raise refuse_code(checkpoint.name, Path(checkpoint.source)) from None
        if checkpoint.folder is None and "safetensors" in message:
            refuse_pickle(checkpoint.name, pickled=True)
        if "config.json" in message and holds_adapter(checkpoint):
            raise ModelError(
                f"{checkpoint.name} is a tuned model by itself, not a pretrained model",
                where="--model",
                hint=f"use it as it is: liftune predict {pasted(checkpoint.name)} TEXT; or make a model of it: "
                f"liftune export {pasted(checkpoint.name)} --format merged --rows FILE --to DIR, and give DIR",
            ) from None
        hint = "check that config, tokenizer and weights are whole and of one model"
        if checkpoint.folder is None:
            hint = "check the id at https://huggingface.co, or give a local folder or the alias minilm"
        raise ModelError(f"cannot load model {checkpoint.name}: {first}", where="--model", hint=hint) from None
