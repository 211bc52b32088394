"""How much the server accepts at once.

In: values of `--limit`.  Out: Limits, frozen.
Not here: where they are enforced (auth.py, validation.py, queue.py, app.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from liftune.errors import SpecError, choose

L = TypeVar("L", bound=Any)
#: Of one request, whatever the limit: each is looked at before the limit is known.
MOST_TEXTS = 65_536


@dataclass(frozen=True)
class Limits:
    """The most that one request, the queue, one batch and the server may hold."""

    texts: int = 1_024
    """Of one request."""
    characters: int = 20_000
    """Of one text."""
    body_bytes: int = 4 * 2**20
    """Of one request's body."""
    queue_rows: int = 4_096
    """Waiting rows of all requests; a request that finds no room for its rows gets a 503."""
    batch_rows: int = 256
    batch_tokens: int = 1_024
    """In one batch, all rows together; a longer row is a batch of its own."""
    wait_seconds: float = 0.003
    """How long a row waits at most for others to share its batch, while nothing else is computed."""
    seconds: float = 30.0
    """From a request's body to its response; a request that takes longer gets a 504. A client that takes longer to read
    its response is cut off."""
    body_seconds: float = 30.0
    """In which the whole body of a request must arrive; a slower one gets a 408."""
    header_seconds: float = 10.0
    """In which a connection must send the head of a request; a slower one gets a 408."""
    idle_seconds: float = 75.0
    """How long a connection is kept open between requests."""
    connections: int = 512
    """Open at a time, and never more than half of the files that the process may open; further ones get a 503."""


def limits_of(assignments: Sequence[str]) -> Limits:
    """The default limits, but for those given as `NAME=VALUE`.

    >>> limits_of(["texts=5", "seconds=1.5"]).texts
    5

    Raises:
        SpecError: an unknown name, or a value that is not a number above zero, whole where the default is.
    """
    limits = assigned(Limits(), assignments)
    if limits.texts > MOST_TEXTS:
        raise SpecError(f"a request may have at most {MOST_TEXTS:,} texts", where="--limit", hint=f"texts={MOST_TEXTS}")
    return limits


def assigned(default: L, assignments: Sequence[str]) -> L:
    """A dataclass of limits with those given as `NAME=VALUE`.

    Raises:
        SpecError: an unknown name, or a value that is not a number above zero, whole where the default is.
    """
    types = {each.name: type(getattr(default, each.name)) for each in fields(default)}
    values: dict[str, int | float] = {}
    for each in assignments:
        name, _, value = each.partition("=")
        choose(name, types, "limit", "--limit", hint=f"give NAME=VALUE with one of: {', '.join(types)}")
        try:
            values[name] = types[name](value)
        except ValueError:
            values[name] = 0
        if not 0 < values[name] < float("inf"):
            kind = "a whole number" if types[name] is int else "a number"
            raise SpecError(f"{each}: {value!r} is not {kind} above zero", where="--limit", hint=f"{name}=10")
    return replace(default, **values)
