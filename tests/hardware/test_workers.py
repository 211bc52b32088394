"""Passes side by side: the same gradients, answers and seeds as one after the other, whatever the method."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import save_tiny
from torch import Tensor, nn

from liftune.data import load_data
from liftune.data.splits import Splits
from liftune.hardware.accelerations import WORKERS
from liftune.hardware.plan import Plan
from liftune.hardware.workers import current_worker, open_workers
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.models.packed.dropout import draw_by_worker, undo_draw_by_worker
from liftune.models.packed.install import PACKED
from liftune.spec import DataSpec, ModelSpec, TrainSpec
from liftune.training.epoch import Loop
from liftune.training.loop import train
from liftune.training.micro_batches import assign_to_workers
from liftune.training.schedule import Schedule

SIDE_BY_SIDE = Plan(accelerations=frozenset({*PACKED, "length-batches"}))
ONE_BY_ONE = SIDE_BY_SIDE.without({"parallel-passes": "left out"})
FAMILY = "bert"
ONE_WORKER = ("prefix", "vblora")  # prefix tuning is not packed; VB-LoRA's threads could wait for each other for ever


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Path]:
    """Of a tiny checkpoint, by its rate of dropout."""

    def made(rate: float) -> Path:
        def rated(config: Any) -> None:
            config.hidden_dropout_prob = config.attention_probs_dropout_prob = rate

        return save_tiny(FAMILY, tmp_path_factory.mktemp("model"), change=rated)

    return functools.cache(made)


@pytest.fixture
def splits(emotions: Path) -> Splits:
    return load_data(DataSpec(source=str(emotions)))


def attached(folder: Path, splits: Splits, plan: Plan, method: str = "lora") -> Classifier:
    backbone = load_backbone(ModelSpec(name=str(folder)), task=splits.task, labels=splits.labels, seed=0, plan=plan)
    classifier = attach(backbone, METHODS[method], plan=plan, seed=0, total_steps=10)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():  # nothing of the adapter is zero
        for _, parameter in classifier.trainable():
            parameter += 0.03 * torch.randn(parameter.shape, generator=generator)
    return classifier


def loop_of(classifier: Classifier, splits: Splits) -> Loop:
    spec = TrainSpec(epochs=1, batch_size=16)
    return Loop.of(classifier, splits, spec, Schedule.of(spec, rows=len(splits.train), learning_rate=1e-3))


def gradients(classifier: Classifier, splits: Splits) -> tuple[float, dict[str, Tensor]]:
    loop = loop_of(classifier, splits)
    classifier.model.train()
    with open_workers(classifier.plan.workers, random=True) as lanes:
        loss = loop.steps.backward(assign_to_workers(np.arange(16), loop.rows.lengths.tolist(), classifier.plan), lanes)
    found = {name: p.grad for name, p in classifier.trainable() if p.grad is not None}
    assert found
    return loss, found


@pytest.mark.parametrize("method", [name for name in METHODS if FAMILY in METHODS[name].families])
def test_every_method_gets_the_gradients_of_passes_in_turn(
    method: str, folder: Callable[[float], Path], splits: Splits
) -> None:
    side = attached(folder(0.0), splits, SIDE_BY_SIDE, method)
    turn = attached(folder(0.0), splits, ONE_BY_ONE, method)
    assert (side.plan.workers, turn.plan.workers) == (1 if method in ONE_WORKER else WORKERS, 1)
    loss, found = gradients(side, splits)
    expected_loss, expected = gradients(turn, splits)
    assert loss == pytest.approx(expected_loss, rel=1e-4)
    assert found.keys() == expected.keys()
    largest = max(float(each.abs().max()) for each in expected.values())
    for name, wanted in expected.items():
        assert float((found[name] - wanted).abs().max()) <= 1e-4 * largest, name


def test_no_two_parameters_share_the_tensor_that_is_clipped(folder: Callable[[float], Path], splits: Splits) -> None:
    _, found = gradients(attached(folder(0.0), splits, SIDE_BY_SIDE), splits)
    assert len({each.data_ptr() for each in found.values()}) == len(found)


def test_answers_are_those_of_one_lane(folder: Callable[[float], Path], splits: Splits) -> None:
    side, turn = (attached(folder(0.1), splits, plan) for plan in (SIDE_BY_SIDE, ONE_BY_ONE))
    seen: list[int] = []
    rows = splits.train.rows * 40
    answers = side.logits(rows, seen.append)
    assert sum(seen) == len(rows)
    assert np.abs(answers - turn.logits(rows)).max() <= 1e-5


@pytest.mark.parametrize("cheap", [True, False])
def test_a_seed_decides_a_run_with_dropout(cheap: bool, folder: Callable[[float], Path], splits: Splits) -> None:
    """However the threads come to run: whatever they draw is their own, and sums are taken in one order."""
    off = {} if cheap else {"pooled-dropout": "left out"}
    spec = TrainSpec(epochs=2, batch_size=8, head="random")
    schedule = Schedule.of(spec, rows=len(splits.train), learning_rate=1e-3)
    runs = []
    for seed in (1, 1, 1, 2):
        classifier = attached(folder(0.3), splits, SIDE_BY_SIDE.without(off))
        train(classifier, splits, spec, schedule, metric="accuracy", seed=seed)
        runs.append(classifier.snapshot())
    first, *again, other = runs
    for run in again:
        assert all(torch.equal(first[name], run[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_lanes_draw_numbers_of_their_own_and_a_seed_decides_them() -> None:
    def drawn(seed: int) -> list[Tensor]:
        model = nn.Dropout(0.25).train()
        draw_by_worker(model)
        torch.manual_seed(seed)
        with open_workers(2, random=True) as lanes:
            return lanes.map(model, [torch.ones(20_000)] * 2)

    (one, two), (again, _) = drawn(1), drawn(1)
    assert torch.equal(one, again)
    assert not torch.equal(one, two)
    for mask in (one, two):
        assert mask.unique().tolist() == pytest.approx([0.0, 4 / 3])
        assert float((mask == 0).float().mean()) == pytest.approx(0.25, abs=0.02)


def test_outside_of_lanes_dropout_is_torchs_own_and_can_be_given_back() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.0)).train()
    torch.manual_seed(0)
    plain = model(torch.ones(100))
    draw_by_worker(model)
    torch.manual_seed(0)
    assert torch.equal(model(torch.ones(100)), plain)
    assert torch.equal(model.eval()(torch.ones(100)), torch.ones(100))
    undo_draw_by_worker(model)
    assert not any("forward" in vars(module) for module in model.modules())


def test_lanes_take_each_item_once_and_leave_torchs_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    taken: list[tuple[int, int]] = []
    with open_workers(2) as lanes:
        lanes.each(lambda item: taken.append((item, torch.get_num_threads())), range(100))
        places = lanes.map(lambda item: (item, current_worker().index), ["a", "b"])
    assert sorted(item for item, _ in taken) == list(range(100))
    assert {threads for _, threads in taken} == {max(1, before // 2)}
    assert places == [("a", 0), ("b", 1)]
    assert torch.get_num_threads() == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("liftune-lane")]


def test_what_fails_in_a_lane_is_raised_when_all_have_ended() -> None:
    def work(item: int) -> None:
        if item == 3:
            raise ValueError("row 3")

    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="row 3"), open_workers(2) as lanes:
        lanes.each(work, range(10))
    assert torch.get_num_threads() == before


def test_one_lane_is_the_calling_thread() -> None:
    with open_workers(1) as lanes:
        assert lanes.map(lambda _: threading.current_thread(), [0]) == [threading.current_thread()]


def test_shares_hold_every_row_once_and_are_even() -> None:
    lengths = np.random.default_rng(0).integers(5, 300, 16)
    found = assign_to_workers(np.arange(16), lengths.tolist(), replace(SIDE_BY_SIDE))
    assert sorted(row for share in found for rows in share for row in rows) == list(range(16))
    totals = [sum(int(lengths[row]) for rows in share for row in rows) for share in found]
    assert max(totals) - min(totals) <= lengths.max()
    assert assign_to_workers(np.array([4]), lengths.tolist(), SIDE_BY_SIDE) == [[[4]]], "fewer rows than lanes"
