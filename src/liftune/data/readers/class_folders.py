"""A folder of texts for each label, one text a file, as aclImdb and 20 newsgroups are laid out.

In: the folders.  Out: a Table with the columns text, label and file.
Not here: which folders are parts of the data (folders.py).
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from liftune.data.readers.looks import looks_like_text
from liftune.data.readers.options import FileOptions
from liftune.data.readers.table import Fault, Table
from liftune.data.readers.text_encoding import RawFile
from liftune.errors import DataError, amount

_EXTENSIONS = frozenset({".txt", ".text", ""})
#: Folders of texts whose label nobody knows.
_UNLABELLED = frozenset({"unsup", "unsupervised", "unlabeled", "unlabelled", "unlabel", "unknown_label"})

#: First bytes of text in UTF-16 and UTF-32, and of gzip.
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"\x1f\x8b")


def takes_class_folders(folders: Sequence[Path]) -> bool:
    """Whether each folder holds texts, one a file, and nothing else that is data."""
    labelled = [each for each in folders if each.name.casefold() not in _UNLABELLED]
    return bool(labelled) and all(_texts(each) for each in labelled)


def left_out(folders: Sequence[Path]) -> list[str]:
    """What is said of folders without a label."""
    names = [each for each in folders if each.name.casefold() in _UNLABELLED]
    return [f"{each.name}/ ({amount(len(_texts(each)), 'text')} without a label)" for each in names]


def read_class_folders(folders: Sequence[Path], where: Path, name: str, options: FileOptions) -> Table:
    """Every text, its folder's name as its label. A file that is no text is a fault."""
    paths = [(each.name, path) for each in folders if each.name.casefold() not in _UNLABELLED for path in _texts(each)]
    texts, faults, notes = decoded_files([path for _, path in paths], where, options)
    files = [path.relative_to(where).as_posix() for _, path in paths]
    columns: dict[str, list[Any]] = {"text": texts, "label": [label for label, _ in paths], "file": files}
    return Table(
        name,
        str(where),
        tuple(columns),
        len(paths),
        lambda column: list(columns[column]),
        faults=tuple(faults),
        files=files,
        notes=(f"{where}: each folder is a label, each file a text", *notes),
    )


def decoded_files(
    paths: Sequence[Path], where: Path, options: FileOptions
) -> tuple[list[str | None], list[Fault], tuple[str, ...]]:
    """Each file's text, or why it is none, and what is said of their encoding.

    Most files are plain UTF-8. The encoding of the others is told from all of them: one alone shows too little.
    """
    texts: list[str | None] = []
    others: dict[int, bytes] = {}
    for position, path in enumerate(paths):
        data = _bytes(path)
        texts.append(_plain(data) if options.encoding is None else None)
        if texts[-1] is None:
            others[position] = data
    together = RawFile(where.name, f"{where}, {len(others):,} files", b"\n".join(others.values()), options)
    faults: list[Fault] = []
    notes: tuple[str, ...] = ()
    for position, data in others.items():
        try:
            if data.startswith(_MARKS) or not data.strip():
                texts[position] = RawFile(paths[position].name, str(paths[position]), data, options).text
            else:
                texts[position] = data.decode(together.decoding.encoding, "surrogateescape")
                notes = together.decoding.notes
        except DataError as error:
            faults.append(Fault(position, error.message, error.hint or "fix the file"))
        except UnicodeDecodeError as error:
            faults.append(Fault(position, f"not {error.encoding}: {error.reason}", "fix the file"))
    return [None if text is None else text.rstrip("\r\n") for text in texts], faults, notes


def _plain(data: bytes) -> str | None:
    """The text of a file in UTF-8; None for any other, and for an empty one."""
    if not data.strip() or b"\0" in data or data.startswith(_MARKS):
        return None
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the file cannot be read: {error.strerror}", where=str(path), hint="check its permissions"
        ) from None


def _texts(folder: Path) -> list[Path]:
    """A folder's texts in the order of their names; none if it holds other files or folders beside them."""
    entries = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    texts = [each for each in entries if (each.is_file() and each.suffix.lower() in _EXTENSIONS) or _numbered(each)]
    return texts if texts and len(texts) == len(entries) and looks_like_text(texts[0]) else []


def _numbered(path: Path) -> bool:
    """Whether what looks like an extension is a number: `12.1998-08`."""
    return path.is_file() and path.suffix[1:2].isdigit()
