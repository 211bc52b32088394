"""The verdict stands on rows that do not leak; where near duplicates decide it, it is undecided and says so."""

from dataclasses import replace

import numpy as np
import pytest
from made_evaluations import answering

from liftune.evaluation.clean_rows import LEAST_CLEAN, NEAR, Leaks, on_clean_rows
from liftune.evaluation.compare import compare
from liftune.records.data import Audit


def decide(sides):
    return compare(*sides)


def leaks(exact=(), near=()):
    return Leaks(frozenset(f"test:{i}" for i in exact), frozenset(f"test:{i}" for i in near))


def sides(base, tuned):
    return answering("base", base), answering("tuned", tuned)


ROWS = np.arange(200)


def test_nothing_changes_where_nothing_leaks():
    both = sides(ROWS % 2 == 0, ROWS % 4 > 0)
    assert on_clean_rows(both, leaks(), decide) == compare(*both)


def test_a_gain_on_leaked_rows_alone_is_none():
    both = sides(ROWS >= 50, ROWS >= 0)
    found = on_clean_rows(both, leaks(exact=range(50)), decide)
    assert (found.verdict, found.gain, found.rows) == ("undecided", 0.0, 150)
    assert (found.all_rows.verdict, found.all_rows.gain, found.all_rows.rows) == ("better", 0.25, 200)
    assert found.without_near is None


def test_a_gain_that_near_duplicates_make_is_undecided_and_says_so():
    both = sides(ROWS >= 50, ROWS >= 0)
    found = on_clean_rows(both, leaks(near=range(50)), decide)
    assert (found.verdict, found.gain, found.rows, found.all_rows) == ("undecided", 0.25, None, None)
    assert found.undecided_because == NEAR
    assert (found.without_near.gain, found.without_near.verdict, found.without_near.rows) == (0.0, "undecided", 150)


def test_near_duplicates_that_change_nothing_are_a_second_line():
    both = sides(ROWS % 2 == 0, ROWS >= 0)
    found = on_clean_rows(both, leaks(near=range(50)), decide)
    assert (found.verdict, found.undecided_because) == ("better", None)
    assert found.without_near.verdict == "better"


@pytest.mark.parametrize("left", [0, 1, LEAST_CLEAN - 1])
def test_few_clean_rows_give_no_verdict(left):
    both = sides(ROWS < 0, ROWS >= 0)
    found = on_clean_rows(both, leaks(exact=range(200 - left)), decide)
    assert (found.verdict, found.rows, found.gain) == ("undecided", left, 1.0 if left else None)
    said = {0: "no clean test example is", 1: "one clean test example is"}.get(left, f"{left} clean test examples are")
    assert f"{said} left of 200" in found.undecided_because
    assert found.all_rows.verdict == "better"
    enough = on_clean_rows(both, leaks(exact=range(200 - LEAST_CLEAN)), decide)
    assert (enough.verdict, enough.undecided_because) == ("better", None)


def test_leaks_of_two_runs_are_those_of_either_and_conflicts_are_none():
    first = Audit(leaked_ids=("test:0",), near_leaked_ids=("test:1", "test:4"), conflicting_test_ids=("test:2",))
    second = Audit(group_leaked_ids=("test:3",), validation_leaked_ids=("test:4",))
    found = Leaks.of(first, second)
    assert (found.exact, found.near) == ({"test:0", "test:3", "test:4"}, {"test:1"})


def test_clusters_among_the_clean_rows_stay():
    texts = tuple(f"t{i // 2}" for i in range(200))
    both = [replace(each, texts=texts) for each in sides(ROWS % 4 > 1, ROWS >= 0)]
    found = on_clean_rows(both, leaks(exact=range(100)), decide)
    assert (found.unit, found.units, found.rows) == ("text", 50, 100)
