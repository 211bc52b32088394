"""Folders: which of their files are which part of the data.

In: a folder.  Out: Parts, and what was passed over.  Six layouts, the first that fits:
1. what `datasets.save_to_disk` wrote (saved_sets.py);
2. files named train, validation and test, also as shards; or one file;
3. folders named so, with files or with folders of texts in them;
4. a folder of texts for each label (class_folders.py);
5. texts in one file and their labels in another (parallel_files.py), in the folder or in one of each part;
6. JSON files of one row each (row_files.py), in the folder or in one of each part.
A folder that holds nothing but another one is looked through.  Not here: reading files (formats.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path

from liftune.data.readers.class_folders import left_out, read_class_folders, takes_class_folders
from liftune.data.readers.foreign import kind_of, not_read
from liftune.data.readers.formats import OPENERS, extension, is_data, read_bytes, read_file, stem
from liftune.data.readers.looks import looks_like_text
from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.data.readers.parallel_files import pairs_alone, parts_of_pairs, read_pair
from liftune.data.readers.part_names import role_of
from liftune.data.readers.row_files import read_row_files, takes_row_files
from liftune.data.readers.saved_sets import read_saved
from liftune.data.readers.table import NotedParts, Parts, Table, joined
from liftune.errors import DataError, first_of, pasted

#: `-00000-of-00002`, and what the hub adds to it; Spark's and pandas' names of parts.
#: Of more files, those whose name says nothing are not looked into: they are texts, one a file.
_FEW = 50
_SHARD = re.compile(r"[-_.](\d{5})-of-(\d{5})(-[0-9a-f]{16})?$")
_NUMBERED = re.compile(r"^part[-._]?\d+([-.].*)?$")
#: Of programs, and no data: they are passed over in silence.
_JUNK = re.compile(
    r"\..*|~\$.*|__macosx|__pycache__|icon\r?|thumbs\.db|desktop\.ini|ehthumbs\.db|_success|_committed.*|_started.*"
    r"|_metadata|_common_metadata|.*\.crc|lost\+found",
    re.IGNORECASE,
)
#: About the data, and no data.
_ABOUT = re.compile(
    r"(readme|licen[cs]e|notice|citation|changelog|source|makefile)([._-].*)?|.*\.(md|rst)|dataset_infos?\.json"
    r"|dataset-metadata\.json|dataset_dict\.json|state\.json|croissant\.json|metadata\.ya?ml",
    re.IGNORECASE,
)
_DEPTH = 4
_NAMED = 20
#: Files of one kind that are named each with its kind; files that are looked at to name kinds.
_ALIKE, _MOST_LISTED = 3, 1_000


@dataclass(frozen=True)
class _Listing:
    """What is in a folder, without what is no data."""

    data: list[Path | Traversable]
    """Files of formats that liftune reads."""
    others: list[str]
    """The names of other files."""
    folders: list[Path]


def is_junk(name: str) -> bool:
    """Whether a name is one that programs give to what is theirs, and no data."""
    return bool(_JUNK.fullmatch(name))


def find_folder_parts(folder: Path, options: FileOptions = NONE_GIVEN) -> Parts:
    """The parts of a folder.

    Raises:
        DataError: it holds nothing that liftune reads, or cannot be listed.
    """
    try:
        parts = _parts(folder, options, _DEPTH)
    except PermissionError:
        raise DataError(
            "the folder cannot be read: permission denied", where=str(folder), hint="check its permissions"
        ) from None
    if parts is None:
        raise _nothing(folder)
    return parts


def data_files(folder: Path) -> list[str]:
    """The names of what looks like data in a folder: files of formats that liftune reads, or a saved data set.

    A .json file, which may hold anything, is data where its name is that of a part.
    """
    if (folder / "dataset_dict.json").is_file():
        return ["dataset_dict.json"]
    names = [each.name for each in _listed(folder).data]
    return sorted(name for name in names if extension(name) != ".json" or role_of(stem(name)))


def file_parts(folder: Path | Traversable, where: str, options: FileOptions = NONE_GIVEN) -> NotedParts:
    """A folder's data files by stem, shards joined; a single one is called `rows`."""
    parts = _of_files(_listed(folder).data, where, options)
    return _alone(parts) if len(parts) == 1 else parts


def _parts(folder: Path, options: FileOptions, depth: int) -> NotedParts | None:
    """None: there is nothing that liftune reads."""
    saved = read_saved(folder)
    if saved is not None:
        return saved
    listing = _listed(folder)
    pairs = [] if takes_class_folders(listing.folders) else pairs_alone(folder, [each.name for each in listing.data])
    if pairs:
        both, of_pairs = parts_of_pairs(pairs, folder, options)
        others = [name for name in listing.others if not any(name in pair.files for pair in pairs)]
        return NotedParts(both, notes=[*of_pairs, *_passed_over(others, folder)])
    if takes_row_files(listing.data):
        said = _passed_over([*listing.others, *(f"{each.name}/" for each in listing.folders)], folder)
        return NotedParts({"rows": partial(read_row_files, listing.data, folder, "rows", options)}, notes=said)
    found = _of_files(listing.data, str(folder), options)
    roles = {role_of(name) for name in found} - {None}
    inside: dict[str, Callable[[], Table]] = {}
    notes: list[str] = []
    for each in listing.folders:
        role = role_of(each.name)
        if role is not None and role not in roles and (own := _one_part(each, options, depth)) is not None:
            read, said = own
            inside[each.name] = read
            notes += said
    if inside:
        passed = [each.name + "/" for each in listing.folders if each.name not in inside]
        parts = {**found, **inside}
        return NotedParts(parts, files=found.files, notes=[*notes, *_passed_over(listing.others + passed, folder)])
    if not found and "data" in {each.name for each in listing.folders}:  # how the hub lays a data set out
        listing.folders.sort(key=lambda each: each.name != "data")
        deeper = _parts(listing.folders[0], options, depth - 1) if depth else None
        if deeper is not None:
            return _with(
                deeper, _passed_over([*listing.others, *(f"{each.name}/" for each in listing.folders[1:])], folder)
            )
    if not found and takes_class_folders(listing.folders):
        said = _passed_over([*listing.others, *left_out(listing.folders)], folder)
        return NotedParts({"rows": partial(read_class_folders, listing.folders, folder, "rows", options)}, notes=said)
    if not found:
        return _only_folder(listing, folder, options, depth)
    passed = [f"{each.name}/" for each in listing.folders]
    parts = _alone(found) if len(found) == 1 else found
    return _with(parts, _passed_over(listing.others + passed, folder))


def _only_folder(listing: _Listing, folder: Path, options: FileOptions, depth: int) -> NotedParts | None:
    """The parts of the only folder that holds some."""
    if not depth:
        return None
    holding = {each: parts for each in listing.folders if (parts := _parts(each, options, depth - 1)) is not None}
    if len(holding) > 1:
        raise DataError(
            f"data are in several folders: {', '.join(each.name for each in holding)}",
            where=str(folder),
            hint=f"name one of them, such as {next(iter(holding))}, or name the folders train, validation and test",
        )
    if not holding:
        return None
    [(each, parts)] = holding.items()
    passed = [*listing.others, *(f"{other.name}/" for other in listing.folders if other != each)]
    return _with(parts, _passed_over(passed, folder))


def _one_part(folder: Path, options: FileOptions, depth: int) -> tuple[Callable[[], Table], list[str]] | None:
    """What reads a folder that is one part, and what is said of it: its files joined, or a folder for each label."""
    saved = read_saved(folder)
    if saved is not None and len(saved) == 1:
        return next(iter(saved.values())), list(saved.notes)
    listing = _listed(folder)
    pairs = pairs_alone(folder, [each.name for each in listing.data])
    if len(pairs) == 1:
        return partial(read_pair, pairs[0], folder.name, options), [f"{folder}: {pairs[0].said}"]
    if takes_row_files(listing.data):
        return partial(read_row_files, listing.data, folder, folder.name, options), _passed_over(listing.others, folder)
    found = _of_files(listing.data, str(folder), options)
    if len(found) > 1:
        names = [path.name for path in listing.data]
        if len({extension(name) for name in names}) > 1:
            raise DataError(
                f"{folder.name} holds files of several kinds: {', '.join(names[:_NAMED])}",
                where=str(folder),
                hint="leave one kind there: they may be the same rows twice",
            )
        read = partial(_read_all, listing.data, folder.name, str(folder), options)
        return read, [
            f"{folder}: {len(names)} files are taken together: {first_of(names, _NAMED)}",
            *_passed_over(listing.others, folder),
        ]
    if found:
        return partial(_read_all, listing.data, folder.name, str(folder), options), _passed_over(listing.others, folder)
    if takes_class_folders(listing.folders):
        read = partial(read_class_folders, listing.folders, folder, folder.name, options)
        return read, _passed_over([*listing.others, *left_out(listing.folders)], folder)
    if depth and len(listing.folders) == 1:
        return _one_part(listing.folders[0], options, depth - 1)
    return None


def _listed(folder: Path | Traversable) -> _Listing:
    listing = _Listing([], [], [])
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    few = len(entries) <= _FEW
    for each in entries:
        if is_junk(each.name):
            continue
        if each.is_dir():
            if isinstance(each, Path):
                listing.folders.append(each)
        elif _ABOUT.fullmatch(each.name):
            continue
        elif extension(each.name) in OPENERS or (few and is_data(each)):
            listing.data.append(each)
        else:
            listing.others.append(each.name)
    return listing


def _of_files(paths: Sequence[Path | Traversable], where: str, options: FileOptions) -> NotedParts:
    """Data files by stem, shards joined."""
    paths_of: dict[str, list[Path | Traversable]] = {}
    for each in paths:
        name = stem(each.name)
        paths_of.setdefault("part" if _NUMBERED.match(name) else _SHARD.sub("", name), []).append(each)
    parts: dict[str, Callable[[], Table]] = {}
    files: dict[str, str] = {}
    notes: list[str] = []
    for name, group in paths_of.items():
        if len(group) > 1 and not all(_is_shard(path.name) for path in group):
            parts |= {path.name: partial(_read_all, [path], path.name, where, options) for path in group}
            continue
        parts[name] = partial(_read_all, group, name, where, options)
        files[name] = first_of([path.name for path in group], _NAMED)
        notes += _missing_shards(name, [path.name for path in group], where)
    return NotedParts(parts, files=files, notes=notes)


def _is_shard(filename: str) -> bool:
    return bool(_SHARD.search(stem(filename)) or _NUMBERED.match(stem(filename)))


def _missing_shards(name: str, filenames: Sequence[str], where: str) -> list[str]:
    matches = [match for filename in filenames if (match := _SHARD.search(stem(filename)))]
    promised = max((int(match[2]) for match in matches), default=0)
    if not matches or len({match[1] for match in matches}) >= promised:
        return []
    return [f"{where}: {name} has {len(matches)} of the {promised} files that their names speak of"]


def _alone(parts: NotedParts) -> NotedParts:
    """A single part under the name of a single file."""
    [(name, read)] = parts.items()
    assert isinstance(read, partial)
    paths, _, *rest = read.args
    return NotedParts(
        {"rows": partial(_read_all, paths, "rows", *rest)},
        files={"rows": parts.files.get(name, name)},
        notes=parts.notes,
    )


def _with(parts: NotedParts, notes: Sequence[str]) -> NotedParts:
    return NotedParts(parts, files=parts.files, notes=(*parts.notes, *notes))


def _passed_over(names: Sequence[str], folder: Path) -> list[str]:
    return [f"{folder}: not read: {first_of(names, _NAMED)}"] if names else []


def _nothing(folder: Path) -> DataError:
    """The error for a folder without anything that liftune reads: what there is, and how to convert the first file."""
    others = list(islice(_others_below(folder, _DEPTH), _MOST_LISTED))
    if not others:
        return DataError(
            "no data files in the folder",
            where=str(folder),
            hint=f"put files named train, validation and test there: {', '.join(OPENERS)}, plain or compressed",
        )
    path = others[0]
    with path.open("rb") as file:
        first = not_read(path.name, str(path), file.read(4_096), OPENERS)
    return DataError(
        f"no data files in the folder that liftune reads; there are: {_by_kind(others, folder)}",
        where=str(path),
        hint=f"{_texts_of_labels(others)}{first.hint}",
    )


def _texts_of_labels(paths: Sequence[Path]) -> str:
    """How to write a few text files as rows, where each holds the texts of one label."""
    kinds = {kind_of(path.name) for path in paths} - {kind_of("x.txt"), kind_of("x")}
    if kinds or not 1 < len(paths) <= _FEW or not all(map(looks_like_text, paths)):
        return ""
    name = 'name = FILENAME; sub(".*/", "", name)'
    name += '; sub("[.][^.]*$", "", name)' if len({path.stem for path in paths}) == len(paths) else ""
    code = f'BEGIN {{print "text\\tlabel"}} NF {{{name}; gsub("\\t", " "); print $0 "\\t" name}}'
    each = " ".join(pasted(path) for path in paths)
    return f"if each file holds the texts of one label, a line each: awk {pasted(code)} {each} > rows.tsv; "


def _by_kind(paths: Sequence[Path], folder: Path) -> str:
    """The names of files with what each is, those of a kind together where they are many."""
    kinds: dict[str, list[str]] = {}
    for path in paths:
        kinds.setdefault(kind_of(path.name), []).append(str(path.relative_to(folder)))
    if all(len(names) <= _ALIKE for names in kinds.values()):
        return first_of([f"{name} ({kind})" for kind, names in kinds.items() for name in names], _NAMED)
    return "; ".join(f"{first_of(names, _ALIKE)} ({kind})" for kind, names in kinds.items())


def _others_below(folder: Path, depth: int) -> Iterator[Path]:
    """The files of other kinds in a folder and in those below it."""
    listing = _listed(folder)
    yield from (folder / name for name in listing.others)
    for each in listing.folders if depth else ():
        yield from _others_below(each, depth - 1)


def _read_all(paths: Sequence[Path | Traversable], name: str, where: str, options: FileOptions) -> Table:
    return joined([_read(path, name, f"{where}/{path.name}", options) for path in paths], name)


def _read(path: Path | Traversable, name: str, where: str, options: FileOptions) -> Table:
    if isinstance(path, Path):
        return read_file(path, name=name, where=where, options=options)
    return read_bytes(path.read_bytes(), path.name, where, name=name, options=options)
