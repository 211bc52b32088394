"""Clusters: rows of one text or group are one draw; near duplicates are linked where parts are cut, within limits."""

import numpy as np
import pytest

from liftune.data import load_data
from liftune.data.clusters import clusters_of, connected, same_text
from liftune.data.folds import assign_folds, folds_for_fitting
from liftune.data.load import load_folds
from liftune.data.sampling import split_off
from liftune.data.splits import Split
from liftune.spec import DataSpec
from liftune.tasks import TaskKind

SINGLE = TaskKind.SINGLE_LABEL


def test_equal_texts_and_groups_are_one_cluster_over_any_number_of_steps():
    rows = ["a", "b", "a", "c", "d"]
    assert clusters_of(rows, None).tolist() == [0, 1, 0, 2, 3]
    assert clusters_of(rows, ("x", "y", "z", "z", "y")).tolist() == [0, 1, 0, 0, 1]


def test_rows_that_are_all_different_are_no_clusters():
    assert clusters_of(["a", "b"], None) is None
    assert clusters_of(None, None) is None
    assert clusters_of(["a", "b"], ("x", "y")) is None


@pytest.mark.parametrize("other", ["the  meal ", "the\u00a0meal", "\tthe meal\n"])
def test_white_space_does_not_make_another_text(other):
    assert same_text(other) == same_text("the meal")


def test_composed_and_decomposed_letters_are_one_text_and_casing_is_not():
    assert same_text("cafe\u0301") == same_text("caf\u00e9")
    assert same_text(("cafe\u0301", "x")) == same_text(("caf\u00e9", "x "))
    assert same_text("Meal") != same_text("meal")


def test_a_few_common_texts_do_not_tie_all_groups_together():
    """Short texts such as `thanks` would leave one cluster, and nothing that could be told."""
    rows = [f"text {i}" for i in range(270)] + ["thanks"] * 15
    groups = [f"g{i % 30}" for i in range(270)] + [f"g{i}" for i in range(15)]
    found = connected(rows, groups)
    assert (len(found.members), found.common) == (30, 15)
    assert "15 rows have a text that several groups share" in found.notes()[0]
    pair = connected(rows, ["g0" if each == "g1" else each for each in groups[:284]] + ["g14"])
    assert len(pair.members) == 29


def test_one_text_by_many_groups_is_one_cluster():
    assert clusters_of(["the same"] * 20, tuple(f"g{i}" for i in range(20))).tolist() == [0] * 20


def _words(rng, count):
    return [f"w{each}" for each in rng.integers(0, 9_999, count)]


def test_near_duplicates_are_linked_where_they_are_looked_for():
    rng = np.random.default_rng(0)
    rows = [" ".join([*words, last]) for words in (_words(rng, 12) for _ in range(30)) for last in ("once", "twice")]
    assert len(connected(rows, None).members) == 60
    found = connected(rows, None, near=0.8)
    assert found.members == [[2 * i, 2 * i + 1] for i in range(30)]
    assert (found.near, found.parted) == (60, 0)


def test_a_template_that_links_all_rows_is_divided_into_blocks_that_can_be_cut():
    rows = [f"please send the parcel to the street number {i} in the old town before noon" for i in range(400)]
    found = connected(rows, None, near=0.8)
    assert max(map(len, found.members)) == 20
    assert found.parted == 400
    few = connected(rows[:40], None, near=0.8)
    assert max(map(len, few.members)) == 4


def test_groups_and_copies_stay_whole_however_many_rows_they_have():
    rows = ["the same text again and again and once more"] * 50 + [f"another text of its own {i}" for i in range(10)]
    assert max(map(len, connected(rows, None, near=0.8).members)) == 50


def _twins(pairs, seed=0):
    """Rows of coin tosses; each has a twin one word apart, with the same label."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(pairs):
        words = _words(rng, 12)
        rows += [(f"{i}", " ".join([*words, last]), "ab"[i % 2]) for last in ("once", "twice")]
    ids, texts, targets = zip(*rows, strict=True)
    return Split(tuple(f"{each}{i % 2}" for i, each in enumerate(ids)), texts, targets)


@pytest.mark.parametrize("near", [0.0, 0.8])
def test_twins_stay_in_one_part_and_fold(near):
    split = _twins(150)
    blocks = connected(split.rows, None, near=near)
    kept, taken = split_off(split, 30, SINGLE, 0, name="test", where="x", blocks=blocks)
    apart = {i // 2 for i in kept} & {i // 2 for i in taken}
    folds = assign_folds(split, 5, SINGLE, 0, near=near)
    fitted = folds_for_fitting(split, SINGLE, near=near).tolist()
    divided = [sum(each[2 * i] != each[2 * i + 1] for i in range(150)) for each in (folds, fitted)]
    if near:
        assert (len(apart), divided) == (0, [0, 0])
        assert 28 <= len(taken) <= 30
        assert max(np.bincount(folds)) - min(np.bincount(folds)) <= 2
    else:
        assert apart
        assert min(divided) > 50


def test_a_file_of_twins_is_cut_between_them_and_says_so(tmp_path):
    split = _twins(150)
    lines = "".join(f"{text},{label}\n" for text, label in zip(split.rows, split.targets, strict=True))
    (tmp_path / "x.csv").write_text(f"text,label\n{lines}")
    source = str(tmp_path / "x.csv")
    found = load_data(DataSpec(source=source))
    assert (found.audit.near_leaked_test_rows, found.audit.near_leaked_validation_rows) == (0, 0)
    assert any("300 rows are near duplicates of others" in note for note in found.audit.notes)
    assert load_data(DataSpec(source=source, near_duplicates="none")).audit.near_leaked_test_rows == 0  # not searched
    folds = load_folds(DataSpec(source=source), 5)
    assert any("were kept in one part" in note for note in folds.whole.audit.notes)
    for part in folds.parts:
        sides = [{row.rsplit(" ", 1)[0] for row in each.rows} for each in (part.train, part.validation, part.test)]
        assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]


def test_one_template_for_all_rows_can_be_cut_and_its_near_leaks_are_named(tmp_path):
    rows = [f"please send parcel {i} to the street in the old town before noon on monday" for i in range(300)]
    lines = "".join(f"{text},{'ab'[i % 2]}\n" for i, text in enumerate(rows))
    (tmp_path / "x.csv").write_text(f"text,label\n{lines}")
    found = load_data(DataSpec(source=str(tmp_path / "x.csv")))
    assert 25 <= len(found.test) <= 35
    assert found.audit.near_leaked_test_rows == len(found.test)
    assert any("300 rows form long chains of near duplicates" in note for note in found.audit.notes)
    folds = load_folds(DataSpec(source=str(tmp_path / "x.csv")), 5)
    assert folds.whole.audit.near_leaked_test_rows > 0


def test_classes_keep_their_shares_where_near_duplicates_have_different_labels():
    split = _twins(200)
    mixed = Split(split.ids, split.rows, tuple("ab"[i % 2] if i % 3 else "a" for i in range(400)))
    blocks = connected(mixed.rows, None, near=0.8)
    _, taken = split_off(mixed, 40, SINGLE, 0, name="test", where="x", blocks=blocks)
    share = sum(target == "a" for target in mixed.targets) / 400
    assert abs(sum(mixed.targets[i] == "a" for i in taken) - share * len(taken)) <= 2
    assert 36 <= len(taken) <= 44


def test_rows_without_near_duplicates_are_cut_as_before():
    rng = np.random.default_rng(5)
    rows = tuple(" ".join(_words(rng, 10)) for _ in range(200))
    split = Split(tuple(map(str, range(200))), rows, tuple("ab"[i % 2] for i in range(200)))
    blocks = connected(rows, None, near=0.8)
    assert split_off(split, 20, SINGLE, 0, name="test", where="x", blocks=blocks) == split_off(
        split, 20, SINGLE, 0, name="test", where="x"
    )
    assert assign_folds(split, 5, SINGLE, 0) == assign_folds(split, 5, SINGLE, 0, near=0.8)
