"""What a file really is, by its first bytes: pages and pointers that were saved in place of data, and renamed files.

In: the first bytes of a file, decompressed.  Out: a DataError that says what it is and how to get at the data.
Not here: text in another encoding (encoding_of.py), compressed files (compression.py).
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from liftune.data.readers.foreign import what_and_how
from liftune.data.readers.looks import extension_by_magic
from liftune.errors import DataError

_TAR = (257, b"ustar")
_BOM = b"\xef\xbb\xbf"
_LFS = b"version https://git-lfs.github.com/spec/"
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
#: What file hosts answer in place of a file that they do not have.
_NOT_FOUND = (b"404: Not Found", b"Entry not found", b"Not Found", b"Access denied", b"Repository not found")


def refuse_stand_in(first: bytes, where: str) -> None:
    """Refuse what was saved in place of a file: a Git LFS pointer, a web page, a host's "not found".

    Raises:
        DataError: with what it is, and how to get the file itself.
    """
    text = first.removeprefix(_BOM).lstrip()
    if text.startswith(_LFS):
        raise DataError(
            "this is a Git LFS pointer, which stands for the file itself",
            where=where,
            hint="fetch the file: git lfs install && git lfs pull, in its repository; or download it from its page",
        )
    if re.match(rb"(\.\./)*\.git/annex/objects/|/annex/objects/", text):
        raise DataError(
            "this is a git-annex pointer, which stands for the file itself",
            where=where,
            hint="fetch the file, in its repository: git annex get FILE",
        )
    if re.match(rb"<!doctype html|<html\b|<head\b", text, re.IGNORECASE):
        title = _TITLE.search(text)
        said = b" ".join(title[1].split()).decode("utf-8", "replace")[:80] if title else ""
        hint = "download the file itself, not the page that shows it: by its 'raw' or 'download' link, or logged in"
        if b"<table" in text.lower():
            hint += f"; if the rows are in its table: {what_and_how('.html', where)[1]}"
        raise DataError(
            f"this is a web page (HTML), not data{f', titled {said!r}' if said else ''}", where=where, hint=hint
        )
    if re.match(rb"<\?xml\b|<\w+[^>]*xmlns", text):
        raise DataError(
            "this is an XML document", where=where, hint="convert it: pandas.read_xml(FILE).to_csv(OUT, index=False)"
        )
    if text.strip() in _NOT_FOUND:
        raise DataError(
            f"this is no file but a server's answer: {text.strip().decode()}",
            where=where,
            hint="check the address and download the file again",
        )


def refuse_renamed(first: bytes, data: bytes | Path, where: str) -> None:
    """Refuse a binary file under the name of a text file.

    Args:
        first: its first bytes.
        data: all of it, where its kind shows only inside.
    """
    extension = extension_by_magic(first)
    if extension == ".zip":
        kind, hint = _zipped(data)
        raise DataError(f"this is {kind}, not text", where=where, hint=hint)
    if extension:
        kind, hint = what_and_how(extension, where)
        raise DataError(f"this is {kind}, not text", where=where, hint=hint)
    offset, magic = _TAR
    if first[offset : offset + len(magic)] == magic:
        raise DataError(
            "this is a tar archive, not text",
            where=where,
            hint="unpack it into a folder (mkdir FOLDER && tar -xf FILE -C FOLDER) and name the folder",
        )


def _zipped(data: bytes | Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(data if isinstance(data, Path) else io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError):
        names = set()
    if "xl/workbook.xml" in names:
        return "an Excel workbook", "name it .xlsx, or save the sheet as CSV (UTF-8)"
    if "content.xml" in names:
        return "an OpenDocument sheet", "name it .ods, or save the sheet as CSV (UTF-8)"
    if "word/document.xml" in names:
        return "a Word document", "give a CSV, TSV, JSONL or Parquet file"
    if not names:
        return "a zip archive or an Excel workbook", "save the sheet as CSV (UTF-8)"
    return "a zip archive", "add .zip to its name, or unzip it"
