"""The texts of a request as rows, within the limits.

In: a ClassifyRequest and the model that it is for.  Out: rows, or what is wrong with them.
Not here: what a text is (schemas.py, inference/rows.py), tokens (the engine).
"""

from __future__ import annotations

from typing import Any

from liftune.data.targets import CellError
from liftune.data.texts import joined_text
from liftune.errors import DataError
from liftune.serve.engine import ServedModel
from liftune.serve.errors import RequestError
from liftune.serve.limits import Limits
from liftune.serve.schemas import ClassifyRequest
from liftune.types import Row


def rows_of(body: ClassifyRequest, model: ServedModel, limits: Limits) -> list[Row]:
    """The rows to classify.

    Raises:
        RequestError: too many texts (413), or a text that is too long (413).
        DataError: single texts where the model was tuned on pairs, or the other way round; unequal numbers.
    """
    pairs = body.pairs
    if len(body.texts) > limits.texts:
        raise RequestError(
            413,
            f"the request has {len(body.texts):,} texts",
            where="texts",
            hint=f"send at most {limits.texts:,} at a time",
        )
    texts = [_joined(text, model, f"texts.{position}") for position, text in enumerate(body.texts)]
    for field, given in (("texts", texts), ("pairs", pairs or [])):
        for position, text in enumerate(given):
            _check(text, f"{field}.{position}", limits)
    if model.info.pairs and pairs is None:
        raise DataError(
            "this model was tuned on text pairs, and single texts were given",
            where="pairs",
            hint="give the second text of each text in pairs",
        )
    if pairs is None:
        return list(texts)
    if not model.info.pairs:
        raise DataError(
            "this model was tuned on single texts, and pairs were given", where="pairs", hint="leave them out"
        )
    if len(pairs) != len(texts):
        raise DataError(
            f"{len(texts):,} texts but {len(pairs):,} pairs", where="pairs", hint="give one per text, in order"
        )
    return list(zip(texts, pairs, strict=True))


def _joined(text: str | dict[str, Any], model: ServedModel, where: str) -> str:
    """The text, or the columns of one joined as they were for tuning."""
    if isinstance(text, str):
        return text
    names = model.info.columns.texts if model.info.columns else ()
    given = {name.casefold(): cell for name, cell in text.items()}
    lacking = [name for name in names if name.casefold() not in given]
    if lacking or len(names) < 2:
        was = (
            f"this model was tuned on {' and '.join(names)}, joined" if len(names) > 1 else "this model reads one text"
        )
        raise DataError(
            f"{was}; the object has {', '.join(text) or 'nothing'}",
            where=where,
            hint="give an object of these columns, or one text" if len(names) > 1 else "give each text as a string",
        )
    try:
        return joined_text([given[name.casefold()] for name in names], names)
    except CellError as error:
        raise DataError(str(error), where=where, hint="give a text in one of the columns") from None


def _check(text: str, where: str, limits: Limits) -> None:
    if len(text) > limits.characters:
        raise RequestError(
            413,
            f"the text has {len(text):,} characters",
            where=where,
            hint=f"send at most {limits.characters:,} characters; hardly any model reads more",
        )
