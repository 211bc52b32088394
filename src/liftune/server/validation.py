"""The texts of a request as rows, within the limits.

In: a ClassifyRequest and the model that it is for.  Out: rows, or what is wrong with them.
Not here: what a text is (schemas.py, inference/rows.py), tokens (the engine).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from liftune.errors import DataError, SpecError
from liftune.inference.explaining import Asked, Cut, cut
from liftune.inference.rows import row_of_columns
from liftune.server.engine import ServedModel
from liftune.server.errors import RequestError
from liftune.server.limits import Limits
from liftune.server.schemas import ClassifyRequest
from liftune.types import Row

_EXPLAIN = "add explain: true, or leave explain_label out"


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
    second = model.info.pairs and pairs is None
    rows = [
        row_of_columns(each, model.info.columns, f"texts.{position}", pairs=second) if isinstance(each, dict) else each
        for position, each in enumerate(body.texts)
    ]
    for field, given in (("texts", rows), ("pairs", pairs or [])):
        for position, row in enumerate(given):
            for text in (row,) if isinstance(row, str) else row:
                _check(text, f"{field}.{position}", limits)
    if second and any(isinstance(each, str) for each in rows):
        raise _other_rows(model, "text pairs", "single texts were given", "give the second text of each text in pairs")
    if pairs is None:
        return rows
    if not model.info.pairs:
        raise _other_rows(model, "single texts", "pairs were given", "leave them out")
    if len(pairs) != len(rows):
        raise DataError(
            f"{len(rows):,} texts but {len(pairs):,} pairs", where="pairs", hint="give one per text, in order"
        )
    return [(str(first), each) for first, each in zip(rows, pairs, strict=True)]


def cuts_of(body: ClassifyRequest, rows: Sequence[Row], labels: Sequence[str], limits: Limits) -> list[Cut]:
    """What is left out of each row that is to be explained; nothing where none is.

    Raises:
        RequestError: with all that is left out there are too many texts (413), or there is no such label (422).
    """
    if not body.explain:
        if body.explain_label is not None:
            raise DataError("a label to explain, and nothing is to be explained", where="explain_label", hint=_EXPLAIN)
        return []
    try:
        Asked(body.explain_label).check(labels)
    except SpecError as error:
        raise DataError(error.message, where="explain_label", hint=error.hint) from None
    cuts = [cut(row) for row in rows]
    texts = sum(1 + len(each.parts) for each in cuts)
    if texts > limits.texts:
        raise RequestError(
            413,
            f"to explain them takes {texts:,} texts: each, and each without one of its words",
            where="explain",
            hint=f"send fewer texts at a time; at most {limits.texts:,} are computed for one request",
        )
    return cuts


def first_of(cuts: Sequence[Cut]) -> list[int]:
    """Where each row itself stands among the rows of all cuts.

    >>> first_of([cut("two words"), cut("one")])
    [0, 3]
    """
    ends = accumulate((1 + len(each.parts) for each in cuts), initial=0)
    return list(ends)[:-1]


def _other_rows(model: ServedModel, reads: str, given: str, hint: str) -> DataError:
    """Of a model that others saved nobody kept what it was tuned on: whoever serves it says so."""
    if not model.info.others:
        return DataError(f"this model was tuned on {reads}, and {given}", where="pairs", hint=hint)
    start = "with --pairs" if reads == "single texts" else "without --pairs"
    return DataError(
        f"this model is served to read {reads}, and {given}",
        where="pairs",
        hint=f"{hint}; or start the server {start}, where that is what the model reads",
    )


def _check(text: str, where: str, limits: Limits) -> None:
    if len(text) > limits.characters:
        raise RequestError(
            413,
            f"the text has {len(text):,} characters",
            where=where,
            hint=f"send at most {limits.characters:,} characters; hardly any model reads more",
        )
