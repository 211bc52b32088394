"""Rows to token ids to batches.

In: rows, and the model that will read them.  Out: Tokens; padded tensors.
Not here: tokenising (encoder.py), keeping the ids (cache.py), which rows go together (data/batching.py), the forward
pass (classifier.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from liftune.hardware.measure import cache_folder
from liftune.models import families
from liftune.models.tokens.cache import Encoded, TokenCache, Tokens
from liftune.models.tokens.encoder import RowEncoder
from liftune.models.tokens.long_texts import CUT, LongTexts
from liftune.types import Row

__all__ = ["Collator", "Encoded", "Tokens", "equal_lengths", "pool_logits", "pool_windows", "read_by_model"]

#: Names, in a batch, of (W,) the row of each window; and of (B,) whether the greatest of a row's windows count, not
#: their mean. Only where a row has several windows, and such a row is in the batch.
WINDOWS, GREATEST = "windows", "greatest"


class Collator:
    """A model's way from rows to tensors.

    Args:
        max_length: tokens of a window, special ones included: of each row where long ones are cut.
        long: what is read of longer rows.
        on_disk: whether the ids of many rows are kept in the user's cache folder.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        long: LongTexts = CUT,
        *,
        on_disk: bool = True,
    ) -> None:
        self._encoder = RowEncoder(model, tokenizer, max_length, long)
        self._cache = TokenCache(self._encoder.identity, cache_folder() / "tokens" if on_disk else None)
        self._left = families.padding_side(model.config) == "left"

    def encode(self, rows: Sequence[Row]) -> Tokens:
        """Token ids of each row, as its rules read it; one without any token becomes a pad token that is attended to.

        Rows that were encoded before, by this Collator or in a file by any, are not tokenised again.
        """
        return self._cache.tokens(rows, self._encoder.chunk)

    def collate(self, encoded: Sequence[Encoded]) -> dict[str, Tensor]:
        """(W, L) tensors padded to the longest window: input_ids, attention_mask, token_type_ids where they are read.

        W is B, one window a row, unless a row has several: then WINDOWS (W,) holds the row of each window, and GREATEST
        (B,), where it is so for any, whose windows' greatest logits count.
        """
        several = any(each.windows for each in encoded)
        windows = [each.windows or (len(each),) for each in encoded] if several else []
        lengths = np.array([n for row in windows for n in row] if several else [len(each) for each in encoded])[:, None]
        columns = np.arange(lengths.max())
        read = columns >= len(columns) - lengths if self._left else columns < lengths
        ids = np.full(read.shape, self._encoder.pad, dtype=np.int64)
        ids[read] = np.concatenate([each.ids for each in encoded])
        batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(read.astype(np.int64))}
        if self._encoder.reads_types:
            types = np.zeros(read.shape, dtype=np.int64)
            types[read] = np.concatenate([each.types for each in encoded if each.types is not None])
            batch["token_type_ids"] = torch.from_numpy(types)
        if several:
            batch[WINDOWS] = torch.from_numpy(np.repeat(np.arange(len(encoded)), [len(row) for row in windows]))
            greatest = [each.pooling == "max" for each in encoded]
            if any(greatest):
                batch[GREATEST] = torch.tensor(greatest)
        return batch


def pool_windows(values: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """(B, C) of a batch's rows from (W, C) of its windows: the mean over each row's. One each: `values`."""
    if WINDOWS not in batch:
        return values
    rows = batch[WINDOWS].to(values.device)
    counts = torch.bincount(rows)
    return values.new_zeros(len(counts), values.shape[1]).index_add(0, rows, values) / counts[:, None]


def pool_logits(values: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """(B, C) of a batch's rows from (W, C) of its windows: the mean over each row's, or the greatest of each label."""
    means = pool_windows(values, batch)
    if GREATEST not in batch:
        return means
    rows = batch[WINDOWS].to(values.device)
    of_each = rows[:, None].expand(-1, values.shape[1])
    most = torch.zeros_like(means).scatter_reduce(0, of_each, values, "amax", include_self=False)
    return torch.where(batch[GREATEST].to(values.device)[:, None], most, means)


def read_by_model(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the model is called with: the batch without what says which window is whose."""
    return {name: values for name, values in batch.items() if name not in (WINDOWS, GREATEST)}


def equal_lengths(batch: dict[str, Tensor]) -> list[tuple[Tensor, dict[str, Tensor]]]:
    """Split a right-padded batch into parts of one length each, without padding: positions of windows and tensors."""
    batch = read_by_model(batch)
    lengths = batch["attention_mask"].sum(dim=1)
    parts = []
    for length in torch.unique(lengths):
        positions = torch.nonzero(lengths == length).flatten()
        parts.append((positions, {name: values[positions, : int(length)] for name, values in batch.items()}))
    return parts
