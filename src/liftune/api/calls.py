"""What all verbs share: lack of memory in one wording, a spec of what was given, rows that are in memory.

In: the arguments of a verb.  Out: a spec, and rows in memory.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from liftune import arguments
from liftune.errors import LiftuneError, SpecError, choose, lacks_memory, shown
from liftune.spec import IN_MEMORY, OPTIONS, RunSpec, options_of

if TYPE_CHECKING:
    from liftune.data.splits import BecomesSplits

Given = ParamSpec("Given")
Result = TypeVar("Result")


def verb(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """The function, which raises OutOfMemory in the place of a library's own error of memory."""

    @functools.wraps(function)
    def call(*given: Given.args, **named: Given.kwargs) -> Result:
        try:
            return function(*given, **named)
        except Exception as error:
            if isinstance(error, LiftuneError) or not lacks_memory(error):
                raise
            from liftune.hardware.memory import short_of_memory

            short = short_of_memory(error)
            for note in getattr(error, "__notes__", ()):  # what is kept, and how to go on
                short.add_note(note)
            raise short from None

    return call


def spec_of(verb: str, data: object, options: Mapping[str, Any]) -> RunSpec:
    """A spec of a path and of options that the verb takes.

    Raises:
        SpecError: the verb has no such option, or one has a wrong value.
    """
    for name in options:
        choose(name, options_of(verb), f"option of {verb}")
    return RunSpec.of(data=arguments.path_or_none(data, "data"), **options)


def with_rows(
    data: str | os.PathLike[str] | BecomesSplits | None, options: Mapping[str, Any]
) -> tuple[RunSpec, BecomesSplits | None]:
    """A spec, and the rows where they are in memory.

    Raises:
        SpecError: rows in memory, and options that say how to read a source; or neither a path nor rows.
    """
    if data is None or isinstance(data, str | os.PathLike):
        return RunSpec.of(data=arguments.path_or_none(data, "data"), **options), None
    if not hasattr(data, "to_splits"):
        raise SpecError(
            f"data must be a path or rows: {shown(data)}, a value of type {type(data).__name__}, is no data set",
            where="data",
            hint='give a path, or rows as liftune.data.load_data returns them; a table: table.to_csv("data.csv")',
        )
    reading = [name for name, value in options.items() if value is not None and OPTIONS.get(name, ("",))[0] == "data"]
    unused = [name for name in reading if name != "split_seed"]
    if unused:
        raise SpecError(
            "rows in memory are taken as they are, and not read or sampled again",
            where=", ".join(unused),
            hint="leave the option out, or give a path",
        )
    return RunSpec.of(data=IN_MEMORY, **options), data
