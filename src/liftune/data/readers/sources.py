"""Where rows come from: one registered function per kind of source.

In: what `--data` names.  Out: Parts, the source's own parts by name, each read when asked for.
Not here: which part is train (split_roles.py), folders (folders.py), how a file is read (formats.py).

To add a kind, register a function that takes the source's name (and FileOptions, where it `reads_files`) and returns
its Parts; `takes` says which names it accepts. The kind registered last is asked first, so that a third party's
`az://...` comes before ours. A file format is added in formats.py instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

from liftune.addresses import Address, addressed, is_address
from liftune.data.readers.folders import file_parts, find_folder_parts
from liftune.data.readers.formats import FORMATS, OPENERS, extension, missing, path_of, read_file
from liftune.data.readers.no_data import refuse_model
from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.data.readers.parallel_files import pair_of, read_pair
from liftune.data.readers.part_names import role_of
from liftune.data.readers.table import NotedParts, Parts
from liftune.data.readers.text_encoding import RawFile
from liftune.errors import DataError, choose
from liftune.files import expanded
from liftune.registry import Registry

SAMPLE = "sample:"
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(:[^@/:]+)?(@[^@]+)?")


@dataclass(frozen=True)
class Source:
    """A kind of source: a name for listings, which names it takes, and how its parts are found."""

    name: str
    build: Callable[..., Parts]
    """From a name, and FileOptions where it `reads_files`."""
    summary: str
    takes: Callable[[str], bool]
    reads_files: bool = False
    """Whether it reads files of text, so that --encoding, --no-header and --columns are for it."""


SOURCES: Registry[Source] = Registry("source", Source, error=DataError)


def find_parts(source: str, options: FileOptions = NONE_GIVEN) -> Parts:
    """The parts of the source of that name.

    Args:
        options: how to read its files, as far as the user says.

    Raises:
        DataError: nothing of that name, or of a kind that liftune does not read.
    """
    source = addressed(source)
    if not isinstance(source, Address):
        refuse_model(source, path_of(source))  # and a name that no record could hold
    for entry in reversed(SOURCES.entries()):
        if entry.takes(source):
            if entry.reads_files:
                return entry.build(source, options)
            if options.given:
                raise DataError(
                    f"{source} is not read from a text file, which is what {' and '.join(options.given)} is for",
                    where=source,
                    hint=f"leave {' and '.join(options.given)} out",
                )
            return entry.build(source)
    path = expanded(source)
    pair = pair_of(path) if path.is_file() else None
    if pair:
        return NotedParts({"rows": partial(read_pair, pair, "rows", options)}, notes=[f"{path}: {pair.said}"])
    if path.exists():
        return _file(source, options)  # of an unknown kind: reading it says so
    raise missing(path)


def _is_hub_id(source: str) -> bool:
    """Whether a name can be a hub data set: not a path, not a file's name, nothing local of that name."""
    if not _HUB_ID.fullmatch(source) or source.startswith((".", "www.")) or extension(source) in OPENERS:
        return False
    path = Path(source)
    return not path.exists() and not ("/" in source and path.parent.is_dir())


@SOURCES.entry("hub", summary="A Hugging Face data set, ID[:CONFIG][@REVISION].", takes=_is_hub_id)
def _hub(source: str) -> Parts:
    from liftune.data.readers.hub import read_hub

    return read_hub(source)


def _file(source: str, options: FileOptions) -> Parts:
    return {"rows": partial(read_file, source, options=options)}


def _has_extension(extensions: Collection[str]) -> Callable[[str], bool]:
    return lambda source: extension(source) in extensions and "://" not in source


def _book(source: str, options: FileOptions) -> Parts:
    """A workbook's sheets: parts where one of them is named train, else the one with rows."""
    from liftune.data.readers.sheets import file_and_sheet, sheets_with_rows

    path = path_of(source)
    if file_and_sheet(source)[1] is None and path.is_file():
        names = sheets_with_rows(RawFile(path.name, str(path), path.read_bytes()))
        if len(names) > 1 and "train" in map(role_of, names):
            return {name: partial(read_file, f"{source}#{name}", name=name, options=options) for name in names}
    return _file(source, options)


for _format in FORMATS:
    _build = _book if _format.name == "sheet" else _file
    SOURCES.entry(_format.name, summary=_format.summary, takes=_has_extension(_format.openers), reads_files=True)(
        _build
    )


@SOURCES.entry(
    "folder",
    summary="Files or folders named train, validation and test, or a folder of texts for each label.",
    takes=lambda source: expanded(source).is_dir(),
    reads_files=True,
)
def _folder(source: str, options: FileOptions) -> Parts:
    return find_folder_parts(expanded(source), options)


@SOURCES.entry(
    "remote",
    summary="A file or small folder elsewhere: s3://, gs://, https://, hf://.",
    takes=is_address,
    reads_files=True,
)
def _remote(source: str, options: FileOptions) -> Parts:
    from liftune.data.readers.remote import remote_parts

    return remote_parts(
        Address(source) if not isinstance(source, Address) else source, partial(find_parts, options=options)
    )


@SOURCES.entry(
    "sample", summary="A data set that comes with liftune, sample:NAME.", takes=lambda source: source.startswith(SAMPLE)
)
def _sample(source: str) -> Parts:
    name = source.removeprefix(SAMPLE)
    samples = files("liftune.data") / "sample"
    known = sorted(each.name for each in samples.iterdir() if each.is_dir()) if samples.is_dir() else []
    hint = f"choose one of: {', '.join(SAMPLE + each for each in known) or 'none are installed'}"
    choose(name, known, "sample", source, error=DataError, hint=hint)
    return file_parts(samples / name, source)
