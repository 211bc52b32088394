"""What can happen to a file: cut, emptied, a bit flipped, another run's in its place, something else, gone.

In: a file.  Out: the bytes that it then holds.
Not here: assertions.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from liftune.seals import with_seal

Damage = Callable[[Path, random.Random], bytes | None]


def _cut(path: Path, draw: random.Random) -> bytes:
    content = path.read_bytes()
    return content[: draw.randrange(1, len(content))]


def _flipped(path: Path, draw: random.Random) -> bytes:
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return bytes(content)


def _swapped(path: Path, draw: random.Random) -> bytes:
    """The same file of another run: as whole in itself, but for what it says."""
    content = path.read_bytes()
    if path.suffix == ".safetensors":
        return save({name: each * np.float32(1.5) for name, each in load(content).items()}, {"format": "pt"})
    if path.suffix == ".npz":
        with np.load(io.BytesIO(content)) as arrays:
            other = {name: arrays[name] * np.float32(1.5) for name in arrays}
        file = io.BytesIO()
        np.savez_compressed(file, **other)  # type: ignore[arg-type] # its stubs take no names
        return file.getvalue()
    if path.suffix == ".jsonl":
        return b"".join(content.splitlines(keepends=True)[::-1])
    if path.suffix == ".json":
        values = json.loads(content)
        other = _another(values)
        return json.dumps(with_seal(other) if "seal" in values else other).encode()
    middle = len(content) // 2
    return content[:middle] + content[middle : middle + 64][::-1] + content[middle + 64 :]


def _another(values: Any) -> Any:
    """A JSON value with one thing changed: the first text of a list, else the first number."""
    if isinstance(values, dict) and values.get("files"):
        values = {**values, "files": {name: sha256[::-1] for name, sha256 in values["files"].items()}}
    for key in ("labels", "data_fingerprint", "test", "data", "vocabulary", "word", "target_modules"):
        if isinstance(values, dict) and isinstance(values.get(key), (list, str)) and len(values[key]) > 1:
            return {**values, key: values[key][::-1]}
    if isinstance(values, dict):
        number = next((key for key, each in values.items() if type(each) in (int, float) and key != "schema"), None)
        if number is not None:
            return {**values, number: values[number] + 1}
        first = next(key for key, each in values.items() if isinstance(each, (dict, list)) and len(each) > 1)
        return {**values, first: _another(values[first])}
    return values[::-1]


def _replaced(path: Path, draw: random.Random) -> bytes:
    return b"{}" if path.suffix == ".json" else draw.randbytes(path.stat().st_size)


DAMAGES: dict[str, Damage] = {
    "cut": _cut,
    "flipped": _flipped,
    "swapped": _swapped,
    "emptied": lambda path, draw: b"",
    "replaced": _replaced,
    "gone": lambda path, draw: None,
}
