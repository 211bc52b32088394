"""Base models that are no longer where they were when an adapter was tuned on them.

In: folders or hub ids that the user names (`--base`).  Out: the one whose weights are those that a card asks for.
Not here: whether tokenizer and config are the same too (adapter_io.py checks what was loaded).

A base is known by the sha256 of its weights, so it cannot matter which adapters it was named for.
"""

from __future__ import annotations

from liftune.files import sha256_of_files
from liftune.models.checkpoint import locate, weight_files

#: sha256 of the weights -> where they are. Of the whole process: engines load in threads of their own.
_PLACES: dict[str, str] = {}


def look_in(base: str) -> str:
    """Use this model wherever an adapter asks for one with its weights.

    Returns:
        their sha256.

    Raises:
        ModelError: there is no model.
    """
    checkpoint = locate(base, option="--base")
    sha256 = sha256_of_files(*weight_files(checkpoint))
    _PLACES[sha256] = checkpoint.name
    return sha256


def place_of(sha256: str) -> str | None:
    """Where the user says that the base with these weights is; None where that was not said."""
    return _PLACES.get(sha256)


def places() -> tuple[str, ...]:
    """Every place that the user named."""
    return tuple(_PLACES.values())
