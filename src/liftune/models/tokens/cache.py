"""Token ids of many rows, tokenised once: flat arrays, kept on disk by what they were made of.

In: rows, what turns them into a Chunk, and the identity of all that decides the ids.  Out: Tokens.
Not here: tokenising (encoder.py), batches (collator.py).

Many rows are written to an Arrow stream, one record batch a chunk, followed by a sha256 of it all, and read through a
memory map: memory holds one chunk's Python lists at most, and afterwards only the pages that are read. Few rows, and
all where the folder cannot be written, stay in memory in the same arrays.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import operator
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liftune.types import Pooling, Row

#: Rises when the layout of a file changes, so that an old one is not read.
FORMAT = 1
#: Rows that are tokenised, and written, in one go; every chunk but the last has as many.
CHUNK = 1_024
#: As many rows or fewer are not worth a file.
SMALL = 4_096
#: Of all files together; what was not used for longest goes first.
FOLDER_BYTES = 2 * 2**30
#: What a store remembers beside its files: sets of rows, and the bytes of those that are in memory.
REMEMBERED, REMEMBERED_BYTES = 4, 64 * 2**20
_PIECE = 2**20

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row as the model reads it."""

    ids: NDArray[np.int32]
    types: NDArray[np.int8] | None = None
    """Which text each token belongs to, for models that read it."""
    pair: bool = False
    windows: tuple[int, ...] = ()
    """Tokens of each window where the row has several, which stand end to end in `ids`; empty for one window.

    A window is what the model reads in one go. The model computes windows; the Classifier pools their logits, so that
    whatever takes rows and gives logits need not know of them (see `pool_windows`).
    """
    pooling: Pooling = "mean"
    """How the logits of its windows become its own."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Chunk:
    """Some rows, end to end."""

    ids: NDArray[np.int32]
    """(T,) the tokens of all rows."""
    offsets: NDArray[np.int32]
    """(N + 1,) where each row begins, and the last one ends."""
    pairs: NDArray[np.bool_]
    """(N,)"""
    types: NDArray[np.int8] | None = None
    """(T,)"""
    windows: NDArray[np.int32] | None = None
    """(W + 1,) where each window begins, and the last one ends; None where every row is one window."""
    pooling: Pooling = "mean"
    """How the logits of a row's windows become the row's."""

    def __len__(self) -> int:
        return len(self.pairs)

    def row(self, i: int) -> Encoded:
        """A view, not a copy."""
        place = slice(self.offsets[i], self.offsets[i + 1])
        types = None if self.types is None else self.types[place]
        windows = () if self.windows is None else self._windows_of(i, self.windows)
        return Encoded(self.ids[place], types, bool(self.pairs[i]), windows, self.pooling)

    def _windows_of(self, i: int, windows: NDArray[np.int32]) -> tuple[int, ...]:
        first, last = np.searchsorted(windows, self.offsets[i : i + 2])
        return tuple(np.diff(windows[first : last + 1]).tolist()) if last - first > 1 else ()


class Tokens(Sequence[Encoded]):
    """Rows as the model reads them; immutable.

    Args:
        chunks: of CHUNK rows each, the last one of as many or fewer.
        mapped: the ids are pages of a file, which memory need not hold.
    """

    def __init__(self, chunks: Iterable[Chunk], *, mapped: bool = False) -> None:
        self._chunks = tuple(chunks)
        self._rows = sum(len(chunk) for chunk in self._chunks)
        self.mapped = mapped

    def __len__(self) -> int:
        return self._rows

    @overload
    def __getitem__(self, index: int) -> Encoded: ...
    @overload
    def __getitem__(self, index: slice) -> list[Encoded]: ...
    def __getitem__(self, index: int | slice) -> Encoded | list[Encoded]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._rows))]
        i = operator.index(index)
        i += self._rows if i < 0 else 0
        if not 0 <= i < self._rows:
            raise IndexError(index)
        return self._chunks[i // CHUNK].row(i % CHUNK)

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """(N,) tokens of each row."""
        return _joined([np.diff(chunk.offsets) for chunk in self._chunks], np.int32)

    @cached_property
    def pairs(self) -> NDArray[np.bool_]:
        """(N,) which rows are of two texts."""
        return _joined([chunk.pairs for chunk in self._chunks], np.bool_)

    @property
    def total(self) -> int:
        """Tokens of all rows."""
        return sum(len(chunk.ids) for chunk in self._chunks)

    @property
    def token_pairs(self) -> int:
        """The sum, over the windows, of the square of a window's tokens: what attention multiplies."""
        ends = (chunk.offsets if chunk.windows is None else chunk.windows for chunk in self._chunks)
        return sum(int(np.square(np.diff(each), dtype=np.int64).sum()) for each in ends)

    @property
    def bytes_held(self) -> int:
        """Of the token arrays that are in memory: 0 where they are pages of a file."""
        if self.mapped:
            return 0
        return sum(each.nbytes for chunk in self._chunks for each in (chunk.ids, chunk.types) if each is not None)


def _joined(parts: list[NDArray[T]], kind: type[T]) -> NDArray[T]:
    joined = np.concatenate([np.empty(0, dtype=kind), *parts])
    joined.flags.writeable = False
    return joined


class TokenCache:
    """Gives the same rows the same Tokens without tokenising them again.

    Args:
        identity: all that decides the ids beside the rows, computed when first needed; None if that cannot be known,
            and then nothing goes to disk.
        folder: where the files are; None for none.
    """

    def __init__(self, identity: Callable[[], str | None], folder: Path | None) -> None:
        self._identity, self._folder = identity, folder
        self._remembered: OrderedDict[str, Tokens] = OrderedDict()

    def tokens(self, rows: Sequence[Row], encode: Callable[[Sequence[Row]], Chunk]) -> Tokens:
        """The rows' tokens: remembered, read from disk, or made.

        Args:
            encode: at most CHUNK rows to a Chunk.
        """
        key = fingerprint(rows)
        tokens = self._remembered.pop(key, None)
        if tokens is None:
            tokens = self._kept(key, rows, encode) or Tokens(_chunks(rows, encode))
        self._remember(key, tokens)
        return tokens

    def _kept(self, key: str, rows: Sequence[Row], encode: Callable[[Sequence[Row]], Chunk]) -> Tokens | None:
        """From the rows' file, which is made where it is missing or damaged; None where there can be none."""
        identity = self._identity() if self._folder is not None and len(rows) > SMALL else None
        if self._folder is None or identity is None:
            return None
        name = hashlib.sha256(f"{FORMAT}\n{CHUNK}\n{identity}\n{key}".encode()).hexdigest()
        path = self._folder / f"{name}.arrow"
        tokens = open_file(path)
        if tokens is None:
            try:
                write_file(path, _chunks(rows, encode))
            except OSError:  # a read-only folder or a full disk costs memory, not the run
                return None
            prune(self._folder, FOLDER_BYTES, keep=path)
            tokens = open_file(path)
        return tokens

    def _remember(self, key: str, tokens: Tokens) -> None:
        if tokens.bytes_held > REMEMBERED_BYTES:
            return
        kept = self._remembered
        kept[key] = tokens
        while len(kept) > REMEMBERED or sum(each.bytes_held for each in kept.values()) > REMEMBERED_BYTES:
            kept.popitem(last=False)


def fingerprint(rows: Sequence[Row]) -> str:
    """sha256 over the texts, which of them make a row, and their order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(b"s" if isinstance(row, str) else b"p")
        for text in (row,) if isinstance(row, str) else row:
            data = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d:%b" % (len(data), data))
    return digest.hexdigest()


def _chunks(rows: Sequence[Row], encode: Callable[[Sequence[Row]], Chunk]) -> Iterator[Chunk]:
    for start in range(0, len(rows), CHUNK):
        yield encode(rows[start : start + CHUNK])


def write_file(path: Path, chunks: Iterable[Chunk]) -> None:
    """Chunk by chunk; the file gets its name when it is whole.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem[:16], suffix=".part")
    try:
        with open(handle, "wb") as file, contextlib.ExitStack() as stack:
            writer = None
            for chunk in chunks:
                batch = _batch(chunk)
                writer = writer or stack.enter_context(pa.ipc.new_stream(file, batch.schema))
                writer.write_batch(batch)
        seal = _digest(Path(name), path.name, os.path.getsize(name))
        with open(name, "ab") as file:
            file.write(seal)
        os.replace(name, path)
    except BaseException:  # Ctrl-C too must leave no half of a file
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def open_file(path: Path) -> Tokens | None:
    """A file's tokens, mapped and marked as used; None if it is missing or not as it was written.

    Checked by reading, not through the map: pages of a map count as this process's memory.
    """
    try:
        size = os.path.getsize(path) - hashlib.sha256().digest_size
        with open(path, "rb") as file:
            file.seek(max(0, size))
            if size <= 0 or file.read() != _digest(path, path.name, size):
                return None
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return Tokens([_chunk(batch) for batch in pa.ipc.open_stream(pa.py_buffer(mapped))], mapped=True)


def prune(folder: Path, limit: int, *, keep: Path) -> None:
    """Delete what was not used for longest, down to `limit` bytes; what a process has mapped stays readable to it."""
    with contextlib.suppress(OSError):
        used = sorted(((each.stat(), each) for each in folder.iterdir()), key=lambda pair: -pair[0].st_mtime_ns)
        total = 0
        for status, path in used:
            total += status.st_size
            if total > limit and path != keep:
                with contextlib.suppress(OSError):
                    path.unlink()


def _digest(path: Path, name: str, size: int) -> bytes:
    """sha256 over a name, so that a renamed file is not believed, and a file's first `size` bytes."""
    digest = hashlib.sha256(name.encode())
    with open(path, "rb") as file:
        while size > 0 and (piece := file.read(min(size, _PIECE))):
            digest.update(piece)
            size -= len(piece)
    return digest.digest()


def _batch(chunk: Chunk) -> pa.RecordBatch:
    columns = {"ids": pa.ListArray.from_arrays(chunk.offsets, chunk.ids), "pair": pa.array(chunk.pairs)}
    if chunk.types is not None:
        columns["types"] = pa.ListArray.from_arrays(chunk.offsets, chunk.types)
    if chunk.windows is not None:
        rows = np.searchsorted(chunk.windows, chunk.offsets).astype(np.int32)
        columns["windows"] = pa.ListArray.from_arrays(rows, np.diff(chunk.windows))
    return pa.RecordBatch.from_pydict(columns, metadata={"pooling": chunk.pooling})


def _chunk(batch: pa.RecordBatch) -> Chunk:
    ids = batch.column("ids")
    types = batch.column("types").values.to_numpy() if "types" in batch.schema.names else None
    windows = None
    if "windows" in batch.schema.names:
        windows = np.cumsum([0, *batch.column("windows").values.to_numpy()], dtype=np.int32)
    return Chunk(
        ids=ids.values.to_numpy(),
        offsets=ids.offsets.to_numpy().copy(),  # small, and read all the time: not worth a page each
        pairs=batch.column("pair").to_numpy(zero_copy_only=False),
        types=types,
        windows=windows,
        pooling="max" if (batch.schema.metadata or {}).get(b"pooling") == b"max" else "mean",
    )
