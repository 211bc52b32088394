"""Which encoding a text is in: as its byte order mark says, as the user says, or as all of its bytes show.

In: a function that opens a file's bytes.  Out: a Decoding, with a note wherever it is not plain UTF-8.
Not here: opening the text (text_encoding.py); telling Western text from other text (codepages.py).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TypeAlias

from liftune.data.readers.codepages import looks_western, other_readings
from liftune.errors import DataError

OpenedBytes: TypeAlias = Callable[[], IO[bytes]]
"""Opens a file's bytes, decompressed, from its start."""

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
#: Control characters that no text has: all but tab, line ends, Ctrl-Z and escape.
_CONTROLS = [each for each in range(32) if each not in (9, 10, 11, 12, 13, 26, 27)]
#: Share of control characters from which on a file is binary; the second one if there are more than a few.
_BINARY, _BINARY_OF_MANY, _MANY = 0.2, 0.05, 8
_UNDEFINED_IN_CP1252 = [0x81, 0x8D, 0x8F, 0x90, 0x9D]
_BLOCK = 1 << 20
_ESCAPED = re.compile("[\udc80-\udcff]")
_BESIDE = re.compile("[^\x00-\x7f]*[\udc80-\udcff][^\x00-\x7f]*")
#: Bytes, from the start, in which UTF-16 and UTF-32 are looked for.
_FIRST = 1 << 16
#: Lines with bytes beyond ASCII by which encodings are told apart.
_MOST_LINES = 2_000


@dataclass(frozen=True)
class Decoding:
    """How a file's bytes become text."""

    encoding: str
    """As Python names it; it leaves a byte order mark out."""
    flawed: bool = False
    """Whether a row may hold a byte that is no text (decoded to a lone surrogate) or a NUL."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Survey:
    """What all of a file's bytes show."""

    first: bytes
    counts: tuple[int, ...]
    """How often each of the 256 bytes occurs."""
    utf8: bool

    @property
    def controls(self) -> int:
        return sum(self.counts[each] for each in _CONTROLS)

    @property
    def high(self) -> int:
        return sum(self.counts[128:])

    @property
    def binary(self) -> bool:
        share = self.controls / max(1, sum(self.counts))
        return share > _BINARY or (share > _BINARY_OF_MANY and self.controls >= _MANY)


def find_decoding(opened: OpenedBytes, where: str, given: str | None = None) -> Decoding:
    """How to decode a text, after reading all of it.

    Args:
        given: what --encoding says.

    Raises:
        DataError: it is binary, not in the encoding given, or in one that cannot be told.
    """
    survey = _survey(opened)
    bom = next((name for mark, name in _BOMS if survey.first.startswith(mark)), None)
    if given is not None:
        return _given(opened, where, given, bom, survey)
    wide = bom if bom in ("utf-16", "utf-32") else None if bom else _wide(survey.first)
    if wide:
        _check(opened, where, wide)
        said = () if bom else (f"{where}: read as {wide.upper()}, which its bytes show; say otherwise with --encoding",)
        return Decoding(wide, notes=said)
    if survey.binary:
        raise DataError(
            f"this is a binary file: it holds {survey.controls} control characters, NUL or others",
            where=where,
            hint="give a text file in UTF-8, or name its encoding with --encoding",
        )
    if survey.utf8:
        return Decoding("utf-8-sig", flawed=survey.counts[0] > 0)
    return _not_utf8(opened, where, survey, bom)


def in_utf8(first: bytes) -> bytes:
    """The first bytes of a text of UTF-16 or UTF-32 as UTF-8, without byte order mark; of other files as they are."""
    bom = next((mark for mark, _ in _BOMS if first.startswith(mark)), b"")
    wide = next((name for mark, name in _BOMS if mark == bom), "") if bom else _wide(first)
    if wide not in ("utf-16", "utf-32", *_WIDE):
        return first[len(bom) :]
    return first.decode(wide, "replace").encode("utf-8", "replace")


def _not_utf8(opened: OpenedBytes, where: str, survey: _Survey, bom: str | None) -> Decoding:
    """UTF-8 with a few broken rows, Western text of before UTF-8, or unclear."""
    characters, stray, lines = _beyond_ascii(opened)
    if bom or characters >= stray:
        return Decoding("utf-8-sig", flawed=True)
    number, line = lines[0]
    defined = not any(survey.counts[each] for each in _UNDEFINED_IN_CP1252)
    letters = sum(survey.counts[ord("A") : ord("Z") + 1]) + sum(survey.counts[ord("a") : ord("z") + 1])
    shown = [each.decode("cp1252", "replace") for _, each in lines]
    if not (defined and looks_western(shown, share=survey.high / max(1, letters + survey.high))):
        readings = other_readings([each for _, each in lines])
        example = "; ".join(f"{name} reads it as {_around(text)!r}" for name, text in readings)
        raise DataError(
            f"not UTF-8, and no plain Western text either: line {number} holds {_first_high(line)}",
            where=f"{where}, line {number}",
            hint=f"name its encoding with --encoding{f' ({example})' if example else ''}, or save it as UTF-8",
        )
    name = "cp1252" if any(survey.counts[0x80:0xA0]) else "latin-1"
    note = (
        f"{where}: not UTF-8 ({_first_high(line)} in line {number}); read as {name}, such as "
        f"{_around(line.decode(name))!r}; say otherwise with --encoding"
    )
    return Decoding(name, flawed=survey.counts[0] > 0, notes=(note,))


def _given(opened: OpenedBytes, where: str, given: str, bom: str | None, survey: _Survey) -> Decoding:
    name = codecs.lookup(given).name
    family = "utf-8-sig" if name in ("utf-8", "utf-8-sig") else name
    if bom:
        if not family.startswith(bom.removesuffix("-sig")):
            raise DataError(
                f"--encoding {given}, but the byte order mark of the file says {bom.removesuffix('-sig')}",
                where=where,
                hint="leave --encoding out",
            )
        family = bom
    elif family in ("utf-16", "utf-32"):  # Python would take the byte order of this machine
        family = _wide(survey.first) or f"{family}-le"
    if family == "utf-8-sig":
        return Decoding(family, flawed=not survey.utf8 or survey.counts[0] > 0)
    _check(opened, where, family)
    notes: tuple[str, ...] = ()
    if survey.utf8 and survey.high and not family.startswith("utf"):
        notes = (f"{where}: read as {given}, as asked; it is valid UTF-8, which --encoding utf-8 reads",)
    return Decoding(family, flawed=survey.counts[0] > 0 and family not in _WIDE, notes=notes)


def _survey(opened: OpenedBytes) -> _Survey:
    import numpy as np  # commands that read no file need not wait for it

    counts = np.zeros(256, dtype=np.int64)
    decoder, utf8, first = codecs.getincrementaldecoder("utf-8")(), True, b""
    for block in _blocks(opened):
        first = first or block[:_FIRST]
        counts += np.bincount(np.frombuffer(block, dtype=np.uint8), minlength=256)
        utf8 = utf8 and _decodes(decoder, block)
    return _Survey(first, tuple(counts.tolist()), utf8 and _decodes(decoder, b"", final=True))


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _blocks(opened: OpenedBytes) -> Iterator[bytes]:
    with opened() as file:
        while block := file.read(_BLOCK):
            yield block


def _wide(first: bytes) -> str | None:
    """UTF-32 or UTF-16 without a byte order mark, by where the NUL bytes of line ends and ASCII characters stand."""
    for name in _WIDE:
        width = 4 if "32" in name else 2
        text = first[: len(first) - len(first) % width].decode(name, "replace")
        if len(first) < 2 * width or "\0" in text or "\ufffd" in text[:-1]:
            continue
        if width == 4:  # no other text decodes as UTF-32
            return name
        narrow = sum(character <= "\xff" for character in text)
        # In text of one byte a line end is followed by the next line, not by a NUL.
        ends = text.count("\n") * 2 >= first.count(b"\n") if b"\n" in first else text[0] < "\x80"
        if ends and narrow >= first.count(b"\0") * 0.8 > 0:
            return name
    return None


def _check(opened: OpenedBytes, where: str, encoding: str) -> None:
    """Refuse bytes that are not in this encoding, before any row is read."""
    decoder, lines = codecs.getincrementaldecoder(encoding)(), 1
    for block in (*_blocks(opened), b""):
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            bad = error.object[error.start : error.start + 1].hex()
            line = lines + error.object[: error.start].count(b"\n")
            raise DataError(
                f"not {encoding}: byte 0x{bad}",
                where=f"{where}, around line {line}",
                hint="name another encoding with --encoding, or save the file as UTF-8",
            ) from None
        lines += text.count("\n")


def _beyond_ascii(opened: OpenedBytes) -> tuple[int, int, list[tuple[int, bytes]]]:
    """Characters beyond ASCII that are UTF-8, bytes that are not, and the first lines that hold such bytes."""
    characters = stray = 0
    lines: list[tuple[int, bytes]] = []
    with opened() as file:
        for number, line in enumerate(file, 1):
            if line.isascii():
                continue
            text = line.decode("utf-8", "surrogateescape")
            # Beside a byte that is none, a UTF-8 character is one by chance.
            characters += sum(each >= "\x80" for each in _BESIDE.sub("", text))
            escaped = len(_ESCAPED.findall(text))
            stray += escaped
            if escaped and len(lines) < _MOST_LINES:
                lines.append((number, line))
    return characters, stray, lines


def _first_high(line: bytes) -> str:
    return f"byte 0x{next(each for each in line if each >= 0x80):02x}"


def _around(text: str, width: int = 16) -> str:
    """The words around the first character beyond ASCII."""
    at = next((i for i, each in enumerate(text) if each >= "\x80"), 0)
    return text[max(0, at - width) : at + width].strip()
