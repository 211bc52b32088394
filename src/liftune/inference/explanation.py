"""What an explanation holds: the parts of a row, and what leaving each of them out does to the answer.

In: nothing.  Out: Explanation, Answer, Effect, and their JSON.
Not here: how effects are found (explaining.py), what a part is (leave_out.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from liftune.inference.leave_out import Part, Unit


@dataclass(frozen=True)
class Effect:
    """What leaving one part out does to one answer.

    Attributes:
        change: the probability with the part less that without it; of a regression the value. Positive: the part
            speaks for the label, or raises the value.
        log_odds: the same of the log odds of the label, which tells words apart where probabilities are near 0 or 1;
            None for a regression.
        becomes: what is predicted without the part, where that is something else; None otherwise.
    """

    change: float
    log_odds: float | None = None
    becomes: str | None = None

    @property
    def strength(self) -> float:
        """By which effects are ordered: log odds, of a regression the value."""
        return abs(self.change if self.log_odds is None else self.log_odds)


@dataclass(frozen=True)
class Answer:
    """The effects of all parts on one label, or on the value.

    Attributes:
        label: None for a regression.
        before: its probability with all parts; of a regression the value.
        effects: one a part, in the order of the text.
    """

    label: str | None
    before: float
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Explanation:
    """Why a model predicts what it predicts for one row.

    Attributes:
        unit: what was left out, one at a time: words, sentences, or passages of several words.
        parts: in the order of the text.
        answers: of each label that is explained: the predicted one, or all that were predicted of several.
        notes: what must be known to read it.
    """

    unit: Unit
    parts: tuple[Part, ...]
    answers: tuple[Answer, ...]
    notes: tuple[str, ...] = ()

    def strongest(self, answer: Answer | None = None, most: int | None = None) -> list[tuple[Part, Effect]]:
        """Parts with their effects on one answer, the strongest first; equal ones in the order of the text.

        Args:
            answer: None takes the first, which is the only one but where several labels are predicted.
            most: so many of them; None gives all.
        """
        if answer is None and not self.answers:
            return []
        pairs = list(zip(self.parts, (answer or self.answers[0]).effects, strict=True))
        return sorted(pairs, key=lambda pair: -pair[1].strength)[:most]

    def to_json(self) -> dict[str, Any]:
        """The object of `explain --json`, `predict --explain` and the HTTP API: parts in the order of the text."""
        return {
            "unit": self.unit,
            "answers": [
                {
                    **({"value": each.before} if each.label is None else {"label": each.label}),
                    **({} if each.label is None else {"probability": each.before}),
                    "parts": [_part_json(part, effect) for part, effect in zip(self.parts, each.effects, strict=True)],
                }
                for each in self.answers
            ],
            "notes": list(self.notes),
        }


def _part_json(part: Part, effect: Effect) -> dict[str, Any]:
    found: dict[str, Any] = {"text": part.text, "start": part.start, "end": part.end}
    if part.second:
        found["of"] = "text_pair"
    found["change"] = effect.change
    if effect.log_odds is not None:
        found["log_odds"] = effect.log_odds
    if effect.becomes is not None:
        found["becomes"] = effect.becomes
    return found
