"""A few rows of each label: the draws are fair, and the table says what was found. No contender runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import few, few_rows
from benchmarks.few_rows import Cell, cells


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two labels; a test part that is too small, one of whose texts is in train too."""
    monkeypatch.setattr(few_rows, "TEST_ROWS", 12)
    few_rows._parts.cache_clear()
    place = tmp_path / "made"
    place.mkdir()
    rows = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(60)]
    for name, part in (("train", rows), ("test", [{"text": f"test {i}", "label": "a"} for i in range(5)] + rows[:1])):
        (place / f"{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in part), encoding="utf-8")
    return str(place)


def test_draws_differ_and_are_of_rows_that_test_has_not(folder: str) -> None:
    drawn = [Cell(folder, 8, draw).rows() for draw in (1, 2, 1)]
    for train, test in drawn:
        assert sorted(label for _, label in train) == ["a"] * 8 + ["b"] * 8
        assert len(test) == 12
        assert not {text for text, _ in train} & {text for text, _ in test}
    assert drawn[0] == drawn[2]
    assert drawn[0][0] != drawn[1][0]
    assert drawn[0][1] == drawn[1][1], "every draw answers the same rows"


def test_the_first_draw_of_all_cells_comes_first() -> None:
    names = [cell.name for cell in cells(["a", "b"], ["b"], [1, 2])]
    assert names[:5] == ["a-8-1", "b-8-1", "a-16-1", "b-16-1", "b-64-1"]
    assert len(names) == 10


def line(cell: str, right: int, seconds: float) -> dict[str, object]:
    return {"cell": cell, "correct": [1] * right + [0] * (100 - right), "cpu_seconds": seconds}


def test_cells_of_both_are_compared_over_their_draws(capsys: pytest.CaptureFixture[str]) -> None:
    ours = {name: line(name, right, 10) for name, right in (("x-8-1", 90), ("x-8-2", 80), ("y-8-1", 40), ("z-8-1", 5))}
    theirs = {name: line(name, right, 20) for name, right in (("x-8-1", 60), ("x-8-2", 60), ("y-8-1", 80))}
    found = few.compare(ours, theirs)
    assert [(each.name, each.draws) for each in found] == [("x-8", 2), ("y-8", 1)]
    assert found[0].paired.gain == pytest.approx(0.25)
    few.print_table(found)
    out = capsys.readouterr().out
    assert "significantly below in 1, above in 1" in out
    assert "0.50 of SetFit's" in out


def test_imports_that_one_process_does_once_are_counted_in_every_cell() -> None:
    """Ours is a process a cell, so that its imports are in its seconds already."""
    ours, theirs = line("x-8-1", 90, 30), line("x-8-1", 90, 30) | {"import_cpu_seconds": 10.0}
    assert few.compare({"x-8-1": ours}, {"x-8-1": theirs})[0].seconds == (30.0, 40.0)
