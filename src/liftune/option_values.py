"""Values of options as people type them: what each means, and which are refused.

In: a value from the command line, Python or a file.  Out: the value that its field holds, or a ValueError.
Not here: the options themselves (spec.py).
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WrapValidator

from liftune.addresses import Address, addressed
from liftune.errors import nearest, pasted, shown

#: The source of rows that were passed in Python.
IN_MEMORY = "(rows in memory)"
#: Of --folds: liftune decides whether to cross-validate.
AUTO_FOLDS: Literal["auto"] = "auto"
MOST_FOLDS = 50
#: What is wrong with a text that no file can hold.
NOT_UNICODE = "half a character, or a byte that is not UTF-8"
#: Every contender that a run can have of its own, in the order of joining; `tuned` is the adapter.
CONTENDERS = ("majority", "tfidf", "base", "probe", "start", "contrastive", "tuned", "full")
#: The contender whose encoder learned from pairs of rows, of few rows a label.
CONTRASTIVE = "contrastive"
#: The contender that --zero-shot adds.
ZERO_SHOT = "zero-shot"
#: Other words that commands take in the place of a contender's name.
_TAKEN_WORDS = ("recommended", "all", "none")
#: A contender's name is also that of a file of its logits, on any disk.
_NAME = re.compile(r"\w(?:[\w .-]{0,38}\w)?")
#: In which respects labels may be spelt differently and still be one: --merge-labels.
MERGES = ("case", "space", "unicode", "punctuation", "notes", "truth", "number")


def check_texts(value: Any) -> None:
    """Refuse half of a character, which no file of results could hold, in a value and in what it holds.

    Raises:
        ValueError: a text is not Unicode.

    >>> check_texts({"data": ["caf\\u00e9"]})
    >>> check_texts({"data": ["caf\\udce9"]})
    Traceback (most recent call last):
    ValueError: must be Unicode, not 'caf\\udce9' (half a character, or a byte that is not UTF-8)
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"must be Unicode, not {shown(value)} ({NOT_UNICODE})") from None
    elif isinstance(value, Mapping):
        check_texts([*value, *value.values()])
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            check_texts(each)


def place(value: Any) -> Any:
    """An os.PathLike as its path; anything else passes.

    >>> from pathlib import PurePosixPath
    >>> place(PurePosixPath("data/rows.csv"))
    'data/rows.csv'
    """
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def without_secrets(value: Any, check: Callable[[Any], str]) -> str:
    """A path or a name; an address shows no secret from here on, and keeps what is brought from it."""
    return value if isinstance(value, Address) else addressed(check(place(value)))


def pairs(value: Any) -> Any:
    """'a=1,b=2' or ['a=1', 'b=2'] as a dict; anything else passes.

    >>> pairs("train=a,test=b")
    {'train': 'a', 'test': 'b'}
    """
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        for part in value:
            if "=" not in part:
                raise ValueError(f"{part!r} is not KEY=VALUE")
        return {key.strip(): text.strip() for key, text in (part.split("=", 1) for part in value)}
    return value


def named(value: Any) -> Any:
    """'NAME=VALUE', several with commas between them, or a list of such, as a dict; anything else passes.

    >>> named("gpt=a.csv,old=b,c.csv"), named(["gpt=a=1.csv"])
    ({'gpt': 'a.csv', 'old': 'b,c.csv'}, {'gpt': 'a=1.csv'})
    """
    if isinstance(value, str):
        value = re.split(r",(?=[^,=/\\]+=)", value)
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        return value
    found: dict[str, str] = {}
    for part in value:
        name, equals, text = part.partition("=")
        if not (equals and name.strip() and text.strip()):
            raise ValueError(
                f"{part!r} is not NAME=VALUE, such as {_name_for(part)}={text.strip() or part.strip('= ')}"
            )
        if name.strip() in found:
            raise ValueError(f"{name.strip()} is given twice: give each name once")
        found[name.strip()] = text.strip()
    return found


def _name_for(given: str) -> str:
    """A name that a contender may have, made of what was given without one."""
    stem = re.split(r"[/\\]", given.strip("= "))[-1].partition(".")[0]
    return stem if _NAME.fullmatch(stem) and stem.casefold() not in CONTENDERS else "gpt"


def contender_names(values: dict[str, Any]) -> dict[str, Any]:
    """The mapping, if its keys can be names of contenders beside those that a run has itself.

    >>> contender_names({"tuned": 1})
    Traceback (most recent call last):
    ValueError: 'tuned' is a contender's name already: give another, such as my-tuned
    """
    seen: set[str] = set()
    for name in values:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{shown(name)} cannot be a name: give up to 40 letters, digits, -, _ or . , such as gpt-5 or old"
            )
        if name.casefold() in (*CONTENDERS, ZERO_SHOT, *_TAKEN_WORDS):
            what = "a contender's name" if name.casefold() not in _TAKEN_WORDS else "a word of its own"
            raise ValueError(f"{name!r} is {what} already: give another, such as my-{name}")
        if name.casefold() in seen:
            raise ValueError(f"two names differ in case alone: {name!r}")
        seen.add(name.casefold())
    return values


class Held(str):
    """A table in the place of a file's path: shown and written as a text that says so, it holds the rows themselves."""

    rows: Any

    def __new__(cls, text: str, rows: Any = None) -> Held:
        """The text that stands for the rows."""
        made = super().__new__(cls, text)
        made.rows = rows
        return made

    def __deepcopy__(self, memo: object) -> Held:
        """Itself."""
        return self


def held_or_place(value: Any, check: Callable[[Any], str]) -> str:
    """A path or an address; or what is neither, and so a table, which is held."""
    if isinstance(value, Held):
        return value
    if value is None or isinstance(value, str | bytes | bytearray | os.PathLike):
        return without_secrets(value, check)
    if not hasattr(value, "__iter__") and not hasattr(value, "__arrow_c_stream__"):
        raise ValueError(f"must be a path or a table, not {shown(value)}")
    return Held(IN_MEMORY, value)


def numbers(value: Any) -> Any:
    """'0,1,2' or one number as a tuple; anything else passes.

    >>> numbers("0,1")
    ('0', '1')
    """
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    return (value,) if isinstance(value, int) else value


def names(value: Any) -> Any:
    """'a,b' as a tuple, 'none' as an empty one; anything else passes.

    >>> names("packing, bfloat16"), names("none")
    (('packing', 'bfloat16'), ())
    """
    value = place(value)
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if isinstance(value, list | tuple | set | frozenset):
        value = tuple(place(each) for each in value)
        if "none" in value and len(value) > 1:
            raise ValueError("give either none or names, not both")
        return () if value == ("none",) else value
    return value


def fields(text: str) -> tuple[str, ...]:
    """Names between commas; "double quotes" around a name keep its commas.

    >>> fields('subject, body'), fields('"Toxic, severe",obscene')
    (('subject', 'body'), ('Toxic, severe', 'obscene'))
    """
    try:
        found = next(csv.reader([text], skipinitialspace=True), [])
    except csv.Error as error:  # a line end, a NUL, a name of 131,072 characters
        raise ValueError(f"not names separated by commas: {error}") from None
    return tuple(name.strip() for name in found if name.strip())


def joined_fields(names: Iterable[str]) -> str:
    """Names as `fields` reads them.

    >>> joined_fields(("Toxic, severe", "obscene"))
    '"Toxic, severe",obscene'
    """
    return ",".join('"{}"'.format(name.replace('"', '""')) if set(name) & set(',"') else name for name in names)


def typed(option: str, value: str) -> str:
    """An option with its value as they are typed in a shell.

    >>> typed("--columns", "id,Created by"), typed("--split", "test=b")
    ("--columns 'id,Created by'", '--split test=b')
    """
    return f"{option} {pasted(value)}"


def one_text(value: Any) -> Any:
    """A list of columns as one text, as on the command line; anything else passes.

    >>> one_text(["subject", "body"]), one_text("text")
    ('subject,body', 'text')
    """
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return joined_fields(value) if len(value) > 1 else "".join(value) or None
    return value


def numbered(value: Mapping[Any, Any]) -> tuple[Any, ...]:
    """The names of the numbers from 0 on, as `id2label` of transformers has them.

    >>> numbered({1: "pos", "0": "neg"})
    ('neg', 'pos')
    """
    names = {str(key).strip(): name for key, name in value.items()}
    keys = [str(i) for i in range(len(value))]
    if set(names) != set(keys):
        raise ValueError(f"must name every number from 0 to {max(len(value) - 1, 0)}, not {', '.join(names)}")
    return tuple(names[key] for key in keys)


def several(value: Any) -> Any:
    """'a,b' as a tuple of names, and names by their numbers; anything else passes."""
    if isinstance(value, Mapping):
        return numbered(value)
    return fields(value) if isinstance(value, str) else value


def merges(values: tuple[str, ...]) -> tuple[str, ...]:
    """Names from MERGES."""
    for each in values:
        if each not in MERGES:
            raise ValueError(f"{each!r} is none of {', '.join(MERGES)}{nearest(each, MERGES)}")
    return values


def once(values: tuple[int, ...]) -> tuple[int, ...]:
    """The values, if none occurs twice: a seed used again only repeats its results.

    >>> once((0, 1))
    (0, 1)
    """
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(map(str, twice))} is given twice")
    return values


def switched_off(value: Any) -> Any:
    """'none' for a number: zero.

    >>> switched_off("none"), switched_off("0.9")
    (0.0, '0.9')
    """
    return 0.0 if isinstance(value, str) and value.strip().casefold() == "none" else value


def switch(value: Any) -> Any:
    """on, off or auto, however they are written; true and false are on and off.

    >>> switch(True), switch("OFF"), switch(" Auto"), switch("perhaps")
    ('on', 'off', 'auto', 'perhaps')
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    return value.strip().casefold() if isinstance(value, str) else value


def automatic(value: Any) -> Any:
    """A number of folds; 'auto' is itself, 'none' is None.

    >>> automatic(" Auto"), automatic("none"), automatic("5")
    ('auto', None, 5)
    """
    word = value.strip().casefold() if isinstance(value, str) else value
    if word in (None, "none", AUTO_FOLDS):
        return AUTO_FOLDS if word == AUTO_FOLDS else None
    number = int(word) if isinstance(word, str) and word.isdecimal() else word
    if isinstance(number, bool) or not isinstance(number, int) or not 2 <= number <= MOST_FOLDS:
        raise ValueError(f"give auto, none or a number from 2 to {MOST_FOLDS}, not {value!r}")
    return number


def similarity(value: float) -> float:
    """A threshold of similarity: zero for none, or 0.5 to 1; below a half, texts that share little would count."""
    if value != 0 and not 0.5 <= value <= 1:
        raise ValueError(f"a similarity must be none or from 0.5 to 1, not {value:g}")
    return value


Positive = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Names = Annotated[tuple[str, ...], BeforeValidator(names)]
Place = Annotated[str, WrapValidator(without_secrets)]
Columns = Annotated[str | None, BeforeValidator(one_text)]
Pairs = Annotated[dict[str, str], BeforeValidator(pairs)]
#: Contender -> file, address or table.
NamedPlaces = Annotated[
    dict[str, Annotated[str, WrapValidator(held_or_place)]], BeforeValidator(named), AfterValidator(contender_names)
]
#: A file, an address or a table.
HeldPlace = Annotated[str, WrapValidator(held_or_place)]
#: Contender -> what a row costs.
Costs = Annotated[dict[str, Annotated[float, Field(ge=0)]], BeforeValidator(named)]
