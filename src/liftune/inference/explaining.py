"""Why a model predicts what it predicts: each word of a row is left out, and what that changes is its effect.

In: a Predictor, rows.  Out: Explanations; Predictions that have one.
Not here: what an explanation holds (explanation.py); what a word is, and what leaving it out means (leave_out.py); how
an explanation is shown (cli/, server/).

Effects are exact for the question that they answer: how would the model predict without this word? They are of one word
at a time: words that say the same stand in for each other, and effects need not add up.

Source: leave-one-out, or occlusion: Zeiler and Fergus (2014); of words, Li, Monroe and Jurafsky (2016), Understanding
neural networks through representation erasure. How faithful it is: docs/log.md.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from liftune.errors import SpecError, choose, first_of
from liftune.inference.explanation import Answer, Effect, Explanation
from liftune.inference.leave_out import Part, Unit, passages_of, sentences_of, without, words_of
from liftune.inference.prediction import Prediction, predictions_of_logits
from liftune.inference.predictor import Predictor
from liftune.inference.rows import Given, rows_of
from liftune.tasks import TaskKind, ThresholdValues, task_of
from liftune.types import FloatArray, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from liftune.hardware.memory import Attempts
    from liftune.records.base import Head

#: More words than this are left out by the sentence; more sentences, by passages of as many words each.
MOST_PARTS = 200
#: Rows without a part that are predicted at once; the model divides them further.
_AT_ONCE = 1_024
#: Parts at the end of a text that the model does not read are said from this many on.
_UNREAD = 3


@dataclass(frozen=True)
class Asked:
    """What is to be explained, and by which parts.

    Args:
        label: the label whose probability is looked at; None takes the predicted ones.
        by: `word`, `sentence`, or None: words, of a long text sentences.
    """

    label: str | None = None
    by: str | None = None

    def check(self, labels: Sequence[str]) -> None:
        """Refuse what the model cannot answer, before anything is predicted.

        Raises:
            SpecError: there is no such label, or no such part.
        """
        if self.by is not None:
            choose(self.by, ("word", "sentence"), "part", "--by")
        if self.label is not None and not labels:
            raise SpecError("the model predicts a number, no labels", where="--for", hint="leave --for out")
        if self.label is not None and self.label not in labels:
            choose(self.label, labels, "label", "--for", hint=f"the labels are: {first_of(labels, 20)}")


@dataclass(frozen=True)
class Cut:
    """A row, and what is left out of it, one after the other."""

    row: Row
    unit: Unit
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[Row]:
        """The row, then the row without each part."""
        return [self.row, *(without(self.row, [part]) for part in self.parts)]


def cut(row: Row, by: str | None = None) -> Cut:
    """The parts of a row: words, of a long text sentences, of one long sentence passages.

    Args:
        by: `word` or `sentence`, however many there are; None as above.
    """
    words = words_of(row)
    if by == "word" or (by is None and len(words) <= MOST_PARTS):
        return Cut(row, "word", tuple(words))
    sentences = sentences_of(row)
    if by == "sentence":
        return Cut(row, "sentence", tuple(sentences))
    if 1 < len(sentences) <= MOST_PARTS:
        note = f"{len(words):,} words are many to leave out one by one: it is by sentence; --by word takes each word"
        return Cut(row, "sentence", tuple(sentences), (note,))
    passages = passages_of(row, MOST_PARTS)
    note = f"{len(words):,} words are left out in {len(passages)} passages of as many each; --by word takes each word"
    return Cut(row, "passage", tuple(passages), (note,))


def explained(predictor: Predictor, rows: Given, asked: Asked = Asked()) -> Iterator[Prediction]:
    """The prediction of each row with its explanation, in order.

    Args:
        rows: as of Predictor.predict.

    Raises:
        SpecError: the label or the part is unknown.
        DataError: a row is no text, or no pair.
    """
    asked.check(predictor.labels)
    waiting: list[Cut] = []
    for row in rows_of(rows, pairs=predictor.pairs, columns=predictor.columns):
        waiting.append(cut(row, asked.by))
        if sum(len(each.parts) + 1 for each in waiting) >= _AT_ONCE:
            yield from _explained(predictor, waiting, asked)
            waiting = []
    yield from _explained(predictor, waiting, asked)


def _explained(predictor: Predictor, waiting: Sequence[Cut], asked: Asked) -> Iterator[Prediction]:
    if not waiting:
        return
    found = explanations(
        waiting,
        predictor.logits([row for each in waiting for row in each.rows]),
        labels=predictor.labels,
        task=predictor.task,
        thresholds=predictor.thresholds,
        label=asked.label,
        as_read=predictor.as_read,
    )
    for prediction, explanation in zip(predictor.predict([each.row for each in waiting]), found, strict=True):
        yield replace(prediction, explanation=explanation)


def explanations(
    cuts: Sequence[Cut],
    logits: FloatArray,
    *,
    labels: Sequence[str],
    task: TaskKind,
    thresholds: ThresholdValues | None = None,
    label: str | None = None,
    as_read: Callable[[Row], Hashable | None] | None = None,
) -> list[Explanation]:
    """One explanation a row, in order.

    Args:
        logits: (sum of 1 + parts, C), of `Cut.rows` of all, one after the other.
        labels: names of the C columns; not read for a regression.
        thresholds: as of `Task.decide`.
        label: as of Asked.
        as_read: as of Predictor; None does not say which words at the end are not read.

    Raises:
        ModelError: a logit is not finite.
    """
    found, start = [], 0
    for each in cuts:
        end = start + 1 + len(each.parts)
        here = logits[start:end]
        predictions = predictions_of_logits(each.rows, here, labels=labels, task=task, thresholds=thresholds)
        answers, said = _answers(predictions, here, tuple(labels), task, label)
        notes = (*each.notes, *said, *_unread(answers, each, as_read))
        found.append(Explanation(each.unit, each.parts, answers, notes))
        start = end
    return found


def _answers(
    predictions: Sequence[Prediction], logits: FloatArray, labels: tuple[str, ...], task: TaskKind, label: str | None
) -> tuple[tuple[Answer, ...], tuple[str, ...]]:
    """Each label that is explained, or the value.

    Args:
        predictions, logits: of the row, then of the row without each part.
    """
    first = predictions[0]
    if first.value is not None:
        values = [each.value or 0.0 for each in predictions]
        return (Answer(None, values[0], tuple(Effect(values[0] - each) for each in values[1:])),), ()
    wanted, said = _labels_of(first, label)
    odds = log_odds(logits, task)
    answers = []
    for name in wanted:
        column = labels.index(name)
        chances = [(each.probabilities or {})[name] for each in predictions]
        effects = tuple(
            Effect(chances[0] - chances[i], float(odds[0, column] - odds[i, column]), _becomes(first, predictions[i]))
            for i in range(1, len(predictions))
        )
        answers.append(Answer(name, chances[0], effects))
    return tuple(answers), said


def _labels_of(prediction: Prediction, label: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels to explain: the one that was asked for, else those that are predicted, else the likeliest."""
    if label is not None:
        return (label,), ()
    if prediction.label is not None:
        return (prediction.label,), ()
    if prediction.labels:
        return prediction.labels, ()
    chances = prediction.probabilities or {}
    likeliest = max(chances, key=lambda each: chances[each])
    return (likeliest,), (f"no label is predicted: the likeliest, {likeliest}, is explained; --for takes another",)


def _becomes(first: Prediction, other: Prediction) -> str | None:
    same = (first.label, first.labels) == (other.label, other.labels)
    return None if same else other.label or ", ".join(other.labels or ()) or "none"


def _unread(answers: Sequence[Answer], whole: Cut, as_read: Callable[[Row], Hashable | None] | None) -> tuple[str, ...]:
    """A note on parts at the end that the model does not read: without all of them its tokens are the same.

    That they change nothing is not enough: words may be unknown to it, or in a window that another one outweighs.
    """
    idle = 0
    for effects in zip(*(reversed(each.effects) for each in answers), strict=True):
        if any(each.change or each.log_odds for each in effects):
            break
        idle += 1
    every = len(whole.parts)
    if not _UNREAD <= idle < every or as_read is None or (read := as_read(whole.row)) is None:
        return ()

    def differs(left_out: int) -> bool:
        return as_read(without(whole.row, whole.parts[every - left_out :])) != read

    unread = bisect_left(range(1, idle + 1), True, key=differs)
    if unread < _UNREAD:
        return ()
    return (f"the last {unread:,} {whole.unit}s are not read: the text is longer than what the model reads of one",)


def log_odds(logits: FloatArray, task: TaskKind) -> NDArray[np.float64]:
    """(N, C) the log odds of each label: exact where a probability would round to 0 or 1.

    Args:
        logits: (N, C) of a task with probabilities.
    """
    import numpy as np
    from scipy.special import logsumexp

    values = np.asarray(logits, dtype=np.float64)
    if task_of(task).shape == "labels" or values.shape[1] == 1:
        return values
    others = np.stack([logsumexp(np.delete(values, i, axis=1), axis=1) for i in range(values.shape[1])], axis=1)
    return np.asarray(values - others)


class Explaining(Predictor):
    """A Predictor whose predictions have explanations."""

    def __init__(self, predictor: Predictor, asked: Asked = Asked()) -> None:
        asked.check(predictor.labels)
        super().__init__(predictor.card, min_precision=predictor.min_precision)
        self.note = predictor.note
        self._predictor, self._asked = predictor, asked

    @property
    def base_head(self) -> Head | None:
        """As of the predictor."""
        return self._predictor.base_head

    def note_passes(self, note: Attempts) -> None:
        """As of the predictor."""
        self._predictor.note_passes(note)

    def as_read(self, row: Row) -> Hashable | None:
        """As of the predictor."""
        return self._predictor.as_read(row)

    def predict(self, rows: Given, *, min_precision: float | None = None) -> list[Prediction]:
        """One prediction per row, in order, each with its explanation."""
        if min_precision is not None:
            given = self._rows(rows)
            plain = self._predictor.predict(given, min_precision=min_precision)
            of_rows = explained(self._predictor, given, self._asked)
            return [replace(one, explanation=each.explanation) for one, each in zip(plain, of_rows, strict=True)]
        return list(explained(self._predictor, rows, self._asked))

    def _logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        return self._predictor.logits(rows)
