"""The choice of how long texts are read, in words, whether or not some way was left untried."""

from __future__ import annotations

import pytest

from liftune.records.long_texts import LongChoice, LongContrast, LongTried
from liftune.reports.sections.long_texts import long_sentences


@pytest.mark.parametrize("scored", [0, 1, 2, 3])
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
    assert ("was not tried: " in said) == (scored < 3)
    assert ("They are cut. Whether head-tail and windows are better was not tried: " in said) == (scored == 0)
    assert "cut was not tried" not in said
    assert "run's time" not in said, "tokens are counted"


def test_examples_that_are_some_of_train_are_said_to_be() -> None:
    tried = tuple(LongTried(rule=rule, tokens=100, score=0.5) for rule in ("cut", "head-tail", "windows"))  # type: ignore[arg-type]
    choice = LongChoice(
        rule="cut", max_length=128, longer=178, share=178 / 180, metric="accuracy", judged_on="train", rows=142,
        train_rows=142, tried=tried, contrasts=(), seconds=1.0, cost_share=0.1,
    )  # fmt: skip
    assert "on 142 of 180 train examples" in " ".join(long_sentences(choice))
    whole = " ".join(long_sentences(choice.model_copy(update={"rows": 180})))
    assert "on 180 train examples" in whole
