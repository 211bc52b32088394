"""A start of the encoder from pairs of rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import save_tiny
from trainings import FAST, PLAIN, splits_of

from liftune.events import Events, Listener, RoundEnded, RowsRead
from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.mean_states import MeanStates
from liftune.models.methods.registry import METHODS
from liftune.spec import ModelSpec
from liftune.training import contrast as of_pairs
from liftune.training.contrast import Contrast, Learned, contrast, in_batches, pair_loss, settings_for

FEW = Contrast(visits=20, batch_size=8, learning_rate=1e-2)


@pytest.fixture(scope="module", params=["bert", "distilbert"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return save_tiny(request.param, tmp_path_factory.mktemp("model"))


def started(base: Path, seed: int = 0, plan: Plan = PLAIN, method: str = "lora") -> tuple[Classifier, Classifier]:
    """As it was, and as it starts from pairs."""
    return tried(base, seed, plan, method)[0]


def tried(
    base: Path, seed: int = 0, plan: Plan = PLAIN, method: str = "lora", settings: Contrast = FEW
) -> tuple[tuple[Classifier, Classifier], Learned]:
    """The same, and how long it learned."""
    splits = splits_of()
    made = []
    for begin in (False, True):
        spec = ModelSpec(name=str(base))
        backbone = load_backbone(spec, task=splits.task, labels=splits.labels, seed=0, plan=plan)
        classifier = attach(backbone, METHODS[method], plan=plan, seed=0)
        if begin:
            rows = classifier.encode(splits.train.rows)
            learned = contrast(classifier, rows, splits.encoded(splits.train), settings, seed=seed)
        made.append(classifier)
    return (made[0], made[1]), learned


def apart(classifier: Classifier) -> float:
    """How much nearer rows of one label are than rows of two, by their cosines."""
    splits = splits_of()
    rows = classifier.encode(splits.train.rows)
    with MeanStates(classifier) as read, torch.no_grad():
        states = read.of(classifier.collate(list(rows))).numpy()
    unit = states / np.linalg.norm(states, axis=1, keepdims=True)
    cosines, labels = unit @ unit.T, splits.encoded(splits.train)
    same = labels[:, None] == labels[None, :]
    return float(cosines[same].mean() - cosines[~same].mean())


def test_listeners_hear_rows_and_rounds(base: Path) -> None:
    """A start from pairs showed nothing for minutes."""
    events: list[object] = []
    listener = Listener()
    listener.on_round = listener.on_rows = events.append  # type: ignore[method-assign]
    splits = splits_of()
    spec = ModelSpec(name=str(base))
    backbone = load_backbone(spec, task=splits.task, labels=splits.labels, seed=0, plan=PLAIN)
    classifier = attach(backbone, METHODS["lora"], plan=PLAIN, seed=0)
    rows, labels = classifier.encode(splits.train.rows), splits.encoded(splits.train)
    settings = Contrast(visits=2, batch_size=8, learning_rate=1e-9, rounds=2)
    learned = contrast(classifier, rows, labels, settings, seed=0, events=Events([listener]))
    rounds = [each for each in events if isinstance(each, RoundEnded)]
    assert [(each.round, each.rounds, each.visits, each.last) for each in rounds] == [(1, 2, 2, False), (2, 2, 4, True)]
    assert rounds[-1].loss == learned.loss
    read = [each for each in events if isinstance(each, RowsRead)]
    assert {each.doing for each in read} == {f"start from pairs of rows, round {n} of at most 2" for n in (1, 2)}
    assert sum(each.rows for each in read) == 2 * 2 * len(splits.train) == 2 * read[0].total
    assert all(each.trained for each in read), "their speed is not that of reading"


@pytest.mark.parametrize("plan", [PLAIN, FAST])
def test_rows_of_one_label_come_nearer_than_rows_of_two(base: Path, plan: Plan) -> None:
    """The layer that gives the logits is as it was."""
    before, after = started(base, plan=plan)
    assert apart(after) > apart(before) + 0.1
    assert torch.equal(before.final_layer().weight, after.final_layer().weight)
    assert not after.model.training


def test_the_same_seed_gives_the_same_start_and_another_seed_another(base: Path) -> None:
    first, again, other = (started(base, seed)[1].snapshot() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_rounds_go_on_until_the_pairs_are_learned(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = replace(FEW, visits=3)
    one = tried(base, settings=replace(short, rounds=1))[1]
    assert one.visits == 3
    for learned, visits in ((one.loss, 3), (0.0, 3 * of_pairs.MOST_ROUNDS)):
        monkeypatch.setattr(of_pairs, "LEARNED", learned)
        found = tried(base, settings=short)[1]
        assert found.visits == visits
        assert (found.loss == one.loss) == (visits == 3)  # what ends after a round is that round alone


def test_the_weights_are_the_average_of_the_rounds_ends(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[dict[str, torch.Tensor]] = []
    make_round = of_pairs._round

    def noted(classifier: Classifier, *rest: Any) -> list[float]:
        losses = make_round(classifier, *rest)
        ends.append(classifier.snapshot())
        return losses

    monkeypatch.setattr(of_pairs, "_round", noted)
    monkeypatch.setattr(of_pairs, "LEARNED", 0.0)
    found = tried(base, settings=replace(FEW, visits=3, rounds=3))[0][1].snapshot()
    assert len(ends) == 3
    for name, weights in found.items():
        torch.testing.assert_close(weights, torch.stack([each[name] for each in ends]).mean(0))
    assert any(not torch.equal(found[name], ends[-1][name]) for name in found)


@pytest.mark.parametrize("counts", [(8, 8), (5, 3, 1), (2,) * 20, (1, 7)])
def test_every_row_is_visited_once_beside_another_of_its_label(counts: tuple[int, ...]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    for seed in range(5):
        batches = list(in_batches(labels, 8, np.random.default_rng(seed)))
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(labels)))
        for batch in batches:
            held = Counter(labels[batch].tolist())
            assert all(count > 1 or counts[label] == 1 for label, count in held.items())


def test_the_loss_is_least_where_labels_are_apart() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    apart = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert float(pair_loss(apart, labels)) < 1e-6
    assert float(pair_loss(torch.ones(4, 2), labels)) > 0.4
    alone = torch.ones(1, 2, requires_grad=True)
    pair_loss(alone, labels[:1]).backward()  # a row alone teaches nothing, and breaks nothing
    assert float(alone.grad.abs().sum()) == 0.0  # type: ignore[union-attr]


def test_long_rows_are_visited_less_often() -> None:
    short, long = settings_for(400, 20.0, 1e-3), settings_for(400, 400.0, 1e-3)
    assert long.visits < short.visits
    assert long.batch_size < short.batch_size
    assert settings_for(10_000, 500.0, 1e-3).visits >= 1


def test_few_rows_make_many_small_steps() -> None:
    """Sixteen rows in steps of 32 would make one step a visit; many rows need no such help. In two rounds."""
    steps = []
    for rows in (16, 48, 96, 400, 2_000):
        settings = settings_for(rows, 20.0, 1e-3)
        steps.append(2 * settings.visits * -(-rows // settings.batch_size))
    assert steps[0] >= 60
    assert all(each >= 100 for each in steps[1:])
    assert settings_for(2_000, 20.0, 1e-3).batch_size == 32
