"""A file's bytes -> its text.

In: a RawFile, on disk or in memory, compressed or not.  Out: str without byte order mark.
Not here: which encoding it is (encoding_of.py), what is no text at all (kinds.py), rows and columns (delimited.py,
json_objects.py).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TypeAlias

from liftune.data.readers.compression import compression_of, decompressing, open_contents, promised
from liftune.data.readers.encoding_of import Decoding, find_decoding
from liftune.data.readers.kinds import refuse_renamed, refuse_stand_in
from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.data.readers.table import NoRows

Opened: TypeAlias = Callable[[], IO[str]]
"""Opens a text from its start."""

#: Bytes by which a file's kind is told.
_FIRST = 65_536


@dataclass(frozen=True)
class RawFile:
    """A file's bytes, which can be read from their start as often as needed.

    In memory, its text is decoded at once. On disk, it is decoded block by block, in constant memory. In both, all
    bytes are looked at first, to find the encoding.
    """

    filename: str
    where: str
    """What messages call it."""
    data: bytes | Path
    options: FileOptions = NONE_GIVEN
    folder: Path | None = None
    """In which it lies, if that may be looked into for files that it names."""

    def opened(self) -> IO[bytes]:
        """The bytes, decompressed, from their start.

        Raises:
            DataError: the file is not compressed as its name promises, or its beginning is damaged.
        """
        return open_contents(self.data, self.filename, self.where)

    def read(self) -> bytes:
        """All bytes, decompressed.

        Raises:
            DataError: as `opened`, or the file is damaged.
        """
        with decompressing(self.where), self.opened() as file:
            return file.read()

    @cached_property
    def first(self) -> bytes:
        """The first bytes, decompressed. Raises DataError as `read`."""
        with decompressing(self.where), self.opened() as file:
            return file.read(_FIRST)

    @property
    def plain_path(self) -> Path | None:
        """Where the file is on disk, if it is there and not compressed."""
        if isinstance(self.data, bytes):
            return None
        with self.data.open("rb") as file:
            packed = compression_of(file.read(8), self.filename)
        return None if packed or promised(self.filename) else self.data

    @cached_property
    def decoding(self) -> Decoding:
        """How its text is encoded.

        Raises:
            DataError: empty, binary, or in an encoding that cannot be told.
        """
        refuse_stand_in(self.first, self.where)
        refuse_renamed(self.first, self.data, self.where)
        with decompressing(self.where):
            if not self.first.strip() and not any(block.strip() for block in iter(self._blocks())):
                raise NoRows("the file is empty", where=self.where, hint="give a file with a header and rows")
            return find_decoding(self.opened, self.where, self.options.encoding)

    def _blocks(self) -> Iterator[bytes]:
        with self.opened() as file:
            while block := file.read(_FIRST):
                yield block

    @cached_property
    def text(self) -> str:
        """The whole text. Raises DataError as `decoding`."""
        errors = "surrogateescape" if self.decoding.flawed else "strict"
        return self.read().decode(self.decoding.encoding, errors).removeprefix("\ufeff")

    def text_opener(self, *, newline: str) -> Opened:
        """A function that opens the text from its start.

        Args:
            newline: as for `open`.

        Raises:
            DataError: as `decoding`.
        """
        decoding = self.decoding
        if isinstance(self.data, Path):
            errors = "surrogateescape" if decoding.flawed else "strict"
            return lambda: io.TextIOWrapper(self.opened(), encoding=decoding.encoding, errors=errors, newline=newline)
        text = self.text
        return lambda: io.StringIO(text, newline=newline)

    def lines(self) -> Iterator[str]:
        """The text's lines, which end only at \\n. Raises DataError as `decoding`."""
        if isinstance(self.data, Path):
            with self.text_opener(newline="\n")() as text:
                yield from text
        else:
            yield from self.text.split("\n")
