"""How often equal models are told apart where test rows are no independent draws, and how often unequal ones are.

    python -m benchmarks.false_verdicts --draws 2000

Logits are made, no model is tuned: rows come in groups that share their luck, in texts that occur several times, or
both. An oracle that knows the clusters tests by the mean gain of each (a t test); an honest test of liftune's is close
to it, and tells equal models apart in 5% of the draws.
Near duplicates need no model either: `twins` asks how well the nearest row of another fold predicts a coin's toss.
In: arguments.  Out: one line a case.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks import show
from liftune.data.folds import assign_folds
from liftune.data.splits import Split
from liftune.evaluation.compare import compare
from liftune.evaluation.compare_seeds import Spread, compare_seeds
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.ranking import Entrant, rank
from liftune.evaluation.statistics.clustered import cluster_means
from liftune.evaluation.statistics.intervals import ALPHA
from liftune.tasks import TaskKind

#: Deviation, in logits of being right, of a group's luck under one contender, of a group's ease for all, and of a
#: seed's skill.
LUCK, EASE, SEED = 1.5, 1.0, 0.2


@dataclass(frozen=True)
class Rows:
    """What a draw of test rows looks like.

    Args:
        clusters: (N,) each row's.
        copies: whether the rows of a cluster are copies: one text, one target and one answer.
    """

    clusters: NDArray[np.int64]
    copies: bool

    @property
    def facts(self) -> dict[str, tuple[str, ...]]:
        """What an Evaluation knows of them."""
        names = tuple(f"c{each}" for each in self.clusters)
        return {"texts": names} if self.copies else {"groups": names}


def grouped(rng: Generator, groups: int) -> Rows:
    """Groups of 3 to 14 rows."""
    return Rows(np.repeat(np.arange(groups), rng.integers(3, 15, groups)), copies=False)


def repeated(rng: Generator, texts: int) -> Rows:
    """Every text three times."""
    return Rows(np.repeat(np.arange(texts), 3), copies=True)


def uneven(rng: Generator, texts: int) -> Rows:
    """A few texts many times, most of them once."""
    counts = np.minimum(rng.zipf(2.2, texts), 20)
    return Rows(np.repeat(np.arange(texts), counts), copies=True)


KINDS: dict[str, Callable[[Generator, int], Rows]] = {"groups": grouped, "copies": repeated, "uneven copies": uneven}


def hits_of(rng: Generator, rows: Rows, skill: float, ease: NDArray[np.float64], seeds: int) -> NDArray[np.bool_]:
    """(S, N) whether one contender is right under each seed."""
    size = len(ease)
    luck = LUCK * rng.normal(size=size)
    hits = []
    for _ in range(seeds):
        chance = 1.0 / (1.0 + np.exp(-(skill + SEED * rng.normal() * (seeds > 1) + ease + luck)))
        each = rng.random(size) < chance if rows.copies else np.empty(0)
        hits.append(each[rows.clusters] if rows.copies else rng.random(len(rows.clusters)) < chance[rows.clusters])
    return np.stack(hits)


def evaluations(name: str, rows: Rows, hits: NDArray[np.bool_]) -> tuple[Evaluation, ...]:
    """One a seed, of two labels."""
    targets = rows.clusters % 2
    ids = tuple(map(str, range(len(targets))))
    return tuple(
        Evaluation(
            name=name,
            task=TaskKind.SINGLE_LABEL,
            labels=("a", "b"),
            unseen=(),
            ids=ids,
            logits=np.eye(2, dtype=np.float32)[np.where(each, targets, 1 - targets)],
            targets=targets,
            fingerprint="f",
            **rows.facts,  # type: ignore[arg-type]
        )
        for each in hits
    )


def oracle(rows: Rows, base: NDArray[np.bool_], tuned: NDArray[np.bool_]) -> bool:
    """Whether a test that knows the clusters finds a gain.

    Of texts with as many copies each it takes one, and tests as liftune tests independent rows. Otherwise and of one
    seed it is a t test over the clusters' parts in the gain; of several, the t test over both without any caution for
    rows that all agree. Where both sides have several seeds it knows more than the clusters: that both spread alike
    over seeds, so that their degrees of freedom add up. Where they do not, it tells equal contenders apart too often.
    """
    sizes = np.bincount(rows.clusters)
    if rows.copies and np.ptp(sizes) == 0 and min(len(base), len(tuned)) == 1:
        first = np.unique(rows.clusters, return_index=True)[1]
        single = Rows(rows.clusters[first], copies=True)
        sides = [evaluations(name, single, hits[:, first]) for name, hits in (("base", base), ("tuned", tuned))]
        rule = by_compare if len(tuned) == 1 else by_compare_seeds
        return rule(*sides)
    gains = tuned.mean(axis=0) - base.mean(axis=0)
    parts = cluster_means(gains, rows.clusters)[0]
    of_rows = float(parts.var(ddof=1)) / len(parts)
    several = [side for side in (base, tuned) if len(side) > 1]
    of_seeds = sum(_of_seeds(side, rows) if len(several) == 1 else _of_seeds_with_rows(side) for side in several)
    middle = float(gains.mean())
    freedom = sum(len(side) - 1 for side in several) or 1
    return Spread(middle, middle, of_rows, of_seeds, len(parts), len(tuned), freedom).p_value() <= ALPHA


def _of_seeds(hits: NDArray[np.bool_], rows: Rows) -> float:
    """The variance of a mean over seeds, without what the luck of single rows adds to it."""
    parts = cluster_means(hits.astype(np.float64), rows.clusters)
    seeds, clusters = (int(each) for each in parts.shape)
    apart = parts - parts.mean(axis=0) - parts.mean(axis=1)[:, None] + parts.mean()
    own = float((apart**2).sum()) / ((seeds - 1) * (clusters - 1)) / (seeds * clusters)
    return max(float(parts.mean(axis=1).var(ddof=1)) / seeds - own, 0.0)


def _of_seeds_with_rows(hits: NDArray[np.bool_]) -> float:
    """The same with it."""
    return float(hits.mean(axis=1).var(ddof=1)) / len(hits)


def by_compare(base: Sequence[Evaluation], tuned: Sequence[Evaluation]) -> bool:
    """Whether the verdict on the first models is no `undecided`."""
    return compare(base[0], tuned[0]).verdict != "undecided"


def by_compare_seeds(base: Sequence[Evaluation], tuned: Sequence[Evaluation]) -> bool:
    """The verdict on the method."""
    return compare_seeds(base[0], tuned).verdict != "undecided"


def by_rank(base: Sequence[Evaluation], tuned: Sequence[Evaluation]) -> bool:
    """Whether one of the two is told from the best."""
    places = rank([Entrant("base", tuple(base)), Entrant("tuned", tuple(tuned))])
    return not all(each.as_best for each in places)


#: Name -> seeds of base and of tuned, and the rule.
RULES: dict[str, tuple[int, int, Callable[[Sequence[Evaluation], Sequence[Evaluation]], bool]]] = {
    "compare": (1, 1, by_compare),
    "over seeds": (1, 3, by_compare_seeds),
    "rank": (1, 1, by_rank),
    "rank over seeds": (3, 3, by_rank),
}


def told_apart(kind: str, rule: str, *, clusters: int, gain: float, draws: int, seed: int = 0) -> tuple[float, float]:
    """Shares of the draws in which the rule, and the oracle, tell two contenders apart.

    Args:
        gain: of skill, in logits; 0 makes them equal.
    """
    rng = np.random.default_rng([seed, clusters, round(100 * gain)])
    of_base, of_tuned, decide = RULES[rule]
    ours = known = 0
    for _ in range(draws):
        rows = KINDS[kind](rng, clusters)
        ease = EASE * rng.normal(size=clusters)
        base, tuned = (
            hits_of(rng, rows, 1.0 + more, ease, count) for more, count in ((0.0, of_base), (gain, of_tuned))
        )
        ours += decide(evaluations("base", rows, base), evaluations("tuned", rows, tuned))
        known += oracle(rows, base, tuned)
    return ours / draws, known / draws


def twins(pairs: int, *, near: float, seed: int = 0) -> float:
    """Out-of-fold accuracy on coin tosses of the row's nearest other row, of pairs one word apart.

    Args:
        near: least similarity of near duplicates that folds keep together; 0 for none.
    """
    rng = np.random.default_rng(seed)
    texts, targets = [], []
    for _ in range(pairs):
        words = [f"w{each}" for each in rng.integers(0, 5_000, 14)]
        toss = "ab"[rng.integers(2)]
        for last in ("once", "twice"):
            texts.append(" ".join([*words, last]))
            targets.append(toss)
    split = Split(tuple(map(str, range(len(texts)))), tuple(texts), tuple(targets))
    folds = np.array(assign_folds(split, 5, TaskKind.SINGLE_LABEL, seed, near=near))
    sets = [set(text.split()) for text in texts]
    right = 0.0
    for i, words_ in enumerate(sets):
        alike = [(len(words_ & other), j) for j, other in enumerate(sets) if folds[j] != folds[i]]
        right += targets[max(alike)[1]] == targets[i]
    return right / len(texts)


def main() -> None:
    """Every kind of rows under every rule: equal contenders, then unequal ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2_000)
    parser.add_argument("--clusters", type=int, nargs="+", default=[30, 100])
    arguments = parser.parse_args()
    for kind in KINDS:
        for rule in RULES:
            for clusters in arguments.clusters:
                false, _ = told_apart(kind, rule, clusters=clusters, gain=0.0, draws=arguments.draws)
                power, most = told_apart(kind, rule, clusters=clusters, gain=1.0, draws=arguments.draws)
                show.say(f"{kind:14} {rule:16} {clusters:4} clusters: {false:.3f} false, {power:.3f} of {most:.3f}")
    for near in (0.0, 0.8):
        show.say(f"twins, near duplicates at {near:g}: {twins(200, near=near):.3f} out of fold where 0.5 is true")


if __name__ == "__main__":
    main()
