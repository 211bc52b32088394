"""Folders of a store (s3, gs): what is in them, and files that are put there, each by one put.

In: an Address of a folder.  Out: names below it, with what the store says of each; files there.
Not here: bringing a file (fetching.py), which addresses are read (addresses.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from liftune.addresses import Address
from liftune.data.readers.fetching import in_store
from liftune.errors import DataError

#: The schemes of stores that have folders, and that files are put into.
STORES = ("s3", "gs")
#: What stores call the contents of a file, the surest first.
_TAGS = ("ETag", "etag", "generation", "LastModified", "updated")


def listed(address: Address) -> dict[str, str]:
    """Name below the folder -> size and version, as the store says them; in order of name.

    Raises:
        DataError: it cannot be listed, or a name would lead out of the folder.
        MissingExtra: as `fetched`.
    """

    def find(system: Any) -> dict[str, str]:
        root = _path(system, address)
        found = {}
        for each, info in system.find(root, detail=True).items():
            name = str(each).removeprefix(root).lstrip("/")
            if not name or str(each).endswith("/"):  # the mark of an empty folder
                continue
            if {"", ".", ".."} & set(name.split("/")) or "\\" in name or "\0" in name:
                raise DataError(
                    f"a file there has a name that is no path: {name!r}", where=str(address), hint="rename it there"
                )
            found[name] = _stamp(info)
        return dict(sorted(found.items()))

    return in_store(address, find)


def put(address: Address, name: str, file: Path) -> str:
    """Put a file below a folder, whole or not at all.

    Returns:
        its size and version there.

    Raises:
        DataError: the store does not take it.
    """

    def send(system: Any) -> str:
        place = f"{_path(system, address)}/{name}"
        system.put_file(str(file), place)
        return _stamp(system.info(place))

    with _writing(address):
        return in_store(address, send)


def put_text(address: Address, name: str, text: str) -> None:
    """Put a small text below a folder.

    Raises:
        DataError: the store does not take it.
    """

    def send(system: Any) -> None:
        system.pipe_file(f"{_path(system, address)}/{name}", text.encode())

    with _writing(address):
        in_store(address, send)


def texts(address: Address, names: Sequence[str]) -> Mapping[str, str]:
    """Small texts below a folder, by name.

    Raises:
        DataError: one cannot be read.
    """

    def read(system: Any) -> dict[str, str]:
        root = _path(system, address)
        found = system.cat([f"{root}/{name}" for name in names]) if names else {}
        return {name: bytes(found[f"{root}/{name}"]).decode("utf-8", "replace") for name in names}

    return in_store(address, read)


def below(address: Address, name: str) -> Address:
    """The address of what is below a folder."""
    return Address(f"{address.location.rstrip('/')}/{name}")


def _path(system: Any, address: Address) -> str:
    return str(system._strip_protocol(address.location)).rstrip("/")


def _stamp(info: Mapping[str, Any]) -> str:
    """Size and version, by what both a listing and a look at a single file tell."""
    tag = next((info[name] for name in _TAGS if info.get(name)), "")
    return f"{info.get('size')} bytes, {tag}".rstrip(", ")


@contextmanager
def _writing(address: Address) -> Iterator[None]:
    """Say of writing what is said of reading."""
    try:
        yield
    except DataError as error:
        error.message = error.message.replace("let you read it", "let you write there")
        error.message = error.message.replace("it cannot be brought", "it cannot be written")
        raise
