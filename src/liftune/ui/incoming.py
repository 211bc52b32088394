"""Files that a browser sends: received within limits, under names of the server's own, looked through once.

In: a request's body and the name that its sender gives it.  Out: Uploads, in FOLDER/uploads; of one that is
refused nothing is left.
Not here: reading the file (check_file.py, in a process of its own), where uploads are kept (store.py).
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request

from liftune.data.readers.compression import ENDINGS
from liftune.data.readers.formats import OPENERS
from liftune.data.readers.unpacked import VARIABLE
from liftune.errors import DataError, LiftuneError
from liftune.files import disk_errors
from liftune.json_text import JsonError, parse_json
from liftune.server.errors import CLIENT_CLOSED_REQUEST, RequestError
from liftune.ui.children import named_for_user, output_of
from liftune.ui.limits import UiLimits
from liftune.ui.store import Store, Upload

#: Header with the name of the file, percent-encoded: it is shown, and says which kind of file it is.
NAME_HEADER = "x-file-name"
#: Characters of it that are kept, seconds in which the next bytes must come, files that are received at a time.
_NAME, _IDLE_SECONDS, _AT_ONCE = 120, 30.0, 2
#: Bytes that a reader may unpack beyond the limit.
_SPARE = 4 * 2**20
#: Seconds in which a request of JSON must come, and its bytes.
_JSON_SECONDS, _JSON_BYTES = 30.0, 4 * 2**20


class Incoming:
    """Receives files."""

    def __init__(self, store: Store, limits: UiLimits) -> None:
        self._store, self._limits = store, limits
        self._receiving = 0
        self._reading = asyncio.Lock()

    async def receive(self, request: Request) -> Upload:
        """The file of a request, once it is on disk and has been read.

        Raises:
            RequestError: 413, 415, 408 or 503: too large, of no kind that is read, too slow, or too many at a time.
            RequestError: 422, it cannot be read, or holds more than the limits allow.
        """
        name = shown_name(request.headers.get(NAME_HEADER, ""))
        kind = kind_of(name)
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._limits.upload_bytes:
            raise self._too_large(name)
        async with self._place() as folder:
            path = folder / f"rows{kind}"
            size = await self._write(request, path, name)
            found = await self._look_through(path, name)
            return self._store.add_upload(
                folder,
                name=name,
                file=path.name,
                bytes=size,
                rows=found["rows"],
                columns=tuple(found["columns"]),
                first=tuple(map(tuple, found["first"])),
                notes=tuple(found["notes"]),
                at=time.time(),
                most=self._limits.uploads,
            )

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[Path]:
        """A folder that is gone afterwards, if it was not given away."""
        if self._receiving >= _AT_ONCE:
            raise RequestError(503, "other files are being received", hint="send it again in a moment")
        self._receiving += 1
        folder = self._store.incoming()
        try:
            yield folder
        finally:
            self._receiving -= 1
            shutil.rmtree(folder, ignore_errors=True)

    async def _write(self, request: Request, path: Path, name: str) -> int:
        size, parts = 0, request.stream().__aiter__()
        with disk_errors(path), path.open("xb") as file:
            while True:
                try:
                    async with asyncio.timeout(_IDLE_SECONDS):
                        part = await anext(parts, None)
                except TimeoutError:
                    raise RequestError(
                        408, "the file did not arrive in time", where=name, hint="send it again"
                    ) from None
                except ClientDisconnect:
                    raise RequestError(CLIENT_CLOSED_REQUEST, "the browser has closed the connection") from None
                if part is None:
                    break
                size += len(part)
                if size > self._limits.upload_bytes:
                    raise self._too_large(name)
                file.write(part)
        if not size:
            raise RequestError(422, "the file is empty", where=name, hint="choose another file")
        return size

    async def _look_through(self, path: Path, name: str) -> dict[str, Any]:
        limits = self._limits
        command = (sys.executable, "-m", "liftune.ui.check_file", path.name, json.dumps(asdict(limits)))
        names = {path.name: name}
        async with self._reading:
            try:
                code, out, said = await output_of(command, path.parent, limits.check_seconds, reading_within(limits))
            except DataError as error:
                raise named_for_user(error, names) from None
        try:
            found: dict[str, Any] = parse_json(out)
        except JsonError:  # the system ended it: no memory, or no time, of the processor's own
            raise RequestError(
                422,
                "the file takes more memory or time to read than it may",
                where=name,
                hint=f"send a smaller file, as CSV in UTF-8 (the reader ended with {code}{said.strip()[-200:]!r})",
            ) from None
        if fault := found.get("fault"):
            raise named_for_user(LiftuneError(fault["message"], where=fault["where"], hint=fault["hint"]), names)
        return found

    def _too_large(self, name: str) -> RequestError:
        mib = self._limits.upload_bytes / 2**20
        return RequestError(
            413,
            f"the file has more than {mib:g} MiB",
            where=name,
            hint="compress it, or send fewer rows; or start `liftune ui` with --limit upload_bytes=N",
        )


def reading_within(limits: UiLimits) -> dict[str, str]:
    """The environment in which no reader unpacks more than the limits allow.

    A little above what check_file.py counts by itself, so that it is the one to refuse a file, and names the limit.
    """
    return {VARIABLE: str(limits.unpacked_bytes + _SPARE)}


def shown_name(given: str) -> str:
    """A file's name as its sender gives it, fit to be shown: no folders, no control characters, not long.

    >>> shown_name("..%2F..%2Fetc%2Fpasswd.csv"), shown_name("C:%5Cdata%5Crows.csv"), shown_name("a%0Ab%00.csv")
    ('passwd.csv', 'rows.csv', 'a b .csv')
    """
    text = unquote(given, errors="replace").replace("\\", "/").rpartition("/")[2]
    text = "".join(each if each.isprintable() else " " for each in text).strip()
    return text if len(text) <= _NAME else f"{text[:40]}…{text[41 - _NAME :]}"


def kind_of(name: str) -> str:
    """The ending by which liftune reads a file, of those that it knows.

    >>> kind_of("Reviews.CSV.gz"), kind_of("b.tsv")
    ('.csv.gz', '.tsv')

    Raises:
        RequestError: 415, it is none of them.
    """
    lower = name.lower()
    packed = next((each for each in ENDINGS if lower.endswith(each)), "")
    plain = lower.removesuffix(packed)
    kind = next((each for each in sorted(OPENERS, key=len, reverse=True) if plain.endswith(each)), "")
    if not kind and packed != ".zip":
        raise RequestError(
            415,
            "liftune does not read files of this name here",
            where=name or "the file has no name",
            hint=f"send one that ends in {', '.join(OPENERS)}, also compressed: {', '.join(ENDINGS)}",
        )
    return kind + packed


async def json_of(request: Request) -> Any:
    """The JSON of a request's body.

    Raises:
        RequestError: 413, 408, 415 or 400.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RequestError(415, "the request is not JSON", where="Content-Type", hint="send application/json")
    body = bytearray()
    try:
        async with asyncio.timeout(_JSON_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > _JSON_BYTES:
                    raise RequestError(413, f"the request has more than {_JSON_BYTES:,} bytes", where="body")
    except TimeoutError:
        raise RequestError(408, "the request did not arrive in time", where="body") from None
    except ClientDisconnect:
        raise RequestError(CLIENT_CLOSED_REQUEST, "the browser has closed the connection") from None
    try:
        return parse_json(bytes(body))
    except JsonError as error:
        raise RequestError(400, f"the request is not JSON: {error.message}", where="body") from None
