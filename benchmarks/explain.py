"""Explain: how faithful explanations are, by what happens when the words that they name are removed.

Words of test rows are removed one after the other: the strongest for the answer first (by `liftune explain`), in random
order, and the longest first. The faster the probability of the answer falls, the more the first words mattered to it.
In: finished runs.  Out: a table, a JSON file.
Not here: the explanations (inference/explaining.py).

Source: the area over the perturbation curve, Samek et al. (2017); of words, DeYoung et al. (2020), ERASER.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import show

#: Shares of the words that are removed.
SHARES = tuple(each / 10 for each in range(11))
#: Random orders of each row, whose mean is taken.
RANDOM_ORDERS = 5
#: Words of a row: with fewer there is no order to speak of.
FEWEST, MOST = 5, 200
#: Resamples of rows for an interval.
RESAMPLES = 2_000
ORDERS = ("explained", "random", "longest")
#: An answer that changes in probability by less than this whichever word goes, is held by no single word.
_NO_WORD = 0.01


@dataclass(frozen=True)
class Faithfulness:
    """One model on rows of one run; values with the ends of their 95% intervals."""

    run: str
    contender: str
    rows: int
    words: float
    """Of a row, on average."""
    curves: dict[str, list[float]]
    """Order -> mean probability of the answer after each of SHARES of the words is removed."""
    area: tuple[float, float, float]
    """Mean over SHARES of random less explained: how much faster the probability falls."""
    over_longest: tuple[float, float, float]
    """The same of longest less explained."""
    flips: dict[str, float]
    """Order -> share of rows whose answer is another once a fifth of the words is removed."""
    held_by_no_word: float
    """Share of rows in which no single word changes the probability by a hundredth."""
    milliseconds: float
    """Of one explanation."""


def run(arguments: argparse.Namespace) -> int:
    """Measure every contender on every run."""
    found = [
        measured(Path(each), name, rows=arguments.rows, seed=arguments.seed)
        for each in arguments.runs
        for name in arguments.contenders
    ]
    report(arguments, found)
    return 0


def measured(folder: Path, contender: str, *, rows: int, seed: int) -> Faithfulness:
    """Explain a sample of the test rows, and remove their words in each order."""
    from liftune.inference.explaining import explained
    from liftune.inference.leave_out import words_of
    from liftune.inference.opening import load_predictor
    from liftune.run_folder import RunFolder

    rng = np.random.default_rng(seed)
    every = [row for row in RunFolder(folder).split("test").rows if FEWEST <= len(words_of(row)) <= MOST]
    chosen = [every[i] for i in sorted(rng.permutation(len(every))[:rows])]
    predictor = load_predictor(folder, use=contender)
    if predictor.task != "single_label":
        raise SystemExit(f"benchmarks: {folder} has no single label a row")
    started = time.perf_counter()
    predictions = list(explained(predictor, chosen))
    seconds = time.perf_counter() - started
    curves, changed = removed(predictor, predictions, rng)
    means = {order: np.mean(values, axis=0) for order, values in curves.items()}
    effects = [
        max(abs(effect.change) for effect in each.explanation.answers[0].effects)
        for each in predictions
        if each.explanation is not None
    ]
    return Faithfulness(
        run=folder.name,
        contender=contender,
        rows=len(chosen),
        words=float(np.mean([len(words_of(row)) for row in chosen])),
        curves={order: values.round(4).tolist() for order, values in means.items()},
        area=interval((curves["random"] - curves["explained"]).mean(axis=1), rng),
        over_longest=interval((curves["longest"] - curves["explained"]).mean(axis=1), rng),
        flips={order: float(np.mean(values)) for order, values in changed.items()},
        held_by_no_word=float(np.mean([each < _NO_WORD for each in effects])),
        milliseconds=1000 * seconds / len(chosen),
    )


def removed(
    predictor: Any, predictions: Sequence[Any], rng: np.random.Generator
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Order -> (rows, shares) probability of the answer; order -> (rows,) how often a fifth of the words changes it."""
    curves: dict[str, list[NDArray[np.float64]]] = {order: [] for order in ORDERS}
    changed: dict[str, list[float]] = {order: [] for order in ORDERS}
    fifth = SHARES.index(0.2)
    for each in predictions:
        for order, orders in orders_of(each, rng).items():
            drawn = [curve(predictor, each, parts) for parts in orders]
            curves[order].append(np.mean([chances for chances, _ in drawn], axis=0))
            changed[order].append(float(np.mean([answers[fifth] != each.label for _, answers in drawn])))
    return (
        {order: np.array(values) for order, values in curves.items()},
        {order: np.array(values) for order, values in changed.items()},
    )


def orders_of(prediction: Any, rng: np.random.Generator) -> dict[str, list[list[Any]]]:
    """Order -> the parts of a row in that order; several random ones."""
    found = prediction.explanation
    (answer,) = found.answers
    pairs = sorted(zip(found.parts, answer.effects, strict=True), key=lambda pair: -pair[1].log_odds)
    parts = list(found.parts)
    return {
        "explained": [[part for part, _ in pairs]],
        "random": [[parts[i] for i in rng.permutation(len(parts))] for _ in range(RANDOM_ORDERS)],
        "longest": [sorted(parts, key=lambda part: -len(part.text))],
    }


def curve(predictor: Any, prediction: Any, parts: Sequence[Any]) -> tuple[NDArray[np.float64], list[str | None]]:
    """The probability of the answer, and the answers, as shares of the parts are removed in their order."""
    from liftune.inference.leave_out import without

    rows = [without(prediction.row, parts[: round(share * len(parts))]) for share in SHARES]
    found = predictor.predict(rows)
    return np.array([each.probabilities[prediction.label] for each in found]), [each.label for each in found]


def interval(values: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float, float]:
    """The mean over rows with its 95% interval by a bootstrap of rows."""
    drawn = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def report(arguments: argparse.Namespace, found: Sequence[Faithfulness]) -> None:
    """The table, and everything as JSON."""
    headings = ["run", "contender", "area over random", "over longest", "flips at 20%", "random", "no word", "ms"]
    lines = [
        [
            each.run,
            each.contender,
            shown(each.area),
            shown(each.over_longest),
            f"{each.flips['explained']:.0%}",
            f"{each.flips['random']:.0%}",
            f"{each.held_by_no_word:.0%}",
            f"{each.milliseconds:.1f}",
        ]
        for each in found
    ]
    notes = (
        "area: how much lower the probability of the answer is, over shares of the words removed; 95% intervals",
        "flips: rows whose answer is another once a fifth of the words is removed, explained order and random",
        "no word: rows in which no single word changes the probability by 0.01; ms: of one explanation",
    )
    show.table("Faithfulness of explanations", headings, lines, notes)
    results = {"results": [asdict(each) for each in found]}
    show.write_json(Path(arguments.out) / "explain.json", "explain", vars(arguments), results)


def shown(value: tuple[float, float, float]) -> str:
    """A value with its interval."""
    middle, low, high = value
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"
