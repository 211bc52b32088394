"""Finds columns that nobody named: by names that are known, by words of a name, by content; and says what was guessed.

In: a Table, what is taken already.  Out: the text, the second text of a pair, the label; notes on what was guessed.
Not here: known names (column_names.py), guessing by content (column_guess.py), all columns of a run (column_search.py).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from liftune.data.column_guess import (
    beside_names,
    fuller_texts,
    guess_label,
    guess_text,
    label_columns,
    likely_labels,
    longer_text,
    names_a_label,
    names_a_text,
    words_of,
)
from liftune.data.column_names import LABELS, PAIRS, TEXTS, as_one, known_name, listed
from liftune.data.column_profiles import Profile, profile
from liftune.data.label_families import Family, base_of, family_of
from liftune.data.laid_out import objects_in_cells, other_layout
from liftune.data.positions import of_people
from liftune.data.readers.memory import WHERE
from liftune.data.readers.part_names import SHEET
from liftune.data.readers.table import Table
from liftune.data.targets import is_missing
from liftune.errors import DataError, pasted
from liftune.option_values import joined_fields

#: Columns with these names are headings where a longer text stands beside them, whose name has one of these words.
_HEADINGS = ("title", "headline")
_LONG_TEXTS = frozenset({"text", "review", "comment", "content", "body", "message", "article", "tweet", "post"})
_MOST_NAMED = 5
#: A text by its name is looked at twice where a smaller share of its cells is filled.
_MOSTLY_BLANK = 0.5
#: Labels by their names, which may as well be what rows are found by.
_OFTEN_ASIDE = frozenset({"tag", "tags"})


class UnclearText(DataError):  # noqa: N818 - what is wrong: the text is unclear
    """Nobody named the text column, and none is the likeliest by far."""


class Finder:
    """Looks for columns that nobody named, and collects what to say of it."""

    def __init__(
        self,
        table: Table,
        group: str | None = None,
        slices: Sequence[str] = (),
        command: Callable[..., str] | None = None,
    ) -> None:
        self._table, self._group, self._command = table, group, command or partial(_command, table.where)
        self._aside = frozenset((group, *slices))
        self._profiles: dict[str, Profile] = {}
        self._guessed: list[str] = []
        self._notes: list[str] = []
        self._blank: set[str] = set()
        """Texts by their names that are blank in most rows, where others are not."""

    def _look(self, names: Iterable[str]) -> list[Profile]:
        names = list(names)
        for name in names:
            if name not in self._profiles:
                self._profiles[name] = profile(name, self._table.read(name))
        return [self._profiles[name] for name in names]

    def left(self, *taken: str | None) -> list[str]:
        """The columns that are neither taken nor the group's nor a slice's."""
        return [name for name in self._table.columns if name not in taken and name not in self._aside]

    def notes(self, text: str, text_pair: str | None, label: str) -> tuple[str, ...]:
        """What was guessed, with what to type to say otherwise, and what else was seen."""
        if not self._guessed:
            return tuple(self._notes)
        typed = self._command(text=text, text_pair=text_pair, label=label)
        return (f"{'; '.join(self._guessed)}. To say otherwise, name the columns: {typed}", *self._notes)

    def texts(
        self, texts: Sequence[str] = (), second: str | None = None, labels: Sequence[str] = ()
    ) -> tuple[str, str | None, str | None]:
        """The text, the second one of a pair, and the label where its name is known.

        Raises:
            DataError: it is unclear which is the text.
        """
        first = as_one(texts)
        if second is None and not texts:
            first, second = self.pair(labels)
        if first is None and second:
            first = known_name(TEXTS, self.left(*labels, second))
        found = as_one(labels) or self.known_label(*(texts or (first,)), second)
        return first or self.text(second, found, labels or (found,)), second, found

    @property
    def guessed(self) -> str:
        """What was guessed of it, and why; empty where names said it."""
        return "; ".join(self._guessed)

    def pair(self, labels: Sequence[str]) -> tuple[str | None, str | None]:
        """The text and the second one of a pair, by names that are known."""
        names = [name for name in self._table.columns if name not in labels]
        for known in PAIRS:
            one, other = (known_name((each,), names) for each in known)
            if not (one and other):
                continue
            if known != PAIRS[0]:
                if self._look([other])[0].content in ("yes or no", "numbers"):
                    continue  # the answer to a question, as a label
                self._refuse_third(one, other, labels)
            return one, other
        left = self.left(*labels)
        text = self._filled_text(known_name(TEXTS, left), left)
        if text and text.strip().casefold() in _HEADINGS and len(left) > 2:
            hinted = [name for name in left if name == text or set(words_of(name)) & _LONG_TEXTS]
            longer = longer_text(text, self._look(hinted), _LONG_TEXTS)
            if longer:
                self._guessed.append(f"text column {longer.name!r}, to which {text!r} is a heading: {longer.said}")
                return longer.name, None
        return text, None

    def _filled_text(self, text: str | None, left: Sequence[str]) -> str | None:
        """The text by its name, or another one where it is blank in most rows and a text of them all stands beside."""
        if text is None:
            return None
        cells = self._table.read(text)
        filled = sum(not is_missing(cell) for cell in cells) / max(1, len(cells))
        if filled >= _MOSTLY_BLANK:
            return text
        others = fuller_texts(self._look([name for name in left if name != text]), filled)
        if not others:
            return text
        names = [each.name for each in others]
        found = known_name(TEXTS, names) or guess_text(others).column
        if found:
            self._guessed.append(f"text column {found!r}, as {text!r} is blank in {1 - filled:.0%} of the rows")
        else:
            self._blank = {text}
        return found

    def _refuse_third(self, one: str, other: str, labels: Sequence[str]) -> None:
        """Two columns are a pair only where no third one is a text."""
        known = {name.casefold() for name in TEXTS}
        others = [name for name in self.left(one, other, *labels) if name.strip().casefold() in known]
        third = [each.name for each in self._look(others) if each.is_text]
        if third:
            label = as_one(labels) or known_name(LABELS, self.left(one, other, *third)) or None
            every = joined_fields(name for name in self._table.columns if name in (one, other, *third))
            raise DataError(
                f"{one!r} and {other!r} may be a pair, but {third[0]!r} is a text too",
                where=self._table.where,
                hint=f"name the pair: {self._command(text=one, text_pair=other, label=label)}; "
                f"or the texts to join: {self._command(text=every, label=label)}",
            )

    def known_label(self, *taken: str | None) -> str | None:
        """The label column by names that are known; the group's last."""
        left = self.left(*taken)
        found = known_name(LABELS, left)
        if found and found.strip().casefold() in _OFTEN_ASIDE:
            own, *others = self._look([found, *(name for name in left if name != found)])
            if not own.is_label and any(each.is_label for each in others):
                return None  # a few tags beside a column of classes
        return found or (known_name(LABELS, [self._group]) if self._group else None)

    def text(self, text_pair: str | None, label: str | None, labels: Sequence[str | None]) -> str:
        """The text column, guessed.

        Raises:
            UnclearText: none, or several.
        """
        profiles = self._look(self.left(text_pair, *labels, *self._blank))
        guess = guess_text(profiles)
        if guess.column:
            self._guessed.append(f"text column {guess.column!r}, guessed: {guess.why or 'the only one left'}")
            return guess.column
        said = {each.name: each.said for each in profiles}
        words = {each.name: each.words for each in profiles}
        candidates = sorted(guess.candidates, key=lambda name: -words[name])  # the longest text first
        example = candidates[0] if candidates else None
        hint = "name the text column with --text"
        if example:
            if label is None:
                others = self.left(text_pair, *candidates)
                label = known_name(LABELS, others) or guess_label(self._look(others), lone=True).column
                label = label or (as_one(self.left(text_pair, example)) if len(self._table.columns) == 2 else None)
            hint += f", for example: {self._command(text=example, text_pair=text_pair, label=label)}"
            if len(candidates) > 1:
                hint += f"; --text {pasted(joined_fields(guess.candidates))} joins them"
        elif said:
            hint += "; " + "; ".join(f"{name!r} holds {what}" for name, what in list(said.items())[:_MOST_NAMED])
        hint = objects_in_cells(self._table) or hint
        raise UnclearText(f"no text column among: {listed(self._table.columns)}", where=self._table.where, hint=hint)

    def label(self, text: str, texts: Sequence[str], text_pair: str | None) -> str:
        """The label column, guessed.

        Raises:
            DataError: none, or several.
        """
        left = self.left(*texts, text_pair)
        left = [name for name in left if name != SHEET] or left  # which is added to what the file holds
        profiles = self._look(left)
        guess = guess_label(profiles, lone=True)
        binary, shares = label_columns(profiles)
        marked = [each.name for each in profiles if each.is_marked]
        # Columns of marks are labels as likely as one whose content alone speaks for it, such as who did the work.
        unclear = len(marked) > 1 and guess.column is not None and not names_a_label(guess.column)
        if guess.column and not unclear and not (guess.column in binary and guess.column in marked):
            beside = [name for name, named in beside_names(left).items() if named == guess.column]
            also = f"; beside it stands {', '.join(beside)}" if beside else ""
            self._guessed.append(f"label column {guess.column!r}, guessed: {guess.why or 'the only one left'}{also}")
            return guess.column
        family = self._family(guess.candidates or likely_labels(profiles), (*texts, text_pair))
        if family and family.are_sets and names_a_label(base_of(family.columns[0])):
            self._guessed.append(f"label columns {', '.join(family.columns)}, guessed by their names")
            return family.columns[0]
        single = [name for name in (*guess.candidates, guess.column) if name is not None and name not in binary]
        likely = likely_labels(profiles)
        seen = [name for name in likely if name not in binary and not self._profiles[name].is_text]
        more = [name for name in seen if name not in single] if single else []
        hints = self._choices([*(single or likely), *more], text, text_pair)
        if binary:
            threshold = " --label-threshold 0.5" if shares else ""
            typed = self._command(text=text, text_pair=text_pair, label=joined_fields(binary)) + threshold
            held = "shares" if shares else "marks" if set(binary) <= set(marked) else "0 and 1"
            said = f"columns of {held}, one a label: {typed}"
            hints = [said, *hints] if single else [said]
        if family and len(of_people(family.columns)) < 2:
            typed = self._command(text=text, text_pair=text_pair, label=joined_fields(family.columns))
            hints.append(f"or {', '.join(family.columns)} together, as sets of labels: {typed}")
        raise DataError(
            f"no label column among: {listed(self._table.columns)}",
            where=self._table.where,
            hint="; ".join(other_layout(self._table, text) or hints),
        )

    def _choices(self, names: Sequence[str], text: str, text_pair: str | None) -> list[str]:
        """What each column holds, with the command that takes it as the label."""
        found = self._look(names[:_MOST_NAMED])
        one_value = all(each.kinds < 2 for each in found)  # in all rows, of every column: no label
        said = [
            f"{each.name!r} ({each.shown}): {self._command(text=text, text_pair=text_pair, label=each.name)}"
            for each in found
            if not one_value
        ]
        if not said:
            held = "; ".join(f"{each.name!r} holds {each.said}" for each in list(self._profiles.values())[:_MOST_NAMED])
            called = self._table.where.startswith(WHERE)  # from Python
            give = f"give a {'table' if called else 'file'} with a column of labels"
            name = ", or name one of these: " + ("label='NAME'" if called else "--label NAME")
            return [f"{give}{name}; {held}" if held else give]
        more = [f"or another one: {', '.join(names[_MOST_NAMED:])}"] if len(names) > _MOST_NAMED else []
        return [f"name the label column: {said[0]}", *(f"or {each}" for each in said[1:]), *more]

    def _family(self, names: Sequence[str], taken: Sequence[str | None]) -> Family | None:
        """The first columns of one name that hold labels."""
        families = (family_of(self._table, name, (*taken, *self._aside)) for name in names[:_MOST_NAMED])
        return next(filter(None, families), None)

    def together(self, found: str, taken: Sequence[str | None], *, sets: bool) -> tuple[str, ...]:
        """The label column, with others of its name where they hold labels of the same row."""
        family = self._family((found,), taken)
        if family is None or (family.are_sets and sets):
            return family.columns if family else (found,)
        others = ", ".join(repr(name) for name in family.columns if name != found)
        typed = self._command(label=joined_fields(family.columns))
        self._notes.append(f"not read, and labels too: {others}; to read them together, as sets of labels: {typed}")
        return (found,)

    def note_other_texts(self, text: str, label: str, labels: Sequence[str | None]) -> None:
        """Say which other column reads like a text, and how to join it."""
        names = [name for name in self.left(text, *labels) if name in self._profiles or names_a_text(name)]
        own = self._table.read(text) if text in self._table.columns else None
        others = [
            each for each in self._look(names) if each.is_text and not _is_made_of(own, self._table.read(each.name))
        ]
        if others:
            every = [name for name in self._table.columns if name == text or name in {each.name for each in others}]
            said = ", ".join(f"{each.name!r} ({each.said})" for each in others[:_MOST_NAMED])
            typed = self._command(text=joined_fields(every), label=label)
            self._notes.append(f"not read, and a text too: {said}; to join them: {typed}")


def _is_made_of(own: Sequence[object] | None, other: Sequence[object]) -> bool:
    """Whether a text stands in another column's cells, row by row: then joining the two would say it twice."""
    if own is None:
        return False
    both = [(one, two) for one, two in zip(own, other, strict=True) if isinstance(one, str) and isinstance(two, str)]
    return bool(both) and all(one.strip() in two or two.strip() in one for one, two in both if one.strip())


def _command(where: str, **named: str | None) -> str:
    """What to type to name columns."""
    options = [word for name, value in named.items() if value for word in (f"--{name.replace('_', '-')}", value)]
    return shlex.join(["liftune", "tune", where, *options])
