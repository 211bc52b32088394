"""The ways in which a model answers without training, and which one was asked for.

In: what was typed.  Out: the model's name, and the way where one was named.
Not here: the model itself (zero_shot.py), which takes seconds to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from liftune.errors import SpecError, nearest, pasted
from liftune.models.checkpoint import locate

Way = Literal["entailment", "similarity", "likelihood"]
WAYS: tuple[Way, ...] = ("entailment", "similarity", "likelihood")
OPTION = "--zero-shot"


@dataclass(frozen=True)
class Asked:
    """A model as it was asked for.

    Args:
        way: None where its kind decides.
    """

    model: str
    way: Way | None = None

    @classmethod
    def of(cls, given: str) -> Asked:
        """From MODEL, or WAY:MODEL.

        >>> Asked.of("minilm"), Asked.of("similarity:minilm").way
        (Asked(model='minilm', way=None), 'similarity')
        """
        way, colon, model = given.partition(":")
        found = next((each for each in WAYS if colon and way.strip().casefold() == each), None)
        return cls(model.strip(), found) if found else cls(given)


def check_model(given: str) -> None:
    """Refuse a model that is not there, before anything is computed.

    Raises:
        ModelError: there is none.
        SpecError: it is asked to answer in a way that is none.
    """
    asked = Asked.of(given)
    way, colon, model = given.partition(":")
    if colon and asked.way is None and way.strip().isalpha() and len(way) > 1 and not model.startswith("/"):
        ways = ", ".join(WAYS)
        hint = f"name one of: {ways}; or the model alone, whose kind then decides: {OPTION} {pasted(model)}"
        raise SpecError(f"unknown way {way.strip()!r}{nearest(way, WAYS)}", where=OPTION, hint=hint)
    locate(asked.model, option=OPTION)
