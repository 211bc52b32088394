"""Numbers with thousands, decimal commas and units: read as they are meant, or asked for with an option that works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from liftune.data.load import load, load_data
from liftune.data.numbers import number
from liftune.errors import DataError
from liftune.spec import DataSpec
from liftune.tasks import TaskKind

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def rows(path: Path, cells: list[str], **more: Any) -> DataSpec:
    lines = "".join(f"A text about {LETTERS[i % 26]} number {i} of them\t{cell}\n" for i, cell in enumerate(cells))
    path.write_text(f"text\tlabel\n{lines}", encoding="utf-8")
    return DataSpec(source=str(path), **more)


def values(spec: DataSpec) -> tuple[list[float], tuple[str, ...]]:
    loaded = load(spec, skip_bad_rows=spec.skip_bad_rows)
    assert loaded.reading.task is TaskKind.REGRESSION
    return [float(each) for each in loaded.examples["train"].split.targets], loaded.splits.audit.notes  # type: ignore[arg-type]


UNCLEAR = {
    "thousands with a comma": [f"{each:,}" for each in range(1_005, 90_000, 2_111)],
    "some below a thousand": [f"{each:,}" for each in range(500, 90_000, 2_111)],
    "with a currency": [f"${each:,}" for each in range(500, 90_000, 2_111)],
    "with a currency after it": [f"{each:,} USD" for each in range(500, 90_000, 2_111)],
}


@pytest.mark.parametrize("task", [None, "regression"])
@pytest.mark.parametrize("case", UNCLEAR)
def test_a_comma_before_three_digits_is_asked_for_and_both_answers_work(case, task, tmp_path):
    spec = rows(tmp_path / "x.tsv", UNCLEAR[case], task=task)
    with pytest.raises(DataError, match=r"may be the number") as caught:
        load_data(spec)
    hint = caught.value.hint or ""
    assert "--decimal . " in hint
    assert "--decimal , " in hint
    thousands, _ = values(spec.model_copy(update={"decimal": "."}))
    assert thousands == [float(re.sub(r"[^0-9]", "", cell)) for cell in UNCLEAR[case]]
    decimals, _ = values(spec.model_copy(update={"decimal": ","}))
    assert max(decimals) < 1_000
    if task is None:
        classes = load_data(rows(tmp_path / "y.tsv", UNCLEAR[case] * 3, task="single_label"))
        assert len(classes.labels) == len(UNCLEAR[case])


SHOWN = {
    "one with decimals tells": ([f"{each:,}" for each in range(1_005, 90_000, 2_111)] + ["17.5"], 1005.0, "'.'"),
    "German": ([f"{i}.250,5" for i in range(1, 40)], 1250.5, None),
    "German, one with decimals": ([f"{i}.250" for i in range(1, 40)] + ["3,5"], 1250.0, "','"),
    "two groups": ([f"{i},250,300" for i in range(1, 40)] + ["1.5"], 1250300.0, None),
    "French": ([f"{i}\u202f250,5" for i in range(1, 40)], 1250.5, None),
    "blanks alone": ([f"{i} 250" for i in range(1, 40)], 1250.0, None),
    "Swiss": ([f"{i}'250.50" for i in range(1, 40)], 1250.5, None),
    "Indian": ([f"{i},25,000.5" for i in range(1, 40)], 125000.5, None),
    "accounts": (["(1,250.50)", *(f"{i}.5" for i in range(1, 40))], -1250.5, None),
    "without cents": ([f"{i}'250.\u2013" for i in range(1, 40)], 1250.0, None),
    "minus": ([f"\u2212{i},5" for i in range(1, 40)], -1.5, None),
}


@pytest.mark.parametrize("case", SHOWN)
def test_what_one_cell_shows_holds_for_all(case, tmp_path):
    cells, first, said = SHOWN[case]
    found, notes = values(rows(tmp_path / "x.tsv", cells))
    assert found[0] == first
    assert any(f"read with {said} as their decimal mark" in note for note in notes) == (said is not None)


UNITS = {
    "percent": ([f"{i}%" for i in range(40)], "percentages", 39.0),
    "percent after a blank": ([f"{i},5 %" for i in range(40)], "percentages", 39.5),
    "euro": ([f"{i},50 \u20ac" for i in range(40)], "amounts in \u20ac", 39.5),
    "pounds": ([f"\u00a3{i}.99" for i in range(40)], "amounts in \u00a3", 39.99),
}


@pytest.mark.parametrize("task", [None, "regression"])
@pytest.mark.parametrize("case", UNITS)
def test_numbers_with_a_unit_are_numbers_and_this_is_said(case, task, tmp_path):
    cells, said, last = UNITS[case]
    found, notes = values(rows(tmp_path / "x.tsv", cells, task=task))
    assert found[-1] == last
    assert any(said in note for note in notes)


def test_a_few_percentages_are_classes(tmp_path):
    assert load_data(rows(tmp_path / "x.tsv", ["0%", "50%", "100%"] * 20)).labels == ("0%", "100%", "50%")


def test_a_share_among_percentages_is_a_bad_row_and_is_not_multiplied(tmp_path):
    spec = rows(tmp_path / "x.tsv", [f"{i}%" for i in range(40)] + ["0.57"])
    with pytest.raises(DataError, match=r"'0.57' has no %, as others have") as caught:
        load_data(spec)
    assert "--skip-bad-rows" in (caught.value.hint or "")
    assert len(values(spec.model_copy(update={"skip_bad_rows": True}))[0]) == 40


def test_dots_that_may_be_thousands_are_read_so_where_that_is_said(tmp_path):
    cells = [f"{i}.250" for i in range(1, 40)]
    found, notes = values(rows(tmp_path / "x.tsv", cells))
    assert found[0] == 1.25
    assert any("--decimal , reads 1250" in note for note in notes)
    assert values(rows(tmp_path / "x.tsv", cells, decimal=","))[0][0] == 1250


def test_a_decimal_mark_for_labels_without_numbers_is_refused(tmp_path):
    with pytest.raises(DataError, match="the labels are no numbers"):
        load_data(rows(tmp_path / "x.tsv", ["pos", "neg"] * 20, decimal=","))


def test_whole_numbers_with_commas_that_may_be_lists_name_the_option(tmp_path):
    with pytest.raises(DataError) as caught:
        load_data(rows(tmp_path / "x.tsv", ["1,250", "2,500", "3"] * 10))
    assert "--decimal ." in (caught.value.hint or "")
    assert values(rows(tmp_path / "x.tsv", ["1,250", "2,500", "3"] * 10, decimal="."))[0][:3] == [1250, 2500, 3]


@pytest.mark.parametrize(
    ("cell", "found"), [("1,250", None), ("1.250,50", 1250.5), ("1,250.50", 1250.5), ("1.2.3", None), ("1,2.", None)]
)
def test_a_cell_by_itself_is_read_only_where_it_is_clear(cell, found):
    assert number(cell) == found
