"""The ladder: contenders that answered the same rows, how each scored, and the verdict on the top one.

In: each contender's answers to validation and test.  Out: Contenders, the strongest other rung, Comparisons.
Not here: making the answers (run.py), the statistics (evaluate.py, compare.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from liftune.data.splits import Splits
from liftune.evaluation import thresholds as decisions
from liftune.evaluation.compare import compare
from liftune.evaluation.compare_seeds import compare_seeds
from liftune.evaluation.evaluate import Evaluation, evaluate, mean_over_seeds, validation_scores
from liftune.hardware.measure import peak_mib
from liftune.metrics.registry import METRICS
from liftune.records.base import Comparison, Head, Interval, Seconds
from liftune.records.calibration import Calibration
from liftune.records.run import Contender, SeedResult
from liftune.types import Scorer


@dataclass(frozen=True)
class ContenderLogits:
    """What one contender, tuned under one seed, answered."""

    validation: NDArray[np.float32]
    """(M, C) logits."""
    test: NDArray[np.float32]
    """(N, C) logits."""
    evaluate_seconds: float
    """Of the test rows."""
    train_seconds: float | None = None
    seed: int | None = None
    calibration: Calibration | None = None
    """How the logits were scaled after training; None where that is not done."""
    chosen: decisions.Thresholds | None = None
    """Multi-label: the thresholds that its own validation logits give (see `Ladder.with_thresholds`)."""

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """By which its labels are answered; None is one half."""
        return self.chosen.values if self.chosen else None

    @classmethod
    def of(
        cls, scorer: Scorer, splits: Splits, *, train_seconds: float | None = None, seed: int | None = None
    ) -> ContenderLogits:
        """Ask a scorer; the test rows once."""
        validation = scorer.logits(splits.validation.rows)
        started = time.perf_counter()
        test = scorer.logits(splits.test.rows)
        return cls(validation, test, time.perf_counter() - started, train_seconds, seed)


@dataclass(frozen=True)
class ContenderResult:
    """A contender with the evaluation that comparisons use, and what it was made of, one a seed."""

    contender: Contender
    evaluation: Evaluation
    evaluations: tuple[Evaluation, ...]
    attempts: tuple[ContenderLogits, ...]
    max_length: int | None = None


class Ladder:
    """Contenders on the same rows.

    Args:
        metric: ranks rungs on validation and decides on test.
        keep: called with each contender's name and the answers that comparisons use, as soon as they are known.
    """

    def __init__(self, splits: Splits, metric: str, keep: Callable[[str, ContenderLogits], None]) -> None:
        self._splits, self._metric, self._keep = splits, metric, keep
        self.rungs: dict[str, ContenderResult] = {}

    def validation_score(self, answers: ContenderLogits) -> float:
        """The metric on validation, signed so that higher is better; undefined counts as lowest."""
        value = self._scores(answers)[self._metric]
        return -np.inf if value is None else METRICS[self._metric].sign * value

    def with_thresholds(self, answers: ContenderLogits) -> ContenderLogits:
        """Every contender's labels are decided by the same procedure, on its own validation logits."""
        if answers.chosen is not None:
            return answers
        splits, metric = self._splits, METRICS[self._metric]
        chosen = decisions.choose_thresholds(answers.validation, splits.encoded(splits.validation), splits.task, metric)
        return replace(answers, chosen=chosen) if chosen else answers

    def best(self, attempts: Sequence[ContenderLogits]) -> ContenderLogits:
        """The attempt that validation likes best; the first of equals."""
        return max(attempts, key=self.validation_score)

    def add(
        self,
        name: str,
        attempts: Sequence[ContenderLogits],
        *,
        head: Head | None = None,
        trainable_parameters: int = 0,
        max_length: int | None = None,
        notes: tuple[str, ...] = (),
        saved_bytes: int | None = None,
    ) -> Contender:
        """A rung, from one attempt a seed.

        Args:
            max_length: tokens kept of each row; None for a contender that reads all of it.
        """
        attempts = [self.with_thresholds(each) for each in attempts]
        best = self.best(attempts)
        self._keep(name, best)
        evaluations = [
            evaluate(name, each.test, self._splits, max_length=max_length, thresholds=each.thresholds)
            for each in attempts
        ]
        seconds = [Seconds(train=each.train_seconds, evaluate=each.evaluate_seconds) for each in attempts]
        several = len(attempts) > 1
        contender = Contender(
            name=name,
            head=head,
            trainable_parameters=trainable_parameters,
            seconds=_mean_seconds(seconds),
            metrics=mean_over_seeds(evaluations) if several else evaluations[0].metrics,
            clean=self._clean(evaluations),
            validation=self._scores(best),
            seeds=tuple(
                SeedResult(
                    seed=each.seed or 0,
                    metrics=found.metrics,
                    seconds=took,
                    calibration=each.calibration,
                    decisions=each.chosen.found if each.chosen else None,
                )
                for each, found, took in zip(attempts, evaluations, seconds, strict=True)
            )
            if several
            else None,
            calibration=best.calibration,
            decisions=best.chosen.found if best.chosen else None,
            notes=notes,
            saved_bytes=saved_bytes,
            peak_mib=peak_mib(),
        )
        kept = evaluations[next(i for i, each in enumerate(attempts) if each is best)]
        self.rungs[name] = ContenderResult(contender, kept, tuple(evaluations), tuple(attempts), max_length)
        return contender

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """Every rung, in order of joining."""
        return tuple(rung.contender for rung in self.rungs.values())

    def strongest(self) -> str:
        """The rung, other than base and tuned, with the best validation score; the first of equals."""
        others = [name for name in self.rungs if name not in ("base", "tuned")]
        return max(others, key=self._ranked)

    def verdicts(self) -> tuple[Comparison, ...]:
        """tuned against base, and against the strongest other rung."""
        tuned = self.rungs["tuned"].evaluation
        return tuple(compare(self.rungs[name].evaluation, tuned, self._metric) for name in ("base", self.strongest()))

    def recommended(self, verdicts: Sequence[Comparison]) -> str:
        """The rung to use: tuned, or one that it was compared with.

        Test decides where it can. Where it cannot, validation does, and of equals the cheaper one: of all others, only
        full costs more than tuned.

        Args:
            verdicts: those of tuned.
        """
        for verdict in sorted(verdicts, key=lambda each: self._ranked(each.a), reverse=True):
            lead = self._ranked(verdict.a) - self._ranked("tuned")
            ahead = lead > 0 or (lead == 0 and verdict.a != "full")
            if verdict.verdict == "worse" or (verdict.verdict == "undecided" and ahead):
                return verdict.a
        return "tuned"

    def method_verdicts(self) -> tuple[Comparison, ...]:
        """The same of tuning itself, its seeds' spread counted; nothing where one seed leaves that spread unknown."""
        tuned = self.rungs["tuned"].evaluations
        if len(tuned) < 2:
            return ()
        return tuple(
            compare_seeds(self.rungs[name].evaluation, tuned, self._metric) for name in ("base", self.strongest())
        )

    def _clean(self, evaluations: Sequence[Evaluation]) -> dict[str, Interval] | None:
        """Scores without the test rows that leaked from train, to the letter or nearly, and those of torn targets."""
        unclean = self._splits.audit.unclean
        keep = np.array([row not in unclean for row in evaluations[0].ids])
        if keep.all() or not keep.any():
            return None
        return mean_over_seeds([each.take(np.flatnonzero(keep)) for each in evaluations])

    def _scores(self, answers: ContenderLogits) -> dict[str, float | None]:
        splits = self._splits
        thresholds = answers.chosen.out_of_fold if answers.chosen else None
        return validation_scores(answers.validation, splits.encoded(splits.validation), splits.task, thresholds)

    def _ranked(self, name: str) -> float:
        value = self.rungs[name].contender.validation[self._metric]
        return -np.inf if value is None else METRICS[self._metric].sign * value


def _mean_seconds(each: Sequence[Seconds]) -> Seconds:
    train = [seconds.train for seconds in each if seconds.train is not None]
    evaluated = [seconds.evaluate for seconds in each if seconds.evaluate is not None]
    return Seconds(
        train=float(np.mean(train)) if train else None, evaluate=float(np.mean(evaluated)) if evaluated else None
    )
