"""Where the state before the first step was kept: what that state is, and whether any epoch followed it."""

from __future__ import annotations

from typing import Any

import pytest

from liftune.records.run import TuneRecord
from liftune.records.training import Epoch, PairStart, TrainLog
from liftune.reports.sections.verdict import kept_start

FITTED = "the base model's body with a head fitted to its frozen features"
EPOCH = Epoch(epoch=1, train_loss=1.0, validation={"accuracy": 0.4}, seconds=1.0, rows_per_second=1.0)
PAIRS = PairStart(asked="auto", taken=True, rows=65, labels=6, reason="few rows")
WHY = "validation has too few rows to see it"


def said(*logs: dict[str, Any]) -> str:
    """Of logs that differ in these."""
    usual = {"learning_rate": 1e-3, "batch_size": 8, "steps": 4, "best_epoch": 0, "seconds": 1.0, "stopped": WHY}
    made = [
        TrainLog(**{**usual, "seed": seed, "epochs": (EPOCH,), "start": {"accuracy": 0.5}, **log})
        for seed, log in enumerate(logs)
    ]
    return " ".join(kept_start(TuneRecord.model_construct(logs=tuple(made))))


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ({"best_epoch": 1}, ""),
        (
            {},
            f"The start was kept: training did not help. No epoch was better on validation than {FITTED}.",
        ),
        (
            {"start": None},
            "The start was kept: training did not help. No epoch was better on validation than the untrained model.",
        ),
        (
            {"pairs": PAIRS},
            "The start was kept: the epochs after it did not help. No epoch was better on validation than the encoder "
            "as it was started from pairs of rows, with a head fitted to it.",
        ),
        (
            {"pairs": PAIRS, "epochs": ()},
            "The start from pairs of rows was kept: no epoch followed it. Validation has too few rows to see it.",
        ),
        (
            {"pairs": PAIRS.model_copy(update={"taken": False})},
            f"The start was kept: training did not help. No epoch was better on validation than {FITTED}.",
        ),
    ],
)
def test_what_was_kept_is_said_as_it_was(log: dict[str, Any], words: str) -> None:
    assert said(log) == words


def test_of_several_seeds_it_says_how_many() -> None:
    assert said({}, {"best_epoch": 1}).startswith("The start was kept under 1 of 2 seeds: ")
