"""What a file is by its first bytes: a binary format by its mark, text by how its lines are divided.

In: the first bytes of a file.  Out: the extension that such files have.
Not here: what to do with kinds that liftune does not read (foreign.py).
"""

from __future__ import annotations

from pathlib import Path

from liftune.data.readers.encoding_of import in_utf8

#: Lines that must all hold a separator.
_LINES = 5
#: First bytes -> the extension of a file that has them.
_MAGIC = {
    b"PAR1": ".parquet", b"ARROW1": ".arrow", b"\xff\xff\xff\xff": ".arrow", b"PK\x03\x04": ".zip", b"%PDF": ".pdf",
    b"\xd0\xcf\x11\xe0": ".xls", b"SQLite format 3": ".db", b"\x93NUMPY": ".npy", b"\x89HDF": ".h5",
    b"\x80\x04": ".pkl", b"\x80\x05": ".pkl", b"ORC": ".orc", b"7z\xbc\xaf": ".7z", b"Rar!": ".rar",
    b"Obj\x01": ".avro", b"\x89PNG": ".png", b"\xff\xd8\xff": ".png",
}  # fmt: skip
#: What divides the fields of a line -> the extension of such a file.
_DIVIDED = {b"\t": ".tsv", b";": ".csv", b"|": ".csv", b",": ".csv"}


def extension_by_magic(head: bytes) -> str:
    """The extension of a file that is no text, by its first bytes; empty for all others."""
    return next((each for magic, each in _MAGIC.items() if head.startswith(magic)), "")


def looks_like_text(path: Path) -> bool:
    """Whether a file's first bytes are those of a text."""
    with path.open("rb") as file:
        head = file.read(4_096)
    return b"\0" not in head and not head.startswith(tuple(_MAGIC))


def looks_of(head: bytes) -> str:
    """The extension of a text that begins so, in any encoding of Unicode; empty for what is none."""
    head = in_utf8(head)
    if not head.strip() or b"\0" in head:
        return ""
    first, _, _ = head.lstrip().partition(b"\n")
    if first.startswith(b"{"):
        return ".jsonl"
    if first.startswith(b"["):
        return ".json"
    if first.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return ".html"
    if first.startswith(b"<?xml"):
        return ".xml"
    lines = [line for line in head.splitlines()[:_LINES] if line.strip()]
    for mark, extension in _DIVIDED.items():
        same = len({line.count(mark) for line in lines}) == 1
        # In prose a blank comes after a comma or a semicolon.
        every, before_blanks = (sum(line.count(each) for line in lines) for each in (mark, mark + b" "))
        prose = mark in b",;" and 2 * before_blanks > every
        if len(lines) > 1 and all(mark in line for line in lines) and (same or mark == b"\t") and not prose:
            return extension
    return ".txt"


def divided_by_blanks(head: bytes) -> bool:
    """Whether fields in quotes stand side by side with a blank between them, as R writes them."""
    lines = head.splitlines()[:-1][:_LINES]
    return len(lines) > 1 and all(line.startswith(b'"') and b'" "' in line for line in lines)


def begins_with_labels(head: bytes) -> bool:
    """Whether the first words of lines are few."""
    lines = [line.split(None, 1) for line in in_utf8(head).splitlines()[:-1]]
    words = [line[0] for line in lines if len(line) > 1]
    return len(words) >= _LINES and 2 * len(set(words)) <= len(words) and len(set(words)) > 1
