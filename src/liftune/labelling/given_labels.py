"""Labels that people gave, as targets of a run: known ones in its own spelling, others told apart.

In: raw labels, a run's task and labels.  Out: targets, or why there is none.
Not here: the files that they stand in (filled_in.py, studio.py), several people's answers (agreement.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from liftune.data.label_lists import listed
from liftune.data.numbers import AS_EACH_SHOWS, Marks, both_ways, marks_of, unit_and_number
from liftune.data.separators import Divided, known_pieces
from liftune.data.targets import is_missing
from liftune.data.written_numbers import known_marks, number_notes
from liftune.errors import LIKELY, DataError, amount, first_of, nearest
from liftune.labelling.studio import Answered, plain
from liftune.option_texts import options_in, possible_ways
from liftune.tasks import Task
from liftune.types import Target

_NAMED = 5
#: Of each label that is unknown.
_ROWS_NAMED = 3
#: Of which rows a run keeps targets, unless it was cross-validated.
PARTS_KEPT = "the run's validation and test rows; of train rows it keeps no targets"


@dataclass
class GivenLabels:
    """Reads labels one by one, and counts those that the run does not know.

    Args:
        labels: the run's.
        where: the file.
        known_values: of a regression, those that rows of the run have.
        known_of: which rows these are.
    """

    task: Task
    labels: Sequence[str]
    where: str
    known_values: Sequence[float] = ()
    known_of: str = PARTS_KEPT
    unknown: Counter[str] = field(default_factory=Counter)
    respelt: Counter[str] = field(default_factory=Counter)
    """Spellings that were taken for a known label: "Joy for joy"."""
    divided: Divided = field(default_factory=Divided)
    _marks: Marks = AS_EACH_SHOWS
    _numbers: tuple[str, ...] = ()
    _outside: list[str] = field(default_factory=list)
    _places: dict[str, list[str]] = field(default_factory=dict)
    """Unknown label -> where it stands in the file."""

    def __post_init__(self) -> None:
        self._known = {each: each for each in self.labels}
        alike: dict[str, list[str]] = {}
        for each in self.labels:
            alike.setdefault(_folded(each), []).append(each)
        self._alike = {folded: each[0] for folded, each in alike.items() if len(each) == 1}

    def look_at(self, answers: Iterable[Answered]) -> None:
        """See how the numbers of a regression are written, before any is read.

        Raises:
            DataError: one may be two numbers, and no other one shows which is meant.
        """
        if self.task.shape != "value":
            return
        given = {cell: each.place for each in answers if isinstance(cell := _one(plain(each.label)), str)}
        texts = [cell for cell in given if not is_missing(cell)]
        try:
            self._marks = known_marks(texts, None, self.where)
        except DataError as error:
            unclear = next(cell for cell in texts if unit_and_number(cell)[1] == marks_of(texts).unclear)
            one, other = both_ways(unit_and_number(unclear)[1])
            hint = f"write the number that is meant without a mark between thousands: {one:.12g} or {other:.12g}"
            raise DataError(error.message, where=given[unclear], hint=hint) from None
        notes = number_notes(texts, self._marks)
        self._numbers = tuple(possible_ways(note, lambda clause: not options_in(clause)) for note in notes)

    def notes(self) -> tuple[str, ...]:
        """How labels were read, where that could be otherwise; and values that the run has none like."""
        notes = [*self._numbers, *self.divided.notes("label")]
        if self._outside:
            low, high = min(self.known_values), max(self.known_values)
            notes.append(
                f"{amount(len(self._outside), 'value lies', 'values lie')} outside {low:g} to {high:g}: "
                f"{first_of(self._outside, _NAMED)} (the range of {self.known_of})"
            )
        if self.respelt:
            notes.append(f"taken for known labels: {first_of(list(self.respelt), _NAMED)}")
        if self.unknown:
            each = [f"{name!r} ({count:,})" for name, count in self.unknown.most_common()]
            notes.append(f"new labels, which the run does not know: {first_of(each, _NAMED)}")
        return tuple(notes)

    def target(self, raw: Any, place: str) -> Target | None:
        """The target; None where nothing was said.

        Raises:
            DataError: it is several labels where there can be one, or no number.
        """
        raw = plain(raw)
        if self.task.shape == "value":
            return self._value(raw, place)
        pieces = self._pieces(raw)
        if pieces is None:
            return None
        found = tuple(dict.fromkeys(self._label(each, place) for each in pieces))
        if self.task.shape == "labels":
            return tuple(sorted(found))
        if len(found) > 1:
            raise DataError(f"several labels for one row: {first_of(found, _NAMED)}", where=place, hint="leave one")
        return found[0] if found else None

    def refuse_unknown(self, *, accepted: bool) -> tuple[str, ...]:
        """The labels that the run does not know, most frequent first, where they are accepted.

        Raises:
            DataError: there are some, and they are not.
        """
        names = [name for name, _ in self.unknown.most_common()]
        if names and not accepted:
            each = [f"{name!r}{nearest(name, self.labels, least=LIKELY)} ({self._rows_of(name)})" for name in names]
            raise DataError(
                f"labels that the run does not know: {first_of(each, _NAMED)}",
                where=self.where,
                hint=f"correct them; or take them as new labels with --new-labels. The run knows: "
                f"{first_of(list(self.labels), 12)}",
            )
        return tuple(names)

    def _rows_of(self, unknown: str) -> str:
        """Where an unknown label stands: the first of its rows, and how many there are."""
        rows = list(dict.fromkeys(self._places[unknown]))
        first = first_of(rows, _ROWS_NAMED)
        return first if len(rows) == 1 else f"{amount(len(rows), 'row')}: {first}"

    def _value(self, raw: Any, place: str) -> float | None:
        raw = _one(raw)
        if is_missing(raw) or raw == []:
            return None
        value = None if isinstance(raw, bool | list | dict) else self._marks.number(raw)
        if value is None:
            raise DataError(f"{raw!r} is no number", where=place, hint="give a number, as the run predicts one")
        if self.known_values and not min(self.known_values) <= value <= max(self.known_values):
            plainly = str(raw).strip() in (f"{value:g}", str(value))
            self._outside.append(f"{value:g} ({'' if plainly else f'{raw!r}, '}{place})")
        return float(value)

    def _pieces(self, raw: Any) -> list[str] | None:
        """The labels in a cell; None where nothing was said."""
        if isinstance(raw, list | tuple):
            return [_text(each) for each in raw if not is_missing(each)]
        if is_missing(raw):
            return None
        text = _text(raw)
        if self._match(text) is not None:
            return [text]
        held = listed(text)
        if isinstance(held, list):
            return [_text(each) for each in held]
        several = self.task.shape == "labels"
        found = known_pieces(text, lambda piece: self._match(piece) is not None, some=several)
        if found is None:
            return [text]
        if several:
            self.divided.count(text, found[1])
        return found[0]

    def _match(self, text: str) -> str | None:
        whole = text.removesuffix(".0")  # a class that a spreadsheet made 1.0 is 1
        return self._known.get(text) or self._alike.get(_folded(text)) or self._known.get(whole)

    def _label(self, text: str, place: str) -> str:
        found = self._match(text)
        if found is None:
            self.unknown[text] += 1
            self._places.setdefault(text, []).append(place.removeprefix(self.where).lstrip(",/ "))
            return text
        if found != text:
            self.respelt[f"{text!r} for {found!r}"] += 1
        return found


def _one(raw: Any) -> Any:
    """A value that stands alone in a list."""
    return raw[0] if isinstance(raw, list) and len(raw) == 1 else raw


def _text(label: Any) -> str:
    """A label as a text: a class that a spreadsheet made 1.0 is 1."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label).strip()


def _folded(label: str) -> str:
    return " ".join(label.casefold().split())
