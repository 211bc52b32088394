"""Samples -> broken samples.

Bytes are flipped, cut, repeated, spliced and filled with tokens; JSON loses, gains and swaps values; packed files are
unpacked, changed inside and packed again.
In: samples of one kind, a source of random numbers.  Out: bytes.
Not here: the tokens (tokens.py), what reads the result (data_targets.py and its kin).
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any, TypeAlias

from fuzz.tokens import TOKENS, VALUES

Inputs: TypeAlias = Callable[[Random], bytes]
"""Makes an input."""

MOST_BYTES = 4 << 20
_KINDS = ("flip", "set", "cut", "end", "token", "over", "repeat", "splice", "cell", "line")
_JSON_KINDS = ("set", "set", "set", "remove", "rename", "swap", "wrap", "repeat")
_PACKERS: tuple[Callable[[bytes], bytes], ...] = (gzip.compress, bz2.compress, lzma.compress)


def broken_bytes(samples: Sequence[bytes]) -> Inputs:
    """A sample with a few edits."""
    return lambda random: edited(random.choice(samples), random, random.choice(samples))


def edited(data: bytes, random: Random, other: bytes) -> bytes:
    """The bytes after a few edits."""
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 5))):
        kind, at, number = random.choice(_KINDS), random.randint(0, len(data)), random.randrange(256)
        upto = min(len(data), at + random.randint(1, 64))
        token = random.choice(TOKENS)
        if kind == "flip" and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ (1 << number % 8)]) + data[at + 1 :]
        elif kind == "set":
            data = data[:at] + bytes([number]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at] + data[upto:]
        elif kind == "end":
            data = data[:at]
        elif kind == "token":
            data = data[:at] + token + data[at:]
        elif kind == "over":
            data = data[:at] + token + data[upto:]
        elif kind == "repeat":
            data = data[:at] + data[at:upto] * (1 + number) + data[upto:]
        elif kind == "splice":
            start = random.randint(0, len(other))
            data = data[:at] + other[start : start + 1 + number * 8] + data[at:]
        elif kind == "cell":
            data = _with_cell(data, at, token)
        elif kind == "line":
            lines = data.split(b"\n")
            data = b"\n".join([*lines, *[random.choice(lines)] * (number % 40)])
    return data[:MOST_BYTES]


def _with_cell(data: bytes, at: int, token: bytes) -> bytes:
    """With what stands between two separators around a place replaced."""
    start = max(data.rfind(each, 0, at) for each in (b",", b"\t", b"\n", b":")) + 1
    ends = [end for each in (b",", b"\t", b"\n", b"}") if (end := data.find(each, at)) >= 0]
    return data[:start] + token + data[min(ends, default=len(data)) :]


def broken_json(samples: Sequence[bytes]) -> Inputs:
    """A sample of JSON, or of a JSON object a line, with other values in it; now and then with other bytes."""

    def made(random: Random) -> bytes:
        text = random.choice(samples)
        if random.random() < 0.1:
            return edited(text, random, text)
        try:
            return dumped(changed(json.loads(text), random))
        except ValueError:
            lines = text.splitlines() or [b""]
            which = random.randrange(len(lines))
            try:
                lines[which] = dumped(changed(json.loads(lines[which]), random))
            except ValueError:
                return text
            return b"\n".join(lines)

    return made


def dumped(value: Any) -> bytes:
    """JSON."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


def changed(value: Any, random: Random) -> Any:
    """The value after a few edits, in place."""
    root = [value]
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        kind, places = random.choice(_JSON_KINDS), _places(root)
        holder, key = random.choice(places)
        if kind == "remove" and holder is not root:
            del holder[key]
        elif kind == "rename" and isinstance(holder, dict):
            holder[str(random.choice(VALUES))[:40]] = holder.pop(key)
        elif kind == "swap":
            other, at = random.choice(places)
            holder[key] = json.loads(json.dumps(other[at]))
        elif kind == "wrap":
            for _ in range(random.choice((1, 1, 2, 50, 300))):
                holder[key] = [holder[key]] if random.random() < 0.5 else {"a": holder[key]}
        elif kind == "repeat" and isinstance(holder, list):
            holder.extend(holder[key : key + 1] * random.randrange(200))
        else:
            holder[key] = json.loads(json.dumps(random.choice(VALUES)))
    return root[0]


def _places(root: list[Any]) -> list[tuple[Any, Any]]:
    """Every holder and key, without recursion."""
    places: list[tuple[Any, Any]] = []
    todo: list[Any] = [root]
    while todo and len(places) < 5_000:
        holder = todo.pop()
        for key, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            places.append((holder, key))
            if isinstance(value, dict | list):
                todo.append(value)
    return places


def broken_zip(samples: Sequence[bytes]) -> Inputs:
    """An archive or workbook, changed outside or in one of its files."""

    def made(random: Random) -> bytes:
        sample = random.choice(samples)
        if random.random() < 0.5:
            return edited(sample, random, sample)
        members = dict(_members(sample))
        name = random.choice(sorted(members))
        members[name] = edited(members[name], random, b"")
        if random.random() < 0.1:
            del members[name]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for each, data in members.items():
                archive.writestr(each, data)
        return packed.getvalue()

    return made


@cache
def _members(data: bytes) -> tuple[tuple[str, bytes], ...]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return tuple((each, archive.read(each)) for each in archive.namelist())


def broken_packed(samples: Sequence[bytes]) -> Inputs:
    """A compressed text, changed outside or inside."""

    def made(random: Random) -> bytes:
        packed, sample = random.choice(_PACKERS), random.choice(samples)
        if random.random() < 0.5:
            return packed(edited(sample, random, sample))
        return edited(packed(sample), random, sample)

    return made


def any_text(random: Random, most: int) -> str:
    """Characters of every kind."""
    blocks = ((32, 127), (0, 32), (127, 0x300), (0x300, 0xD800), (0xD800, 0xE000), (0xE000, 0x110000))
    picked = random.choices(blocks, (8, 2, 2, 2, 1, 1), k=random.randint(0, most))
    return "".join(chr(random.randrange(*each)) for each in picked)


def arguments(commands: Sequence[str], words: Sequence[str], values: Sequence[str]) -> Inputs:
    """A command line, as a JSON list: options and values of any kind."""

    def made(random: Random) -> bytes:
        pieces = [random.choice(commands)]
        for _ in range(random.randint(0, 6)):
            kind = random.random()
            pieces.append(
                random.choice(words) if kind < 0.45 else random.choice(values) if kind < 0.9 else any_text(random, 20)
            )
        return dumped(pieces)

    return made


def one_of(*kinds: Inputs) -> Inputs:
    """An input of any of these kinds."""
    return lambda random: random.choice(kinds)(random)
