"""Libraries that a wheel brings: the right one for each processor, and none that is not exactly what is asked for."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest

from liftune.hardware import compiler as compiling
from liftune.hardware import prebuilt
from liftune.hardware.compiler import NotBuiltError, build, load_library
from liftune.hardware.prebuilt import KINDS, Kind, find_prebuilt, kinds_here, library_name, prebuilt_kind
from liftune.hardware.processor import find_compiler

needs_compiler = pytest.mark.skipif(not find_compiler(), reason="there is no C compiler")
X86 = [kind for kind in KINDS if kind.machine == "x86_64"]


def processor(monkeypatch: pytest.MonkeyPatch, flags: Iterable[str], machine: str = "x86_64") -> None:
    """Be one that can this."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(prebuilt, "processor_flags", lambda: tuple(flags))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "number.c"
    path.write_text("int number(void) { return NUMBER; }\n")
    return path


@pytest.fixture
def built(tmp_path: Path) -> Path:
    path = tmp_path / "built"
    path.mkdir()
    return path


def test_kinds_are_the_fastest_first_and_each_is_taken_where_its_abilities_are() -> None:
    assert [set(above.flags) > set(below.flags) for above, below in pairwise(X86)] == [True, True]


def test_a_processor_is_of_every_kind_whose_abilities_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    for position, kind in enumerate(X86):
        processor(monkeypatch, {*kind.flags, "another"})
        assert kinds_here() == tuple(X86[position:])
        processor(monkeypatch, sorted(kind.flags)[1:])
        assert kind not in kinds_here()
    processor(monkeypatch, (), "aarch64")
    assert [kind.machine for kind in kinds_here()] == ["aarch64"]
    processor(monkeypatch, X86[0].flags, "riscv64")
    assert kinds_here() == ()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert kinds_here() == ()


def test_the_best_that_was_brought_is_found_by_all_that_it_was_built_of(
    source: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best, second, last = X86

    def bring(kind: Kind) -> Path:
        path = built / library_name(source, {"NUMBER": 7}, kind)
        path.touch()
        return path

    processor(monkeypatch, best.flags)
    assert find_prebuilt(source, {"NUMBER": 7}, folder=built) is None
    assert prebuilt_kind(folder=built) == ""
    paths = {kind.name: bring(kind) for kind in (last, best)}
    assert find_prebuilt(source, {"NUMBER": 7}, folder=built) == paths[best.name]
    assert prebuilt_kind(folder=built) == best.name
    processor(monkeypatch, second.flags)
    assert find_prebuilt(source, {"NUMBER": 7}, folder=built) == paths[last.name], "its own kind was not brought"
    assert prebuilt_kind(folder=built) == last.name
    assert find_prebuilt(source, {"NUMBER": 8}, folder=built) is None
    source.write_text("int number(void) { return 100 * NUMBER; }\n")
    assert find_prebuilt(source, {"NUMBER": 7}, folder=built) is None, "another version's is never taken"


def bring_all(source: Path, built: Path) -> None:
    """One for each kind of this processor, as `make wheels` builds them."""
    for kind in kinds_here():
        given = {"NUMBER": 7}
        assert not build(source, given, find_compiler(), kind.options, built / library_name(source, given, kind))


@needs_compiler
@pytest.mark.skipif(not kinds_here(), reason="no kind of processor for which wheels bring anything")
def test_what_was_brought_is_loaded_without_a_compiler_and_nothing_is_built(
    source: Path, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_all(source, built)
    monkeypatch.setattr(compiling, "find_prebuilt", lambda *given: find_prebuilt(*given, folder=built))
    monkeypatch.setattr(compiling, "find_compiler", lambda: "")
    assert load_library(source, {"NUMBER": 7}, folder=tmp_path / "compiled").number() == 7
    assert not (tmp_path / "compiled").exists()
    with pytest.raises(NotBuiltError, match=r"^there is no C compiler \(cc, gcc or clang\)$"):
        load_library(source, {"NUMBER": 8}, folder=tmp_path / "compiled")


@needs_compiler
@pytest.mark.skipif(not kinds_here(), reason="no kind of processor for which wheels bring anything")
def test_where_what_was_brought_cannot_be_loaded_it_is_built_or_that_is_said(
    source: Path, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_all(source, built)
    for library in built.iterdir():
        library.write_bytes(b"no library")
    monkeypatch.setattr(compiling, "find_prebuilt", lambda *given: find_prebuilt(*given, folder=built))
    assert load_library(source, {"NUMBER": 7}, folder=tmp_path / "compiled").number() == 7
    assert (tmp_path / "compiled").exists()
    monkeypatch.setattr(compiling, "find_compiler", lambda: "")
    with pytest.raises(NotBuiltError, match=r"no C compiler .* what the wheel brought cannot be loaded"):
        load_library(source, {"NUMBER": 7}, folder=tmp_path / "other")
