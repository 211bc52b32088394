"""The smallest part of an input that still shows the same defect.

In: an input, a question about it.  Out: a shorter input.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def minimised(data: bytes, still_fails: Callable[[bytes], bool], *, seconds: float = 5.0) -> bytes:
    """Leave out pieces, the largest first, for as long as the input still fails.

    >>> minimised(b"aaaaXbbbb", lambda data: b"X" in data)
    b'X'
    """
    end = time.monotonic() + seconds
    size = max(1, len(data) // 2)
    while size:
        at = 0
        while at < len(data):
            if time.monotonic() > end:
                return data
            shorter = data[:at] + data[at + size :]
            if still_fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data
