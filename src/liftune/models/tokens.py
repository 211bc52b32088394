"""Rows to token ids to batches.

In: rows, and the model that will read them.  Out: Encoded rows; padded tensors; positions of rows that go together.
Not here: the forward pass (classifier.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from liftune.models import families
from liftune.seam import Row

#: Rows of one forward pass at most, however short they are.
_ROWS = 256


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row as the model reads it."""

    ids: list[int]
    types: list[int] | None = None
    """Which text each token belongs to, for models that are told."""
    pair: bool = False

    def __len__(self) -> int:
        return len(self.ids)


class Batcher:
    """A model's way from rows to tensors.

    Args:
        max_length: tokens kept of each row, special ones included.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._pad = int(model.config.pad_token_id)
        self._left = families.padding_side(model.config) == "left"
        self._eos = model.config.eos_token_id if families.pools_at_eos(model.config) else None
        self._reads_types = "token_type_ids" in tokenizer.model_input_names and _reads_types(model)
        self._separator = _missing_separator(tokenizer)
        self._endings = {pair: self._added_endings(pair) for pair in (False, True)}

    def encode(self, rows: Sequence[Row]) -> list[Encoded]:
        """Token ids of each row, truncated; a row without a single token becomes one pad token that is attended to."""
        encoded: list[Encoded | None] = [None] * len(rows)
        for pair in (False, True):
            chosen = [i for i, row in enumerate(rows) if isinstance(row, tuple) is pair]
            if not chosen:
                continue
            first = [row[0] if isinstance(row, tuple) else row for row in (rows[i] for i in chosen)]
            second = [self._separator + rows[i][1] for i in chosen] if pair else None
            found = self._tokenizer(
                first,
                second,
                truncation="longest_first",
                max_length=self._max_length,
                padding=False,
                return_attention_mask=False,
                return_token_type_ids=self._reads_types,
            )
            types = found["token_type_ids"] if self._reads_types else [None] * len(chosen)
            for i, ids, kinds in zip(chosen, found["input_ids"], types, strict=True):
                encoded[i] = self._mended(ids, kinds, pair)
        return [each for each in encoded if each is not None]

    def _mended(self, ids: list[int], types: list[int] | None, pair: bool) -> Encoded:
        if not ids:
            return Encoded([self._pad], [0] if self._reads_types else None, pair)
        if self._eos is not None:
            ids = self._one_ending(ids, pair)
        return Encoded(ids, types, pair)

    def _one_ending(self, ids: list[int], pair: bool) -> list[int]:
        """Unmake the end-of-text tokens that the text itself spelt out: all but those that the tokenizer adds."""
        added = self._endings[pair]
        places = [i for i, token in enumerate(ids) if token == self._eos]
        if len(places) <= added:
            return ids
        unknown = self._tokenizer.unk_token_id if self._tokenizer.unk_token_id is not None else self._pad
        extra = set(places[: len(places) - added])
        return [unknown if i in extra else token for i, token in enumerate(ids)]

    def _added_endings(self, pair: bool) -> int:
        empty = self._tokenizer("", "" if pair else None)["input_ids"] if self._eos is not None else []
        return list(empty).count(self._eos)

    def collate(self, encoded: Sequence[Encoded]) -> dict[str, Tensor]:
        """(B, L) tensors padded to the longest row: input_ids, attention_mask, token_type_ids where they are read."""
        longest = max(len(each) for each in encoded)
        ids = torch.full((len(encoded), longest), self._pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        types = torch.zeros_like(ids)
        for row, each in enumerate(encoded):
            place = slice(longest - len(each), longest) if self._left else slice(0, len(each))
            ids[row, place] = torch.tensor(each.ids, dtype=torch.long)
            mask[row, place] = 1
            if each.types is not None:
                types[row, place] = torch.tensor(each.types, dtype=torch.long)
        batch = {"input_ids": ids, "attention_mask": mask}
        return {**batch, "token_type_ids": types} if self._reads_types else batch


def _reads_types(model: PreTrainedModel) -> bool:
    """Whether the model takes token types and knows the type of a second text (RoBERTa's table has one row)."""
    if "token_type_ids" not in inspect.signature(model.forward).parameters:
        return False
    return getattr(model.config, "type_vocab_size", 2) != 1


def _missing_separator(tokenizer: PreTrainedTokenizerBase) -> str:
    """A line break where the tokenizer would run the texts of a pair into each other (GPT-2, Qwen), else nothing."""
    return "" if tokenizer.num_special_tokens_to_add(pair=True) > tokenizer.num_special_tokens_to_add() else "\n"


def in_batches(encoded: Sequence[Encoded], tokens: int, *, exact: bool = False) -> Iterator[NDArray[np.intp]]:
    """Positions of rows that go together: longest first, `tokens` a batch with padding, pairs apart from single texts.

    The longest batch comes first so that what does not fit into memory fails at once.

    Args:
        exact: only rows of one length go together.
    """
    order = sorted(range(len(encoded)), key=lambda i: (encoded[i].pair, -len(encoded[i])))
    batch: list[int] = []
    for i in order:
        longest = encoded[batch[0]] if batch else encoded[i]
        full = len(batch) >= _ROWS or (len(batch) + 1) * len(longest) > tokens
        apart = encoded[i].pair != longest.pair or (exact and len(encoded[i]) != len(longest))
        if batch and (full or apart):
            yield np.array(batch, dtype=np.intp)
            batch = []
        batch.append(i)
    if batch:
        yield np.array(batch, dtype=np.intp)


def equal_lengths(batch: dict[str, Tensor]) -> list[tuple[Tensor, dict[str, Tensor]]]:
    """Split a right-padded batch into parts of one length each, without padding: positions and tensors."""
    lengths = batch["attention_mask"].sum(dim=1)
    parts = []
    for length in torch.unique(lengths):
        positions = torch.nonzero(lengths == length).flatten()
        parts.append((positions, {name: values[positions, : int(length)] for name, values in batch.items()}))
    return parts
