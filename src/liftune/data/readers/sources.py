"""Where rows come from: one registered function per kind of source.

In: what `--data` names.  Out: Parts, the source's own parts by name, each read when asked for.
Not here: which part is train (split_roles.py), how a file is read (formats.py).

To add a kind, register a function that takes the source's name (and FileOptions, where it `reads_files`) and returns
its Parts; `takes` says which names it accepts. The kind registered last is asked first, so that a third party's
`s3://...` comes before the hub. A file format is added in formats.py instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from liftune.data.readers.formats import FORMATS, OPENERS, extension, missing, read_bytes, read_file, stem
from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.data.readers.table import NotedParts, Parts, Table, joined
from liftune.errors import DataError, choose
from liftune.registry import Registry

SAMPLE = "sample:"
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
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
    path = Path(source).expanduser()
    if path.exists():
        return _file(source, options)  # of an unknown kind: reading it says so
    raise missing(path)


def _is_hub_id(source: str) -> bool:
    """Whether a name can be a hub data set: not a path, not a file's name, nothing local of that name."""
    if not _HUB_ID.fullmatch(source) or source.startswith(".") or extension(source) in OPENERS:
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


for _format in FORMATS:
    SOURCES.entry(_format.name, summary=_format.summary, takes=_has_extension(_format.openers), reads_files=True)(_file)


@SOURCES.entry(
    "folder",
    summary="Files named train, validation and test, of any of these kinds.",
    takes=lambda source: Path(source).expanduser().is_dir(),
    reads_files=True,
)
def _folder(source: str, options: FileOptions) -> Parts:
    folder = Path(source).expanduser()
    try:
        parts = _parts_in(folder, str(folder), options)
        if not parts and (folder / "data").is_dir():  # how the hub lays a data set out
            parts = _parts_in(folder / "data", str(folder / "data"), options)
    except PermissionError:
        raise DataError(
            "the folder cannot be read: permission denied", where=str(folder), hint="check its permissions"
        ) from None
    if not parts:
        raise DataError(
            "no data files in the folder",
            where=str(folder),
            hint=f"put files named train, validation and test there: {', '.join(OPENERS)}, plain or with .gz",
        )
    return parts


@SOURCES.entry(
    "sample", summary="A data set that comes with liftune, sample:NAME.", takes=lambda source: source.startswith(SAMPLE)
)
def _sample(source: str) -> Parts:
    name = source.removeprefix(SAMPLE)
    samples = files("liftune.data") / "sample"
    known = sorted(each.name for each in samples.iterdir() if each.is_dir()) if samples.is_dir() else []
    hint = f"choose one of: {', '.join(SAMPLE + each for each in known) or 'none are installed'}"
    choose(name, known, "sample", source, error=DataError, hint=hint)
    return _parts_in(samples / name, source)


def _parts_in(folder: Path | Traversable, where: str, options: FileOptions = NONE_GIVEN) -> Parts:
    """A folder's data files by stem, shards joined; a single file is called `rows`."""
    paths_of: dict[str, list[Path | Traversable]] = {}
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if each.is_file() and extension(each.name) in OPENERS and not each.name.startswith("."):
            paths_of.setdefault(_SHARD.sub("", stem(each.name)), []).append(each)
    parts: dict[str, Callable[[], Table]] = {}
    named = {name: ", ".join(path.name for path in paths) for name, paths in paths_of.items()}
    for name, paths in paths_of.items():
        if len(paths) > 1 and not all(_SHARD.search(stem(path.name)) for path in paths):
            parts |= {path.name: partial(_read_all, [path], path.name, where, options) for path in paths}
        else:
            parts[name] = partial(_read_all, paths, name, where, options)
    if len(parts) == 1:
        read = partial(_read_all, next(iter(paths_of.values())), "rows", where, options)
        return NotedParts({"rows": read}, files={"rows": next(iter(named.values()))})
    return NotedParts(parts, files=named)


def _read_all(paths: Sequence[Path | Traversable], name: str, where: str, options: FileOptions) -> Table:
    return joined([_read(path, name, f"{where}/{path.name}", options) for path in paths], name)


def _read(path: Path | Traversable, name: str, where: str, options: FileOptions) -> Table:
    if isinstance(path, Path):
        return read_file(path, name=name, where=where, options=options)
    return read_bytes(path.read_bytes(), path.name, where, name=name, options=options)
