"""A question's texts as rows, within the limits.

In: a Question and the model that it is for.  Out: rows, or what is wrong with them.
Not here: types (schemas.py), tokens (the engine).
"""

from __future__ import annotations

from liftune.errors import DataError
from liftune.serve.engine import ServedModel
from liftune.serve.errors import Refused
from liftune.serve.limits import Limits
from liftune.serve.schemas import ClassifyRequest
from liftune.types import Row


def rows_of(question: ClassifyRequest, loaded: ServedModel, limits: Limits) -> list[Row]:
    """The rows that are asked about.

    Raises:
        Refused: too many texts (413), or a text that is too long (413).
        DataError: what is no text; texts where the model was tuned on pairs, or the other way round; unequal numbers.
    """
    texts, pairs = question.texts, question.pairs
    if len(texts) > limits.texts:
        raise Refused(
            413,
            f"{len(texts):,} texts in one request",
            where="texts",
            hint=f"send at most {limits.texts:,} at a time",
        )
    for field, given in (("texts", texts), ("pairs", pairs or [])):
        for position, text in enumerate(given):
            _check(text, f"{field}.{position}", limits)
    if loaded.facts.pairs and pairs is None:
        raise DataError(
            "this model was tuned on text pairs, and single texts were given",
            where="pairs",
            hint="give the second text of each in pairs",
        )
    if pairs is None:
        return list(texts)
    if not loaded.facts.pairs:
        raise DataError(
            "this model was tuned on single texts, and pairs were given", where="pairs", hint="leave them out"
        )
    if len(pairs) != len(texts):
        raise DataError(
            f"{len(texts):,} texts but {len(pairs):,} pairs", where="pairs", hint="give one a text, in order"
        )
    return list(zip(texts, pairs, strict=True))


def _check(text: str, where: str, limits: Limits) -> None:
    if len(text) > limits.characters:
        raise Refused(
            413,
            f"a text of {len(text):,} characters",
            where=where,
            hint=f"send at most {limits.characters:,} characters of it: hardly any model reads more",
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DataError("half of a surrogate pair is no text", where=where, hint="send whole characters") from None
