"""What `tune`, `evaluate` and `compare` report: record.json and the core of `--json`.

Not here: what they are made of (the files beside this one), how it is computed (workflows/), how it is shown (report/).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from liftune.errors import choose
from liftune.records.base import (
    Choice,
    Comparison,
    Head,
    Interval,
    Record,
    RowCounts,
    SealedRecord,
    Seconds,
    StoredRecord,
    display,
)
from liftune.records.calibration import Calibration, Decisions, check_thresholds
from liftune.records.data import Audit, LabelErrorSummary, Shift
from liftune.records.harm import Harm
from liftune.records.learning_curve import Curve
from liftune.records.long_texts import LongChoice
from liftune.records.outside import Outside
from liftune.records.slices import Slices
from liftune.records.start import Start
from liftune.records.training import RoundTripCheck, Speed, TrainLog
from liftune.tasks import TaskKind
from liftune.types import LongRule


class SeedResult(Record):
    """One seed of a contender."""

    seed: int
    metrics: dict[str, Interval]
    seconds: Seconds
    calibration: Calibration | None = None
    decisions: Decisions | None = None
    clean: dict[str, Interval] | None = None


class Contender(Record):
    """One row of the ladder: a model or baseline on the test rows."""

    name: str
    head: Head | None
    trainable_parameters: int
    seconds: Seconds
    metrics: dict[str, Interval]
    clean: dict[str, Interval] | None = None
    """The same on the test rows that do not leak, exactly or by group; null where none does, or all do."""
    validation: dict[str, float | None] = Field(default_factory=dict)
    seeds: tuple[SeedResult, ...] | None = None
    calibration: Calibration | None = None
    """Of the seed that was kept; null for what is not calibrated."""
    decisions: Decisions | None = None
    """Multi-label: of the seed that was kept."""
    notes: tuple[str, ...] = ()
    saved_bytes: int | None = None
    """Of the weights on disk, and of the vocabulary of tf-idf; null for a contender that is not saved."""
    only_answer: str | tuple[str, ...] | float | None = None
    """The one answer that it gives to every test row; null where answers differ, or test has one target only."""
    peak_mib: float | None = None
    """The process's peak memory when this contender was done, earlier contenders included."""
    total_parameters: int | None = None
    """All of the model, trained or frozen; null for what is not tuned, weights in four bits, and earlier runs."""
    outside: Outside | None = None
    """Of a contender that the run did not fit: answers from elsewhere, a model that needs no training here."""
    damaged: str | None = Field(default=None, exclude=True)
    """What is wrong with its files now, as whoever looked found them; in no file."""

    @property
    def trained_share(self) -> float | None:
        """Trained parameters as a fraction of all; None where `total_parameters` is not known."""
        return self.trainable_parameters / self.total_parameters if self.total_parameters else None


class Recommendation(Record):
    """Which contender to use, and what decided it: the rule is in evaluation/recommend.py."""

    contender: str | None
    """Null where none has learnt anything."""
    decided_by: Literal["test", "validation", "cost", "alone", "nothing learnt"]
    """`test`: a verdict; `validation`: a lead of more than one standard error, where test was undecided; `cost`:
    neither tells the two apart, and it is the cheaper; `alone`: no other that it was compared with may be
    recommended."""
    over: str | None = None
    """The one that it was preferred to."""
    validation_p_value: float | None = None
    """Two-sided, of the difference on validation; null where validation was not asked."""
    here: str | None = None
    """The one to use of those that the run holds, where the recommended one is made elsewhere."""
    corrected_p_value: float | None = None
    """Two-sided, of the test rows, where one that is made elsewhere was preferred to another than the tuned model:
    multiplied by `contrasts`."""
    contrasts: int | None = None
    """All comparisons that the run could have asked for there."""
    not_told_from: tuple[str, ...] = ()
    """Made elsewhere, not judged on validation, and ahead on test, where the difference does not decide."""


class RunRecord(StoredRecord):
    """What `tune`, `evaluate` and `compare` report alike."""

    sections_from: ClassVar[str] = "liftune.display:run_sections"
    run: str
    """The folder of the run, or the model that was evaluated."""
    task: TaskKind
    labels: tuple[str, ...]
    partial: bool
    rows: RowCounts
    audit: Audit
    contenders: tuple[Contender, ...]
    metric: str = ""
    data_fingerprint: str = ""
    max_length: int = 0
    long: LongRule = "cut"
    """What is read of a text of more tokens than that."""
    model: str = ""
    plan: tuple[Choice, ...] = ()
    notes: tuple[str, ...] = ()
    slices: Slices | None = None
    """Scores by slice; null without --slices."""
    versions: dict[str, str] = Field(default_factory=dict)
    started: str = ""
    seconds: float = 0.0

    @model_validator(mode="after")
    def _one_threshold_a_label(self) -> Self:
        decided = [each.decisions for each in self.contenders]
        decided += [seed.decisions for each in self.contenders for seed in each.seeds or ()]
        check_thresholds(self.labels, *(each.thresholds for each in decided if each))
        return self

    @model_validator(mode="after")
    def _scores_of_every_metric(self) -> Self:
        """Whoever shows a score finds it: of every contender, in the same metrics."""
        shown = dict.fromkeys(
            [*([self.metric] if self.metric else []), *(m for c in self.contenders for m in c.metrics)]
        )
        for each in self.contenders:
            for scores in (each.metrics, *(seed.metrics for seed in each.seeds or ())):
                if lacking := [name for name in shown if name not in scores]:
                    raise ValueError(f"the contender {each.name!r} has no {lacking[0]}")
            for clean in (each.clean, *(seed.clean for seed in each.seeds or ())):
                if clean is not None and self.metric and self.metric not in clean:
                    raise ValueError(f"the contender {each.name!r} has no {self.metric} of the rows that do not leak")
        return self

    def __getitem__(self, name: str) -> Contender:
        """The contender of a name: `record["tuned"]`.

        Raises:
            SpecError: the record has none of that name.
        """
        found = {each.name: each for each in self.contenders}
        return found[choose(str(name), found, "contender", "name")]

    def to_frame(self) -> Any:
        """A pandas DataFrame: a row a contender, with each metric's value, low and high.

        Raises:
            MissingExtra: pandas is not installed.
        """
        return display().frame(self)

    def plot(self, section: str | None = None) -> Any:
        """A matplotlib Figure of one section of the report: `short` (all scores), `training`, `confusions`,
        `reliability`, `curve`, ...

        Args:
            section: None takes the first that has charts.

        Raises:
            SpecError: that section has no charts; the hint names those that have.
            MissingExtra: matplotlib is not installed.
        """
        return display().plot(self, section)


def _check_compared(contenders: Sequence[Contender], comparisons: Sequence[Comparison]) -> None:
    """Raises ValueError where what is compared is no contender, or lacks the score."""
    known = {each.name: each for each in contenders}
    for one in comparisons:
        for name in (one.a, one.b):
            if name not in known:
                raise ValueError(f"{name!r} is compared, and no contender")
            if one.metric not in known[name].metrics:
                raise ValueError(f"the contender {name!r} has no {one.metric}, in which it is compared")


class EvaluationRecord(RunRecord):
    """What `evaluate` reports: the scores of one model."""

    contender: str | None = None
    """Which one of a run was scored; null for a model that is of no run."""
    comparisons: tuple[Comparison, ...] = ()
    """The model, the first contender, against each of the others, with --answers."""

    @model_validator(mode="after")
    def _contenders_that_are_compared(self) -> Self:
        """As of a VerdictRecord."""
        _check_compared(self.contenders, self.comparisons)
        return self


class VerdictRecord(RunRecord):
    """Contenders compared on the same rows, at least one of them tuned: what `tune` and `compare` report alike."""

    comparisons: tuple[Comparison, ...]
    folds: int | None = None
    """The test rows are all rows, each predicted by models that were tuned without its fold; the saved adapter, tuned
    on all rows, is none of them. Null where test rows were set aside."""
    data: str = ""
    """The source, as asked for."""
    base_model: str = ""
    """The hub id of the base, empty where it is a local folder."""
    base_license: str | None = None
    """As the base's own card names it."""
    method: str = ""
    suspects: LabelErrorSummary | None = None
    shift: Shift | None = None

    @model_validator(mode="after")
    def _contenders_that_are_compared(self) -> Self:
        """Whoever shows a comparison finds both of its contenders, and their scores."""
        _check_compared(self.contenders, self.comparisons)
        return self


class ComparisonRecord(VerdictRecord):
    """What `compare` reports: the tuned models of two runs. What is not in both contenders is of the second run."""

    harm: Harm | None = None
    """With --max-harm."""

    @property
    def harmless(self) -> bool | None:
        """Whether more harm than `max_harm` is ruled out; None where no `max_harm` was given."""
        return self.harm.ruled_out if self.harm else None


class TuneRecord(VerdictRecord, SealedRecord):
    """record.json: one run of `tune`, whole."""

    strongest: str | None = None
    """The baseline, other than base, with the best validation score."""
    recommended: str | None = None
    """The contender to use. Null where nothing was tuned, or none has learnt anything."""
    recommendation: Recommendation | None = None
    """The same, with what decided it; null in runs of liftune 0.1."""
    method_comparisons: tuple[Comparison, ...] = ()
    """Of the method, over seeds and rows; none with one seed."""
    pairs: bool = False
    """Whether each example is two texts; false in runs of liftune 0.1, whatever they were of."""
    speed: Speed | None = None
    """Of the tuned contender."""
    logs: tuple[TrainLog, ...] = ()
    folds_fit: bool = False
    """Test rows are few, and these rows were found to fill the folds that a hint names; false where nobody tried."""
    integrity: RoundTripCheck | None = None
    curve: Curve | None = None
    """With --curve."""
    start: Start | None = None
    """With --start."""
    long_choice: LongChoice | None = None
    """Where it was chosen how long texts are read; null where there was nothing to choose."""

    @model_validator(mode="after")
    def _contenders_that_are_named(self) -> Self:
        """Whoever shows the strongest or the recommended one finds it, and a score of it."""
        for name in (self.strongest, self.recommended):
            if name is not None and name not in {each.name for each in self.contenders}:
                raise ValueError(f"it names {name!r}, and no contender is called so")
        if self.contenders and not self.metric:
            raise ValueError("it names no metric")
        return self

    @property
    def default_contender(self) -> str:
        """The contender that predict, serve, export and evaluate use where none is asked for.

        It is the tuned one, but where the verdict says that it is worse than the recommended one, and that is kept.
        """
        worse = {each.a for each in self.comparisons if each.b == "tuned" and each.verdict == "worse"}
        kept = {each.name for each in self.contenders if each.saved_bytes is not None}
        best = (self.recommendation.here if self.recommendation else None) or self.recommended
        return best if best is not None and best in worse & kept else "tuned"
