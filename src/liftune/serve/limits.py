"""How much the server takes on at once.

In: nothing.  Out: Limits, frozen.  Not here: who holds them (gate.py, rows.py, waiting.py, app.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one request, the queue and one batch may hold."""

    texts: int = 1_024
    """Of one request."""
    characters: int = 20_000
    """Of one text."""
    body_bytes: int = 4 * 2**20
    """Of one request's body."""
    queue_rows: int = 4_096
    """Rows that wait, of all requests; further ones are refused with 503."""
    batch_rows: int = 256
    batch_tokens: int = 2_048
    """Of all rows of one batch; a longer row goes alone."""
    wait_seconds: float = 0.003
    """How long a row waits at most for others to share its batch, while nothing is computed."""
    seconds: float = 30.0
    """From a request's arrival to its answer; later it is given up with 504."""
