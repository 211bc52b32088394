"""Libraries that are built here, once, for this processor; and every way to have none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from liftune.hardware import compiler as compiling
from liftune.hardware.compiler import NotBuiltError, load_library
from liftune.hardware.processor import find_compiler

needs_compiler = pytest.mark.skipif(not find_compiler(), reason="there is no C compiler")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "number.c"
    path.write_text("int number(void) { return NUMBER; }\n")
    return path


@needs_compiler
def test_a_library_is_built_once_for_its_source_and_definitions(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept" / "compiled"
    assert load_library(source, {"NUMBER": 7}, folder=folder).number() == 7
    assert load_library(source, {"NUMBER": 8}, folder=folder).number() == 8
    (first, second), built = sorted(folder.iterdir()), compiling._build
    assert first.name != second.name
    monkeypatch.setattr(compiling, "_build", lambda *_: pytest.fail("built again"))
    assert load_library(source, {"NUMBER": 7}, folder=folder).number() == 7
    monkeypatch.setattr(compiling, "_build", built)
    source.write_text("int number(void) { return 100 * NUMBER; }\n")
    assert load_library(source, {"NUMBER": 7}, folder=folder).number() == 700
    monkeypatch.setattr(compiling, "processor_flags", lambda: ("another",))
    load_library(source, {"NUMBER": 7}, folder=folder)
    assert len(list(folder.iterdir())) == 4, "another processor needs its own"


@needs_compiler
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX")
def test_code_is_only_loaded_from_where_nobody_else_can_write(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "compiled"
    load_library(source, {"NUMBER": 7}, folder=folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (library,) = folder.iterdir()
    library.chmod(0o720)
    with pytest.raises(NotBuiltError, match="others can write to"):
        load_library(source, {"NUMBER": 7}, folder=folder)
    library.chmod(0o500)
    folder.chmod(0o777)
    with pytest.raises(NotBuiltError, match="others can write to"):
        load_library(source, {"NUMBER": 7}, folder=folder)


@needs_compiler
def test_what_does_not_compile_or_load_is_told_in_a_line(source: Path, tmp_path: Path) -> None:
    source.write_text("no C\n")
    with pytest.raises(NotBuiltError, match=r"failed: .*number\.c.*error"):
        load_library(source, {}, folder=tmp_path / "compiled")
    assert list((tmp_path / "compiled").iterdir()) == [], "nothing half done stays"
    (tmp_path / "file").touch()
    with pytest.raises(NotBuiltError, match="cannot be built or loaded"):
        load_library(source, {}, folder=tmp_path / "file" / "compiled")


@needs_compiler
def test_a_compiler_that_does_not_end_is_given_up(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    slow.chmod(0o700)
    monkeypatch.setenv("CC", str(slow))
    monkeypatch.setattr(compiling, "PATIENCE", 0.05)
    with pytest.raises(NotBuiltError, match="took more than"):
        load_library(source, {"NUMBER": 7}, folder=tmp_path / "compiled")


def test_a_compiler_is_cc_or_the_first_of_three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_compiler() == ""
    with pytest.raises(NotBuiltError, match="there is no C compiler"):
        load_library(tmp_path / "any.c", {}, folder=tmp_path / "compiled")
    for name in ("clang", "mine"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o700)
    assert find_compiler() == str(tmp_path / "clang")
    monkeypatch.setenv("CC", "mine -m64")
    assert find_compiler() == str(tmp_path / "mine")
