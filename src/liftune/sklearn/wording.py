"""Errors of `tune` and `load` in the words of LiftuneClassifier: its parameters in the place of options.

In: a LiftuneError.  Out: the same, of which no line names what the classifier lacks.
Not here: what is wrong (whoever raised it).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from liftune import api
from liftune.data.readers.memory import WHERE
from liftune.errors import LiftuneError
from liftune.option_texts import options_in, possible_ways
from liftune.python_names import argument, in_python
from liftune.spec import IN_MEMORY

_VERBS = (api.tune, api.load, api.evaluate, api.export, api.predict)
#: Names of options anywhere; others, such as those of pip, stay as they are.
_OPTIONS = frozenset(name for verb in _VERBS for name in inspect.signature(verb).parameters) | {"data", "in", "rows"}
#: Options that are given alone.
_SWITCHES = frozenset(
    name for name, each in inspect.signature(api.tune).parameters.items() if "bool" in str(each.annotation)
)
#: What a file would have, and fit is not given.
_OF_FILES = re.compile(r"\bliftune [a-z]|\bpart of its own\b|\blabel column\b|\bthe file\b")
_NOTHING_LEFT = "change what fit is given, or the parameters of LiftuneClassifier"


@contextmanager
def own_words(parameters: Collection[str]) -> Iterator[None]:
    """Errors that leave the block name parameters.

    Args:
        parameters: of the classifier.
    """
    try:
        yield
    except LiftuneError as error:
        if error.as_written:  # by a function of Python, whose names are others
            error.message, error.where, error.hint = error.as_written
        error.message = _renamed(error.message)
        error.args = (error.message,)
        error.where = argument(error.where).replace(WHERE, "X").replace(IN_MEMORY, "X") if error.where else error.where
        error.hint = hint_of(error.hint, parameters) if error.hint else error.hint
        error.__notes__ = [_renamed(each) for each in getattr(error, "__notes__", ()) if _is_possible(each, parameters)]
        raise


def hint_of(hint: str, parameters: Collection[str]) -> str:
    """A hint without what the classifier cannot do.

    >>> hint_of("add rows of another class, raise --train-rows, or name another --label", {"lr"})
    'add rows of another class'
    >>> hint_of("try --lr 0.001, or --accelerations none", {"lr", "accelerations"})
    'try lr=0.001, or accelerations="none"'
    >>> hint_of("finish it: liftune tune --resume x; or name another folder with --out", {"out"})
    'name another folder with out='
    """
    ways = possible_ways(hint, lambda way: _is_possible(way, parameters))
    return _renamed(ways) if ways else _NOTHING_LEFT


def _is_possible(text: str, parameters: Collection[str]) -> bool:
    named = {each.replace("-", "_") for each in options_in(text)}
    return not _OF_FILES.search(text) and not (named & _OPTIONS) - set(parameters)


def _renamed(text: str) -> str:
    return in_python(text, _SWITCHES).replace(WHERE, "X").replace(IN_MEMORY, "X")
