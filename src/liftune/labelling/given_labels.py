"""Labels that people gave, as targets of a run: known ones in its own spelling, others told apart.

In: raw labels, a run's task and labels.  Out: targets, or why there is none.
Not here: the files that they stand in (filled_in.py, studio.py), several people's answers (agreement.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from liftune.data.label_lists import listed
from liftune.data.numbers import number
from liftune.data.targets import is_missing
from liftune.errors import LIKELY, DataError, amount, first_of, nearest
from liftune.labelling.studio import plain
from liftune.tasks import Task
from liftune.types import Target

#: What separates several labels in a cell, where each piece is a known label.
_SEPARATORS = ("|", ";", ",", "\n")
_NAMED = 5


@dataclass
class GivenLabels:
    """Reads labels one by one, and counts those that the run does not know.

    Args:
        labels: the run's.
        where: the file.
    """

    task: Task
    labels: Sequence[str]
    where: str
    unknown: Counter[str] = field(default_factory=Counter)
    respelt: Counter[str] = field(default_factory=Counter)
    """Spellings that were taken for a known label: "Joy for joy"."""

    def __post_init__(self) -> None:
        self._known = {each: each for each in self.labels}
        alike: dict[str, list[str]] = {}
        for each in self.labels:
            alike.setdefault(_folded(each), []).append(each)
        self._alike = {folded: each[0] for folded, each in alike.items() if len(each) == 1}

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
        found = tuple(dict.fromkeys(self._label(each) for each in pieces))
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
            each = [
                f"{name!r} ({amount(self.unknown[name], 'row')}{nearest(name, self.labels, least=LIKELY)})"
                for name in names
            ]
            raise DataError(
                f"labels that the run does not know: {first_of(each, _NAMED)}",
                where=self.where,
                hint=f"correct them; or take them as new labels with --new-labels. The run knows: "
                f"{first_of(list(self.labels), 12)}",
            )
        return tuple(names)

    def _value(self, raw: Any, place: str) -> float | None:
        if is_missing(raw) or raw == []:
            return None
        raw = raw[0] if isinstance(raw, list) and len(raw) == 1 else raw
        value = None if isinstance(raw, bool | list | dict) else number(raw)
        if value is None:
            raise DataError(f"{raw!r} is no number", where=place, hint="give a number, as the run predicts one")
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
        for separator in _SEPARATORS:
            pieces = [each.strip() for each in text.split(separator) if each.strip()]
            known = [self._match(each) is not None for each in pieces]
            if len(pieces) > 1 and (all(known) or (any(known) and self.task.shape == "labels")):
                return pieces
        return [text]

    def _match(self, text: str) -> str | None:
        whole = text.removesuffix(".0")  # a class that a spreadsheet made 1.0 is 1
        return self._known.get(text) or self._alike.get(_folded(text)) or self._known.get(whole)

    def _label(self, text: str) -> str:
        found = self._match(text)
        if found is None:
            self.unknown[text] += 1
            return text
        if found != text:
            self.respelt[f"{text!r} for {found!r}"] += 1
        return found


def _text(label: Any) -> str:
    """A label as a text: a class that a spreadsheet made 1.0 is 1."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label).strip()


def _folded(label: str) -> str:
    return " ".join(label.casefold().split())
