"""The rules by which a model's rows become token ids, as data: one implementation for torch and for exported bundles.

In: rows, and what calls the tokenizer.  Out: ids and token types of each row, and its windows where it has several.
Not here: the rules of a given model (models/tokens/encoder.py), which tokens of a long row are read (long_rows.py),
batches (batching.py). This module needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from liftune.data.long_rows import Sides, windows_of
from liftune.errors import ArtifactError, panics_raised
from liftune.types import LongRule, Pooling, Row

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Lists: TypeAlias = Sequence[list[int]]
Call: TypeAlias = Callable[[list[str], list[str] | None], tuple[Lists, Lists, Sequence[Sides]]]
"""First texts, and second ones for pairs -> ids and types of each row, and of a row that is longer than `max_length`
which of its texts each token is of.

Rows are truncated where the rules cut long rows, else whole."""


#: More tokens than any model makes of two letters, its special ones included.
_MOST_OF_A_WORD = 100


@dataclass(frozen=True)
class TokenRules:
    """Everything but the tokenizer's own file that decides a row's ids."""

    max_length: int
    """Tokens kept of each row, special ones included; of a pair the longer text is truncated first."""
    pad: int
    unknown: int
    eos: int | None
    """The token at whose last position the model classifies (T5, BART), which a text may therefore not contain."""
    endings: tuple[int, int]
    """How many of those the tokenizer adds to a single text, and to a pair."""
    separator: str
    """What is put before a second text if the tokenizer would not separate the two (GPT-2, Qwen)."""
    reads_types: bool
    """Whether the model reads token types."""
    truncation_side: str = "right"
    """Where a text that is too long is cut: right keeps its beginning, left its end."""
    splits_specials: bool = False
    """Whether a special token that is spelt out in a text is tokenized like other text."""
    long: LongRule = "cut"
    """What is read of a row of more than `max_length` tokens (see long_rows.py)."""
    overlap: int = 0
    """Tokens that neighbouring windows share."""
    pooling: Pooling = "mean"
    """How the logits of a row's windows become the row's."""
    most_windows: int = 1
    """Of a row; what is beyond them is not read."""

    def read(self, rows: Sequence[Row], call: Call) -> tuple[list[list[int]], list[list[int]], list[tuple[int, ...]]]:
        """Ids and types of each row; a row without a single token becomes one pad token that is attended to.

        Returns:
            ids and types, those of a row's windows end to end; the tokens of each window where a row has several,
            else nothing.

        Raises:
            ArtifactError: the tokenizer does not keep to `max_length`, or fails.
        """
        ids: list[list[int]] = [[]] * len(rows)
        types: list[list[int]] = [[]] * len(rows)
        windows: list[tuple[int, ...]] = [()] * len(rows)
        for pair in (False, True):
            chosen = [i for i, row in enumerate(rows) if isinstance(row, tuple) is pair]
            if not chosen:
                continue
            first, second = self._texts([rows[i] for i in chosen])
            for i, read, kinds, sides in zip(chosen, *call(first, second), strict=True):
                if len(read) > self.max_length and self.long != "cut":
                    ids[i], types[i], windows[i] = self._long_row(read, kinds, sides, pair)
                    continue
                if len(read) > self.max_length:  # a step in tokenizer.json that multiplies, after the one that cuts
                    raise unreadable_tokenizer(f"{len(read):,} tokens of a row, {self.max_length:,} at most")
                ids[i] = self._one_ending(read, pair) if read else [self.pad]
                types[i] = kinds if read else [0]
        return ids, types, windows

    def _long_row(
        self, ids: list[int], types: list[int], sides: Sides, pair: bool
    ) -> tuple[list[int], list[int], tuple[int, ...]]:
        """What is read of a row that is too long, end to end, and the tokens of each window of several."""
        windows = windows_of(
            sides,
            self.max_length,
            overlap=self.overlap,
            most=self.most_windows,
            whole=self.long == "windows",
            keeps_end=self.truncation_side == "left",
        )
        if not windows:
            raise unreadable_tokenizer("it adds more special tokens to a row than the model reads tokens")
        every = [self._one_ending([ids[at] for at in window], pair) for window in windows]
        kinds = [types[at] for window in windows for at in window] if types else []
        sizes = tuple(map(len, every)) if len(every) > 1 else ()
        return [token for window in every for token in window], kinds, sizes

    def _texts(self, rows: Sequence[Row]) -> tuple[list[str], list[str] | None]:
        """First and second texts of rows that are all single texts or all pairs."""
        first = [row[0] if isinstance(row, tuple) else row for row in rows]
        second = [self.separator + row[1] for row in rows if isinstance(row, tuple)]
        return first, second or None

    def _one_ending(self, ids: list[int], pair: bool) -> list[int]:
        """Replace the end-of-text tokens that the text itself spells out: all but those that the tokenizer adds."""
        added = self.endings[pair]
        if self.eos is None or ids.count(self.eos) <= added:
            return ids
        places = [i for i, token in enumerate(ids) if token == self.eos]
        extra = set(places[: len(places) - added])
        return [self.unknown if i in extra else token for i, token in enumerate(ids)]

    def calls(self, backend: Tokenizer) -> Call:
        """A tokenizer.json, set to truncate as the rules say, without padding."""
        backend.no_padding()
        if self.long == "cut":
            backend.enable_truncation(
                self.max_length, stride=0, strategy="longest_first", direction=self.truncation_side
            )
        else:
            backend.no_truncation()
        backend.encode_special_tokens = self.splits_specials

        def call(first: list[str], second: list[str] | None) -> tuple[Lists, Lists, Sequence[Sides]]:
            texts: list[Any] = first if second is None else list(zip(first, second, strict=True))
            with panics_raised(unreadable_tokenizer):
                encoded = backend.encode_batch_fast(texts)
            return (
                [each.ids for each in encoded],
                [each.type_ids if self.reads_types else [] for each in encoded],
                [each.sequence_ids if self.long != "cut" and len(each) > self.max_length else () for each in encoded],
            )

        return call


def unreadable_tokenizer(reason: str) -> ArtifactError:
    """A tokenizer that was read and ends over a text."""
    return ArtifactError(f"the tokenizer is damaged: {reason}", where="tokenizer.json", hint="restore tokenizer.json")


def check_template(backend: Tokenizer) -> None:
    """Refuse a tokenizer that adds far more to a text than the special tokens of a model: it would fill the memory.

    Raises:
        ArtifactError: it does.
    """
    with panics_raised(unreadable_tokenizer):
        made = sum(backend.encode("a b").attention_mask)  # without padding, to which files of some models are set
    if made > _MOST_OF_A_WORD:
        raise unreadable_tokenizer(f"it makes {made:,} tokens of 'a b'")
