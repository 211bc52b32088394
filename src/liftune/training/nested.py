"""Nested lists, tuples and dicts that hold tensors, in one file: safetensors, with what is no tensor as JSON beside it.

In: a path, a nested value.  Out: a file that is whole or not there; the same value again.
Not here: what is saved and when (state.py, checkpoint.py).

Reading runs no code, as unpickling would. A seal over every name, number and byte tells damage.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from liftune.errors import lacks_memory
from liftune.files import disk_errors, safetensor_errors, sync_folder
from liftune.json_text import parse_json

Nested: TypeAlias = Any
"""Tensors, numbers, texts, None, and lists, tuples and dicts of them."""

#: A dict that stands for something else has this key.
_KIND = "$"
_TENSOR, _TUPLE, _DICT = "tensor", "tuple", "dict"
_TEXT, _SEAL = "liftune", "sha256"


class DamagedError(Exception):
    """A file that is not what was written, and why."""


def write_nested(path: Path, value: Nested) -> None:
    """Write a file, whole or not at all; it is on the disk when this returns.

    Raises:
        ArtifactError: the disk is full or read-only.
        TypeError: the value holds what is neither a tensor nor fit for JSON.
    """
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    text = json.dumps(_flat(value, "", tensors))
    fresh = path.with_name(f"{path.name}.new")
    with disk_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with safetensor_errors():
                save_file(tensors, fresh, {_TEXT: text, _SEAL: _seal(text, tensors)})
            with fresh.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(fresh, path)
            sync_folder(path.parent)
        except BaseException:  # Ctrl-C too must leave no half of a file
            fresh.unlink(missing_ok=True)
            raise


def read_nested(path: Path) -> Nested:
    """What was written; every tensor is on the CPU, in memory of its own.

    Raises:
        DamagedError: the file is not what was written.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            text = metadata[_TEXT]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        if metadata[_SEAL] != _seal(text, tensors):
            raise DamagedError("its seal is broken")
        return _nested(parse_json(text), tensors)
    except SafetensorError as error:
        if lacks_memory(error):
            raise
        raise DamagedError(str(error)) from None
    except OSError as error:
        if lacks_memory(error):
            raise
        raise DamagedError(error.strerror or str(error)) from None
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        if lacks_memory(error):
            raise
        raise DamagedError(f"{type(error).__name__}: {error}") from None


def _flat(value: Nested, name: str, tensors: dict[str, Tensor]) -> Any:
    """The value as JSON holds it; tensors are put aside under their places' names."""
    if isinstance(value, Tensor):
        return _tensor_place(value, name, tensors)
    if isinstance(value, tuple):
        return {_KIND: _TUPLE, "items": [_flat(each, f"{name}/{i}", tensors) for i, each in enumerate(value)]}
    if isinstance(value, list):
        return [_flat(each, f"{name}/{i}", tensors) for i, each in enumerate(value)]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value) and _KIND not in value:
            return {key: _flat(each, f"{name}/{key}", tensors) for key, each in value.items()}
        items = [
            [_flat(key, f"{name}/key", tensors), _flat(each, f"{name}/{key}", tensors)] for key, each in value.items()
        ]
        return {_KIND: _DICT, "items": items}
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be saved, at {name}")


def _tensor_place(value: Tensor, name: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    tensor = value.detach()
    place: dict[str, Any] = {_KIND: _TENSOR, "name": name}
    if not tensor.is_contiguous() and _dense(tensor.shape, tensor.stride()):
        # An optimizer's fused kernel reads a parameter and its moments in the order in which they lie in memory.
        place["strides"] = list(tensor.stride())
    if not tensor.is_contiguous() or tensor.untyped_storage().nbytes() != tensor.numel() * tensor.element_size():
        tensor = tensor.clone(memory_format=torch.contiguous_format)  # safetensors takes no part of another tensor
    tensors[name] = tensor.cpu()
    return place


def _nested(value: Any, tensors: Mapping[str, Tensor]) -> Nested:
    """What `_flat` was made of."""
    if isinstance(value, list):
        return [_nested(each, tensors) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(_KIND)
    if kind == _TENSOR:
        return _placed(tensors[value["name"]], value.get("strides"))
    if kind == _TUPLE:
        return tuple(_nested(each, tensors) for each in value["items"])
    if kind == _DICT:
        return {_nested(key, tensors): _nested(each, tensors) for key, each in value["items"]}
    return {key: _nested(each, tensors) for key, each in value.items()}


def _placed(tensor: Tensor, strides: list[int] | None) -> Tensor:
    """A copy that lies in memory as the tensor that was saved."""
    if strides is None:
        return tensor.clone()
    if not _dense(tensor.shape, strides):
        raise ValueError(f"strides {strides} do not fit {tuple(tensor.shape)}")
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)


def _dense(shape: tuple[int, ...], strides: tuple[int, ...] | list[int]) -> bool:
    """Whether each place in memory is one element's, in whatever order.

    >>> _dense((2, 3), (1, 2)), _dense((2, 3), (4, 1)), _dense((2, 3), (0, 1))
    (True, False, False)
    """
    expected = 1
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def _seal(text: str, tensors: Mapping[str, Tensor]) -> str:
    """sha256 over the JSON, and over each tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        if tensor.numel():
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
