"""A file, or a small folder, brought here from an address: once, whole or not at all, no larger than allowed.

In: an Address.  Out: a Copy in a folder of its own, which goes when nothing refers to it any longer; or a DataError.
Not here: which addresses are read (addresses.py), redirects (https.py), what an error means (failures.py), reading the
copy (remote.py).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from liftune.addresses import BRING_FOLDER, Address, Copy, refuse_unread
from liftune.data.readers.failures import in_words
from liftune.data.readers.formats import OPENERS, extension
from liftune.data.readers.https import MOST_REDIRECTS, Visit, patience, quoted
from liftune.data.readers.sheets import file_and_sheet
from liftune.errors import DataError, need
from liftune.files import sha256_of_files

T = TypeVar("T")
#: Environment variable: how many bytes may be brought from one address.
VARIABLE = "LIFTUNE_MAX_DOWNLOAD"
_USUAL_BYTES = 2 << 30
#: Of a folder, those in its own folders included.
MOST_FILES, _DEPTH = 1_000, 3
#: Scheme -> the module that reads it, beside fsspec.
_MODULES = {"s3": "s3fs", "gs": "gcsfs", "https": "aiohttp", "hf": "huggingface_hub"}
#: What a server calls a file -> the ending that says so. A plain text may be anything.
_ENDINGS = {
    "text/csv": ".csv",
    "application/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/x-ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
    "application/vnd.apache.parquet": ".parquet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
}
#: What stores call a version of a file, the surest first.
_VERSIONS = ("VersionId", "generation", "ETag", "etag", "LastModified", "updated")
#: Of an answer that is the file, all of it.
_WHOLE = (200, 203)
_LONGEST_NAME, _LONGEST_VERSION = 120, 200


def fetched(address: Address) -> Copy:
    """What is at an address, brought once for this object.

    Raises:
        DataError: it is not read, cannot be reached, is too large, or changed meanwhile.
        MissingExtra: what reads its scheme is not installed.
    """
    if address.copy is None:
        refuse_unread(address)
        need("fsspec", _MODULES[address.scheme])
        folder = _Folder()
        bring = _by_https if address.scheme == "https" else _from_store
        with in_words(address):
            address.copy = bring(address, folder.path)
        address.keeps = folder
    return address.copy


def local_name(address: Address) -> str:
    """The path of the copy, with the sheet that the address names.

    Raises:
        DataError: as `fetched`; a sheet of a file that has none is named.
    """
    path, sheet = fetched(address).path, _sheet(address)
    if sheet and file_and_sheet(f"{path}#{sheet}")[1] is None:
        raise DataError(
            f"what follows # names a sheet of a workbook, and this is none: #{sheet}",
            where=str(address),
            hint=f"leave it out: {address.without_fragment}",
        )
    return f"{path}#{sheet}" if sheet else str(path)


def most_bytes() -> int:
    """How much may be brought from one address.

    Raises:
        DataError: what the environment says is no number.
    """
    asked = os.environ.get(VARIABLE, "").strip()
    if asked and not asked.isdecimal():
        raise DataError(f"{asked!r} is no number of bytes", where=VARIABLE, hint=f"set it to one: {_USUAL_BYTES}")
    return int(asked) if asked else _USUAL_BYTES


class _Folder:
    """A new folder that goes with this object, or with the process."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="liftune-")).resolve()
        weakref.finalize(self, _remove, self.path, os.getpid())


def _remove(folder: Path, process: int) -> None:
    """Remove a folder of this process; one that was forked off only seems to have it."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _sheet(address: Address) -> str:
    return address.fragment or (file_and_sheet(address.location)[1] or "" if address.scheme != "https" else "")


def _counter(address: Address) -> Any:
    """Counts the bytes of all files of an address as they arrive, and ends that at the limit."""
    from fsspec import Callback

    most = most_bytes()

    class Limit(Callback):  # type: ignore[misc] # fsspec has no types
        before = arrived = 0
        """Bytes of earlier files, and of all."""

        def set_size(self, size: int | None) -> None:
            """A file begins, or begins again: what the other side says that it will be."""
            self.arrived = self.before
            self.check(self.arrived + (size or 0))

        def relative_update(self, inc: int = 1) -> None:
            """So many bytes have arrived."""
            self.arrived += inc
            self.check(self.arrived)

        def check(self, size: int) -> None:
            """Raises DataError beyond the limit."""
            if size > most:
                raise DataError(
                    f"{size:,} bytes or more: over the limit of {most:,}",
                    where=str(address),
                    hint=f"set {VARIABLE}={2 * max(size, most)}; or bring it here by another tool, and give its path",
                )

    return Limit()


def _by_https(address: Address, folder: Path) -> Copy:
    import fsspec

    visit = Visit(address.location, str(address))
    system = fsspec.filesystem(
        "https",
        get_client=visit.session,
        encoded=True,
        max_redirects=MOST_REDIRECTS,
        skip_instance_cache=True,
    )
    arriving = folder / "arriving"
    counter = _counter(address)
    try:
        system.get_file(quoted(address.location), str(arriving), callback=counter)
    except Exception as error:  # whichever: it is raised again, with what `in_words` says of it
        error.arrived = counter.arrived  # type: ignore[attr-defined] # for the message
        error.headers_seen = visit.headers  # type: ignore[attr-defined]
        raise
    if visit.status not in _WHOLE:
        raise DataError(
            f"the server answered with status {visit.status}, which is no file",
            where=str(address),
            hint="check the address, in a browser",
        )
    version = visit.headers.get("ETag") or visit.headers.get("Last-Modified") or ""
    return _copy(arriving.rename(folder / _name(address, visit)), version)


def _name(address: Address, visit: Visit) -> str:
    """The file's name: that of the address; where its ending says nothing, that which the server gives."""
    kind, disposition = Message(), Message()
    kind["Content-Type"] = visit.headers.get("Content-Type", "")
    disposition["Content-Disposition"] = visit.headers.get("Content-Disposition", "")
    named = disposition.get_filename() or ""
    last = Address(visit.last).name if visit.last else ""
    for name in (address.name, named, last):
        if extension(name) in OPENERS or name.lower().endswith(".zip"):
            return _safe(name)
    return _safe(address.name or named or last) + _ENDINGS.get(kind.get_content_type(), "")


def _safe(name: str) -> str:
    """A file name that any system takes, and that names no sheet."""
    name = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|#]', "_", name).strip(" ")
    name = name.encode("utf-8", "replace")[-_LONGEST_NAME:].decode("utf-8", "ignore")
    return "file" if name in ("", ".", "..") else name


def in_store(address: Address, work: Callable[[Any], T]) -> T:
    """What is done with the filesystem of a store, as fsspec has it.

    Raises:
        DataError: it cannot be reached, or does not let us.
        MissingExtra: what reads its scheme is not installed.
    """
    refuse_unread(address)
    need("fsspec", _MODULES[address.scheme])
    with in_words(address):
        try:
            return work(_store(address))
        except Exception as error:  # botocore, whose class is meant, is there for s3 alone
            if address.scheme != "s3" or type(error).__name__ != "NoCredentialsError":
                raise
            return work(_store(address, anon=True))  # of a public bucket, as pandas does


def _store(address: Address, **settings: Any) -> Any:
    import fsspec

    if "?versionId=" in address.location:
        settings["version_aware"] = True
    if address.scheme == "gs":  # it would end a file that takes five minutes
        settings["requests_timeout"] = patience()
    return fsspec.filesystem(address.scheme, skip_instance_cache=True, use_listings_cache=False, **settings)


def _from_store(address: Address, folder: Path) -> Copy:
    return in_store(address, partial(_from, address, folder))


def _from(address: Address, folder: Path, system: Any) -> Copy:
    """A file or folder of a store."""
    place = file_and_sheet(address.location)[0]
    commit = ""
    if address.scheme == "hf":
        place, commit = _pinned(system, place)
    path = str(system._strip_protocol(place)).rstrip("/")
    info = system.info(path)
    bring = _whole_folder if info["type"] == "directory" else _file
    return bring(system, path, info, address, folder, commit)


def _file(system: Any, path: str, info: Mapping[str, Any], address: Address, folder: Path, commit: str) -> Copy:
    local = folder / _safe(address.name.partition("#")[0] if _sheet(address) else address.name)
    _bring(system, path, info, local, address, _counter(address))
    return _copy(local, commit or _version(info))


def _bring(system: Any, path: str, info: Mapping[str, Any], local: Path, address: Address, counter: Any) -> None:
    """One file, the same from its first byte to its last."""
    counter.before = counter.arrived
    counter.set_size(info.get("size"))
    system.get_file(path, str(local), callback=counter)
    counter.arrived = counter.before + local.stat().st_size  # what a system did not report
    counter.check(counter.arrived)
    system.invalidate_cache()
    after = system.info(path)
    told = [name for name in _told(info) if name in _told(after)]  # a listing tells less
    if any(info.get(name) != after.get(name) for name in ("size", *told[:1])):
        raise DataError(
            "the file changed while it was brought",
            where=str(address),
            hint="run the command again when nothing writes it",
        )


def _whole_folder(system: Any, path: str, info: Mapping[str, Any], address: Address, folder: Path, commit: str) -> Copy:
    found = dict(_listed(system, path, path, address, _DEPTH))
    if not found:
        raise DataError("there is no file in the folder", where=str(address), hint="check the address")
    counter = _counter(address)
    counter.set_size(sum(each.get("size") or 0 for each in found.values()))
    root = folder / _safe(PurePosixPath(path).name.partition("@")[0])
    for name, each in sorted(found.items()):
        local = root / name
        local.parent.mkdir(parents=True, exist_ok=True)
        _bring(system, each["name"], each, local, address, counter)
    lines = [f"{sha256_of_files(root / name)}  {name}\n" for name in sorted(found)]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    return Copy(root, counter.arrived, digest, commit)


def _listed(system: Any, path: str, root: str, address: Address, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name below the root -> what the store says of the file.

    Raises:
        DataError: more files than are brought, or a name that would lead out of the folder.
    """
    count = 0
    for entry in system.ls(path, detail=True):
        name = str(entry["name"]).rstrip("/")
        below = name.removeprefix(root).lstrip("/")
        if name == path or not below:  # the mark of an empty folder
            continue
        if not name.startswith(f"{root}/") or {"", ".", ".."} & set(below.split("/")) or "\\" in below or "\0" in below:
            raise DataError(f"a file there has a name that is no path: {below!r}", where=str(address), hint=_ONE_BY_ONE)
        inner = [(below, entry)] if entry["type"] != "directory" else _listed(system, name, root, address, depth - 1)
        if entry["type"] == "directory" and depth <= 1:
            continue
        for each in inner:
            count += 1
            if count > MOST_FILES:
                raise DataError(
                    f"more than {MOST_FILES:,} files are in the folder",
                    where=str(address),
                    hint=f"{_ONE_BY_ONE}; or {BRING_FOLDER}, and give its path",
                )
            yield each


_ONE_BY_ONE = "give the files one by one: DATA, --validation and --test"


def _pinned(system: Any, place: str) -> tuple[str, str]:
    """A path of the hub at the commit that its revision is now, and that commit; a bucket has none."""
    from huggingface_hub import HfApi

    found = system.resolve_path(place)
    if not hasattr(found, "repo_id"):
        return place, ""
    commit = HfApi().repo_info(found.repo_id, repo_type=found.repo_type, revision=found.revision).sha
    kind = "" if found.repo_type == "model" else f"{found.repo_type}s/"
    return f"hf://{kind}{found.repo_id}@{commit}/{found.path_in_repo}", f"commit {commit}"


def _version(info: Mapping[str, Any]) -> str:
    """What a store calls this version of a file."""
    return next((f"{name} {info[name]}" for name in _told(info)), "")


def _told(info: Mapping[str, Any]) -> list[str]:
    """What says which version it is, the surest first. S3 calls the version of an unversioned bucket null."""
    return [name for name in _VERSIONS if info.get(name) not in (None, "", "null", "None")]


def _copy(path: Path, version: str) -> Copy:
    version = "".join(each for each in version if each.isprintable())[:_LONGEST_VERSION]
    return Copy(path, path.stat().st_size, sha256_of_files(path), version)
