"""Why a few of a run's flips came about: the words that mattered to the tuned model, and to the one that it is compared
with.

In: a run folder, its flips.  Out: ExplainedFlips; the file that keeps them for later reports.
Not here: what an explanation is (inference/explanation.py), which rows are flips (evaluation/flips.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from liftune.errors import LiftuneError, lacks_memory
from liftune.files import write_json
from liftune.json_text import JsonError, parse_json
from liftune.records.details import ExplainedFlip, ExplainedFlips, Flip, Flips, WordEffect
from liftune.records.run import TuneRecord
from liftune.run_folder import READ_WHOLE_ROWS, RunFolder

if TYPE_CHECKING:
    from liftune.inference.explanation import Explanation
    from liftune.inference.predictor import Predictor

#: Of each kind, the most confident ones; words of each that are kept.
MOST_FLIPS, MOST_WORDS = 3, 5
#: No further flip is begun after this.
SECONDS = 10.0
#: Of a usual row.
_WORDS = 25
FILE = "explained.json"


def explain_flips(folder: RunFolder, record: TuneRecord, flips: Flips) -> ExplainedFlips | None:
    """The words that mattered in the first flips of each kind, as many as SECONDS allow; kept in the run folder.

    Returns:
        None where there are none to explain; none of them, and the reason, where one would take longer than that, or a
        model cannot be opened: it needs code of its own, or more memory than there is.
    """
    chosen = [*flips.fixed[:MOST_FLIPS], *flips.broken[:MOST_FLIPS]]
    if not chosen:
        return None
    found: list[ExplainedFlip] = []
    lacking = ""
    if _seconds_a_flip(record) > SECONDS:
        lacking = f"one would take more than {SECONDS:g} seconds"
    else:
        try:
            found += _explained_in_time(folder, flips)
        except LiftuneError as error:
            lacking = error.message
        except Exception as error:
            if not lacks_memory(error):
                raise
            lacking = "memory ran short"
    kept = ExplainedFlips(flips=tuple(found), wanted=len(chosen), seconds=SECONDS, lacking=lacking)
    write_json(folder.path / FILE, kept.model_dump(mode="json"))
    return kept


def _explained_in_time(folder: RunFolder, flips: Flips) -> Iterator[ExplainedFlip]:
    started = time.monotonic()
    models = list(_models(folder, (flips.against, "tuned")))
    for flip in _in_turn(flips):
        if time.monotonic() - started > SECONDS:
            break
        yield _explained(flip, models)


def kept_explanations(folder: RunFolder) -> ExplainedFlips | None:
    """Those that were kept; None where there are none, or they are damaged."""
    try:
        return ExplainedFlips.model_validate(parse_json((folder.path / FILE).read_bytes()))
    except (OSError, JsonError, ValidationError, json.JSONDecodeError):
        return None


def _in_turn(flips: Flips) -> Iterator[Flip]:
    """One of each kind, then the next of each."""
    for place in range(MOST_FLIPS):
        for kind in (flips.fixed, flips.broken):
            yield from kind[place : min(place + 1, MOST_FLIPS)]


def _seconds_a_flip(record: TuneRecord) -> float:
    """About how long one takes: by what the test rows took."""
    took = sum(each.seconds.evaluate or 0.0 for each in record.contenders if each.name == "tuned")
    return 2 * _WORDS * took / max(1, record.rows.test)


def _models(folder: RunFolder, names: Sequence[str]) -> Iterator[tuple[str, Predictor]]:
    from liftune.inference.opening import load_predictor

    device = folder.spec().model.device
    for name in names:
        yield name, load_predictor(folder.path, use=name, device=None if name in READ_WHOLE_ROWS else device)


def _explained(flip: Flip, models: Sequence[tuple[str, Predictor]]) -> ExplainedFlip:
    from liftune.inference.explaining import explained

    row = flip.text if flip.text_pair is None else (flip.text, flip.text_pair)
    words = {}
    for name, model in models:
        (prediction,) = explained(model, [row])
        assert prediction.explanation is not None
        words[name] = _words(prediction.explanation)
    return ExplainedFlip(id=flip.id, words=words)


def _words(found: Explanation) -> tuple[WordEffect, ...]:
    """The strongest words of the first answer that have any effect."""
    answer = found.answers[0]
    return tuple(
        WordEffect(word=part.text, change=effect.change, log_odds=effect.log_odds)
        for part, effect in found.strongest(answer, MOST_WORDS)
        if effect.strength > 0.0
    )
