"""What all verbs share: lack of memory in one wording, a spec of what was given, rows that are in memory.

In: the arguments of a verb.  Out: a spec, and rows in memory.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar, cast

from liftune import arguments
from liftune.command_options import options_of
from liftune.errors import LiftuneError, SpecError, choose, lacks_memory
from liftune.python_names import argument, in_python, meant
from liftune.settings_file import spec_under
from liftune.spec import IN_MEMORY, OPTIONS, RunSpec

if TYPE_CHECKING:
    from liftune.data.load import RowsInMemory
    from liftune.data.splits import BecomesSplits
    from liftune.inference.reload import Origin
    from liftune.models.foreign.said import Said
    from liftune.progress import Progress

#: What verbs take as data: a path; a data frame, an Arrow table, a data set, lists of rows; or parts that are cut.
Data: TypeAlias = "str | os.PathLike[str] | BecomesSplits | Any"

Given = ParamSpec("Given")
Result = TypeVar("Result")


def verb(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """The function, which refuses an unknown argument with the nearest one, raises OutOfMemory in the place of a
    library's own error of memory, and whose errors name arguments, not options of the command line.
    """
    signature = inspect.signature(function)
    takes = [name for name, each in signature.parameters.items() if each.kind is not each.VAR_KEYWORD]
    if len(takes) < len(signature.parameters):
        takes = list(dict.fromkeys([*takes, *options_of(function.__name__), "config"]))
    flags = [name for name, each in signature.parameters.items() if isinstance(each.default, bool)]

    @functools.wraps(function)
    def call(*given: Given.args, **named: Given.kwargs) -> Result:
        for name in named:
            if name not in takes and (own := meant(name, takes)):
                what = f"unknown argument of {function.__name__} {name!r}, did you mean {own}?"
                raise SpecError(what, where=name, hint=f"write {own}=")
            choose(name, takes, f"argument of {function.__name__}", name)
        try:
            signature.bind(*given, **named)
        except TypeError:
            raise _wrong_call(function.__name__, signature, takes, given, named) from None
        _import_bars_quietly()
        try:
            return function(*given, **named)
        except LiftuneError as error:
            error.reword(lambda text: in_python(text, flags), lambda where: argument(where, takes))
            raise
        except Exception as error:
            if not lacks_memory(error):
                raise
            from liftune.hardware.memory import short_of_memory

            short = short_of_memory(error)
            for note in getattr(error, "__notes__", ()):  # what is kept, and how to go on
                short.add_note(note)
            raise short from None

    return call


def _import_bars_quietly() -> None:
    """In a notebook without ipywidgets, the first library that imports tqdm would print a warning into the cell."""
    if "ipykernel" in sys.modules and "tqdm.auto" not in sys.modules:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with suppress(ImportError):
                import_module("tqdm.auto")


def _wrong_call(
    name: str, signature: inspect.Signature, takes: list[str], given: Sequence[Any], named: Mapping[str, Any]
) -> SpecError:
    """Of a call with an argument too few, twice, or without its name: which one, and the call to write."""
    each_of = signature.parameters
    first = [each for each, one in each_of.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    values = dict(zip(first, given, strict=False))
    twice = [each for each in values if each in named]
    if twice:
        return SpecError(f"{name} is given {twice[0]} twice", where=twice[0], hint="give it once")
    needed = [each for each, one in each_of.items() if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    lacking = [each for each in needed if each not in values and each not in named]
    free = [each for each in (*lacking, "model", *takes) if each in takes and each not in (*first, *named)]
    extra = list(zip(dict.fromkeys(free), given[len(first) :], strict=False))
    if name == "predict" and extra and all(isinstance(each, str) for each in given[:2]):
        values, extra = {"data": [given[1]]}, [("model", given[0]), *extra[1:]]  # the order of the command line
    unnamed = dict(extra)
    rest = [each for each in lacking if each not in unnamed]
    words = [_written(each) for each in values.values()]
    words += [each for each in rest if each in first]
    words += [f"{each}={_written(value)}" for each, value in {**unnamed, **named}.items()]
    words += [f"{each}={'RUN' if each == 'model' else '...'}" for each in rest if each not in first]
    hint = f"write liftune.{name}({', '.join(words)})"
    if rest:
        return SpecError(f"{name} needs {' and '.join(rest)}", where=rest[0], hint=hint)
    where = ", ".join(unnamed)
    one = "the first argument" if len(first) == 1 else f"the first {len(first)} arguments"
    return SpecError(f"{name} takes {one} alone without a name", where=where or name, hint=hint)


def _written(value: object) -> str:
    """A value in the call to write: as it is where it is short, else a name that stands for it."""
    plain = isinstance(value, str | int | float | bool | None | os.PathLike)
    plain = plain or (isinstance(value, list | tuple) and all(isinstance(each, str | int) for each in value))
    text = repr(str(value) if isinstance(value, os.PathLike) else value) if plain else ""
    return text if text and len(text) <= 60 else "rows"


def progress(quiet: object) -> Progress:
    """Lines and bars on stderr.

    Args:
        quiet: None shows them to a person: in a terminal and in a notebook.
    """
    from liftune.progress import Progress

    hidden = not _seen_by_a_person() if quiet is None else arguments.switch(quiet, "quiet")
    return Progress(quiet=hidden, mute=quiet is not None and hidden, worded=in_python)


def _seen_by_a_person() -> bool:
    """Whether stderr is a terminal, or the code runs in a notebook's kernel."""
    return "ipykernel" in sys.modules or bool(getattr(sys.stderr, "isatty", bool)())


def said(label_names: object, task: object, *, pairs: object = False) -> Said:
    """What is said of a model that others saved.

    Raises:
        SpecError: a value is of a wrong type, or there is no such kind of task.
    """
    from liftune.models.foreign.said import said_of

    names = None if label_names is None else arguments.texts(label_names, "label_names")
    return replace(said_of(names, arguments.text_or_none(task, "task")), pairs=arguments.switch(pairs, "pairs"))


def as_loaded(model: object) -> dict[str, Any]:
    """Path and options of `evaluate` for a model that is loaded; none for one that evaluate would score otherwise."""
    origin: Origin | None = getattr(model, "origin", None)
    if origin is None or origin.options.get("precision") or origin.options.get("min_precision"):
        return {}
    told: Said = origin.options["said"]
    options = {name: origin.options[name] for name in ("use", "device", "trust_remote_code")}
    options |= {"model": origin.path, "label_names": told.label_names, "task": told.task}
    return {name: value for name, value in options.items() if value}


def spec_of(verb: str, data: object, options: Mapping[str, Any]) -> RunSpec:
    """A spec of a path and of options that the verb takes.

    Raises:
        SpecError: the verb has no such option, or one has a wrong value.
    """
    return _spec(verb, {**options, "data": arguments.path_or_none(data, "data")})


def _spec(verb: str, options: Mapping[str, Any]) -> RunSpec:
    """A spec of options by name, and of those of the file that `config` names."""
    known = options_of(verb)
    for name in options:
        choose(name, [*known, "data", "config"], f"option of {verb}")
    given = dict(options)
    return spec_under(arguments.path_or_none(given.pop("config", None), "config"), given, known)


def with_rows(verb: str, data: object, options: Mapping[str, Any]) -> tuple[RunSpec, RowsInMemory | None]:
    """A spec, and the rows where they are in memory.

    Args:
        data: a path, None for the default, tables, or parts that are cut already; tables may stand in `options` too,
            as those of `validation` and `test`.

    Raises:
        SpecError: rows in memory, and options that say how to read a source; or neither a path nor rows.
    """
    from liftune.data.readers.memory import is_table

    if data is None or isinstance(data, str | os.PathLike):
        beside = [name for name in ROLES_BESIDE if is_table(options.get(name))]
        if beside:
            raise SpecError(
                "the data are a path, and these are rows in memory",
                where=", ".join(beside),
                hint="read all of them before, or give all of them as paths",
            )
        return _spec(verb, {**options, "data": arguments.path_or_none(data, "data")}), None
    if not hasattr(data, "to_splits"):
        return _with_tables(verb, data, options)
    reading = [name for name, value in options.items() if value is not None and OPTIONS.get(name, ("",))[0] == "data"]
    unused = [name for name in reading if name != "split_seed"]
    if unused:
        raise SpecError(
            "parts in memory are taken as they are, and not read or sampled again",
            where=", ".join(unused),
            hint="leave the option out, or give a table or a path",
        )
    return _spec(verb, {**options, "data": IN_MEMORY}), cast("BecomesSplits", data)


#: Options that name more rows than `data` does.
ROLES_BESIDE = ("validation", "test")


def _with_tables(verb: str, data: object, options: Mapping[str, Any]) -> tuple[RunSpec, RowsInMemory]:
    from liftune.data.readers.memory import is_table, tables_of

    tables = tables_of(data)
    beside = {name: options[name] for name in ROLES_BESIDE if is_table(options.get(name))}
    if beside:
        first = {"train" if name == tables.only else name: each for name, each in tables.given.items()}
        twice = [name for name in beside if name in first]
        if twice:
            raise SpecError(f"two tables are {twice[0]}", where=twice[0], hint="give it once")
        tables = tables_of({**first, **beside})
    kept = {name: each for name, each in options.items() if name not in beside}
    return _spec(verb, {**kept, "data": IN_MEMORY}), tables
