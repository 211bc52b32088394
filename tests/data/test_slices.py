"""Columns of `--slices`: kept with the rows wherever these go, and refused where their values are no slices."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from liftune.data import load_data
from liftune.data.load import load_folds
from liftune.data.row_lines import lines_of, split_of
from liftune.data.slices import MOST_SLICES, sliced
from liftune.data.splits import KeptColumn, Split, Splits
from liftune.data.test_part import load_test
from liftune.errors import DataError, LiftuneError
from liftune.spec import DataSpec
from liftune.workflows.stages import rows_fingerprint


def lines(path: Path, rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def made(count: int = 120, /, **columns):
    """Rows whose text names their number; a column by a function of the number."""
    rows = [{"text": f"text {i} of many", "label": "ab"[i % 2]} for i in range(count)]
    return [{**row, **{name: value(i) for name, value in columns.items()}} for i, row in enumerate(rows)]


def of_row(split: Split, place: int = 0) -> dict[int, str | None]:
    """The number in each row's text, and the value that is kept with it."""
    return {int(str(row).split()[1]): value for row, value in zip(split.rows, split.kept[place].values, strict=True)}


def lang(i: int) -> str | None:
    return ("de", "en", None, " de ")[i % 4]


def expected(found: dict[int, str | None]) -> None:
    assert found == {i: (value := lang(i)) and value.strip() for i in found}


@pytest.mark.parametrize("more", [{}, {"train_rows": 40, "test_rows": 6}, {"group": "author"}])
def test_values_go_where_their_rows_go(tmp_path, more):
    rows = made(lang=lang, author=lambda i: f"author {i // 3}")
    spec = DataSpec(source=lines(tmp_path / "x.jsonl", rows), slices="Lang", **more)
    splits = load_data(spec)
    for split in (splits.train, splits.validation, splits.test):
        assert [column.name for column in split.kept] == ["lang"]
        expected(of_row(split))


def test_folds_and_rows_that_are_only_scored_keep_them_too(tmp_path):
    source = lines(tmp_path / "x.jsonl", made(lang=lang))
    folds = load_folds(DataSpec(source=source, slices="lang"), 3)
    for split in (folds.whole.test, folds.parts[1].test, folds.final.train):
        expected(of_row(split))
    expected(of_row(load_test(DataSpec(source=source, slices="lang")).test))


def test_they_are_written_with_the_rows_and_read_again(tmp_path):
    rows = made(12, **{"the source, if any": lambda i: ["a\nb", "ü", None][i % 3], "n": lambda i: i})
    split = load_test(DataSpec(source=lines(tmp_path / "x.jsonl", rows), slices='"the source, if any",n')).test
    assert split.kept[0].values[:3] == ("a b", "ü", None)
    assert split_of("".join(lines_of(split)).encode()) == split
    without = replace(split, kept=())
    assert split_of("".join(lines_of(without)).encode()) == without
    assert '"slices"' not in "".join(lines_of(without)), "rows without slices are written as they always were"
    with pytest.raises(ValueError, match="slices of a row"):
        split_of(b'{"id": "a", "text": "b", "target": "c", "slices": {"n": 3}}')


def test_a_run_that_goes_on_notices_other_values(tmp_path):
    def fingerprint(value) -> str:
        source = lines(tmp_path / "x.jsonl", made(lang=value))
        return rows_fingerprint(load_data(DataSpec(source=source, slices="lang")))

    assert fingerprint(lang) != fingerprint(lambda i: "de")


@pytest.mark.parametrize(
    ("rows", "slices", "says", "hint"),
    [
        (made(lang=lang), "lagn", "unknown column 'lagn', did you mean lang", "--slices; the columns are"),
        (made(lang=lang), "label", "'label' is the label, and cannot be a slice", "by label"),
        (made(lang=lang), "lang,text", "'text' is the text, and cannot be a slice", "by its length"),
        (made(key=lambda i: f"k{i}"), "key", "'key' has 120 different values in 120", "of fewer values"),
        (
            made(30, key=lambda i: f"k{i}"),
            "key",
            "30 test rows, .*: most rows have one of their own",
            "of fewer values",
        ),
        (made(lang=lambda i: ""), "lang", "'lang' is blank in all", "another column"),
        (
            made(tags=lambda i: ["a", "b"]),
            "tags",
            r"several values in one row, such as \['a', 'b'\]",
            "one value a row",
        ),
    ],
)
def test_a_column_that_is_no_slice_is_refused(tmp_path, rows, slices, says, hint):
    with pytest.raises(LiftuneError, match=says) as caught:
        load_test(DataSpec(source=lines(tmp_path / "x.jsonl", rows), slices=slices))
    assert hint in (caught.value.hint or "")
    assert caught.value.where


def test_a_part_without_the_column_is_refused(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    lines(folder / "train.jsonl", made(60, lang=lang))
    lines(folder / "test.jsonl", made(20))
    with pytest.raises(DataError, match="unknown column 'lang'"):
        load_data(DataSpec(source=str(folder), slices="lang"))


def test_a_column_by_which_rows_are_sliced_is_not_taken_for_the_text_or_the_label(tmp_path):
    """`topic` is a name of labels, and here one of slices; the label is then found by its content."""
    rows = [{"words": f"text {i} of many", "topic": f"t{i % 5}", "verdict": "ab"[i % 2]} for i in range(80)]
    splits = load_data(DataSpec(source=lines(tmp_path / "x.jsonl", rows), slices="topic", text="words"))
    assert splits.labels == ("a", "b")
    with pytest.raises(DataError, match="'topic' is the label"):
        load_data(DataSpec(source=lines(tmp_path / "x.jsonl", rows), slices="topic", text="words", label="topic"))


def test_a_groups_column_may_be_a_slice(tmp_path):
    rows = made(lang=lambda i: f"group {i % 8}")
    splits: Splits = load_data(DataSpec(source=lines(tmp_path / "x.jsonl", rows), slices="lang", group="lang"))
    assert splits.test.kept[0].values == splits.test.groups


def test_many_numbers_are_divided_into_ranges_and_few_are_slices():
    many = sliced(KeptColumn("n", (*(str(i) for i in range(100)), None)))
    assert many.in_ranges
    assert many.names == ("0 to 20", "21 to 40", "41 to 60", "61 to 80", "81 to 99", None)
    few = sliced(KeptColumn("stars", tuple(str(i % 3 * 5) for i in range(9))))
    assert (few.in_ranges, few.names) == (False, ("0", "5", "10"))
    assert few.of_row.tolist() == [0, 1, 2] * 3
    skewed = sliced(KeptColumn("n", ("0",) * 80 + tuple(str(i) for i in range(1, 21))))
    assert skewed.names[0] == "0 to 0" or skewed.names[0] == "0"
    assert len(set(skewed.names)) == len(skewed.names)
    words = sliced(KeptColumn("w", tuple(f"w{i}" for i in range(MOST_SLICES))))
    assert not words.in_ranges
    assert len(words.names) == MOST_SLICES


@pytest.mark.parametrize(
    "numbers",
    [
        [1_700_000_000.25 + i * 0.5 for i in range(120)],
        [1_700_000_000 + i * 0.5 for i in range(120)],
        [100 + i * 1e-5 for i in range(120)],
        [-1e-9 * (i + 1) for i in range(120)],
        [1e18 + i * 1_024 for i in range(120)],
    ],
)
def test_names_of_ranges_tell_them_apart(numbers: list[float]):
    """Moments of an hour differ in the eighth digit: with six, all were one slice, and nothing was tested."""
    found = sliced(KeptColumn("at", tuple(map(str, numbers))))
    assert (np.bincount(found.of_row) >= 20).tolist() == [True] * 5
    bounds = [tuple(map(float, str(name).split(" to "))) for name in found.names]
    assert bounds == sorted(bounds)
    assert len({bound for each in bounds for bound in each}) == 10


def test_numbers_with_a_word_among_them_are_words(tmp_path):
    rows = made(n=lambda i: i if i else "unknown")
    with pytest.raises(DataError, match="'n' has 120 different values"):
        load_test(DataSpec(source=lines(tmp_path / "x.jsonl", rows), slices="n"))


def test_whole_numbers_that_a_blank_cell_made_floats_are_whole(tmp_path):
    rows = made(9, year=lambda i: [2020.0, 2021.5, None][i % 3])
    split = load_test(DataSpec(source=lines(tmp_path / "x.jsonl", rows), slices="year")).test
    assert split.kept[0].values[:3] == ("2020", "2021.5", None)
