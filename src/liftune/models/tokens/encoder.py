"""Rows to token ids, by the rules that make every family's rows whole.

In: a model, its tokenizer, rows.  Out: Chunks; the identity of all that decides their ids.
Not here: keeping them (cache.py), batches (collator.py).
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import TypeVar

import numpy as np
import tokenizers
import transformers
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from liftune.data.long_rows import Sides
from liftune.data.token_rules import Lists, TokenRules, unreadable_tokenizer
from liftune.errors import panics_raised
from liftune.json_text import parse_json
from liftune.models import families
from liftune.models.tokens.cache import Chunk
from liftune.models.tokens.long_texts import CUT, LongTexts
from liftune.types import Row

T = TypeVar("T", bound=np.generic)


class RowEncoder:
    """A model's way from rows to token ids.

    Args:
        max_length: tokens of a window, special ones included: of each row where long ones are cut.
        long: what is read of longer rows.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int, long: LongTexts = CUT
    ) -> None:
        self._tokenizer = tokenizer
        pad = int(model.config.pad_token_id)
        eos = model.config.eos_token_id if families.pools_at_eos(model.config) else None
        self.rules = TokenRules(
            max_length=max_length,
            pad=pad,
            unknown=int(tokenizer.unk_token_id) if tokenizer.unk_token_id is not None else pad,
            eos=eos,
            endings=(_added_endings(tokenizer, eos, None), _added_endings(tokenizer, eos, "")),
            separator=_missing_separator(tokenizer),
            reads_types="token_type_ids" in tokenizer.model_input_names and _reads_types(model),
            truncation_side=str(tokenizer.truncation_side),
            splits_specials=bool(tokenizer.split_special_tokens),
            long=long.rule,
            **long.window_fields(max_length),
        )
        self.plain = _calls_its_backend(tokenizer)
        """Whether tokenizer.json and the rules are all of it."""

    @property
    def pad(self) -> int:
        """Id of the pad token."""
        return self.rules.pad

    @property
    def reads_types(self) -> bool:
        """Whether the model reads token types."""
        return self.rules.reads_types

    def identity(self) -> str | None:
        """Everything but the rows that decides the ids; None for a tokenizer whose rules lie in code, not in data."""
        if not self.plain:
            return None
        backend = parse_json(self.backend.to_str())
        # Left there by the last call, and set anew by the next.
        rules = {name: value for name, value in backend.items() if name not in ("truncation", "padding")}
        around = {
            "versions": [tokenizers.__version__, transformers.__version__],
            "class": type(self._tokenizer).__qualname__,
            "around": asdict(self.rules),
            "rules": hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest(),
        }
        return json.dumps(around, sort_keys=True)

    def chunk(self, rows: Sequence[Row]) -> Chunk:
        """Token ids of each row, as the rules read it; one without any is one pad token that is attended to."""
        ids, types, windows = self.rules.read(rows, self._call_backend if self.plain else self._call)
        pairs = np.fromiter((isinstance(row, tuple) for row in rows), dtype=np.bool_, count=len(rows))
        return Chunk(
            ids=_flat(ids, np.int32),
            offsets=np.cumsum([0, *(len(each) for each in ids)], dtype=np.int32),
            pairs=pairs,
            types=_flat(types, np.int8) if self.reads_types else None,
            windows=_ends_of_windows(ids, windows) if self.rules.long == "windows" else None,
            pooling=self.rules.pooling,
        )

    @property
    def backend(self) -> tokenizers.Tokenizer:
        """The tokenizer as tokenizer.json holds it."""
        assert isinstance(self._tokenizer, PreTrainedTokenizerFast)
        return self._tokenizer.backend_tokenizer

    def _call(self, first: list[str], second: list[str] | None) -> tuple[Lists, Lists, Sequence[Sides]]:
        cut = self.rules.long == "cut"
        with panics_raised(unreadable_tokenizer):
            encoded = self._tokenizer(
                first,
                second,
                truncation="longest_first" if cut else False,
                max_length=self.rules.max_length if cut else None,
                padding=False,
                return_attention_mask=False,
                return_token_type_ids=self.reads_types,
                return_special_tokens_mask=not cut,
                verbose=False,  # that a row is longer than the model reads is known
            )
            ids = encoded["input_ids"]
            long = [i for i, each in enumerate(ids) if len(each) > self.rules.max_length] if not cut else []
            sides: list[Sides] = [()] * len(ids)
            for i in long:
                own = len(self._tokenizer(first[i], add_special_tokens=False, verbose=False)["input_ids"])
                sides[i] = _sides(encoded["special_tokens_mask"][i], own)
        return ids, encoded["token_type_ids"] if self.reads_types else [[]] * len(first), sides

    def _call_backend(self, first: list[str], second: list[str] | None) -> tuple[Lists, Lists, Sequence[Sides]]:
        """What calling the tokenizer comes to, without the places of tokens in the text, which nobody asks for."""
        # Anew each time: whoever else calls the tokenizer sets its own.
        return self.rules.calls(self.backend)(first, second)


def _added_endings(tokenizer: PreTrainedTokenizerBase, eos: int | None, second: str | None) -> int:
    return 0 if eos is None else list(tokenizer("", second)["input_ids"]).count(eos)


def _sides(special: Sequence[int], own: int) -> list[int | None]:
    """Which text each token of a row is of, from which are special and how many the first text has."""
    texts = iter([0] * own + [1] * (len(special) - own))
    return [None if each else next(texts) for each in special]


def _ends_of_windows(ids: Lists, windows: Sequence[tuple[int, ...]]) -> NDArray[np.int32]:
    """(W + 1,) where each window begins, and the last one ends."""
    sizes = chain.from_iterable(each or (len(row),) for row, each in zip(ids, windows, strict=True))
    return np.cumsum([0, *sizes], dtype=np.int32)


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
