"""Clusters: rows of one text or group are one draw; near duplicates are linked where parts are cut, within limits."""

import numpy as np
import pytest

from liftune.data.clusters import MOST_LINKED, clusters_of, connected, same_text


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
    assert max(map(len, few.members)) == MOST_LINKED


def test_groups_and_copies_stay_whole_however_many_rows_they_have():
    rows = ["the same text again and again and once more"] * 50 + [f"another text of its own {i}" for i in range(10)]
    assert max(map(len, connected(rows, None, near=0.8).members)) == 50
