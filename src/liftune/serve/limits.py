"""How much the server takes on at once.

In: what was asked for.  Out: Limits, frozen.  Not here: who holds them (gate.py, rows.py, waiting.py, app.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from liftune.errors import SpecError, nearest


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
    batch_tokens: int = 1_024
    """Of all rows of one batch; a longer row goes alone."""
    wait_seconds: float = 0.003
    """How long a row waits at most for others to share its batch, while nothing is computed."""
    seconds: float = 30.0
    """From a request's arrival to its answer; later it is given up with 504."""


def limits_of(asked: Sequence[str]) -> Limits:
    """The usual limits but for those that are given as `NAME=VALUE`.

    >>> limits_of(["texts=5", "seconds=1.5"]).texts
    5

    Raises:
        SpecError: an unknown name, or a value that is no number above zero.
    """
    usual = Limits()
    kinds = {each.name: type(getattr(usual, each.name)) for each in fields(usual)}
    given: dict[str, int | float] = {}
    for each in asked:
        name, _, value = each.partition("=")
        if name not in kinds:
            raise SpecError(
                f"unknown limit {name!r}{nearest(name, kinds)}",
                where="--limit",
                hint=f"give NAME=VALUE with one of: {', '.join(kinds)}",
            )
        try:
            given[name] = kinds[name](value)
        except ValueError:
            given[name] = 0
        if not 0 < given[name] < float("inf"):
            raise SpecError(f"{each}: {value!r} is no such number above zero", where="--limit", hint=f"{name}=10")
    return Limits(**given)  # type: ignore[arg-type]  # each value is of its field's own kind
