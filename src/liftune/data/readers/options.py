"""What a user says of a file that the file does not say itself: --encoding, --no-header, --columns, --skip-lines.

In: a DataSpec.  Out: FileOptions, which travel with a RawFile to the reader of its format.
Not here: what a reader takes where nothing is said (text_encoding.py, header.py).
"""

from __future__ import annotations

import codecs
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liftune.errors import DataError, nearest
from liftune.option_values import fields

if TYPE_CHECKING:
    from liftune.spec import DataSpec

_OFTEN_MEANT = ("utf-8", "utf-16", "cp1252", "latin-1", "cp1250", "cp1251", "shift_jis", "gb18030", "big5", "euc_kr")


@dataclass(frozen=True)
class FileOptions:
    """How to read a file, as far as it was said."""

    encoding: str | None = None
    """Of its text; None: as its bytes show."""
    no_header: bool = False
    """Whether its first line is a row, too."""
    columns: tuple[str, ...] = ()
    """The names of its columns, which no line of it holds."""
    named: frozenset[str] = frozenset()
    """Columns that other options name: a line that holds one of them is a header."""
    skip_lines: int | None = None
    """Lines at its start that are left out; None: those that stand above its header."""

    @classmethod
    def of(cls, spec: DataSpec) -> FileOptions:
        """Those of a run.

        Raises:
            DataError: as `checked`.
        """
        given = [each for each in (spec.text, spec.text_pair, spec.label, spec.group, spec.slices) if each]
        named = (*given, *(name for each in given for name in fields(each)))
        return cls(spec.encoding, spec.no_header, spec.columns, frozenset(named), spec.skip_lines).checked()

    def checked(self) -> FileOptions:
        """The same.

        Raises:
            DataError: an encoding that Python does not know, or columns without a name of their own.
        """
        if self.encoding is not None:
            check_encoding(self.encoding)
        twice = [name for name, count in Counter(self.columns).items() if count > 1]
        if twice or "" in self.columns:
            what = f"two columns are named {twice[0]!r}" if twice else "a column has no name"
            raise DataError(what, where="--columns", hint="give every column its own name: --columns text,label")
        return self

    @property
    def given(self) -> tuple[str, ...]:
        """The options that were given, as they are typed."""
        each = {"--encoding": self.encoding, "--no-header": self.no_header, "--columns": self.columns}
        names = tuple(name for name, value in each.items() if value)
        return names if self.skip_lines is None else (*names, "--skip-lines")

    @property
    def headerless(self) -> bool:
        """Whether the first line is a row."""
        return self.no_header or bool(self.columns)


#: A file that says everything itself.
NONE_GIVEN = FileOptions()


def check_encoding(name: str) -> None:
    """Refuse a name that is no encoding of text.

    Raises:
        DataError: with the nearest of those that are often meant.
    """
    try:
        info = codecs.lookup(name)
        "a".encode(name)
        known = info.name not in ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined")
    except (LookupError, UnicodeError, ValueError):
        known = False
    if not known:
        raise DataError(
            f"unknown encoding {name!r}{nearest(name, _OFTEN_MEANT)}",
            where="--encoding",
            hint=f"give a name that Python knows: {', '.join(_OFTEN_MEANT)}, ...",
        )
