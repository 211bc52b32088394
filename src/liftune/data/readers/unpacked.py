"""How much a compressed file may unpack to: a small file that fills the memory is refused as soon as it shows.

In: the size of what is packed.  Out: a stream that ends in a DataError beyond the limit.
Not here: the compressions (compression.py).
"""

from __future__ import annotations

import io
import os
from typing import IO, Any

from liftune.errors import DataError

#: Texts and tables are packed to a third or a twentieth, the most uniform to a hundredth; gzip can go to a thousandth.
MOST_TIMES = 100
#: Up to here, whatever the ratio.
ALWAYS_BYTES = 256 << 20
#: Environment variable that lifts the limit: how many bytes a file may unpack to.
VARIABLE = "LIFTUNE_MAX_UNPACKED"


def most_bytes(packed: int) -> int:
    """How much a file of so many bytes may unpack to."""
    asked = os.environ.get(VARIABLE, "")
    return int(asked) if asked.isdecimal() else max(ALWAYS_BYTES, MOST_TIMES * packed)


def check_unpacked(size: int, packed: int, where: str) -> None:
    """Refuse what unpacks to more.

    Raises:
        DataError: it does.
    """
    most = most_bytes(packed)
    if size > most:
        raise DataError(
            f"{packed:,} bytes that unpack to {size:,} or more: over {most:,}, as no data do",
            where=where,
            hint=f"unpack it and look into it; if it is meant, set {VARIABLE}={max(size, 1 << 36)}",
        )


class _Counted(io.RawIOBase):
    """A binary stream that counts what is read of it."""

    def __init__(self, inner: Any, packed: int, where: str) -> None:
        self._inner, self._packed, self._where, self._read = inner, packed, where, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes. Raises DataError beyond the limit."""
        data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        self._read += len(data)
        check_unpacked(self._read, self._packed, self._where)
        return len(data)

    def close(self) -> None:
        """Close what is counted, too."""
        if not self.closed:
            self._inner.close()
        super().close()


def limited(inner: Any, packed: int, where: str) -> IO[bytes]:
    """The stream, up to the limit."""
    return io.BufferedReader(_Counted(inner, packed, where), 1 << 16)
