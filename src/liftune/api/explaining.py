"""`explain`, and `predict` with explanations.

In: texts, a model.  Out: Predictions that have an explanation.  Not here: any work (inference/explaining.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from liftune import arguments
from liftune.api.calls import progress, said, verb
from liftune.api.models import is_folder_of, load_options, opener_of
from liftune.errors import SpecError

if TYPE_CHECKING:
    from liftune.inference.prediction import Prediction
    from liftune.inference.predictor import Predictor


def explaining_opener(opened: Callable[[], Predictor], data: object, out: str | None) -> Callable[[], Predictor]:
    """What gives the model with explanations, where what is given back can hold them.

    Raises:
        SpecError: it is a table, a folder, or a file of cells.
    """
    from liftune.inference.explaining import Explaining
    from liftune.inference.writers import check_out, holds_objects

    table = not isinstance(data, str | os.PathLike | list | tuple) or (
        isinstance(data, list) and any(isinstance(each, Mapping) for each in data)
    )
    if table or (isinstance(data, str | os.PathLike) and is_folder_of(data)):
        raise SpecError(
            "a table's columns do not hold explanations",
            where="explain",
            hint="give the texts: liftune.explain(texts, model=...)",
        )
    if out is not None:
        check_out(out)
        if not holds_objects(out):
            raise SpecError(
                f"an explanation is an object, which {out} cannot hold", where="out", hint="name a .jsonl file"
            )
    return lambda: Explaining(opened())


@verb
def explain(
    texts: str | Sequence[str | tuple[str, str]],
    *,
    model: str | os.PathLike[str] | Predictor,
    label: str | None = None,
    by: str | None = None,
    use: str | None = None,
    base: str | os.PathLike[str] | None = None,
    device: str | None = None,
    precision: str | None = None,
    trust_remote_code: bool = False,
    label_names: Mapping[int, str] | Sequence[str] | str | None = None,
    task: str | None = None,
    quiet: bool | None = None,
) -> list[Prediction]:
    """Predictions of texts, each with its `explanation`: how leaving out each word changes it. `liftune explain`.

    Args:
        texts: one, or a list of them, or of (text, text) tuples; iterables are taken too.
        model: a run, an adapter or a bundle, or what `load` returned.
        label: the label whose probability is explained; None takes the predicted one, of several each that is
            predicted.
        by: "word" or "sentence"; None leaves out words, of a text of more than 200 words sentences.
        quiet: as of `predict`.

    The others are those of `load`.

    Raises:
        LiftuneError: anything that you can fix.
    """
    from liftune.inference.explaining import Asked, explained
    from liftune.inference.rows import texts_of

    options = load_options(use, base, device, False, precision, None, trust_remote_code)
    asked = Asked(arguments.text_or_none(label, "label"), arguments.text_or_none(by, "by"))
    given = texts_of(texts)
    if not isinstance(given, str | list | tuple):
        raise SpecError(
            f"explain takes texts, not a value of type {type(texts).__name__}",
            where="texts",
            hint='give a text or a list: explain(["some text"], ...)',
        )
    pairs = isinstance(given, list | tuple) and isinstance(next(iter(given), None), tuple)
    opened = opener_of(model, options, said(label_names, task, pairs=pairs), progress(quiet).tell)
    return list(explained(opened(), given, asked))
