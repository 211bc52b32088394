"""What a model does with texts that are longer than it reads, as it travels beside `max_length`.

In: options, or an adapter's card.  Out: a LongTexts; the fields of TokenRules that follow from it.
Not here: the windows themselves (data/long_rows.py), which rule is best (workflows/).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liftune.data.long_rows import most_windows, usual_overlap
from liftune.types import LongRule, Pooling

if TYPE_CHECKING:
    from liftune.spec import ModelSpec


@dataclass(frozen=True)
class LongTexts:
    """A rule, and what is said of its windows."""

    rule: LongRule = "cut"
    overlap: int | None = None
    """Tokens that neighbouring windows share; None is a quarter of a window."""
    pooling: Pooling = "mean"

    @classmethod
    def of(cls, spec: ModelSpec) -> LongTexts:
        """What options ask for; where the rule is still to be chosen, long texts are cut."""
        rule: LongRule = "cut" if spec.long in (None, "auto") else spec.long  # type: ignore[assignment]
        return cls(rule, spec.window_overlap, spec.window_pooling or "mean")

    def window_fields(self, max_length: int) -> dict[str, Any]:
        """Fields of TokenRules and of a card, for windows of so many tokens; none where there are no windows."""
        if self.rule != "windows":
            return {}
        overlap = self.overlap or usual_overlap(max_length)
        return {"overlap": overlap, "pooling": self.pooling, "most_windows": most_windows(max_length)}

    def card_fields(self, max_length: int) -> dict[str, Any]:
        """Fields of an adapter's card."""
        windows = self.window_fields(max_length)
        return {
            "long": self.rule,
            **({"window_overlap": windows["overlap"], "window_pooling": windows["pooling"]} if windows else {}),
        }


#: Long texts are cut.
CUT = LongTexts()
