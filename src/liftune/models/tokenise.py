"""Rows to token ids, by the rules that make every family's rows whole.

In: a model, its tokenizer, rows.  Out: Chunks; the identity of all that decides their ids.
Not here: keeping them (token_store.py), batches (tokens.py).
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeAlias, TypeVar

import numpy as np
import tokenizers
import transformers
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import TruncationStrategy
from transformers.utils.generic import PaddingStrategy

from liftune.models import families
from liftune.models.token_store import Chunk
from liftune.seam import Row

Lists: TypeAlias = Sequence[list[int]]
T = TypeVar("T", bound=np.generic)


class Tokeniser:
    """A model's way from rows to token ids.

    Args:
        max_length: tokens kept of each row, special ones included.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length
        self.pad = int(model.config.pad_token_id)
        self.reads_types = "token_type_ids" in tokenizer.model_input_names and _reads_types(model)
        self._eos = model.config.eos_token_id if families.pools_at_eos(model.config) else None
        self._unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else self.pad
        self._separator = _missing_separator(tokenizer)
        self._endings = {pair: self._added_endings(pair) for pair in (False, True)}
        self._plain = _calls_its_backend(tokenizer)

    def identity(self) -> str | None:
        """Everything but the rows that decides the ids; None for a tokenizer whose rules lie in code, not in data."""
        if not self._plain:
            return None
        backend = json.loads(self._backend.to_str())
        # Left there by the last call, and set anew by the next.
        rules = {name: value for name, value in backend.items() if name not in ("truncation", "padding")}
        around = {
            "versions": [tokenizers.__version__, transformers.__version__],
            "class": type(self._tokenizer).__qualname__,
            "truncation": [self._max_length, self._tokenizer.truncation_side],
            "specials": [self.pad, self._unknown, self._eos, self._tokenizer.split_special_tokens],
            "pairs": [self._separator, self._endings[False], self._endings[True]],
            "types": self.reads_types,
            "rules": hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest(),
        }
        return json.dumps(around, sort_keys=True)

    def chunk(self, rows: Sequence[Row]) -> Chunk:
        """Token ids of each row, truncated; a row without a single token becomes one pad token that is attended to."""
        ids: list[list[int]] = [[]] * len(rows)
        types: list[list[int]] = [[]] * len(rows)
        pairs = np.fromiter((isinstance(row, tuple) for row in rows), dtype=np.bool_, count=len(rows))
        for pair in (False, True):
            chosen = np.flatnonzero(pairs == pair).tolist()
            if not chosen:
                continue
            for i, read, kinds in zip(chosen, *self._call([rows[i] for i in chosen], pair), strict=True):
                ids[i] = self._one_ending(read, pair) if read else [self.pad]
                types[i] = kinds if read else [0]
        return Chunk(
            ids=_flat(ids, np.int32),
            offsets=np.cumsum([0, *(len(each) for each in ids)], dtype=np.int32),
            pairs=pairs,
            types=_flat(types, np.int8) if self.reads_types else None,
        )

    @property
    def _backend(self) -> tokenizers.Tokenizer:
        assert isinstance(self._tokenizer, PreTrainedTokenizerFast)
        return self._tokenizer.backend_tokenizer

    def _call(self, rows: Sequence[Row], pair: bool) -> tuple[Lists, Lists]:
        """Ids and types of rows that are all single texts or all pairs."""
        first = [row[0] if isinstance(row, tuple) else row for row in rows]
        second = [self._separator + row[1] for row in rows] if pair else None
        if self._plain:
            return self._call_backend(list(zip(first, second, strict=True)) if second else first)
        found = self._tokenizer(
            first,
            second,
            truncation="longest_first",
            max_length=self._max_length,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=self.reads_types,
        )
        return found["input_ids"], found["token_type_ids"] if self.reads_types else [[]] * len(rows)

    def _call_backend(self, texts: list[Any]) -> tuple[Lists, Lists]:
        """What calling the tokenizer comes to, without the places of tokens in the text, which nobody asks for."""
        assert isinstance(self._tokenizer, PreTrainedTokenizerFast)
        self._tokenizer.set_truncation_and_padding(
            padding_strategy=PaddingStrategy.DO_NOT_PAD,
            truncation_strategy=TruncationStrategy.LONGEST_FIRST,
            max_length=self._max_length,
            stride=0,
            pad_to_multiple_of=None,
            padding_side=None,
        )
        self._backend.encode_special_tokens = self._tokenizer.split_special_tokens
        found = self._backend.encode_batch_fast(texts)
        return [each.ids for each in found], [each.type_ids if self.reads_types else [] for each in found]

    def _one_ending(self, ids: list[int], pair: bool) -> list[int]:
        """Unmake the end-of-text tokens that the text itself spelt out: all but those that the tokenizer adds."""
        added = self._endings[pair]
        if self._eos is None or ids.count(self._eos) <= added:
            return ids
        places = [i for i, token in enumerate(ids) if token == self._eos]
        extra = set(places[: len(places) - added])
        return [self._unknown if i in extra else token for i, token in enumerate(ids)]

    def _added_endings(self, pair: bool) -> int:
        empty = self._tokenizer("", "" if pair else None)["input_ids"] if self._eos is not None else []
        return list(empty).count(self._eos)


def _flat(lists: Lists, kind: type[T]) -> NDArray[T]:
    flat = np.fromiter(chain.from_iterable(lists), dtype=kind, count=sum(len(each) for each in lists))
    flat.flags.writeable = False
    return flat


def _calls_its_backend(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether calling it is calling its Rust backend, with nothing in Python before or after."""
    kind = type(tokenizer)
    return (
        isinstance(tokenizer, PreTrainedTokenizerFast)
        and kind.__call__ is PreTrainedTokenizerFast.__call__
        and kind._encode_plus is PreTrainedTokenizerFast._encode_plus
    )


def _reads_types(model: PreTrainedModel) -> bool:
    """Whether the model takes token types and knows the type of a second text (RoBERTa's table has one row)."""
    if "token_type_ids" not in inspect.signature(model.forward).parameters:
        return False
    return getattr(model.config, "type_vocab_size", 2) != 1


def _missing_separator(tokenizer: PreTrainedTokenizerBase) -> str:
    """A line break where the tokenizer would run the texts of a pair into each other (GPT-2, Qwen), else nothing."""
    return "" if tokenizer.num_special_tokens_to_add(pair=True) > tokenizer.num_special_tokens_to_add() else "\n"
