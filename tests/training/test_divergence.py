"""Where the loss stops being a number, training goes back once, and on at a fifth of the rate."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import save_tiny
from trainings import PLAIN, STEPS, Work, assert_same

from liftune.errors import LiftuneError
from liftune.training import divergence
from liftune.training.checkpoint import Checkpoints
from liftune.training.divergence import jumps
from liftune.training.epoch import Loop


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return save_tiny("bert", tmp_path_factory.mktemp("model"))


def break_at(monkeypatch: pytest.MonkeyPatch, *steps: int) -> list[float]:
    """The losses of these steps, counted from 1 over all tries, are no numbers; returns the rates of the steps."""
    rates: list[float] = []
    real = Loop.gradients

    def gradients(loop: Loop, *args: object) -> float:
        rates.append(float(loop.scheduler.get_last_lr()[0]))
        loss = real(loop, *args)
        return float("nan") if len(rates) in steps else loss

    monkeypatch.setattr(Loop, "gradients", gradients)
    return rates


@pytest.mark.parametrize("method", ["lora", "adalora", "loraplus", "full"])
@pytest.mark.parametrize(("head", "step", "where"), [("random", 2, "the start"), ("fitted", STEPS + 2, "epoch")])
def test_training_goes_back_and_on_at_a_fifth_of_the_rate(
    method: str, head: str, step: int, where: str, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, with step and rate, in the log too; every number is finite at the end."""
    rates = break_at(monkeypatch, step)
    done = Work(base, method, PLAIN, head=head).run()
    assert done.log.slowed is not None
    assert f"at step {step}, in epoch" in done.log.slowed
    assert any(where in note or "the start" in note for note in done.notes if "stopped being a number" in note)
    first = 0 if step == 2 else STEPS
    assert rates[step] == pytest.approx(rates[first] / 5)
    assert len(done.log.epochs) == 2
    assert done.log.stopped == "all epochs ran"
    assert all(bool(torch.isfinite(each).all()) for each in done.weights.values() if each.is_floating_point())


def test_the_second_time_it_ends_with_what_to_try(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before an epoch was finished."""
    break_at(monkeypatch, 1, 3)
    with pytest.raises(LiftuneError, match="stopped being a number in epoch 1") as caught:
        Work(base, plan=PLAIN, lr=1e-2).run()
    assert "--lr 0.0004" in (caught.value.hint or "")
    assert caught.value.where == "step 2"


def test_weights_that_are_no_numbers_after_an_epochs_last_step_count_too(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their loss would only be known in the next epoch."""
    real, calls = Loop.epoch, []

    def epoch(loop: Loop, *args: object) -> list[float]:
        losses = real(loop, *args)
        calls.append(1)
        if len(calls) == 1:
            with torch.no_grad():
                loop.steps.parameters[0].fill_(float("inf"))
        return losses

    monkeypatch.setattr(Loop, "epoch", epoch)
    done = Work(base, plan=PLAIN).run()
    assert done.log.slowed
    assert len(done.log.epochs) == 2


def test_a_stopped_one_goes_on_at_the_lower_rate(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the same bits."""
    work = Work(base, plan=PLAIN, head="fitted")
    with monkeypatch.context() as patched:
        break_at(patched, 2)
        whole = work.run()
    with monkeypatch.context() as patched:
        break_at(patched, 2)
        resumed = work.stopped(tmp_path / "seed-3", 3)
    assert resumed.log.slowed == whole.log.slowed
    assert_same(whole, resumed)
    assert Checkpoints(tmp_path)


def jump_at(monkeypatch: pytest.MonkeyPatch, *steps: int, window: int = 2) -> list[float]:
    """The losses of these steps, counted from 1 over all tries, are high; returns the rates of the steps."""
    monkeypatch.setattr(divergence, "WINDOW", window)
    rates: list[float] = []
    real = Loop.gradients

    def gradients(loop: Loop, *args: object) -> float:
        rates.append(float(loop.scheduler.get_last_lr()[0]))
        loss = real(loop, *args)
        return loss + 50.0 if len(rates) in steps else loss

    monkeypatch.setattr(Loop, "gradients", gradients)
    return rates


@pytest.mark.parametrize("head", ["random", "fitted"])
def test_a_loss_that_jumps_halves_the_rate(head: str, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, with step and rate, in the log too; training begins again where it was good."""
    rates = jump_at(monkeypatch, 3, 4)
    done = Work(base, plan=PLAIN, head=head).run()
    assert done.log.halved
    assert "the loss jumped at step" in done.log.halved[0]
    assert any("the loss jumped" in note for note in done.notes)
    assert rates[4] == pytest.approx(rates[3] / 2)
    assert len(done.log.epochs) == 2
    assert done.log.slowed is None


def test_the_rate_is_halved_three_times_at_most(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss that stays high is not the rate's fault."""
    jump_at(monkeypatch, *range(3, 100))
    done = Work(base, plan=PLAIN, epochs=8).run()
    assert len(done.log.halved) == divergence.HALVINGS
    assert done.log.halved[-1].endswith("1.25e-04") or "0.000125" in done.log.halved[-1]


def test_one_that_was_stopped_after_a_jump_goes_on_to_the_same_bits(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(base, plan=PLAIN, head="fitted", epochs=4)
    with monkeypatch.context() as patched:
        jump_at(patched, 3, 4)
        whole = work.run()
    with monkeypatch.context() as patched:
        jump_at(patched, 3, 4)
        resumed = work.stopped(tmp_path / "seed-3", 5)
    assert whole.log.halved
    assert resumed.log.halved == whole.log.halved
    assert_same(whole, resumed)


def test_steps_of_bad_luck_are_no_jump() -> None:
    """Neither a random head's first losses, nor one bad batch, nor what comes after the first steps."""
    assert not jumps([0.7] * 8 + [0.75] * 8, 0.69)
    assert not jumps([0.1] * 15 + [3.0], 0.69)
    assert not jumps([0.3] * 15, 0.69)
    assert jumps([0.3] * 8 + [0.9] * 8, 0.69)
    assert not jumps([0.3] * 60 + [0.9] * 8, 0.69)
