"""A damaged file is named by every command that reads it, and none answers from it.

The short form damages a file of each kind; `make test-faults` every sealed file in every way.
"""

from __future__ import annotations

import contextlib
import io
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from damage import DAMAGES
from sealed_places import SWEEP, sealed_places

from liftune.cli.main import main
from liftune.sweeps.check import check

#: Commands that answer from a place, by the beginning of the files that they may read.
DOORS: dict[str, dict[str, tuple[str, ...]]] = {
    "run": {
        "record": ("compare", "run", "run"),
        "spec": ("report", "run", "--format", "md"),
        "rows/": ("report", "run", "--format", "md"),
        "logits/": ("report", "run", "--format", "md"),
        "suspects": ("report", "run", "--format", "md"),
        "adapter/": ("predict", "run", "sunny laugh", "--use", "tuned"),
        **{
            f"contenders/{name}/": ("predict", "run", "sunny laugh", "--use", name)
            for name in ("majority", "tfidf", "base", "probe")
        },
    },
    "adapter": {"": ("predict", "adapter", "sunny laugh")},
    "bundle": {"": ("predict", "bundle", "sunny laugh")},
    "sweep": {"": SWEEP},
}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed_places(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def place(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "place"
    shutil.copytree(pristine, folder)
    monkeypatch.chdir(folder)
    return folder


def called(argv: tuple[str, ...]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(argv))
    return code, out.getvalue(), err.getvalue()


def sealed_files(what: str) -> list[str]:
    return [each.name for each in check(what).files if each.state == "whole"]


@contextlib.contextmanager
def damaged(path: Path, how: str, draw: random.Random) -> Iterator[None]:
    before = path.read_bytes()
    after = DAMAGES[how](path, draw)
    assert after != before, (path, how)
    path.unlink() if after is None else path.write_bytes(after)
    yield
    path.write_bytes(before)


def try_doors(what: str, name: str, how: str, answers: Callable[[tuple[str, ...]], str], draw: random.Random) -> None:
    """Damage a file, and knock at every door that may read it."""
    doors = [door for start, door in DOORS[what].items() if name.startswith(start)]
    answers_before = {door: answers(door) for door in doors}
    with damaged(Path(what) / name, how, draw):
        code, _, said = called(("check", what))
        # Without its card a folder is no place of liftune, and a contender is none of its run.
        no_card = how == "gone" and Path(name).name in ("liftune.json", "contender.json", "bundle.json", "record.json")
        assert (code, name in said or no_card) == (2, True), (what, name, how, said)
        if what == "sweep" and how == "gone":
            return  # which is computed again
        for door in doors:
            code, answer, said = called(door)
            # Another sweep's options are named one by one.
            named = Path(name).name in said or no_card or (name == "spec.json" and "asked otherwise" in said)
            told = code == 2 and named and "hint:" in said
            assert told or (code == 0 and answer == answers_before[door]), (what, name, how, door, code, said, answer)
            assert "Traceback" not in said


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("run", "record.json"),
        ("run", "rows/test.jsonl"),
        ("run", "logits/tuned.npz"),
        ("run", "adapter/liftune.json"),
        ("run", "adapter/adapter_model.safetensors"),
        ("run", "contenders/tfidf/vocabulary.json"),
        ("adapter", "adapter_config.json"),
        ("bundle", "bundle.json"),
    ],
)
def test_a_damaged_file_is_named_and_nothing_answers_from_it(what: str, name: str, place: Path) -> None:
    draw = random.Random(name)
    for how in ("flipped", "swapped"):
        try_doors(what, name, how, lambda door: called(door)[1], draw)


@pytest.mark.slow
@pytest.mark.parametrize("what", DOORS)
def test_every_sealed_file_in_every_way(what: str, place: Path) -> None:
    draw, tried, known = random.Random(what), 0, dict[tuple[str, ...], str]()

    def answers(door: tuple[str, ...]) -> str:
        if door not in known:
            code, known[door], said = called(door)
            assert code == 0, said
        return known[door]

    for name in sealed_files(what):
        for how in DAMAGES:
            if (name, how) == ("sweep.json", "gone"):
                continue  # a sweep that has not ended has none
            try_doors(what, name, how, answers, draw)
            tried += 1
    print(f"{what}: {tried} damages")
    assert not check(what).damaged
