"""What rows cannot show is counted: labels with few of them, a part with one target, an imbalance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from liftune.data import load_data
from liftune.data.coverage import coverage
from liftune.data.load import load_folds
from liftune.data.splits import Split
from liftune.records.data import Coverage
from liftune.spec import DataSpec
from liftune.types import Target


def part(name: str, targets: Sequence[Target]) -> Split:
    return Split(
        tuple(f"{name}:{i}" for i in range(len(targets))), tuple(map(str, range(len(targets)))), tuple(targets)
    )


def test_labels_with_fewer_than_ten_rows_are_named_and_a_label_without_any_is_among_them() -> None:
    found = coverage(part("train", "a" * 20 + "b" * 20 + "c" * 20), part("v", "a" * 10 + "b" * 9), part("t", "a" * 30))
    assert found.few == {"validation": {"c": 0, "b": 9}, "test": {"b": 0, "c": 0}}
    assert found.labels == {"validation": 3, "test": 3}


def test_a_label_that_only_test_has_counts_there() -> None:
    found = coverage(part("train", "a" * 20 + "b" * 20), part("v", "ab" * 10), part("t", "ab" * 10 + "z"))
    assert found.few == {"test": {"z": 1}}
    assert found.labels == {"validation": 2, "test": 3}


def test_each_label_of_a_row_counts() -> None:
    sets = [("a", "b")] * 12 + [("a",)] * 3
    assert coverage(part("train", sets), part("v", sets), part("t", [("a",)] * 12)).few == {"test": {"b": 0}}


@pytest.mark.parametrize("targets", ["a" * 12, [2.5] * 12, [("a", "b")] * 12, [()] * 12])
def test_a_part_with_one_target_is_said(targets: Sequence[Target]) -> None:
    mixed = [targets[0], "b" if isinstance(targets[0], str) else 1.0 if isinstance(targets[0], float) else ("c",)] * 12
    found = coverage(part("train", mixed), part("v", mixed), part("t", targets))
    assert found.only == {"test": targets[0]}


def test_numbers_and_missing_parts_are_not_judged() -> None:
    numbers = part("train", [float(i) for i in range(5)])
    found = coverage(numbers, numbers, numbers)
    assert found == Coverage()
    assert coverage(part("train", "ab"), part("v", ""), part("t", "")).few == {}


def test_the_share_of_the_most_frequent_label_and_labels_a_tenth_as_frequent_are_known() -> None:
    found = coverage(part("train", "a" * 90 + "b" * 8 + "c" * 2), part("v", ""), part("t", ""))
    assert (found.most_frequent, found.share, found.rare) == ("a", 0.9, {"c": 2, "b": 8})
    assert coverage(part("train", "a" * 50 + "b" * 5), part("v", ""), part("t", "")).rare == {}


def test_an_audit_holds_it_and_in_folds_every_row_is_a_test_row(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": "rare" if i < 14 else "often"} for i in range(60)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = DataSpec(source=str(tmp_path / "rows.jsonl"))
    cut = load_data(spec).audit.coverage
    assert cut is not None
    assert set(cut.few["test"]) == {"rare", "often"}
    folded = load_folds(spec, 5).whole.audit.coverage
    assert folded is not None
    assert "test" not in folded.few
    assert set(folded.few["validation"]) == {"rare", "often"}
