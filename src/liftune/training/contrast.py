"""A contrastive start of the encoder: rows of one label are drawn together, rows of two labels apart.

In: a Classifier that has not been trained, its rows and their labels.  Out: the same Classifier, whose encoder's
adapter has learned from pairs of rows; the head is as it was.
Not here: whether that helps (workflows/few.py), the head (head_init.py), tuning (loop.py).

N rows make N (N - 1) / 2 pairs, so that a few rows of each label teach more by pairs than by themselves (SetFit:
Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts"). Every pair of a step's rows is used at once: each
row is read once a step, where pairs that are read by themselves read two.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from accelerate.utils import set_seed
from torch import Tensor

from liftune.events import Events, RoundEnded
from liftune.models.classifier import Classifier
from liftune.models.mean_states import MeanStates
from liftune.models.tokens.collator import Tokens
from liftune.training.micro_batches import micro_batches
from liftune.types import IntArray

#: Visits of each row in a round, at least and at most, and those of all rows together that are enough.
VISITS, ENOUGH_VISITS = (10, 25), 240
#: Tokens of a round's visits at most, but LEAST_VISITS of each row.
MOST_TOKENS, LEAST_VISITS = 125_000, 3
#: Rows of a step, as far as it holds STEP_TOKENS: few, so that few rows make many steps, up to ENOUGH_STEPS a round.
#: Steps are what brings along the state that the head reads, more than visits (docs/log.md).
STEP_ROWS, STEP_TOKENS, ENOUGH_STEPS = (8, 32), 6_400, 150
WARMUP, WEIGHT_DECAY, MAX_GRAD_NORM = 0.1, 0.01, 1.0
#: Rounds at most. There is another while the loss of the last LAST_STEPS of a round's steps is above LEARNED: labels
#: that are hard to tell apart gained by more visits, and some others lost by them (docs/log.md).
MOST_ROUNDS, LEARNED, LAST_STEPS = 6, 0.03, 0.1


@dataclass(frozen=True)
class Contrast:
    """How long and how fast the start is trained."""

    visits: int
    """Of each row, in a round."""
    batch_size: int
    learning_rate: float
    rounds: int = MOST_ROUNDS
    """At most."""


@dataclass(frozen=True)
class Learned:
    """How long it was trained."""

    visits: int
    """Of each row, in all rounds."""
    loss: float
    """The mean of the last steps, between 0 and 1."""


def settings_for(rows: int, row_tokens: float, learning_rate: float) -> Contrast:
    """Of a round: many visits of few rows, fewer of long ones.

    The numbers were chosen on draws that no table shows (docs/log.md).

    Args:
        row_tokens: of a row, on average.
        learning_rate: the method's for this model.

    >>> [settings_for(rows, 20.0, 1e-3).visits for rows in (8, 16, 48, 400)]
    [25, 15, 10, 10]
    >>> [settings_for(rows, 20.0, 1e-3).batch_size for rows in (16, 96, 200, 400, 1_000)]
    [8, 8, 13, 26, 32]
    """
    visits = min(VISITS[1], max(VISITS[0], math.ceil(ENOUGH_VISITS / rows)))
    affordable = int(MOST_TOKENS / max(1.0, rows * row_tokens))
    most = min(STEP_ROWS[1], max(STEP_ROWS[0], int(STEP_TOKENS / max(1.0, row_tokens))))
    size = min(most, max(STEP_ROWS[0], rows * visits // ENOUGH_STEPS))
    return Contrast(min(visits, max(LEAST_VISITS, affordable)), size, learning_rate)


def contrast(
    classifier: Classifier,
    rows: Tokens,
    labels: IntArray,
    settings: Contrast,
    *,
    seed: int,
    events: Events | None = None,
    trial: str = "",
) -> Learned:
    """Train the encoder's adapter on pairs of rows, in rounds until the pairs are learned; take the rounds' average.

    The rate falls in each round, and the weights are averaged over the rounds' ends (Izmailov et al. 2018, "Averaging
    Weights Leads to Wider Optima and Better Generalization"). What that gave, and what did not come back on other
    draws, is in docs/log.md.

    The mean of the states of a row's tokens is what is compared, whatever the head reads: sentence encoders were
    trained for it. The state that the head reads comes along (docs/log.md).

    Args:
        labels: (N,) of each row.
        seed: of order and dropout: same seed, same machine, same result. What training draws from later is as new.
        events: are sent rounds, and rows as they are read.
        trial: which part of a trial it is, in words; empty where the start is kept.
    """
    set_seed(seed)
    events = events or Events()
    rng = np.random.default_rng(seed)
    parameters = [parameter for _, parameter in classifier.trainable()]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=WEIGHT_DECAY)
    rounds, loss, average = 0, 1.0, [torch.zeros_like(parameter) for parameter in parameters]
    classifier.model.train()
    with MeanStates(classifier) as states:
        while rounds < settings.rounds and loss > LEARNED:
            batches = [batch for _ in range(settings.visits) for batch in in_batches(labels, settings.batch_size, rng)]
            doing = f"{trial or 'start from pairs of rows'}, round {rounds + 1} of at most {settings.rounds}"
            read = events.rows(doing, sum(map(len, batches)), trained=True)
            losses = _round(classifier, states, optimizer, rows, labels, batches, settings.learning_rate, read)
            loss = float(np.mean(losses[-max(1, round(LAST_STEPS * len(losses))) :]))
            rounds += 1
            average = [old + (new.detach() - old) / rounds for old, new in zip(average, parameters, strict=True)]
            last = rounds == settings.rounds or loss <= LEARNED
            events.send(RoundEnded(rounds, settings.rounds, rounds * settings.visits, loss, last, trial))
    with torch.no_grad():
        for parameter, mean in zip(parameters, average, strict=True):
            parameter.copy_(mean)
    classifier.model.eval()
    if classifier.packed_encoder:
        classifier.packed_encoder.restore_masks([])
    return Learned(rounds * settings.visits, loss)


def _round(
    classifier: Classifier,
    states: MeanStates,
    optimizer: torch.optim.Optimizer,
    rows: Tokens,
    labels: IntArray,
    batches: list[IntArray],
    learning_rate: float,
    read: Callable[[int], None],
) -> list[float]:
    """A step a batch, whose rate goes up, and down to nothing; the loss of each step."""
    lengths, warm, losses = rows.lengths.tolist(), WARMUP * len(batches), []
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for step, batch in enumerate(batches):
        share = min(1.0, (step + 1) / max(1.0, warm), (len(batches) - step) / (len(batches) - warm))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * share
        parts = micro_batches(batch, lengths, classifier.plan)
        found = torch.cat([states.of(classifier.collate([rows[i] for i in part])) for part in parts])
        order = np.array([i for part in parts for i in part])
        loss = pair_loss(found, torch.from_numpy(labels[order]).to(found.device))
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
        read(len(batch))
    return [float(each) for each in losses]


def in_batches(labels: IntArray, size: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """All rows once, so that a row's label is in its batch a second time, where there is a second row of it."""
    by_label: dict[int, list[int]] = defaultdict(list)
    for i in rng.permutation(len(labels)):
        by_label[int(labels[i])].append(int(i))
    groups: list[list[int]] = []
    for members in by_label.values():
        twos = [members[i : i + 2] for i in range(0, len(members), 2)]
        if len(twos) > 1 and len(twos[-1]) == 1:
            twos[-2:] = [twos[-2] + twos[-1]]
        groups += twos
    count = max(1, math.ceil(len(labels) / size))
    batches: list[list[int]] = [[] for _ in range(count)]
    for i in rng.permutation(len(groups)):
        min(batches, key=len).extend(groups[i])
    for batch in batches:
        if batch:
            yield np.array(batch)


def pair_loss(states: Tensor, labels: Tensor) -> Tensor:
    """Of (n, D) states and (n,) labels: how far the cosines of all pairs are from 1 within a label, from 0 between two.

    Both kinds of pairs weigh the same, however many there are. This is SetFit's loss, of all pairs of a step.
    """
    unit = torch.nn.functional.normalize(states, dim=1)
    cosines = unit @ unit.T
    same = labels[:, None] == labels[None, :]
    other = ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    parts = [each.square().mean() for each in ((1 - cosines)[same & other], cosines[~same]) if len(each)]
    return torch.stack(parts).mean() if parts else states.sum() * 0.0
