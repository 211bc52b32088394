"""A search: Optuna proposes, cells compute, validation chooses; what was proposed is kept, and a rerun goes on.

In: a SweepSpec with a search, records of cells as they finish.  Out: cells, one by one; the winner's; a SearchRecord.
Not here: what may be proposed (space.py), one trial (trials.py), where cells are computed (run.py).

Optuna's study lies in SEARCH.db of the sweep's folder. Its sampler is made anew for each proposal, seeded by the
sweep's first seed and the proposal's number: what is proposed follows from what was found before, and from nothing
that a process keeps in its memory.

Sources: Bergstra et al. 2011 (TPE); the median rule is that of Golovin et al. 2017 (Vizier), section 3.2.2.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from liftune.errors import LiftuneError
from liftune.evaluation.optimism import optimism
from liftune.files import damaged
from liftune.metrics.registry import METRICS
from liftune.records.sweep import CellRecord, SearchRecord, TrialRecord
from liftune.sweeps.cells import Stage
from liftune.sweeps.folder import RESTORE, SweepFolder
from liftune.sweeps.grid import Cell, SweepSpec, Trial
from liftune.sweeps.space import Dimension
from liftune.sweeps.trials import on_validation

FILE = "search.db"
#: Trials that must be whole before others are held against them; epochs of each that are not.
STARTUP, WARMUP = 5, 1
_NAME = "search"
#: Optuna's name of what is tuned by what.
_CONTENDER = "contender"
#: Of those that were looked at on test.
_WINNERS = "winners"


class Proposals:
    """The cells of a search, as they are proposed.

    Args:
        at_once: cells that are computed at once: proposals are then made while others are not yet known.
        tell: is told of a proposal that was made before.
    """

    def __init__(
        self, stages: Mapping[str, Stage], folder: SweepFolder, *, at_once: int, tell: Callable[[str], None]
    ) -> None:
        first = next(iter(stages.values()))
        assert first.spec.search is not None
        self._spec, self._search, self._stages = first.spec, first.spec.search, stages
        self._metric, self._folder, self._tell = METRICS[first.context.metric], folder, tell
        self._contenders = contenders_of(self._spec, stages)
        self._at_once = at_once
        self._study = _open(folder.path / FILE, maximize=self._metric.sign > 0)
        self._found: dict[int, dict[int, CellRecord]] = {}
        self._ready: deque[Cell] = deque()
        self._running: set[int] = set()
        for known in self._study.get_trials(deepcopy=False):
            if not known.state.is_finished():
                self._go_on(known)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Each trial's."""
        return self._spec.run.train.seeds

    @property
    def settled(self) -> int:
        """Trials that are over."""
        return sum(each.state.is_finished() for each in self._study.get_trials(deepcopy=False))

    def __len__(self) -> int:
        """Cells that are still to come, at most."""
        return (self._search.trials - self.settled) * len(self.seeds)

    def __iter__(self) -> Iterator[Cell | None]:
        """Cells; None where none is known before another one is done."""
        while True:
            if self._ready:
                yield self._ready.popleft()
            elif len(self._study.get_trials(deepcopy=False)) < self._search.trials:
                self._propose()
            elif self._running:
                yield None
            else:
                return

    def take(self, record: CellRecord) -> None:
        """What came of a cell."""
        assert record.trial is not None
        number, first = record.trial, record.seed == self.seeds[0]
        self._found.setdefault(number, {})[record.seed] = record
        if first:
            told = self._study.get_trials(deepcopy=False)[number].intermediate_values
            for epoch, value in enumerate(record.curve, start=1):
                if value is not None and epoch not in told:
                    self._trial(number).report(value, epoch)
        if record.state != "done":
            self._end(number, "PRUNED" if record.state == "pruned" else "FAIL")
        elif first and len(self.seeds) > 1:
            self._ready.extend(self._cells(number, self.seeds[1:]))
        if record.state == "done" and len(self._found[number]) == len(self.seeds):
            score = self._score(number)
            self._end(number, "FAIL" if score is None else "COMPLETE", score)

    def winner(self) -> list[Cell]:
        """The cells of the trial with the best validation score, one a seed: those that test is looked at for.

        Raises:
            LiftuneError: no trial was done.
        """
        best = self._best()
        self._study.set_user_attr(_WINNERS, sorted({*self._study.user_attrs.get(_WINNERS, ()), best.number}))
        trial = Trial(best.number, self._options(best), chosen=True)
        model, method = self._contenders[best.params[_CONTENDER]]
        return [Cell(model, method, seed, trial) for seed in self.seeds]

    def record(self) -> SearchRecord:
        """What was proposed, and what came of it."""
        trials = [self._record_of(each) for each in self._study.get_trials(deepcopy=False)]
        own = [each for each in trials if each.state == "done" and each.same_as is None]
        evaluations = [
            [
                on_validation(
                    self._folder.of_model(each.model).logits(cell.name, "validation"),
                    self._stages[each.model].context.splits,
                    self._metric.name,
                )
                for cell in self._cells(each.number, self.seeds)
            ]
            for each in own
        ]
        return SearchRecord(
            space={name: str(each) for name, each in self._search.space.items()},
            trials=tuple(trials),
            winner=self._best().number,
            earlier_winners=tuple(
                each for each in self._study.user_attrs.get(_WINNERS, ()) if each != self._best().number
            ),
            optimism=optimism(evaluations, self._metric),
        )

    def _propose(self) -> None:
        """One more trial, ready to be computed; or over at once, where an earlier one was the same."""
        import optuna

        number = len(self._study.get_trials(deepcopy=False))
        seed = int(np.random.SeedSequence([self.seeds[0], number]).generate_state(1)[0])
        self._study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=self._at_once > 1)
        trial = self._study.ask()
        chosen = trial.suggest_categorical(_CONTENDER, list(self._contenders))
        for name, dimension in self._search.of(self._contenders[chosen][1]).items():
            _suggest(trial, name, dimension)
        for other in self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)):
            if other.params == trial.params:
                trial.set_user_attr("same_as", other.user_attrs.get("same_as", other.number))
                self._study.tell(trial.number, other.value)
                self._tell(f"  trial {trial.number} is trial {other.number} again: its score is taken")
                return
        self._begin(trial.number)

    def _begin(self, number: int) -> None:
        """Its first seed, then, if that is not given up, the others."""
        self._running.add(number)
        cell = next(iter(self._cells(number, self.seeds[:1], self._bars())))
        self._ready.append(cell)

    def _go_on(self, known: Any) -> None:
        """A trial that an earlier process had proposed: what is on disk of it is not computed again."""
        wanted = {_CONTENDER} | set(self._search.of(self._contenders.get(known.params.get(_CONTENDER), ("", ""))[1]))
        if set(known.params) != wanted:
            self._study.tell(known.number, state=_state("FAIL"))  # the process ended while it was being proposed
            return
        self._begin(known.number)
        while self._ready and self._folder.settled(self._ready[0]):
            record = self._folder.cell(self._ready.popleft())
            assert record is not None
            self.take(record)

    def _cells(self, number: int, seeds: Sequence[int], bars: tuple[float | None, ...] = ()) -> list[Cell]:
        known = self._study.get_trials(deepcopy=False)[number]
        model, method = self._contenders[known.params[_CONTENDER]]
        trial = Trial(number, self._options(known), bars)
        return [Cell(model, method, seed, trial) for seed in seeds]

    def _options(self, known: Any) -> tuple[tuple[str, Any], ...]:
        same = known.user_attrs.get("same_as")
        params = known.params if same is None else self._study.get_trials(deepcopy=False)[same].params
        return tuple((name, value) for name, value in params.items() if name != _CONTENDER)

    def _bars(self) -> tuple[float | None, ...]:
        """After each epoch, the median of the trials that are whole; None where too few came as far."""
        curves = [each.intermediate_values for each in self._whole() if "same_as" not in each.user_attrs]
        if len(curves) < STARTUP:
            return ()
        bars: list[float | None] = []
        for epoch in range(1, max(max(each, default=0) for each in curves) + 1):
            values = [each[epoch] for each in curves if epoch in each]
            bars.append(float(np.median(values)) if epoch > WARMUP and len(values) >= STARTUP else None)
        return tuple(bars)

    def _whole(self) -> list[Any]:
        return list(self._study.get_trials(deepcopy=False, states=(_state("COMPLETE"),)))

    def _best(self) -> Any:
        whole = self._whole()
        if not whole:
            reasons = {record.reason for each in self._found.values() for record in each.values() if record.reason}
            raise LiftuneError(
                "no trial of the search was done" + "".join(f"\n  {reason}" for reason in sorted(reasons)[:3]),
                where="--search",
                hint="search other values with --space, in another --out",
            )
        return max(whole, key=lambda each: (self._metric.sign * each.value, -each.number))

    def _score(self, number: int) -> float | None:
        """Mean over seeds, of the metric on validation."""
        values = [each.validation.get(self._metric.name) for each in self._found[number].values()]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if len(known) == len(values) else None

    def _trial(self, number: int) -> Any:
        import optuna

        return optuna.trial.Trial(self._study, self._study.get_trials(deepcopy=False)[number]._trial_id)

    def _end(self, number: int, state: str, value: float | None = None) -> None:
        if number in self._running:
            self._running.discard(number)
            self._study.tell(number, value, state=_state(state))

    def _record_of(self, known: Any) -> TrialRecord:
        model, method = self._contenders.get(known.params.get(_CONTENDER), ("", ""))
        states = {"COMPLETE": "done", "PRUNED": "pruned"}
        of_cell = next(
            (record for cell in self._cells(known.number, self.seeds) if (record := self._folder.cell(cell))), None
        ) if model else None  # fmt: skip
        best = max(known.intermediate_values.values(), key=lambda each: self._metric.sign * each, default=None)
        return TrialRecord.model_validate(
            {
                "number": known.number,
                "model": model,
                "method": method,
                "options": dict(self._options(known)),
                "state": states.get(known.state.name, "failed"),
                "validation": known.value if known.state.name == "COMPLETE" else best,
                "reason": of_cell.reason if of_cell and known.state.name != "COMPLETE" else None,
                "same_as": known.user_attrs.get("same_as"),
            }
        )


def contenders_of(spec: SweepSpec, stages: Mapping[str, Stage]) -> dict[str, tuple[str, str]]:
    """Optuna's name -> model and method, those that fit each other.

    Raises:
        LiftuneError: none does.
    """
    short = spec.short_names()
    found = {
        method if len(spec.models) == 1 else f"{short[model]} {method}": (model, method)
        for model in spec.models
        for method in spec.methods
        if method not in stages[model].unfit
    }
    if not found:
        reasons = [reason for stage in stages.values() for reason in stage.unfit.values()]
        raise LiftuneError("\n".join(dict.fromkeys(reasons)), where="--methods", hint="choose a method that fits")
    return found


def _suggest(trial: Any, name: str, dimension: Dimension) -> None:
    if dimension.low is None or dimension.high is None:
        trial.suggest_categorical(name, list(dimension.values))
    elif dimension.int:
        trial.suggest_int(name, round(dimension.low), round(dimension.high), log=dimension.log)
    else:
        trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def _state(name: str) -> Any:
    import optuna

    return optuna.trial.TrialState[name]


def _open(path: Path, *, maximize: bool) -> Any:
    """Optuna's study, new or gone on with.

    Raises:
        ArtifactError: the file is none of Optuna's.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    try:
        return optuna.create_study(
            storage=f"sqlite:///{path.resolve()}",
            study_name=_NAME,
            direction="maximize" if maximize else "minimize",
            load_if_exists=True,
        )
    except (SQLAlchemyError, RuntimeError, optuna.exceptions.OptunaError, AssertionError) as error:
        raise damaged(path, str(error).splitlines()[0], hint=RESTORE) from None
