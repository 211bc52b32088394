"""`liftune label POOL --run RUN`: rows of a pool that are best labelled next, with the model's suggestions.

In: LabelOptions.  Out: a LabelRecord, and a file to fill in.
Not here: each step (pool.py, candidates.py, strategies.py, forms.py, expected.py), reading labels back (filled_in.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from liftune.addresses import addressed
from liftune.claims import claim_file
from liftune.data.readers.memory import TablesInMemory
from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.errors import DataError, SpecError
from liftune.inference.bases import use_base
from liftune.inference.opening import load_predictor
from liftune.labelling.candidates import PredictedRows
from liftune.labelling.expected import expected_gain
from liftune.labelling.forms import Handout, target_of, write_rows
from liftune.labelling.pool import Fresh, Pool, PoolRow, fresh_rows, read_pool
from liftune.labelling.strategies import DEFAULT, STRATEGIES
from liftune.progress import Progress
from liftune.records.labelling import LabelRecord, Pick
from liftune.run_folder import RunFolder
from liftune.spec import IN_MEMORY
from liftune.tasks import task_of
from liftune.types import Target

if TYPE_CHECKING:
    from liftune.inference.predictor import Predictor

#: Labels asked for where nobody says how many.
BUDGET = 100
#: How many seeds k-means knows.
SEEDS = 2**32


@dataclass(frozen=True)
class LabelOptions:
    """The options of `liftune label POOL`, by the same names."""

    run: str
    source: str = IN_MEMORY
    tables: TablesInMemory | None = None
    """The pool in memory."""
    budget: int = BUDGET
    strategy: str | None = None
    seed: int = 0
    out: str | None = None
    form: str | None = None
    write: bool = True
    """Whether a file is written where `out` is None, too."""
    overwrite: bool = False
    text: str | None = None
    text_pair: str | None = None
    reading: FileOptions = NONE_GIVEN
    use: str | None = None
    base: str | None = None
    device: str | None = None
    trust_remote_code: bool = False

    def target(self) -> Handout | None:
        """Where the rows are written; None where nowhere.

        Raises:
            SpecError: the options contradict each other, before anything is loaded.
        """
        if self.budget < 1:
            raise SpecError(
                f"a budget of {self.budget} chooses no row", where="--budget", hint="give the labels that you can make"
            )
        if not 0 <= self.seed < SEEDS:
            raise SpecError(
                f"a seed of {self.seed} is none", where="--seed", hint=f"give a whole number from 0 to {SEEDS - 1}"
            )
        STRATEGIES[self.strategy or DEFAULT]
        if not (self.write or self.out or self.form):
            return None
        return target_of(self.out, self.form, source=self.source, overwrite=self.overwrite)


def choose_rows(options: LabelOptions, progress: Progress) -> LabelRecord:
    """Choose, write, and say what the labels should bring.

    Raises:
        LiftuneError: the options contradict each other; the run is none, or damaged; the pool cannot be read, or has no
            row that the run has not seen; a file cannot be written.
    """
    target = options.target()
    folder = RunFolder.open(options.run, where="--run")
    record, test, validation, seen = (
        folder.record(),
        folder.split("test"),
        folder.split("validation"),
        folder.tuned_on(),
    )
    predictor = load_predictor(
        options.run,
        use=options.use,
        device=options.device,
        trust_remote_code=options.trust_remote_code,
        said=use_base(options.base, options.run, use=options.use),
    )
    pool = read_pool(
        addressed(options.source),
        options.tables,
        pairs=predictor.pairs,
        text=options.text,
        text_pair=options.text_pair,
        options=options.reading,
        known=predictor.columns,
        seed=options.seed,
    )
    fresh = fresh_rows(pool, seen, test.rows, validation.rows, threshold=folder.spec().data.near_duplicates)
    if not fresh.positions:
        raise _nothing_left(pool, fresh)
    notes = [note for note in (predictor.note, *pool.notes) if note]
    if seen.unknown:
        notes.append(f"which rows the run was tuned on is not known, and they may be chosen: {seen.unknown}")
    rows = [pool.rows[i] for i in fresh.positions]
    picks, chosen = _picked(options, predictor, rows, progress, notes)
    files: tuple[str, ...] = ()
    if target:
        with claim_file(target.path):
            task = task_of(predictor.task)
            files = write_rows(target, picks, chosen, task=task, labels=predictor.labels, run=options.run)
    return LabelRecord(
        source=options.source,
        run=options.run,
        strategy=options.strategy or DEFAULT,
        budget=options.budget,
        seed=options.seed,
        rows=len(pool.rows),
        left_out={**({"without a text": pool.unusable} if pool.unusable else {}), **fresh.left_out},
        picks=picks,
        files=files,
        expected=expected_gain(record, len(picks)),
        has_curve=record.curve is not None,
        notes=tuple(notes),
    )


def _picked(
    options: LabelOptions, predictor: Predictor, rows: Sequence[PoolRow], progress: Progress, notes: list[str]
) -> tuple[tuple[Pick, ...], list[PoolRow]]:
    """The chosen rows with the model's suggestions; what is to be said of the choice is added to the notes."""
    strategy, budget = STRATEGIES[options.strategy or DEFAULT], options.budget
    if budget > len(rows):
        notes.append(f"the pool has {len(rows):,} rows to choose from, fewer than {budget:,}: all of them are taken")
        budget = len(rows)
    candidates = PredictedRows(predictor, [each.row for each in rows], progress)
    by_margin = strategy.by_margin and task_of(predictor.task).has_probabilities
    if strategy.by_margin and not by_margin:
        notes.append("a regression has no margin between answers: rows are chosen by diversity alone")
    positions = np.asarray(strategy.build(candidates, budget, options.seed))
    if candidates.by_words:
        notes.append("the model has no features of its own: rows are told apart by their words")
    chosen = [rows[i] for i in positions]
    margins = candidates.margins if by_margin else None
    if margins is not None and len(margins) > 1 and np.ptp(margins) == 0:
        notes.append(
            "all margins are equal: the model is as sure of one row as of another; leave --use out, or name another "
            "model with it"
        )
    task = task_of(predictor.task)
    picks = []
    for place, each, answer in zip(positions, chosen, predictor.predict([one.row for one in chosen]), strict=True):
        decided = answer.probabilities if task.has_probabilities else None
        picks.append(
            Pick(
                row=each.number,
                id=each.id,
                text=each.row,
                suggestion=_readable(getattr(answer, task.shape)),
                probability=_least_sure(decided, answer.labels) if decided is not None else None,
                margin=None if margins is None else float(margins[place]),
            )
        )
    return tuple(picks), chosen


def _readable(suggestion: Target | None) -> Target | None:
    """A number without digits that no person would write."""
    return float(f"{suggestion:.4g}") if isinstance(suggestion, float) else suggestion


def _least_sure(probabilities: dict[str, float], labels: tuple[str, ...] | None) -> float:
    """Of one label its probability; of several that of the least sure yes or no."""
    if labels is None:
        return max(probabilities.values(), default=1.0)
    said = (share if label in labels else 1.0 - share for label, share in probabilities.items())
    return min(said, default=1.0)


def _nothing_left(pool: Pool, fresh: Fresh) -> DataError:
    why = "; ".join(f"{count:,} {reason}" for reason, count in fresh.left_out.items())
    return DataError(
        f"no row of the pool is left to label: {why}",
        where=pool.where,
        hint="give a pool of other texts; the run's own rows have their labels already",
    )
