"""Where memory is short, a step is repeated in smaller passes: the same rows, the same gradient, the same draws."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import save_tiny
from trainings import ALONE, BATCH, FAST, PLAIN, ROWS, Trained, Work, assert_same, splits_of, with_dropout

from liftune.errors import OutOfMemory
from liftune.hardware.plan import PASS_SIZE, Plan
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.spec import TrainSpec
from liftune.training.checkpoint import PASSES, Checkpoints
from liftune.training.epoch import Loop
from liftune.training.schedule import Schedule

SPELLINGS = {
    "python": MemoryError(),
    "torch": torch.OutOfMemoryError("CUDA out of memory."),
    "onednn": RuntimeError("could not create a primitive"),
    "allocator": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."),
    "windows": RuntimeError("not enough memory: you tried to allocate 16 bytes."),
    "c++": RuntimeError("std::bad_alloc"),
    "system": OSError(12, "Cannot allocate memory"),
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("distilbert", tmp_path_factory.mktemp("model"), change=with_dropout)


class Allocator:
    """Fails in the place of a machine with little memory: forward passes of more tokens than it has room for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int, error: Exception, *, late: bool = False) -> None:
        self.failed, self.fits = 0, True
        forward = Classifier.forward

        def limited(classifier: Classifier, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            logits = forward(classifier, batch) if late else None  # what it drew has been drawn
            if int(batch["attention_mask"].sum()) > room and torch.is_grad_enabled():
                self.failed += 1
                raise error
            return forward(classifier, batch) if logits is None else logits

        monkeypatch.setattr(Classifier, "forward", limited)


def loop_of(work: Work) -> Loop:
    splits = splits_of(work.task)
    asked = TrainSpec(epochs=1, batch_size=BATCH, head="random")
    schedule = Schedule.of(asked, rows=ROWS, learning_rate=METHODS[work.method].learning_rate)
    return Loop.of(work.classifier(splits, schedule), splits, asked, schedule)


def gradients(loop: Loop) -> list[torch.Tensor]:
    from liftune.hardware.workers import open_workers

    torch.manual_seed(5)
    with open_workers(loop.classifier.plan.workers, random=True) as workers:
        loop.classifier.model.train()
        loop.steps.gradients(np.arange(BATCH), loop.rows.lengths.tolist(), workers)
    return [each.grad.clone() for each in loop.steps.parameters if each.grad is not None]


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_step_is_repeated_in_passes_that_fit(name: str, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without dropout its gradients are the same up to rounding, whatever had been gathered."""
    work = Work(base, plan=PLAIN)
    whole, halved = loop_of(work), loop_of(work)
    for loop in (whole, halved):
        for module in loop.classifier.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    expected = gradients(whole)
    longest = max(halved.rows.lengths[:BATCH].tolist())
    allocator = Allocator(monkeypatch, longest, SPELLINGS[name])
    found = gradients(halved)
    assert allocator.failed
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
    assert halved.classifier.plan.most_tokens < whole.classifier.plan.most_tokens
    assert [each.value for each in halved.classifier.plan.choices if each.choice == PASS_SIZE]


@pytest.mark.parametrize("plan", [PLAIN, ALONE, FAST], ids=["plain", "alone", "fast"])
@pytest.mark.parametrize("late", [False, True])
def test_a_repeated_step_draws_as_if_nothing_had_failed(
    plan: Plan, late: bool, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Generators of torch and of the workers, and pools of masks: with dropout too it is as one of small passes."""
    work = Work(base, plan=plan, options=(("dropout", 0.2),))
    failed = loop_of(work)
    with monkeypatch.context() as patched:
        Allocator(patched, max(failed.rows.lengths[:BATCH].tolist()), MemoryError(), late=late)
        found = gradients(failed)
    small = loop_of(replace(work, plan=replace(plan, most_tokens=failed.classifier.plan.most_tokens)))
    assert all(torch.equal(*pair) for pair in zip(found, gradients(small), strict=True))


def halved_run(work: Work, room: int, monkeypatch: pytest.MonkeyPatch, *checkpoints: Checkpoints) -> Trained:
    with monkeypatch.context() as patched:
        assert_failed = Allocator(patched, room, MemoryError())
        done = work.run(*checkpoints)
        assert assert_failed.failed
    return done


def test_a_training_says_once_that_it_computes_in_smaller_passes(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a stopped one goes on in them, to the same bits."""
    longest = max(loop_of(Work(base)).rows.lengths.tolist())
    done = halved_run(Work(base, plan=FAST), longest, monkeypatch)
    assert len([note for note in done.notes if "memory ran short" in note]) == 1


def test_a_resumed_training_has_the_smaller_passes(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkpoint holds them: nothing fails again, and the bits are the same."""
    work = Work(base, plan=FAST)
    longest = max(loop_of(work).rows.lengths.tolist())
    whole = halved_run(work, longest, monkeypatch)
    with monkeypatch.context() as patched:
        allocator = Allocator(patched, longest, MemoryError())
        resumed = work.stopped(tmp_path / "seed-3", 2)
    assert allocator.failed <= 2
    assert_same(whole, resumed)


def test_a_training_whose_process_died_in_a_pass_goes_on_in_half_of_it(base: Path, tmp_path: Path) -> None:
    """Nothing is raised where the kernel ends a process: the same command would die at the same place for ever."""
    work, folder = Work(base, plan=FAST), tmp_path / "seed-3"
    folder.mkdir()
    died = {"tried": 60, "fitted": 0, "kills": {}}
    (folder / PASSES).write_text(json.dumps({**died, "deaths": 0}))
    assert_same(work.run(Checkpoints(folder)), work.run())  # it may have been anybody
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / PASSES).write_text(json.dumps({**died, "deaths": 1}))
    halved = work.run(Checkpoints(folder))
    assert [note for note in halved.notes if "died in a pass of 60 tokens" in note]
    small = replace(work, plan=replace(FAST, most_tokens=30)).run()
    assert [name for name, each in halved.weights.items() if not torch.equal(each, small.weights[name])] == []


def test_one_row_that_does_not_fit_is_refused_with_what_helps(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is free, and a length that is shorter."""
    loop = loop_of(Work(base))
    Allocator(monkeypatch, 0, MemoryError())
    with pytest.raises(OutOfMemory, match=r"training on one row of \d+ tokens: [\d,]+ MiB") as caught:
        gradients(loop)
    assert "--max-length" in str(caught.value.hint)
