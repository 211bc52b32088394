"""The file formats that liftune reads, in one table: CSV, TSV, JSON lines, JSON, fastText, Parquet, Arrow, workbooks.

In: a path, or bytes and a name.  Out: a Stream, or a Table: the stream collected.
Not here: how each format is read (delimited.py, json_objects.py, parquet.py), folders and hub sets (sources.py,
hub.py), what the columns mean (columns.py, targets.py).

A new format is one entry in FORMATS: `--data`, `--in`, `liftune list sources` and every message then know it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path, PurePath

from liftune.data.readers.arrow import open_arrow
from liftune.data.readers.compression import decompressing, without_ending, zipped_name
from liftune.data.readers.delimited import open_delimited
from liftune.data.readers.fasttext import EXTENSIONS as FASTTEXT
from liftune.data.readers.fasttext import is_fasttext, open_fasttext
from liftune.data.readers.foreign import not_read
from liftune.data.readers.json_objects import open_json, open_json_lines
from liftune.data.readers.kinds import refuse_stand_in
from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.data.readers.parquet import open_parquet
from liftune.data.readers.services import recognised
from liftune.data.readers.sheets import EXTENSIONS as SHEETS
from liftune.data.readers.sheets import file_and_sheet, open_sheet
from liftune.data.readers.streams import Stream, named_in_text
from liftune.data.readers.table import Table
from liftune.data.readers.text_encoding import RawFile
from liftune.errors import DataError, nearest_file
from liftune.files import expanded


@dataclass(frozen=True)
class Format:
    """A file format."""

    name: str
    summary: str
    openers: Mapping[str, Callable[[RawFile], Stream]]
    """Extension, without that of a compression -> what looks through such a file once and gives its Stream."""
    options: frozenset[str] = frozenset()
    """Which of a user's options say how to read such a file."""


_TEXT = frozenset({"--encoding", "--no-header", "--columns", "--skip-lines"})
_open_tsv = partial(open_delimited, prefer="\t")
FORMATS = (
    Format(
        "csv", "Text separated by commas, semicolons or tabs, as Excel also writes it.", {".csv": open_delimited}, _TEXT
    ),
    Format("tsv", "Tab-separated text, quoted or not.", dict.fromkeys((".tsv", ".tab"), _open_tsv), _TEXT),
    Format(
        "jsonl",
        "One JSON object per line.",
        {".jsonl": open_json_lines, ".ndjson": open_json_lines, ".manifest": open_json_lines, ".json": open_json},
        frozenset({"--encoding", "--columns"}),
    ),
    Format(
        "fasttext",
        "fastText's lines, such as __label__good The meal was fine, in a file of any name.",
        dict.fromkeys(FASTTEXT, open_fasttext),
        frozenset({"--encoding"}),
    ),
    Format("parquet", "An Apache Parquet file.", dict.fromkeys((".parquet", ".pq", ".parq"), open_parquet)),
    Format(
        "arrow",
        "An Arrow file, Feather, or the IPC stream that `datasets` saves.",
        dict.fromkeys((".arrow", ".feather", ".ipc"), open_arrow),
    ),
    Format(
        "sheet",
        "A sheet of an Excel or OpenDocument workbook, FILE#SHEET.",
        dict.fromkeys(SHEETS, open_sheet),
        _TEXT - {"--encoding"},
    ),
)
#: Files under these names may hold fastText's lines.
_ANY_TEXT = frozenset({".csv", ".tsv", ".tab"})
#: Extensions of text files that say nothing of what is in them.
_PLAIN = frozenset({".txt", ".train", ".valid", ".test", ".text"})
#: How an address begins whose scheme was left out.
_HOST = re.compile(r"(www\.[\w.-]+|localhost|([\w-]+\.)+(com|org|net|io|co|edu|gov|ai|dev))(:\d+)?/", re.IGNORECASE)
#: Bytes of a file of an unknown kind that are looked at, to say what it is.
_HEAD = 4_096
OPENERS = {extension: opener for each in FORMATS for extension, opener in each.openers.items()}


def extension(name: str) -> str:
    """The extension that says how to read a file, without that of its compression, in lower case.

    >>> extension("train.JSONL.gz"), extension("notes"), extension("book.xlsx#March")
    ('.jsonl', '', '.xlsx')
    """
    return PurePath(without_ending(file_and_sheet(name)[0].lower())).suffix


def stem(name: str) -> str:
    """The file's name without its extension and that of its compression.

    >>> stem("data/train.csv.gz")
    'train'
    """
    base = without_ending(PurePath(name).name)
    return base[: -len(extension(base))] if extension(base) else base


def read_bytes(
    data: bytes, filename: str, where: str, *, name: str = "rows", options: FileOptions = NONE_GIVEN
) -> Table:
    """A table from a file's bytes.

    Args:
        options: how to read it, as far as the user says.

    Raises:
        DataError: an extension that liftune does not read, or contents that do not fit it.
    """
    return _opened(RawFile(filename, where, data, options)).collected(name)


def read_file(
    path: str | Path, *, name: str = "rows", where: str | None = None, options: FileOptions = NONE_GIVEN
) -> Table:
    """A table from a file on disk.

    Args:
        where: what messages call it; None names the path.
        options: how to read it, as far as the user says.

    Raises:
        DataError: missing, unreadable, of an unknown kind, or contents that do not fit its kind.
    """
    path, filename, named = _path_and_names(path)
    where = named if where is None else where
    with _opening(path, where):
        data = path.read_bytes()
    return _opened(RawFile(filename, where, data, options, path.parent)).collected(name)


def open_stream(path: str | Path, options: FileOptions = NONE_GIVEN, *, where: str | None = None) -> Stream:
    """Look through a file on disk once, to read it in constant memory.

    Args:
        options: how to read it, as far as the user says.
        where: what messages call it; None names the path.

    Raises:
        DataError: missing, unreadable, of an unknown kind, or without a row that can be read.
    """
    path, filename, named = _path_and_names(path)
    where = named if where is None else where
    with _opening(path, where):
        data = path if path.is_file() else path.read_bytes()  # a named pipe can be read only once
        return _opened(RawFile(filename, where, data, options, path.parent))


def path_of(name: str | Path) -> Path:
    """The path of a file, without the sheet that may be named after it.

    Raises:
        DataError: the name is not UTF-8, which no file of results could hold.
    """
    if not _is_text(str(name)):
        raise DataError(f"the name of the file is not UTF-8: {str(name)!r}", hint="rename the file")
    return expanded(file_and_sheet(str(name))[0])


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def sheet_of(name: str | Path) -> str | None:
    """The sheet that is named after a workbook's path."""
    return file_and_sheet(str(name))[1]


def _path_and_names(name: str | Path) -> tuple[Path, str, str]:
    """A file's path; its name, and what messages call it, both with the sheet."""
    path, sheet = path_of(name), sheet_of(name)
    suffix = f"#{sheet}" if sheet else ""
    return path, path.name + suffix, str(path) + suffix


def _opened(file: RawFile) -> Stream:
    kind = extension(file.filename)
    if not kind and file.filename.lower().endswith(".zip"):
        kind = extension(zipped_name(file.data) or "")
    if (kind not in OPENERS or kind in _ANY_TEXT) and _is_fasttext(file):
        kind = FASTTEXT[0]
    if kind in OPENERS:
        _refuse_options(kind, file)
        refuse_stand_in(file.first, file.where)
        return recognised(named_in_text(OPENERS[kind](file)))
    path = file.data if isinstance(file.data, Path) else None
    with path.open("rb") if path else io.BytesIO(file.data if isinstance(file.data, bytes) else b"") as content:
        head = content.read(_HEAD)
    raise not_read(file.filename, file.where, head, OPENERS)


def _refuse_options(kind: str, file: RawFile) -> None:
    """Refuse options that say nothing of such a file."""
    taken = next(each.options for each in FORMATS if kind in each.openers)
    idle = [option for option in file.options.given if option not in taken]
    if idle:
        raise DataError(
            f"a {kind} file says itself what {' and '.join(idle)} would say",
            where=file.where,
            hint=f"leave {' and '.join(idle)} out",
        )


@contextmanager
def _opening(path: Path, where: str) -> Iterator[None]:
    """Turn what the operating system raises over a path into a DataError."""
    with decompressing(where):
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise missing(path) from None
        except IsADirectoryError:
            raise DataError("this is a folder, not a file", where=where, hint="name a file in it") from None


def missing(path: Path) -> DataError:
    """The error for a file or folder that does not exist, with the nearest name that does."""
    folder = path.parent
    hint = "check the path; a hub data set is named OWNER/NAME"
    if not folder.is_dir():
        hint = f"check the path: there is no folder {folder} either"
        if _HOST.match(str(path)):
            hint = f"if this is an address, begin it with https://, as in https://{path}; else {hint}"
    return DataError(f"no such file or folder: {path}{beside(path)}", where=str(path), hint=hint)


def beside(path: Path) -> str:
    """', did you mean X?' for the nearest data file or folder in the same folder, or nothing."""
    folder = path.parent
    try:
        names = [each.name for each in folder.iterdir() if extension(each.name) in OPENERS or each.is_dir()]
    except OSError:
        return ""
    kind = extension(path.name)
    return nearest_file(path.name, (name for name in names if kind not in OPENERS or extension(name) in OPENERS))


def is_data(path: Path | Traversable) -> bool:
    """Whether a file holds data that liftune reads: by its extension, or as fastText's lines, which have none."""
    kind = extension(path.name)
    plain = kind in _PLAIN and isinstance(path, Path)
    return kind in OPENERS or (plain and _is_fasttext(RawFile(path.name, str(path), Path(str(path)))))


def _is_fasttext(file: RawFile) -> bool:
    try:
        return is_fasttext(file.first)
    except (OSError, DataError):  # reading it says why
        return False
