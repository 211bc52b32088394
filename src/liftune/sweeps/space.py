"""What a search may propose: for each option some values, or a range; from a file, or as each method is registered.

In: a TOML file, methods.  Out: a Search, every value of which an option accepts.
Not here: proposing (search.py), what an option accepts (spec.py, models/methods/options.py).

    lr = {low = 1e-5, high = 1e-2, log = true}
    batch_size = [16, 32]
    [lora]
    rank = [4, 8, 16]
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from liftune.errors import LiftuneError, SpecError, choose, first_of, nearest, shown
from liftune.models.methods.registry import METHODS, Method, find_method, parse_options
from liftune.option_files import Words, is_toml, nothing_set, read_settings
from liftune.option_values import Positive
from liftune.spec import OPTIONS, RunSpec, TrainSpec
from liftune.spec_base import Spec

#: Options of `tune` that cells of one sweep may differ in: those of training, but for what all cells share.
SEARCHED = tuple(name for name in TrainSpec.model_fields if name not in ("seeds", "accelerations"))
#: A method's own learning rate is searched so many times up and down.
RATES = 10.0
#: Of a whole range of so many numbers each is tried on the option.
_EACH = 1_000
_KEYS = ("low", "high", "log", "int")
_EXAMPLE = "write NAME = [1, 2], or NAME = {low = 1e-5, high = 1e-2, log = true}"
#: A whole file, as TOML and as JSON.
_FILES = {
    True: "lr = {low = 1e-5, high = 1e-2, log = true}",
    False: '{"lr": {"low": 1e-5, "high": 1e-2, "log": true}}',
}


class Dimension(Spec):
    """What one option may be: one of some values, or a number of a range."""

    values: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    """Proposed evenly on a logarithmic scale."""
    int: bool = False
    """Whole numbers alone."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.values) is (self.low is not None and self.high is not None):
            raise ValueError("must be a list, or have both low and high")
        return self

    def samples(self) -> Iterator[Any]:
        """Values on which an option is tried: all of a list or a small range, the ends of another one."""
        if self.low is None or self.high is None:
            yield from self.values
        elif self.int and self.high - self.low <= _EACH:
            yield from range(round(self.low), round(self.high) + 1)
        else:
            yield from (round(each) if self.int else each for each in (self.low, self.high))

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return ", ".join(map(str, self.values))
        return f"{self.low:g} to {self.high:g}{' (log)' if self.log else ''}"


class Search(Spec):
    """Proposals in the place of a grid."""

    trials: Positive
    space: dict[str, Dimension] = Field(default_factory=dict)
    """Option -> what it may be; METHOD.OPTION is for one method alone."""

    def of(self, method: str) -> dict[str, Dimension]:
        """What is proposed for a method."""
        return {name: each for name, each in self.space.items() if "." not in name or name.startswith(f"{method}.")}


def search_of(run: RunSpec, methods: Sequence[str], trials: int | None, space: Any) -> Search | None:
    """The search that is asked for; None where none is.

    Args:
        space: a file's path, or what one holds; None takes that of each method, without what is set already.

    Raises:
        SpecError: an option that is unknown, shared by all cells, or set already; a value that it does not accept.
    """
    if trials is None:
        if space is not None:
            raise SpecError("a space is searched, and no search is asked for", where="--space", hint="give --search N")
        return None
    if space is None:
        found = default_space(run, methods)
    else:
        values, where = _read(space)
        found = dict(_dimensions(values, methods, where))
        _refuse_set(run, found, where)
    return Search.checked({"trials": trials, "space": found}, where="--search")


def default_space(run: RunSpec, methods: Sequence[str]) -> dict[str, Dimension]:
    """Each method's own learning rate and options, as it is registered; what the user has set stays as it is."""
    space: dict[str, Dimension] = {}
    for method in (find_method(name) for name in methods):
        if run.train.lr is None:
            rate = method.learning_rate
            space[f"{method.name}.lr"] = Dimension(low=rate / RATES, high=rate * RATES, log=True)
        for option, values in method.searched.items():
            if f"{method.name}.{option}" not in run.method.options:
                space[f"{method.name}.{option}"] = Dimension(values=tuple(values))
    return space


def _read(space: Any) -> tuple[Mapping[str, Any], str]:
    if isinstance(space, Mapping):
        return space, "space"
    if not isinstance(space, str | os.PathLike):
        raise SpecError(f"space must be a file or a mapping, not {shown(space)}", where="space", hint=_EXAMPLE)
    path = Path(space)
    words = _words(path)
    values = read_settings(path, words)
    if not isinstance(values, Mapping) or not values:
        raise nothing_set(path, words)
    return values, str(space)


def _words(path: Path) -> Words:
    """What is said where a file of a space is missing or empty."""
    example = _FILES[is_toml(path)]
    kind = f"options of tune, each a list of values or a range, such as {example}"
    own = "or leave --space out, for each method's own space"
    return Words(
        "the file names no option to search", f"give a TOML or JSON file of {kind}; {own}", f"write {kind}; {own}"
    )


def _dimensions(values: Mapping[str, Any], methods: Sequence[str], where: str) -> Iterator[tuple[str, Dimension]]:
    """Name -> dimension, checked; a table of a method holds those for it alone."""
    for key, value in values.items():
        name = str(key).replace("-", "_")
        method, dot, option = name.partition(".")
        if dot:
            yield from _of_method(method, {option: value}, methods, where)
        elif name not in SEARCHED and isinstance(value, Mapping) and not set(value) & set(_KEYS):
            yield from _of_method(str(key), value, methods, where)
        else:
            _known(name, methods, where)
            yield name, _dimension(name, value, None, where)


def _of_method(
    name: str, values: Mapping[str, Any], methods: Sequence[str], where: str
) -> Iterator[tuple[str, Dimension]]:
    try:
        method = find_method(name)
    except LiftuneError as error:
        raise SpecError(error.message, where=where, hint=f"methods of the sweep: {', '.join(methods)}") from None
    if method.name not in methods:
        raise SpecError(
            f"{method.name} is no method of the sweep",
            where=where,
            hint=f"leave it out, or add it to --methods {','.join(methods)}",
        )
    for key, value in values.items():
        option = str(key).replace("-", "_")
        choose(option, [*method.options.model_fields, *SEARCHED], f"option of {method.name}", where)
        if option == "virtual_tokens":  # by which all cells' rows are cut
            raise SpecError(
                "virtual_tokens is the same for all cells of a sweep, as it decides how much of each row is read",
                where=where,
                hint=f"give --set {method.name}.virtual_tokens=N to sweeps of their own",
            )
        yield f"{method.name}.{option}", _dimension(option, value, method, where)


def _known(name: str, methods: Sequence[str], where: str) -> None:
    """Refuse an option that is none, or that cells cannot differ in."""
    if name in SEARCHED:
        return
    if name in OPTIONS:
        raise SpecError(
            f"{name} is the same for all cells of a sweep",
            where=where,
            hint=f"give --{name.replace('_', '-')} to the sweep; a search may change: {', '.join(SEARCHED)}",
        )
    having = [each for each in methods if name in METHODS[each].options.model_fields]
    if having:
        table = f"[{having[0]}]"
        raise SpecError(f"{name} is an option of {first_of(having, 3)}", where=where, hint=f"write it below {table}")
    raise SpecError(
        f"unknown option {name!r}{nearest(name, [*SEARCHED, *methods])}",
        where=where,
        hint=f"choose of: {', '.join(SEARCHED)}; options of one method stand below its name, such as [{methods[0]}]",
    )


def _dimension(name: str, value: Any, method: Method | None, where: str) -> Dimension:
    """What a file says of one option, every value of it accepted by the option."""
    of_method = method is not None and name in method.options.model_fields
    field = (method.options if of_method and method else TrainSpec).model_fields[name]
    if isinstance(value, Mapping):
        found = _range(name, value, where, whole="float" not in str(field.annotation))
    elif isinstance(value, list | tuple) and value and all(isinstance(each, str | int | float) for each in value):
        if twice := [each for i, each in enumerate(value) if each in value[:i]]:
            raise SpecError(f"{name}: {twice[0]!r} is given twice", where=where, hint="give each value once")
        found = Dimension(values=tuple(value))
    else:
        raise SpecError(f"{name}: must be a list of values or a range, not {shown(value)}", where=where, hint=_EXAMPLE)
    for each in found.samples():
        try:
            if of_method and method:
                parse_options(method, {name: each})
            else:
                RunSpec.of(**{name: each})
        except LiftuneError as error:
            raise SpecError(f"{error.message}, in the space", where=where, hint=error.hint) from None
    return found


def _range(name: str, value: Mapping[str, Any], where: str, *, whole: bool) -> Dimension:
    for key in value:
        choose(str(key), _KEYS, f"key of {name}", where)
    low, high = value.get("low"), value.get("high")
    log, asked = value.get("log", False), value.get("int", whole)
    if not all(isinstance(each, bool) for each in (log, asked)):
        raise SpecError(f"{name}: log and int are true or false", where=where, hint=_EXAMPLE)
    for key, each in (("low", low), ("high", high)):
        if isinstance(each, bool) or not isinstance(each, int | float):
            fault = f"must be a number, not {shown(each)}" if key in value else "is missing"
            raise SpecError(f"{name}: {key} {fault}", where=where, hint=_EXAMPLE)
        if (asked or whole) and each != int(each):
            raise SpecError(f"{name}: {key} must be a whole number, not {each}", where=where, hint="give one")
    if not low < high:  # type: ignore[operator]  # numbers, as was just seen
        raise SpecError(f"{name}: low {low} is not below high {high}", where=where, hint="give a smaller low")
    if log and low <= 0:  # type: ignore[operator]
        raise SpecError(f"{name}: a logarithmic scale has no {low}", where=where, hint="give low above 0, or no log")
    return Dimension(low=low, high=high, log=log, int=bool(asked or whole))


def _refuse_set(run: RunSpec, space: Mapping[str, Dimension], where: str) -> None:
    """Refuse an option that is set and searched: one of both would be without effect."""
    default = TrainSpec()
    fixed = {name for name in SEARCHED if getattr(run.train, name) != getattr(default, name)}
    for name in space:
        own = name.rpartition(".")[2]
        if own in fixed and own in SEARCHED:
            option = f"--{own.replace('_', '-')}"
            raise SpecError(f"{own} is both set and searched", where=where, hint=f"leave out {option}, or {name} here")
        if name in run.method.options:
            raise SpecError(f"{name} is both set and searched", where=where, hint=f"leave out --set {name}, or it here")
