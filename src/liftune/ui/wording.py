"""Messages of the command line in the words of the page: a field in place of an option.

In: a message, a hint or a note of liftune.  Out: the same, saying what to do on the page.
Not here: the messages themselves; the fields (static/page.html), against which a test holds these names.
"""

from __future__ import annotations

import re

from liftune.errors import LiftuneError
from liftune.models.methods.registry import METHODS
from liftune.option_texts import Mention, options_in, possible_ways, renamed
from liftune.tasks import TaskKind

#: Option -> the field of the page that stands for it. An option that is not here has none.
FIELDS = {
    "--text": "Text column",
    "--label": "Label column",
    "--text-pair": "Second text",
    "--group": "Group",
    "--task": "Kind of task",
    "--skip-bad-rows": "Leave out rows that cannot be used",
    "--model": "Pretrained model",
    "--method": "Method",
    "--epochs": "Epochs, at most",
    "--seeds": "Seeds",
    "--with-full": "Also tune every parameter",
}
#: Kinds of task as the page calls them.
KINDS = {
    TaskKind.SINGLE_LABEL: "one label per text",
    TaskKind.MULTI_LABEL: "any number of labels per text",
    TaskKind.REGRESSION: "a number per text",
}
#: Of the page's own server: what is said of it is not a matter of the page.
_OF_THE_SERVER = "`liftune ui`"
_REMARK = re.compile(r" \((--[^()]*)\)")
_CLAUSES = re.compile(r"(?<=[;.]) (?=--)")
_NO_FIELD = "The page has no field for {}: change the file, or run `liftune tune` in a terminal"


def note_for_page(text: str) -> str:
    """A message or a note: with the page's names, without remarks on options that the page has no field for.

    >>> note_for_page("3 rows were kept together (--near-duplicates none cuts between them)")
    '3 rows were kept together'
    >>> note_for_page("labels are lists; --task single_label makes each cell one class")
    'labels are lists; “Kind of task: one label per text” makes each cell one class'
    """
    if _OF_THE_SERVER in text:
        return text
    text = _REMARK.sub(lambda found: "" if _without_field(found[1]) else found[0], text)
    kept = [each for i, each in enumerate(_CLAUSES.split(text)) if not i or not _without_field(each)]
    said = " ".join(kept).rstrip(";")
    return _named(said if said.endswith(".") or not text.endswith(".") else f"{said}.")


def hint_for_page(text: str) -> str:
    """What to do, on the page: of several ways those that it has a field for.

    >>> hint_for_page("name its encoding with --encoding, or save it as UTF-8")
    'save it as UTF-8'
    >>> hint_for_page("name it with --columns")
    'name it with --columns. The page has no field for --columns: change the file, or run `liftune tune` in a terminal'
    """
    lacking = _without_field(text)
    if _OF_THE_SERVER in text or not lacking:
        return text if _OF_THE_SERVER in text else _named(text)
    ways = possible_ways(text, lambda way: not _without_field(way))
    if ways:
        return _named(ways)
    return f"{_named(text)}. {_NO_FIELD.format(' and '.join(lacking))}"


def for_page(error: LiftuneError) -> LiftuneError:
    """An error of the command line as the page says it; where it is an option's, that is its field's name."""
    return LiftuneError(
        note_for_page(error.message),
        where=error.where and FIELDS.get(error.where, error.where),
        hint=error.hint and hint_for_page(error.hint),
    )


def _without_field(text: str) -> list[str]:
    """The options in a text that the page has no field for."""
    return [option for name in options_in(text) if (option := f"--{name}") not in FIELDS]


def _named(text: str) -> str:
    return renamed(text, _field, in_commands=True)


def _field(found: Mention) -> str:
    option, value = f"--{found.name}", (found.value or "").strip("'\"")
    if option not in FIELDS:
        return found.text
    name = FIELDS[option]
    chosen = {
        "--task": KINDS[TaskKind(value)] if value in {*TaskKind} else None,
        "--method": value if value in METHODS else None,
        "--seeds": str(value.count(",") + 1) if re.fullmatch(r"[\d,]+", value) else None,
        "--epochs": value if value.isdigit() else None,
    }.get(option)
    if chosen is not None:
        return f"{found.before}“{name}: {chosen}”"
    return f"{found.before}“{name}”{f' {found.value}' if found.value else ''}"
