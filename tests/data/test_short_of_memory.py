"""A shortage of memory is said to be that: it does not change what a cell or a file is read as."""

from __future__ import annotations

import ast
import errno
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from liftune.data import label_lists
from liftune.data.label_lists import listed
from liftune.data.readers import saved_sets
from liftune.data.readers.json_objects import _otherwise
from liftune.errors import DataError
from liftune.files import read_json_object
from liftune.inference.writers import _fitting

LISTED = "['joy', ('fear',)]"


@pytest.mark.parametrize("read", [label_lists._literal, lambda text: _otherwise("{'a': 1}", "x.jsonl")])
def test_what_cannot_be_read_for_want_of_memory_is_no_text(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(text: str) -> Any:
        raise MemoryError

    monkeypatch.setattr(ast, "literal_eval", short)
    with pytest.raises(MemoryError):
        read(LISTED)


def test_a_shortage_of_a_moment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = ast.literal_eval, list[str]()

    def once(text: str) -> Any:
        calls.append(text)
        if len(calls) == 1:
            raise MemoryError
        return real(text)

    expected = label_lists._literal(LISTED)
    monkeypatch.setattr(ast, "literal_eval", once)
    assert label_lists._literal(LISTED) == expected == ["joy", ("fear",)]


@pytest.mark.parametrize("text", ["[" * 5_000 + "]" * 5_000, "[" + "-" * 50_000 + "1]", "[" + "2**" * 20_000 + "1]"])
def test_what_is_nested_too_deeply_is_no_list(text: str) -> None:
    """Python calls that a lack of memory too, and it is none."""
    assert label_lists._literal(text) is None
    assert listed(text) is None


def test_files_that_cannot_be_read_for_want_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"a": 1}))

    def short(*_: Any) -> bytes:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(Path, "read_bytes", short)
    for read in (saved_sets._object, lambda path: read_json_object(path, hint="")):
        with pytest.raises(OSError, match="allocate"):
            read(path)


def test_rows_that_do_not_fit_are_no_lack_of_memory() -> None:
    with pytest.raises(DataError), _fitting():
        raise pa.ArrowInvalid("two types")
    with pytest.raises(pa.ArrowMemoryError), _fitting():
        raise pa.ArrowMemoryError("malloc of size 64 failed")
