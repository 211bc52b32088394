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


def look_in(*bases: str | None) -> None:
    """Use these models wherever an adapter asks for one with their weights; None is skipped.

    Raises:
        ModelError: there is no model.
    """
    for base in bases:
        if base is not None:
            checkpoint = locate(base, option="--base")
            _PLACES[sha256_of_files(*weight_files(checkpoint))] = checkpoint.name


def place_of(sha256: str) -> str | None:
    """Where the user says that the base with these weights is; None where that was not said."""
    return _PLACES.get(sha256)


def places() -> tuple[str, ...]:
    """Every place that the user named."""
    return tuple(_PLACES.values())
