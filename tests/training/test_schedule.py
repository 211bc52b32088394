"""How long and how fast training is, where nobody says."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from liftune.models.methods.registry import METHODS
from liftune.spec import TrainSpec
from liftune.training.early_stopping import BestCheckpoint
from liftune.training.schedule import Schedule, default_epochs, rate_of, why_rate


def test_long_rows_are_read_in_fewer_epochs() -> None:
    """By their tokens; never in fewer than so many rows would be, and short rows as before."""
    assert default_epochs(310, 290) < default_epochs(310, 100) <= default_epochs(310)
    assert [default_epochs(rows, 25) for rows in (100, 1_080, 8_000)] == [30, 6, 4]
    assert [default_epochs(rows, 5_000) for rows in (16, 1_000, 5_000, 30_000)] == [8, 4, 4, 2]


def test_epochs_that_are_asked_for_are_run_however_long_the_rows() -> None:
    schedule = Schedule.of(TrainSpec(epochs=20), rows=300, learning_rate=1e-3, row_tokens=400)
    assert schedule.epochs == 20


@pytest.mark.parametrize(("width", "low", "high"), [(384, 1e-3, 1e-3), (768, 1e-3, 1e-3), (2_048, 1e-4, 2e-4)])
def test_a_wider_model_has_a_lower_rate(width: int, low: float, high: float) -> None:
    """1e-3 suits encoders of 22 to 66 million parameters; decoders of a billion want a tenth to a fifth of it."""
    assert low <= rate_of(METHODS["lora"], width) <= high


def test_the_rate_never_rises_with_width_and_has_an_end() -> None:
    rates = [rate_of(METHODS["lora"], width) for width in range(0, 20_000, 64)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(1e-4)


@pytest.mark.parametrize("name", ["full", "probe"])
def test_methods_whose_rate_is_of_no_peft_method_keep_it(name: str) -> None:
    assert rate_of(METHODS[name], 4_096) == METHODS[name].learning_rate


def test_the_reason_for_the_rate_names_method_width_and_step() -> None:
    lora = METHODS["lora"]

    def said(width: int, rows: int, **asked: Any) -> str:
        spec = TrainSpec(**asked)
        return why_rate(spec, Schedule.of(spec, rows=rows, learning_rate=rate_of(lora, width)), lora, width)

    assert said(384, 500) == "lora's own, for models up to 768 wide"
    assert "2,048 wide" in said(2_048, 500)
    assert "1.4 times" in said(384, 20_000)
    assert said(2_048, 500, lr=1e-3) == "asked for"


def scored(*scores: tuple[float, float], patience: int = 2, lead: float = 0.0, start: float = 0.0) -> BestCheckpoint:
    """After epochs of these accuracies and log-losses, as long as training goes on."""
    classifier: Any = SimpleNamespace(snapshot=dict)
    best = BestCheckpoint("accuracy", patience, 20, lead)
    if start:
        best.set_baseline({"accuracy": start, "log_loss": 1.0}, classifier)
    for epoch, (accuracy, loss) in enumerate(scores, 1):
        best.update(epoch, {"accuracy": accuracy, "log_loss": loss}, 0.1, 1.0, 10, classifier)
        if best.stopped:
            break
    return best


def test_training_ends_where_validation_only_repeats_itself() -> None:
    """Few rows score the same for ever; the latest of the best is kept."""
    best = scored(*[(1.0, 0.2)] * 20)
    assert len(best.log) == 3
    assert best.epoch == 3


def test_a_falling_loss_at_the_same_score_is_a_gain() -> None:
    assert len(scored(*[(1.0, 0.5 - i / 50) for i in range(19)]).log) == 19
    assert len(scored((0.9, 0.5), (0.9, 0.4), (0.8, 0.3), (0.8, 0.2)).log) == 4


def test_a_start_that_must_be_led_is_kept_until_an_epoch_leads_it() -> None:
    """Equal is not enough, nor is a row more; from then on the best epoch is kept as ever."""
    assert scored(*[(0.8, 0.5)] * 5, lead=0.1, start=0.8).epoch == 0
    assert scored((0.85, 0.5), (0.88, 0.4), (0.88, 0.5), (0.88, 0.6), lead=0.1, start=0.8).epoch == 0
    assert scored((0.95, 0.5), (0.95, 0.4), (0.9, 0.3), lead=0.1, start=0.8).epoch == 2
    assert scored(*[(0.8, 0.5)] * 5, start=0.8).epoch == 3, "without a lead the later of equals is kept"


def test_training_ends_after_an_epoch_where_none_could_lead_the_start() -> None:
    best = scored(*[(1.0, 0.5 - i / 50) for i in range(19)], lead=0.25, start=1.0)
    assert (len(best.log), best.epoch) == (1, 0)
    assert "better than the start" in best.stopped


def test_training_ends_before_its_first_step_where_validation_could_not_see_a_gain() -> None:
    best = scored(lead=math.inf, start=0.5)
    assert (best.log, best.epoch) == ([], 0)
    assert "too few rows to see" in best.stopped
    assert scored(lead=0.25, start=0.5).stopped == ""
