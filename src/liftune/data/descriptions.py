"""What each label means, in words: from a file, or the label's own name.

In: a file, an address, a table or a mapping; the labels of the data.  Out: Descriptions.
Not here: the model that reads them (models/zero_shot.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from liftune.addresses import Address
from liftune.data.column_names import LABELS, known_name
from liftune.data.readers.memory import tables_of
from liftune.data.readers.options import NONE_GIVEN
from liftune.data.readers.sources import find_parts
from liftune.data.readers.table import Table, joined
from liftune.data.spellings import partner_of
from liftune.data.targets import is_missing
from liftune.errors import DataError, SpecError, first_of, shown
from liftune.option_files import Words, read_settings
from liftune.option_values import Held
from liftune.spec import IN_MEMORY

_WHERE = "--describe"
_TEXTS = ("description", "descriptions", "describe", "text", "meaning", "definition", "words", "hypothesis", "value")
_WORDS = Words(
    empty="the file describes no label",
    missing="give a JSON or TOML file of label: description, or a table with the columns label and description",
    write="write a description for each label into it",
)
_NAMED = 5
#: The first word after small letters: cardArrival.
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class Descriptions:
    """A text for each label."""

    texts: Mapping[str, str]
    given: bool
    """Whether they were written down; else they are the labels' names."""
    notes: tuple[str, ...] = field(default=(), compare=False)


def names_as_words(labels: Sequence[str]) -> Descriptions:
    """The labels' names, as words.

    Raises:
        SpecError: a name says nothing, such as a number.

    >>> names_as_words(["card_arrival", "lostOrStolen"]).texts
    {'card_arrival': 'card arrival', 'lostOrStolen': 'lost or stolen'}
    """
    texts = {label: _as_words(label) for label in labels}
    _refuse_alike(texts, "--zero-shot", 'give a file of {"label": "what it means", ...} with --describe')
    silent = [label for label, text in texts.items() if not re.search(r"[^\W\d_]{2}|[^\W\d_a-zA-Z]", text)]
    if silent:
        raise SpecError(
            f"the label{'s' * (len(silent) > 1)} {first_of([repr(each) for each in silent], _NAMED)} "
            f"say{'s' * (len(silent) == 1)} nothing to a model that was not tuned on them",
            where="--zero-shot",
            hint=f'give a file of {{"{silent[0]}": "what it means", ...}} with --describe',
        )
    return Descriptions(texts, given=False)


def _as_words(label: str) -> str:
    if re.search(r"[_]|(?<=\w)-(?=\w)", label) or _CAMEL.search(label):
        label = _CAMEL.sub(" ", label).replace("_", " ").replace("-", " ").lower()
    return " ".join(label.split())


def check_descriptions(source: str) -> None:
    """Refuse descriptions that cannot be read, whatever the labels; what an address leads to is not fetched for it.

    Raises:
        DataError, SpecError: as `read_descriptions`.
    """
    if not isinstance(source, Address):
        _pairs(source)


def read_descriptions(source: str, labels: Sequence[str]) -> Descriptions:
    """The descriptions in a source.

    Raises:
        DataError, SpecError: it cannot be read, misses a label, has a blank text, or describes a label twice.
    """
    found: dict[str, str] = {}
    for label, text in _pairs(source):
        if is_missing(text) or not isinstance(text, str):
            raise DataError(
                f"the label {label!r} has no description"
                if is_missing(text)
                else f"the description of {label!r} is no text",
                where=_place(source),
                hint="write a text for each label",
            )
        if label in found and found[label] != text:
            raise DataError(f"the label {label!r} is described twice", where=_place(source), hint="keep one of the two")
        found[label] = " ".join(text.split())
    if not found:
        raise DataError(_WORDS.empty, where=_place(source), hint=_WORDS.write)
    own = {label: label if label in found else _spelt(label, found) for label in labels}
    missing = [label for label, name in own.items() if name is None]
    if missing:
        known = first_of([repr(each) for each in found], _NAMED)
        raise DataError(
            f"{len(missing)} of {len(labels)} labels have no description: "
            f"{first_of([repr(each) for each in missing], _NAMED)}; described are {known}",
            where=_place(source),
            hint="add a description for each label of the data",
        )
    texts = {label: found[name] for label, name in own.items() if name is not None}
    _refuse_alike(texts, _place(source), "say in each what the others are not")
    notes = tuple(f"the description of {name!r} is taken for {label!r}" for label, name in own.items() if name != label)
    extra = [name for name in found if name not in own.values()]
    if extra:
        said = first_of([repr(each) for each in extra], _NAMED)
        notes += (f"descriptions of what is no label of train are not used: {said}",)
    return Descriptions(texts, given=True, notes=notes)


def _refuse_alike(texts: Mapping[str, str], where: str, hint: str) -> None:
    """Refuse labels that a model could not tell apart.

    Raises:
        DataError: two have the same words.
    """
    by_text: dict[str, list[str]] = {}
    for label, text in texts.items():
        by_text.setdefault(text.casefold(), []).append(label)
    alike = next((labels for labels in by_text.values() if len(labels) > 1), None)
    if alike:
        named = first_of([repr(each) for each in alike], _NAMED)
        raise DataError(
            f"{len(alike)} of {len(texts)} labels have the same description, {shown(texts[alike[0]])}: {named}; no "
            "model can tell them apart",
            where=where,
            hint=hint,
        )


def _spelt(label: str, found: Mapping[str, str]) -> str | None:
    return partner_of(label, tuple(found))


def _place(source: str) -> str:
    return _WHERE if isinstance(source, Held) else f"{_WHERE} {source}"


def _pairs(source: str) -> list[tuple[str, Any]]:
    """Label and description, as they stand there."""
    if isinstance(source, Held):
        held = source.rows
        if isinstance(held, Mapping) and all(isinstance(each, str) for each in (*held, *held.values())):
            return list(held.items())
        return _of_table(joined([read() for read in tables_of(held).parts(NONE_GIVEN).values()], "rows"))
    if source == IN_MEMORY:
        raise SpecError("the descriptions were in memory, and are not kept", where=_WHERE, hint="give them again")
    if not isinstance(source, Address) and Path(source).expanduser().is_dir():
        raise DataError(f"{source} is a folder, not a file", where=_place(source), hint=_WORDS.missing)
    if not isinstance(source, Address) and Path(source).suffix.casefold() in (".toml", ".json"):
        held = read_settings(Path(source).expanduser(), _WORDS)
        if isinstance(held, dict) and len(held) == 1 and all(isinstance(each, dict) for each in held.values()):
            held = next(iter(held.values()))  # [labels] in TOML
        if isinstance(held, dict):
            return [(str(label), text) for label, text in held.items()]
    try:
        tables = [read() for read in find_parts(source).values()]
    except DataError as error:
        missing = not isinstance(source, Address) and not Path(source).expanduser().exists()
        if not (missing and error.where == str(source)):
            raise
        raise DataError(error.message, where=_place(source), hint=_WORDS.missing) from None
    return _of_table(joined(tables, "rows"))


def _of_table(table: Table) -> list[tuple[str, Any]]:
    label = known_name((*LABELS, "name", "id"), table.columns)
    text = known_name(_TEXTS, [each for each in table.columns if each != label])
    if len(table.columns) == 2 and text is None:
        text = next(each for each in table.columns if each != label)
        label = label or table.columns[0]
    if label is None or text is None or label == text:
        raise DataError(
            "which columns hold labels and descriptions is not known: "
            f"the {'only column is' if len(table.columns) == 1 else 'columns are'} "
            f"{', '.join(map(repr, table.columns))}",
            where=table.where,
            hint=f"name them label and description; or {_WORDS.missing}",
        )
    return [(str(each).strip(), words) for each, words in zip(table.read(label), table.read(text), strict=True)]
