"""The spec of a sweep: a RunSpec's options, and the models and methods to cross with its seeds.

In: options.  Out: a SweepSpec, its cells, each cell's RunSpec.
Not here: running them (cells.py, run.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from liftune.addresses import short_name
from liftune.errors import MethodError, SpecError
from liftune.models.methods.registry import METHODS, find_method, parse_options
from liftune.option_values import Names
from liftune.records.sweep import CellRecord
from liftune.spec import DEFAULT_MODEL, IN_MEMORY, MethodSpec, RunSpec, TrainSpec
from liftune.spec_base import Spec
from liftune.sweeps.space import SEARCHED, Search, search_of

#: Means every registered method.
EVERY = "all"


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    """The names, if none occurs twice.

    >>> distinct(("lora", "ia3"))
    ('lora', 'ia3')
    """
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} is given twice")
    return values


Grid = Annotated[Names, AfterValidator(distinct), Field(min_length=1)]


def _found(method: str) -> str:
    """A method's own name.

    Raises:
        MethodError: there is none.
    """
    try:
        return find_method(method).name
    except MethodError as error:
        raise MethodError(error.message, where="--methods", hint=error.hint) from None


def record_of(cell: Cell, **facts: Any) -> CellRecord:
    """A cell's record."""
    trial = None if cell.trial is None or cell.trial.chosen else cell.trial.number
    return CellRecord(model=cell.model, method=cell.method, seed=cell.seed, trial=trial, options=cell.options, **facts)


class SweepSpec(Spec):
    """Everything that `liftune sweep` was asked for."""

    run: RunSpec = Field(default_factory=RunSpec)
    """Data, training, seeds: what all cells share. Its model's and method's names are not used."""
    methods: Grid
    """Tuning methods by name."""
    models: Grid = (DEFAULT_MODEL,)
    """Pretrained models, each as --model takes it."""
    search: Search | None = None
    """Proposals in the place of the grid; the winner alone is scored on test."""

    @classmethod
    def of(
        cls, run: RunSpec, methods: Any, models: Any = None, *, search: int | None = None, space: Any = None
    ) -> SweepSpec:
        """Checked, with methods by their own names and `all` expanded.

        Args:
            search: so many proposals in the place of the grid.
            space: of the search, a file's path or what one holds; None takes that of each method.

        Raises:
            SpecError: a name that is given twice, or none; folds are asked for, or a choice of how long texts are read.
            MethodError: an unknown method, or a wrong option of one.
        """
        if isinstance(run.evaluation.folds, int):
            raise SpecError(
                "a sweep compares all models on one split of the rows: it has no folds",
                where="--folds",
                hint="leave it out, or cross-validate the method you choose: liftune tune --folds N",
            )
        if run.model.long == "auto":
            raise SpecError(
                "a sweep compares all models on texts that are read in one way: it does not choose one",
                where="--long",
                hint="give --long cut, head-tail or windows; liftune tune --long auto says which is best",
            )
        values = {"run": run, "methods": methods} | ({"models": models} if models else {})
        spec = cls.checked(values, where="--methods, --models")
        names = tuple(METHODS) if spec.methods == (EVERY,) else tuple(_found(name) for name in spec.methods)
        spec = cls.checked({"run": spec.run, "methods": names, "models": spec.models}, where="--methods, --models")
        for name in names:
            parse_options(find_method(name), spec.options_of(name))
        spec.refuse_options_of_others()
        found = search_of(spec.run, names, search, space)
        return spec if found is None else spec.model_copy(update={"search": found})

    def options_of(self, method: str) -> dict[str, Any]:
        """The options that were given for one method, METHOD.KEY=VALUE."""
        given = self.run.method.options
        return {key.partition(".")[2]: value for key, value in given.items() if key.partition(".")[0] == method}

    def refuse_options_of_others(self) -> None:
        """Refuse an option that no method of the grid is given."""
        stray = [key for key in self.run.method.options if key.partition(".")[0] not in self.methods or "." not in key]
        if stray:
            raise SpecError(
                f"{', '.join(stray)} belongs to no method of the sweep",
                where="--set",
                hint=f"write METHOD.KEY=VALUE, with METHOD one of: {', '.join(self.methods)}",
            )

    def method_of(self, cell: Cell) -> MethodSpec:
        """A cell's method with its options, its trial's among them."""
        own = {name.partition(".")[2]: value for name, value in cell.options.items() if "." in name}
        own = {name: value for name, value in own.items() if name not in SEARCHED}
        return MethodSpec(name=cell.method, options=self.options_of(cell.method) | own)

    def train_of(self, cell: Cell) -> TrainSpec:
        """How a cell is trained."""
        own = {name.rpartition(".")[2]: value for name, value in cell.options.items()}
        own = {name: value for name, value in own.items() if name in SEARCHED}
        return TrainSpec.checked({**self.run.train.model_dump(), **own, "seeds": (cell.seed,)})

    def run_of(self, cell: Cell) -> RunSpec:
        """What `liftune tune` would be asked for this cell."""
        model = self.run.model.model_copy(update={"name": cell.model})
        update = {"method": self.method_of(cell), "model": model, "train": self.train_of(cell)}
        return self.run.model_copy(update=update)

    def cells(self) -> list[Cell]:
        """All of them, seed by seed, so that a sweep that is stopped has something of every method."""
        return [
            Cell(model, method, seed)
            for seed in self.run.train.seeds
            for model in self.models
            for method in self.methods
        ]

    def folder_name(self) -> str:
        """Of the sweep, where none is asked for: the same for the same data, so that a rerun finds it."""
        source = self.run.data.source.removeprefix("sample:")
        return "memory-sweep" if source == IN_MEMORY else f"{short_name(source)}-sweep"

    def short_names(self) -> dict[str, str]:
        """Model -> a name for folders and tables: the last part of its own, numbered where two would be the same."""
        return dict(
            zip(self.models, _numbered([Path(model).name.partition("@")[0] for model in self.models]), strict=True)
        )


@dataclass(frozen=True)
class Trial:
    """One proposal of a search: the same options under every seed."""

    number: int
    options: tuple[tuple[str, Any], ...]
    """Name -> value: of `tune`, such as lr, or of the method, such as lora.rank."""
    bars: tuple[float | None, ...] = ()
    """After each epoch, from the first on: what its best validation score so far must reach for it to go on."""
    chosen: bool = False
    """Whether it has won: then test is looked at."""


@dataclass(frozen=True)
class Cell:
    """One tuned model of the grid, or of a search."""

    model: str
    method: str
    seed: int
    trial: Trial | None = None

    @property
    def name(self) -> str:
        """Within its model's folder."""
        if self.trial is None or self.trial.chosen:
            return f"{self.method}-{self.seed}"
        return f"{self.method}-t{self.trial.number}-{self.seed}"

    @property
    def said(self) -> str:
        """In a message."""
        trial = f" trial {self.trial.number}" if self.trial is not None and not self.trial.chosen else ""
        return f"{self.model} {self.method}{trial} seed {self.seed}"

    @property
    def options(self) -> dict[str, Any]:
        """Its own, beside those of the sweep."""
        return dict(self.trial.options) if self.trial is not None else {}


def _numbered(names: Sequence[str]) -> list[str]:
    """The names, with -2 appended to the second of equals, and so on."""
    unique: list[str] = []
    for name in names:
        number = 1
        while (name if number == 1 else f"{name}-{number}") in unique:
            number += 1
        unique.append(name if number == 1 else f"{name}-{number}")
    return unique
