"""The choice of how long texts are read, in words, whether or not some way was left untried."""

from __future__ import annotations

import pytest

from liftune.records.long_texts import LongChoice, LongContrast, LongTried
from liftune.reports.sections.long_texts import long_sentences


@pytest.mark.parametrize("scored", [1, 2, 3])
def test_the_choice_is_said_with_what_was_not_tried(scored: int) -> None:
    """With every way tried there is none to name."""
    rules = ("cut", "head-tail", "windows")
    tried = tuple(
        LongTried(rule=rule, tokens=100, score=0.5 if i < scored else None)  # type: ignore[arg-type]
        for i, rule in enumerate(rules)
    )
    contrast = LongContrast(a="cut", b="head-tail", gain=0.1, low=0.0, high=0.2, p_value=0.04)
    choice = LongChoice(
        rule="cut", max_length=128, longer=10, share=0.1, metric="accuracy", judged_on="train", rows=100,
        train_rows=100, tried=tried, contrasts=(contrast,), seconds=1.0, cost_share=0.1,
    )  # fmt: skip
    said = " ".join(long_sentences(choice))
    assert ("Not tried: " in said) == (scored < 3)
