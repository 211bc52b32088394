"""Addresses of files elsewhere (s3, gs, https, hf): what one is, how it is shown, and which are refused.

In: what a user typed.  Out: an Address, a text without secrets that knows the whole of it; errors that say what to do.
Not here: bringing the file (data/readers/fetching.py), paths of this machine (files.py).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from liftune.errors import ArtifactError, DataError, pasted

#: The schemes that are read.
SCHEMES = ("s3", "gs", "https", "hf")
#: What stands for a part of an address that may be a secret, and is kept nowhere.
WITHHELD = "..."
# Patterns as text: `re` keeps them compiled once they are used, and help needs none of them.
_ADDRESS = r"(?i)[a-z][a-z0-9+.-]+://"
#: A path of Python's joins two slashes to one.
_AS_PATH = r"(?i)(s3|gs|gcs|https?|hf|ftp|az|abfss?):/(?!/)"
#: fsspec's chains. This, and `file:`, may as well begin the name of a file that is here.
_CHAIN = r"(?i)[a-z][a-z0-9+.-]+::"
_LINK = r"(?i)::[a-z][a-z0-9+.-]+://"
_FILE = r"(?i)file:"
_WITHIN = r"(?i)(?:^|/)(?P<address>(?P<scheme>s3|gs|gcs|https?|hf|file|ftp|az|abfss?):/.*)"
_CREDENTIALS = r"(?i)((?:^|::)[a-z][a-z0-9+.-]*:/+)[^/?#]*@"
#: Of S3: which version of an object. It is no secret.
_VERSION = r"versionId=[\w.-]+"
_ON_HUB = r"hf://((datasets|models|spaces|buckets)/)?(?!(datasets|models|spaces|buckets)/)[^/@]+/[^/@]+"
_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}
#: Scheme -> what brings a file from there. No address is in it: it may be a secret.
_TOOLS = {
    **dict.fromkeys(("az", "abfs", "abfss", "wasb", "wasbs"), "az storage blob download"),
    **dict.fromkeys(("ftp", "ftps", "sftp"), "curl -O ADDRESS"),
    "hdfs": "hdfs dfs -get PATH",
}
#: How to bring a folder from one of our schemes, in a hint.
BRING_FOLDER = "bring the folder here (such as aws s3 sync, gcloud storage cp -r, hf download)"
#: Characters; a disk takes 255 bytes for the name of a folder, which has more in it.
_LONGEST_NAME = 100
_UPLOADS = {"s3": "aws s3 cp", "gs": "gcloud storage cp", "hf": "hf upload"}


@dataclass(frozen=True)
class Copy:
    """What was brought from an address."""

    path: Path
    """A file, or a folder."""
    bytes: int
    sha256: str
    """Of the file; of a folder, over the names and hashes of its files."""
    version: str
    """What the other side calls it: an ETag, a generation, a commit; empty where it has no name for it."""


class Address(str):
    """An address as it may be shown and written: where it has a query or credentials, `...` stands for them.

    Whatever shows or writes it as a text writes no secret. A file is brought from it once.
    """

    full: str
    """With the query."""
    copy: Copy | None
    """What was brought; None before."""
    keeps: object
    """Removes the copy when nothing refers to it any longer."""

    def __new__(cls, full: str, copy: Copy | None = None) -> Address:
        """From what was typed."""
        made = super().__new__(cls, _shown(full.strip()))
        made.full, made.copy, made.keeps = full.strip(), copy, None
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process, which finds the copy of this one."""
        return Address, (self.full, self.copy)

    def __deepcopy__(self, memo: object) -> Address:
        """Itself: a text does not change, and it alone keeps the copy."""
        return self

    @property
    def scheme(self) -> str:
        """In lower case."""
        return self.full.partition(":")[0].lower()

    @property
    def location(self) -> str:
        """The whole without a fragment, which only https has."""
        scheme, _, rest = self.full.partition("://")
        return f"{scheme.lower()}://{rest.partition('#')[0] if self.scheme == 'https' else rest}"

    @property
    def fragment(self) -> str:
        """What follows the # of an https address: the name of a sheet."""
        return unquote(self.full.partition("#")[2]) if self.scheme == "https" else ""

    @property
    def name(self) -> str:
        """The last part of its path; empty where it ends in a slash."""
        rest = self.location.partition("://")[2]
        if self.scheme == "https":
            return unquote(rest.partition("?")[0].partition("/")[2].rpartition("/")[2])
        return rest.partition("?")[0].partition("/")[2].rpartition("/")[2]

    @property
    def names_folder(self) -> bool:
        """Whether it can only mean a folder."""
        return self.location.endswith("/")

    @property
    def without_fragment(self) -> str:
        """As it is shown, without the sheet."""
        return self.partition("#")[0] if self.scheme == "https" else str(self)


def is_address(given: object) -> bool:
    """Whether a text can only be an address, of whatever scheme, or the name of what is in a file elsewhere.

    >>> is_address("s3://bucket/rows.csv"), is_address("zip://a.csv::https://host/a.zip"), is_address("file:a.csv")
    (True, True, True)
    >>> is_address("rows.csv"), is_address("sample:emotions"), is_address("ID:CONFIG"), is_address("C:/rows.csv")
    (False, False, False, False)
    """
    if isinstance(given, Address):
        return True
    if not isinstance(given, str | os.PathLike):
        return False
    text = str(given).strip()
    if re.match(_ADDRESS, text):
        return True
    return bool(re.match(_AS_PATH, text) or re.match(_CHAIN, text) or re.match(_FILE, text)) and not os.path.lexists(
        text[:255]
    )


def addressed(given: str) -> str:
    """An Address of a text that is one; any other text as it is."""
    return Address(given) if is_address(given) and not isinstance(given, Address) else given


def shown(given: object) -> str:
    """A path or an address as messages may show it.

    >>> shown("https://me:secret@host/a.csv?sig=secret#March")
    'https://...@host/a.csv?...#March'
    """
    return str(addressed(str(given))) if is_address(given) else str(given)


def said(address: Address, copy: Copy) -> str:
    """What was brought, in words."""
    version = f", {copy.version}" if copy.version else ""
    return f"{address}: {copy.bytes:,} bytes were read, sha256 {copy.sha256}{version}"


def _shown(full: str) -> str:
    text = re.sub(_CREDENTIALS, rf"\1{WITHHELD}@", full)
    text, hash_, fragment = text.partition("#")
    head, mark, query = text.partition("?")
    if mark and not (re.fullmatch(_VERSION, query) and head.lower().startswith("s3:")):
        query = WITHHELD
    return f"{head}{mark}{query}{hash_}{WITHHELD if '=' in fragment else fragment}"


def refuse_unread(address: Address) -> None:
    """Refuse an address that liftune does not read, before anything is asked of anybody.

    Raises:
        DataError: another scheme, a chain, credentials in it, no file in it, or a query that was not kept.
    """
    text, scheme = address.full, address.scheme
    for wrong in (_of_chain, _of_path, _of_scheme):
        if found := wrong(address, text, scheme):
            raise DataError(found[0], where=str(address), hint=found[1])
    if re.search(_CREDENTIALS, text):
        raise DataError(
            "a name and password in an address would be seen by whoever lists the processes of this machine",
            where=str(address),
            hint=f"leave them out of it: they are read from {LOGINS[scheme]}",
        )
    if text.partition("#")[0].endswith(f"?{WITHHELD}"):
        raise DataError(
            f"?{WITHHELD} stands for a query that was kept nowhere, as it may be a secret",
            where=str(address),
            hint="give the whole address again, also beside --config and --resume",
        )
    _refuse_malformed(address)


#: Scheme -> where name and password are read from.
LOGINS = {
    "https": "~/.netrc (machine HOST login NAME password WORD)",
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what `aws configure` wrote",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or what `gcloud auth application-default login` wrote",
    "hf": "HF_TOKEN, or what `hf auth login` wrote",
}


def _of_chain(address: Address, text: str, scheme: str) -> tuple[str, str] | None:
    if not re.match(_CHAIN, text) and not re.search(_LINK, text.partition("?")[0]):
        return None
    return (
        "a chain of addresses (::) is not read",
        "give the address of the file itself; a compressed one is unpacked by its ending, such as .csv.gz or .zip",
    )


def _of_path(address: Address, text: str, scheme: str) -> tuple[str, str] | None:
    if scheme == "file":
        return "a file of this machine is named by its path", f"give the path: {pasted(_path_in(text))}"
    if re.match(_ADDRESS, text):
        return None
    return (
        f"an address has two slashes, and here is one: {scheme}:/",
        "give the address as a text: a pathlib.Path joins the two",
    )


def _path_in(text: str) -> str:
    """The path of a file: address.

    >>> _path_in("file:///tmp/a%20b.csv"), _path_in("file:a.csv"), _path_in("file:/tmp/a.csv")
    ('/tmp/a b.csv', 'a.csv', '/tmp/a.csv')
    """
    return unquote(re.sub(r"file:(//(localhost)?(?=/))?", "", text, count=1, flags=re.IGNORECASE))


def _of_scheme(address: Address, text: str, scheme: str) -> tuple[str, str] | None:
    if scheme in SCHEMES:
        return None
    if scheme in _ALIASES:
        return f"{scheme}:// is not read", f"write {_ALIASES[scheme]}:// in its place"
    if scheme == "http":
        return (
            "http is neither encrypted nor signed: whoever is on the way can read and change the rows",
            "give https://; or bring the file here (curl -LO ADDRESS), and give its path",
        )
    tool = _TOOLS.get(scheme, "with the tool of that place")
    return (
        f"{scheme}:// is not read: liftune reads {', '.join(f'{each}://' for each in SCHEMES)}",
        f"bring the file here ({tool}), and give its path",
    )


def _refuse_malformed(address: Address) -> None:
    try:
        parts = urlsplit(address.location)
        host = parts.netloc
        if address.scheme == "https":
            host, _ = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError as error:
        raise DataError(f"no address: {error}", where=str(address), hint="check it, in a browser") from None
    path = parts.path.strip("/")
    if not host or any(each.isspace() for each in parts.netloc):
        raise DataError("the address names no host or bucket", where=str(address), hint="give all of it")
    if any(ord(each) < 32 or ord(each) == 127 for each in address.full):
        raise DataError("an address has no line ends", where=str(address), hint="give it as one line")
    if address.scheme == "https":
        _refuse_page(address)
        return
    if parts.query and not (address.scheme == "s3" and re.fullmatch(_VERSION, parts.query)):
        raise DataError(f"an address of {address.scheme}:// has no query (?)", where=str(address), hint="leave it out")
    if address.scheme == "hf" and not re.match(_ON_HUB, address.location):
        raise DataError(
            "this names no repository of the hub",
            where=str(address),
            hint="write hf://datasets/ORG/NAME/FILE, with @REVISION after NAME if you want one",
        )
    if "*" in path:
        raise DataError(
            "a pattern (*) is not read", where=str(address), hint="give the folder, with a slash at its end"
        )
    if ".." in path.split("/"):
        raise DataError("an address has no part ..", where=str(address), hint="give the address of the file itself")


def short_name(source: str) -> str:
    """The last part of the name of data or of a model, for the name of a folder: without ending, revision and query.

    >>> short_name("https://host/rows.csv?..."), short_name("s3://bucket/reviews/"), short_name("org/name@main")
    ('rows', 'reviews', 'name')
    """
    last = Path(source.partition("?")[0]).name[:_LONGEST_NAME]
    return last.split(".")[0].split("@")[0].replace(":", "-") or "data"


#: Pages that show a file, or lead to it -> the address of the file, or the name of the data set.
_PAGES = (
    (r"https://huggingface\.co/datasets/([\w.-]+/[\w.-]+)/?", r"\1"),
    (r"https://huggingface\.co/datasets/([\w.-]+/[\w.-]+)/blob/(.+)", r"https://huggingface.co/datasets/\1/resolve/\2"),
    (r"https://github\.com/([\w.-]+/[\w.-]+)/blob/(.+)", r"https://github.com/\1/raw/\2"),
    (
        r"https://docs\.google\.com/spreadsheets/d/([\w-]+)(?:/(?:edit|view).*)?/?",
        r"https://docs.google.com/spreadsheets/d/\1/export?format=csv",
    ),
)


def _refuse_page(address: Address) -> None:
    place = address.location.partition("?")[0]
    for pattern, instead in _PAGES:
        if match := re.fullmatch(pattern, place):
            raise DataError(
                "this is the address of a page that shows the data, not of the data",
                where=str(address),
                hint=f"give {pasted(match.expand(instead))}",
            )


def refuse_as_output(path: str | Path, where: str = "--out") -> None:
    """Refuse an address as the place to write to: a folder named `s3:` would be made.

    Raises:
        ArtifactError: it is one, or lies below one.
    """
    match = re.search(_WITHIN, str(path))
    if match is None or Path(str(path)[: match.start("address")] + f"{match['scheme']}:").exists():
        return
    scheme = match["scheme"].lower()
    address = re.sub(r":/+", "://", match["address"], count=1)
    if scheme == "file":
        raise ArtifactError(
            "a place of this machine is named by its path",
            where=where,
            hint=f"give the path: {pasted(_path_in(match['address']))}",
        )
    tool = _UPLOADS.get(_ALIASES.get(scheme, scheme))
    raise ArtifactError(
        f"{shown(address)} is an address, and liftune writes to disks alone",
        where=where,
        hint="name a place here" + (f", and copy what is written: {tool}" if tool else ", and copy what is written"),
    )
