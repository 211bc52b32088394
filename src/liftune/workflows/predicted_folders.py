"""Folders to be predicted: whether --in is one, and which --out is refused for it.

In: --in, --out.  Out: a SpecError or ArtifactError.
Not here: predicting them (bulk/), options of any prediction (predict.py).
"""

from __future__ import annotations

from pathlib import Path

from liftune.addresses import Address, addressed, refuse_as_output, refuse_unread
from liftune.data.readers.formats import OPENERS, extension
from liftune.data.readers.stores import STORES
from liftune.errors import ArtifactError, SpecError, pasted
from liftune.wrong_path import is_folder


def takes_folder(source: str | None) -> bool:
    """Whether --in is a folder, here or in a store: there by its slash, or as no ending says what file it is."""
    if isinstance(source, Address):
        no_file = source.names_folder or not extension(source.location)
        return source.scheme in STORES and no_file
    return source is not None and is_folder(source)


def check_folders(source: str, out: str | None) -> None:
    """Refuse places that a folder's predictions cannot be written to.

    Raises:
        SpecError: none is given, or one in which files that are read would be replaced or found.
        ArtifactError: it is a file, or an address that is not written to.
    """
    example = f"give --out DIR, such as --out {pasted(_beside(source))}"
    if out in (None, "-"):
        raise SpecError("the predictions of a folder are written to a folder", where="--out", hint=example)
    place = addressed(out)
    if isinstance(place, Address):
        if place.scheme not in STORES:
            refuse_as_output(place)
        refuse_unread(place)
        _refuse_nested(source, place, str(source).rstrip("/"), place.location.rstrip("/"))
        return
    path = Path(out)
    if path.is_dir() or not path.exists():
        if not path.exists() and extension(out) in OPENERS:
            raise SpecError(f"--in is a folder, and {out} the name of a file", where="--out", hint=example)
        if not isinstance(source, Address):
            _refuse_nested(source, out, str(Path(source).resolve()), str(path.resolve()))
        return
    raise ArtifactError(f"--in is a folder, and {out} is a file", where="--out", hint=example)


def _refuse_nested(source: str, out: str, inner: str, outer: str) -> None:
    if inner == outer:
        what = "--out is the folder that is read: its files would be replaced"
    elif f"{outer}/".startswith(f"{inner.rstrip('/')}/"):
        what = f"{out} lies in the folder that is read: the next call would read what this one wrote"
    elif f"{inner}/".startswith(f"{outer.rstrip('/')}/"):
        what = f"{out} holds the folder that is read: its files might be replaced"
    else:
        return
    raise SpecError(what, where="--out", hint=f"name a folder beside it, such as {pasted(_beside(source))}")


def _beside(source: str) -> str:
    return f"{str(source).rstrip('/')}-predicted"
