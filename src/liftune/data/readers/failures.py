"""What goes wrong on the way to a file elsewhere, in words: no host, no right, no such file, a cut connection.

In: whatever fsspec, aiohttp, s3fs, gcsfs or huggingface_hub raise.  Out: a DataError, which repeats no address of
theirs, for there may be secrets in it.
Not here: what is brought (fetching.py).
"""

from __future__ import annotations

import errno
import logging
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from liftune.addresses import LOGINS, Address
from liftune.data.readers.https import MOST_REDIRECTS, SILENT_SECONDS
from liftune.errors import DataError, LiftuneError, lacks_memory

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
#: They log what they raise as well, with a traceback.
_TALKERS = ("fsspec", "s3fs", "aiobotocore", "botocore", "gcsfs", "google", "aiohttp", "asyncio", "huggingface_hub")
_NETWORK = "check the network, and HTTPS_PROXY if you are behind a proxy"

_CUTS = frozenset({"ClientPayloadError", "ServerDisconnectedError", "IncompleteReadError"})
_CUT = "the connection was cut after {:,} bytes"


@contextmanager
def in_words(address: Address) -> Iterator[None]:
    """Turn whatever is raised on the way into a DataError, and keep libraries from telling it in their own words."""
    try:
        with _silent():
            yield
    except LiftuneError:
        raise
    except Exception as error:  # each library that fetches has errors of its own, and none need be installed
        if lacks_memory(error):
            raise
        message, hint = _explained(error, address)
        raise DataError(message, where=str(address), hint=hint) from None


@contextmanager
def _silent() -> Iterator[None]:
    """No lines of libraries that would stand before the message, unless somebody has asked for them."""
    loggers = [each for each in map(logging.getLogger, _TALKERS) if each.level == logging.NOTSET]
    for each in loggers:
        each.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for each in loggers:
            each.setLevel(logging.NOTSET)


def _explained(error: Exception, address: Address) -> tuple[str, str]:
    """What happened, and what to do."""
    chain = list(_causes(error))
    if any(isinstance(each, OSError) and each.errno in _NO_SPACE for each in chain):
        return (
            "the disk for temporary files is full",
            "free some space, or name a folder on another disk: TMPDIR=FOLDER",
        )
    names = {kind.__name__ for each in chain for kind in type(each).__mro__}
    if names & _CUTS:  # which have causes of other kinds
        return _CUT.format(getattr(error, "arrived", 0)), "run the command again"
    for kinds, message, hint in _KINDS:
        if names & kinds:
            return message, hint
    if names & {"NoCredentialsError", "PartialCredentialsError"}:
        return "the file is not public, and you are not logged in", f"a login is read from {LOGINS[address.scheme]}"
    status = next((found for found in map(_status, chain) if found), None)
    if status is None and "FileNotFoundError" in names:
        status = 404
    if status is None and ("PermissionError" in names or str(error).startswith("Forbidden:")):  # as gcsfs has it
        status = 403
    if status is not None:
        return _answered(status, error, address)
    if names & {"SSLCertVerificationError", "ClientConnectorCertificateError"}:
        return (
            f"the server's certificate is not trusted{_reason(chain)}",
            "if it is signed by an authority of your own, name its file: SSL_CERT_FILE=ca.pem",
        )
    if any(isinstance(each, ssl.SSLError) for each in chain) or "ClientConnectorSSLError" in names:
        return "the server does not speak https there", "check the host and the port of the address"
    if any(isinstance(each, socket.gaierror) for each in chain) or "ClientConnectorDNSError" in names:
        return "no host of that name is found", f"check the address; {_NETWORK}"
    if any(isinstance(each, TimeoutError) for each in chain) or any("Timeout" in each for each in names):
        return f"nothing arrived for {SILENT_SECONDS:.0f} seconds", "try it again later; " + _NETWORK
    if names & {"ClientConnectorError", "ConnectionRefusedError", "EndpointConnectionError", "ConnectError"}:
        return "the server cannot be reached", _NETWORK
    if "ConnectionError" in names:
        return _CUT.format(0), "run the command again"
    return f"it cannot be brought: {type(error).__name__}{_said(error)}", "check the address, and try it again"


#: Names of classes -> message, hint.
_KINDS: tuple[tuple[frozenset[str], str, str], ...] = (
    (
        frozenset({"TooManyRedirects"}),
        f"the server redirects {MOST_REDIRECTS} times or more",
        "look where it leads (curl -sSLI ADDRESS), and give the address of the file itself",
    ),
    (frozenset({"InvalidURL"}), "this is no address, or HTTPS_PROXY is none", "check both"),
    (frozenset({"HttpProcessingError"}), "what the server answers is no HTTP", "check the host and the port"),
    (
        frozenset({"OfflineModeIsEnabled"}),
        "the hub is switched off by HF_HUB_OFFLINE",
        "unset it, or bring the file here, and give its path",
    ),
    (
        frozenset({"GatedRepoError"}),
        "the repository is gated",
        "accept its terms on its page, then log in: hf auth login",
    ),
    (
        frozenset({"RevisionNotFoundError"}),
        "the hub has no such revision",
        "check what follows @; a slash in it is written %2F",
    ),
    (
        frozenset({"HFValidationError", "HfUriError"}),
        "this names no file of the hub",
        "write hf://datasets/ORG/NAME/FILE, with @REVISION after NAME if you want one",
    ),
)


def _answered(status: int, error: Exception, address: Address) -> tuple[str, str]:
    """What a status means."""
    if status in (401, 403, 407):
        # Stores say so of a file that is not there, too, to whoever may not list the others.
        check = (
            "that it is public, or that its signature has not expired" if address.scheme == "https" else "the address"
        )
        return (
            f"the server does not let you read it (status {status})",
            f"check {check}; a login is read from {LOGINS[address.scheme]}",
        )
    if status in (404, 410):
        return (
            f"there is no such file (status {status})",
            "check the address; some servers say so of private files, too",
        )
    if status == 429:
        wait = str(getattr(error, "headers_seen", {}).get("Retry-After", ""))
        return (
            "the server has had too many requests (status 429)",
            f"run the command again in {wait} seconds" if wait.isdecimal() else "run the command again later",
        )
    if status >= 500:
        return f"the server failed (status {status})", "run the command again later"
    return f"the server answered with status {status}", "check the address, in a browser"


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error of one of the libraries tells of."""
    response = getattr(error, "response", None)
    told = getattr(error, "status", None) or getattr(response, "status_code", None)
    if isinstance(response, dict):  # of botocore
        told = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    told = told or getattr(error, "code", None)  # of gcsfs
    return told if isinstance(told, int) and 300 <= told < 600 else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def _reason(chain: list[BaseException]) -> str:
    said = next((told for each in chain if (told := getattr(each, "verify_message", ""))), "")
    return f": {said}" if said else ""


def _said(error: BaseException) -> str:
    """The first line of what an error says, without addresses."""
    first = next(iter(str(error).strip().splitlines()), "")
    first = re.sub(r"\?\S+", "?...", re.sub(r"\w+://\S+", "ADDRESS", first))
    return f": {first[:160]}" if first else ""
