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
    assert "over rows significantly below in 1, above in 1" in out
    assert "over draws significantly below in 1, above in 1" not in out, "two draws that differ by ten points"
    assert "0.50 of SetFit's" in out


def test_imports_that_one_process_does_once_are_counted_in_every_cell() -> None:
    """Ours is a process a cell, so that its imports are in its seconds already."""
    ours, theirs = line("x-8-1", 90, 30), line("x-8-1", 90, 30) | {"import_cpu_seconds": 10.0}
    assert few.compare({"x-8-1": ours}, {"x-8-1": theirs})[0].seconds == (30.0, 40.0)


def gains(cell: str, found: list[int]) -> tuple[dict[str, object], dict[str, object]]:
    """Ours beside theirs of 50 right answers, a draw each."""
    names = [f"{cell}-{draw}" for draw in range(1, len(found) + 1)]
    ours = {name: line(name, 50 + gain, 10) for name, gain in zip(names, found, strict=True)}
    return dict(ours), {name: line(name, 50, 10) for name in names}


def test_draws_that_differ_widen_the_interval_of_every_cell_of_that_size() -> None:
    """By hand: v = (1 + 1 + 16 + 16) / 2 = 17 square points, each mean has 8.5 of it, t(2) is 4.3027."""
    (a, b), (c, d) = gains("x-8", [5, 7]), gains("y-8", [1, 9])
    cells = few.compare(a | c, b | d)
    for cell, found in zip(cells, few.over_draws(cells), strict=True):
        assert found is not None
        assert 100 * found.half == pytest.approx(4.3027 * (8.5 + 1e4 * cell.row_error**2) ** 0.5, rel=1e-4)
        assert found.p_value > cell.p_value
    assert cells[0].paired.gain == pytest.approx(0.06)


def test_draws_that_agree_show_what_rows_show() -> None:
    (a, b) = gains("x-8", [30, 30, 30])
    cells = few.compare(a, b)
    found = few.over_draws(cells)[0]
    assert found is not None
    assert found.p_value < 0.05


def test_one_draw_tells_nothing_of_others() -> None:
    (a, b) = gains("x-8", [30])
    assert few.over_draws(few.compare(a, b)) == [None]
