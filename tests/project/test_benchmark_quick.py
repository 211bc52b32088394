"""The quick check: ratios beside what was kept for this processor, and an exit code where one fell."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import save_tiny

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks/ is run from the checkout, and not installed

from benchmarks import __main__ as command
from benchmarks import kernel, quick
from benchmarks.summary import Spread
from benchmarks.work import Result, Work
from liftune.hardware.prebuilt import kinds_here
from liftune.hardware.processor import find_compiler
from liftune.models.packed.compiled import DTYPES

KERNEL = "attention in float32, x86-64-v3"


def rates(work: Work) -> Result:
    """Ours is four times as fast on short rows, twice on long ones."""
    seconds = {"stock": 8.0, "ours": 2.0 if work.rows == quick.ROWS["short"] else 4.0}[work.contender]
    return Result(name=work.contender, rows=160, train_seconds=seconds, threads=2)


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run it with a launcher, and ratios of predict and of the kernel; the exit code."""

    def run(*given: str, launch=rates, predict: float = 3.0, attention: float = 1.7) -> int:
        monkeypatch.setattr(quick, "predicting", lambda *_: Spread(predict, predict, predict))
        monkeypatch.setattr(kernel, "against_tiles", lambda _: {KERNEL: Spread(attention, attention, attention)})
        measured = quick.measured
        monkeypatch.setattr(quick, "measured", lambda arguments: measured(arguments, launch))
        code = command.main(["quick", "--kept", str(tmp_path / "kept.json"), *given])
        monkeypatch.undo()
        return code

    return run


def test_what_is_kept_is_shown_beside_what_is_measured(check, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert check() == 0
    assert "--keep keeps these" in capsys.readouterr().out
    assert not (tmp_path / "kept.json").exists()
    assert check("--keep") == 0
    ((machine, kept),) = json.loads((tmp_path / "kept.json").read_text()).items()
    assert machine.endswith(", 2 threads")
    assert {name: each["median"] for name, each in kept["ratios"].items()} == {
        "train, short rows": 4.0,
        "train, long rows": 2.0,
        "predict": 3.0,
        KERNEL: 1.7,
    }
    capsys.readouterr()
    assert check() == 0
    assert capsys.readouterr().out.count("as before") == 4


def test_what_costs_speed_is_seen(check, capsys: pytest.CaptureFixture[str]):
    def slow(work: Work) -> Result:
        slower = work.contender == "ours" and work.rows == quick.ROWS["long"]
        return replace(rates(work), train_seconds=5.0) if slower else rates(work)

    check("--keep")
    capsys.readouterr()
    assert check(launch=slow) == 1
    told = [line.split()[-1] for line in capsys.readouterr().out.splitlines() if line.startswith(("train", "predict"))]
    assert told == ["before", "slower", "before"]
    assert check("--keep", launch=slow) == 0
    assert check(launch=slow) == 0
    assert check(predict=2.0) == 1
    assert check(attention=0.4, launch=slow) == 1


def test_a_contender_that_fails_is_no_ratio(check):
    with pytest.raises(SystemExit, match="out of luck"):
        check(launch=lambda work: Result(name=work.contender, missing="failed: out of luck"))


def test_long_rows_are_many_short_ones_of_one_label(tmp_path: Path):
    for name in ("short", "long"):
        quick.data(tmp_path / name, long=name == "long")
    short, long = (
        [json.loads(line) for line in (tmp_path / name / "train.jsonl").open()] for name in ("short", "long")
    )
    labels = {row["text"]: row["label"] for row in short}
    assert len(long) == len(short)
    assert {row["label"] for row in long} == set(labels.values())
    for row in long[:5]:
        parts = [text for text in labels if text in row["text"]]
        assert len(parts) >= quick.JOINED - 1
        assert {labels[text] for text in parts} == {row["label"]}


@pytest.mark.skipif(not find_compiler(), reason="there is no C compiler")
def test_the_kernel_is_timed_as_built_for_every_kind_that_this_processor_is_of(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kernel, "LENGTHS", (20, 24))
    found = kernel.against_tiles(1)
    assert set(found) == {f"attention in {dtype}, {kind.name}" for kind in kinds_here() for dtype in DTYPES}
    assert all(each.median > 0 for each in found.values())


@pytest.mark.slow
def test_it_runs_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quick, "ROWS", {"short": 32, "long": 16})
    model = str(save_tiny("distilbert", tmp_path / "model"))
    kept = tmp_path / "kept.json"
    assert command.main(["quick", "--model", model, "--repeats", "1", "--keep", "--kept", str(kept)]) == 0
    ((_, found),) = json.loads(kept.read_text()).items()
    assert all(each["median"] > 0 for each in found["ratios"].values())
