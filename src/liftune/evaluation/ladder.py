"""The ladder: contenders scored on the same rows, and the verdict on the tuned one.

In: each contender's logits on validation and test.  Out: Contenders, the strongest other one, Comparisons.
Not here: computing the logits (workflows/), the statistics (evaluate.py, compare.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from liftune.data.folds import folds_for_fitting
from liftune.data.splits import Splits
from liftune.evaluation.clean_rows import Leaks, on_clean_rows
from liftune.evaluation.compare import compare, paired_p_value
from liftune.evaluation.compare_seeds import compare_seeds
from liftune.evaluation.contrasts import under_one_correction
from liftune.evaluation.evaluate import Evaluation, evaluate, scores, selection_scores
from liftune.evaluation.margin import with_margin
from liftune.evaluation.outside import Given, scored
from liftune.evaluation.recommend import recommend
from liftune.evaluation.slices import slices
from liftune.evaluation.thresholds import Thresholds, choose_thresholds
from liftune.metrics.registry import METRICS
from liftune.option_values import CONTRASTIVE
from liftune.records.base import Comparison, Head, Interval, Seconds
from liftune.records.calibration import Calibration, Decisions
from liftune.records.run import Contender, Recommendation, SeedResult
from liftune.records.slices import Slices
from liftune.tasks import task_of
from liftune.types import BoolArray, Scorer


@dataclass(frozen=True)
class ContenderLogits:
    """The logits of one contender, tuned under one seed."""

    validation: NDArray[np.float32]
    """(M, C)."""
    test: NDArray[np.float32]
    """(N, C)."""
    evaluate_seconds: float
    """Of the test rows."""
    train_seconds: float | None = None
    seed: int | None = None
    calibration: Calibration | None = None
    """How the logits were scaled after training; None where that is not done."""
    thresholds: Thresholds | None = None
    """Multi-label: those that its own validation logits give (see `with_thresholds`)."""
    unanswered: BoolArray | None = None
    """(N,) test rows without an answer; None where all have one."""

    @classmethod
    def of(
        cls, scorer: Scorer, splits: Splits, metric: str, *, train_seconds: float | None = None, seed: int | None = None
    ) -> ContenderLogits:
        """Ask a scorer, for the test rows once, and choose its thresholds."""
        validation = scorer.logits(splits.validation.rows)
        started = time.perf_counter()
        test = scorer.logits(splits.test.rows)
        seconds = time.perf_counter() - started
        return cls(validation, test, seconds, train_seconds, seed).with_thresholds(splits, metric)

    def with_thresholds(self, splits: Splits, metric: str) -> ContenderLogits:
        """Every contender's labels are decided by the same procedure, on its own validation logits."""
        if not task_of(splits.task).has_thresholds:
            return self
        validation = Evaluation.of("validation", self.validation, splits, splits.validation)
        folds = folds_for_fitting(splits.validation, splits.task, near=splits.audit.near_duplicates or 0.0)
        return replace(self, thresholds=choose_thresholds(validation, METRICS[metric], folds))

    @property
    def threshold_values(self) -> tuple[float, ...] | None:
        """By which its labels are decided; None is one half."""
        return self.thresholds.values if self.thresholds else None

    @property
    def decisions(self) -> Decisions | None:
        """What was chosen of its thresholds, and why; None for a task without thresholds."""
        return self.thresholds.decisions if self.thresholds else None


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
        metric: ranks contenders on validation and decides on test.
        keep: called with each contender's name and the logits that comparisons use, as soon as they are known.
    """

    def __init__(self, splits: Splits, metric: str, keep: Callable[[str, ContenderLogits], None]) -> None:
        self._splits, self._metric, self._keep = splits, metric, keep
        self.results: dict[str, ContenderResult] = {}

    def validation_score(self, logits: ContenderLogits) -> float:
        """The metric on validation, signed so that higher is better; undefined counts as lowest."""
        value = self._scores(logits)[self._metric]
        return -np.inf if value is None else METRICS[self._metric].sign * value

    def best(self, attempts: Sequence[ContenderLogits]) -> ContenderLogits:
        """The attempt with the best validation score; the first of equals."""
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
        total_parameters: int | None = None,
    ) -> Contender:
        """A contender, from one attempt a seed.

        Args:
            max_length: tokens kept of each row; None for a contender that reads all of it.
        """
        from liftune.hardware.measure import peak_mib  # it imports torch, and reading a run needs none

        best = self.best(attempts)
        self._keep(name, best)
        evaluations = [
            evaluate(name, each.test, self._splits, max_length=max_length, thresholds=each.threshold_values)
            for each in attempts
        ]
        kept = evaluations[next(i for i, each in enumerate(attempts) if each is best)]
        seconds = [Seconds(train=each.train_seconds, evaluate=each.evaluate_seconds) for each in attempts]
        several = len(attempts) > 1
        contender = Contender(
            name=name,
            head=head,
            trainable_parameters=trainable_parameters,
            seconds=_mean_seconds(seconds),
            metrics=scores(evaluations) if several else evaluations[0].metrics,
            clean=self._clean(evaluations),
            validation=self._scores(best),
            seeds=tuple(
                SeedResult(
                    seed=each.seed or 0,
                    metrics=evaluation.metrics,
                    seconds=took,
                    calibration=each.calibration,
                    decisions=each.decisions,
                    clean=self._clean([evaluation]),
                )
                for each, evaluation, took in zip(attempts, evaluations, seconds, strict=True)
            )
            if several
            else None,
            calibration=best.calibration,
            decisions=best.decisions,
            notes=notes,
            saved_bytes=saved_bytes,
            total_parameters=total_parameters,
            only_answer=kept.only_answer,
            peak_mib=peak_mib(),
        )
        self.results[name] = ContenderResult(contender, kept, tuple(evaluations), tuple(attempts), max_length)
        return contender

    def add_given(
        self, name: str, given: Given, *, max_length: int | None = None, notes: tuple[str, ...] = ()
    ) -> Contender:
        """A contender that was not fitted here. Its validation score counts only where it answers validation."""
        from liftune.hardware.measure import peak_mib

        splits = self._splits
        unanswered = given.unanswered if given.unanswered.any() else None
        attempt = ContenderLogits(given.validation, given.test, given.seconds or 0.0, unanswered=unanswered)
        attempt = attempt.with_thresholds(splits, self._metric) if given.has_thresholds else attempt
        self._keep(name, attempt)
        evaluation, about = scored(name, given, splits, max_length=max_length, thresholds=attempt.threshold_values)
        validation = replace(self._on_validation(attempt), sure=not about.probabilities)
        contender = Contender(
            name=name,
            head=None,
            trainable_parameters=0,
            seconds=Seconds(evaluate=given.seconds),
            metrics=evaluation.metrics,
            clean=self._clean([evaluation]),
            validation=selection_scores(validation) if about.chosen_on_validation else {},
            decisions=attempt.decisions,
            notes=notes,
            only_answer=evaluation.only_answer,
            peak_mib=peak_mib(),
            outside=about,
        )
        self.results[name] = ContenderResult(contender, evaluation, (evaluation,), (attempt,), max_length)
        return contender

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """Every contender, in order of joining."""
        return tuple(each.contender for each in self.results.values())

    def strongest(self) -> str:
        """The contender with the best validation score; the first of equals. Not base and tuned, nor an encoder that
        was started as tuned was: what it shows is no reason not to tune."""
        others = [name for name in self.results if name not in ("base", "tuned", CONTRASTIVE, *self._outside)]
        return max(others, key=self._ranked)

    @property
    def _outside(self) -> tuple[str, ...]:
        """Contenders that were not fitted here, each of which is compared with tuned."""
        return tuple(name for name, each in self.results.items() if each.contender.outside)

    def verdicts(self, margin: float | None = None) -> tuple[Comparison, ...]:
        """tuned against base, against the strongest other contender, and against each that was not fitted here, that it
        went on from or that shares its start, on rows that do not leak; where there are such, all of these contrasts
        are under one correction (Holm's).

        Args:
            margin: in the metric's own unit: also says whether tuned is not worse by as much, and than full too.
        """
        tuned, metric = self.results["tuned"].evaluation, METRICS[self._metric]
        found = tuple(
            on_clean_rows(
                [self.results[name].evaluation, tuned],
                self._leaks,
                lambda each: with_margin(compare(each[0], each[1], metric.name), each[0], each[1:], metric, margin),
            )
            for name in self._compared(margin)
        )
        return under_one_correction(found) if self._outside or self._begun else found

    @property
    def _begun(self) -> tuple[str, ...]:
        """What tuned goes on from, or shares its start with."""
        return tuple(name for name in ("start", CONTRASTIVE) if name in self.results)

    def _compared(self, margin: float | None) -> tuple[str, ...]:
        """The contenders that tuned is compared with."""
        full = ("full",) if margin is not None and "full" in self.results else ()
        return tuple(dict.fromkeys(("base", *full, *self._begun, self.strongest(), *self._outside)))

    def recommended(self, verdicts: Sequence[Comparison]) -> Recommendation:
        """The contender to use: tuned, or one that it was compared with.

        Test decides where its verdict does. Where that is undecided, validation does, if its lead is more than one
        standard error: from one row nothing is concluded. Else the cheaper wins: of all others, only full
        and contrastive cost more than tuned. What has learnt nothing is never recommended. The rule and its reasons are
        `recommend`'s.

        Args:
            verdicts: those of tuned.
        """
        contenders = {name: each.contender for name, each in self.results.items()}
        metric = METRICS[self._metric]
        return recommend(contenders, verdicts, metric, self._p_value_on_validation, self._on_test)

    def _on_test(self, a: str, b: str) -> Comparison:
        """The second against the first, as verdicts are found."""
        sides = [self.results[name].evaluation for name in (a, b)]
        return on_clean_rows(sides, self._leaks, lambda each: compare(each[0], each[1], self._metric))

    def _p_value_on_validation(self, a: str, b: str) -> float:
        """Two-sided, that two contenders are alike on validation, by the test of the verdicts."""
        sides = [self._on_validation(self.best(self.results[name].attempts)) for name in (a, b)]
        return paired_p_value(METRICS[self._metric], *sides)

    def method_verdicts(self, margin: float | None = None) -> tuple[Comparison, ...]:
        """The same of tuning itself, its seeds' spread counted; nothing where one seed leaves that spread unknown."""
        tuned = self.results["tuned"].evaluations
        if len(tuned) < 2:
            return ()
        found = tuple(
            on_clean_rows(
                [self.results[name].evaluation, *tuned],
                self._leaks,
                lambda each: with_margin(
                    compare_seeds(each[0], each[1:], self._metric), each[0], each[1:], METRICS[self._metric], margin
                ),
            )
            for name in self._compared(margin)
        )
        return under_one_correction(found) if self._outside or self._begun else found

    def slices(self) -> Slices | None:
        """tuned by slice, its gain over the best of the others on validation; None where no column is kept for it."""
        base = self.results.get("base")
        trained = ("base",) if base is not None and base.contender.head != "fresh" else ()
        other = max((self.strongest(), *trained), key=self._ranked)
        return slices(self.results["tuned"].evaluation, self.results[other].evaluation, self._leaks)

    @property
    def _leaks(self) -> Leaks:
        return Leaks.of(self._splits.audit)

    def _clean(self, evaluations: Sequence[Evaluation]) -> dict[str, Interval] | None:
        """Scores without test rows that leak, exactly or by group."""
        keep = self._leaks.clean(evaluations[0])
        if len(keep) in (0, len(evaluations[0])):
            return None
        return scores([each.take(keep) for each in evaluations])

    def _scores(self, logits: ContenderLogits) -> dict[str, float | None]:
        """Every metric on validation."""
        return selection_scores(self._on_validation(logits))

    def _on_validation(self, logits: ContenderLogits) -> Evaluation:
        """By thresholds that were chosen without the row."""
        splits = self._splits
        thresholds = logits.thresholds.out_of_fold if logits.thresholds else None
        return Evaluation.of("validation", logits.validation, splits, splits.validation, thresholds=thresholds)

    def _ranked(self, name: str) -> float:
        value = self.results[name].contender.validation[self._metric]
        return -np.inf if value is None else METRICS[self._metric].sign * value


def _mean_seconds(each: Sequence[Seconds]) -> Seconds:
    train = [seconds.train for seconds in each if seconds.train is not None]
    evaluated = [seconds.evaluate for seconds in each if seconds.evaluate is not None]
    return Seconds(
        train=float(np.mean(train)) if train else None, evaluate=float(np.mean(evaluated)) if evaluated else None
    )
