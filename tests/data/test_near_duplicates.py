"""Near duplicates: planted ones are found, nothing below the threshold is reported, and it stays quick to compute."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tracemalloc
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liftune.data import load_data, near_duplicates
from liftune.data.audit import audit
from liftune.data.near_duplicates import find_near, similarity
from liftune.data.splits import Split
from liftune.spec import DataSpec

SHARED = Path(__file__).parents[3] / "shared" / "data"


def split_of(rows, targets, name="train"):
    return Split(tuple(f"{name}:{i}" for i in range(len(rows))), tuple(rows), tuple(targets))


def edited(text: str, rng: random.Random, vocabulary: list[str]) -> str:
    """One small edit: a word changed, added or dropped, casing, punctuation."""
    words = text.split()
    at = rng.randrange(len(words))
    kind = rng.choice(["change", "add", "drop", "case", "punctuation"])
    if kind == "change":
        words[at] = rng.choice([word for word in vocabulary if word != words[at]])
    elif kind == "add":
        words.insert(at, rng.choice(vocabulary))
    elif kind == "drop" and len(words) > 1:
        del words[at]
    elif kind == "case":
        return text.upper() if text != text.upper() else text.lower()
    else:
        return text + " ..."
    return " ".join(words)


def planted(source: str):
    """Data with 50 exact and 50 near copies of train rows put into test: the audit of it, the ids, the audit before."""
    splits = load_data(DataSpec(source=source, skip_bad_rows=True))
    rng = random.Random(0)
    vocabulary = sorted({word for row in splits.train.rows for word in row.split()})
    chosen = rng.sample(range(len(splits.train)), 100)
    copies = [splits.train.rows[i] for i in chosen[:50]]
    copies += [edited(splits.train.rows[i], rng, vocabulary) for i in chosen[50:]]
    assert not set(copies[50:]) & set(splits.train.rows)
    test = Split(
        (*splits.test.ids, *(f"planted:{i}" for i in range(100))),
        (*splits.test.rows, *copies),
        (*splits.test.targets, *(splits.train.targets[i] for i in chosen)),
    )
    found = audit(splits.train, splits.validation, test, validation_from_train=False, near_duplicates=0.8)
    before = audit(splits.train, splits.validation, splits.test, validation_from_train=False, near_duplicates=0.8)
    return found, before


def check_planted(source: str, *, natural: int) -> None:
    """Every exact copy and at least 45 of 50 near ones are found; nothing else is that was not found before.

    Args:
        natural: test rows that resemble a train row before anything is planted.
    """
    found, before = planted(source)
    exact = {f"planted:{i}" for i in range(50)}
    near = {f"planted:{i}" for i in range(50, 100)}
    assert exact <= set(found.leaked_ids)
    assert len(near & set(found.near_leaked_ids)) >= 45
    assert set(found.near_leaked_ids) - near == set(before.near_leaked_ids)
    assert len(before.near_leaked_ids) == natural


def test_copies_of_train_put_into_test_are_found():
    check_planted("sample:emotions", natural=0)


@pytest.mark.measured
def test_copies_put_into_emotion_are_found():
    """Its own near leaks are 9 of 2,000 test rows beside 11 exact ones."""
    if not (SHARED / "emotion").is_dir():
        pytest.skip("the measuring data are not here")
    check_planted(str(SHARED / "emotion"), natural=9)


texts = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=9).map(" ".join), min_size=2, max_size=25)


@settings(max_examples=60, deadline=None)
@given(rows=texts, threshold=st.sampled_from([0.5, 0.8, 1.0]))
def test_what_is_reported_is_what_comparing_every_pair_finds(rows, threshold):
    """Of up to a thousand different rows every pair is compared; of more, MinHash may miss one in a hundred."""
    near = find_near(rows, threshold)
    keys = near.keys.tolist()
    for (i, a), (j, b) in combinations(enumerate(rows), 2):
        alike = dict(near.around(keys[i])).get(keys[j])
        if similarity(a, b) >= threshold:
            assert alike == pytest.approx(similarity(a, b))
        else:
            assert alike is None


pairs = st.lists(
    st.tuples(*[st.lists(st.sampled_from("abcdef"), max_size=5).map(" ".join)] * 2), min_size=2, max_size=12
)


@settings(max_examples=40, deadline=None)
@given(rows=pairs, threshold=st.sampled_from([0.5, 0.8, 1.0]))
def test_of_pairs_of_texts_too(rows, threshold):
    """One side may be alike by its words and the other by its letters."""
    near = find_near(rows, threshold)
    keys = near.keys.tolist()
    for (i, a), (j, b) in combinations(enumerate(rows), 2):
        assert (keys[j] in dict(near.around(keys[i]))) == (similarity(a, b) >= threshold or keys[i] == keys[j])


def test_pairs_just_at_the_threshold_are_found_among_few_rows():
    """MinHash missed them now and then."""
    near = find_near(["e", "b", "a d", "b c"], 0.5)
    keys = near.keys.tolist()
    assert dict(near.around(keys[1]))[keys[3]] == similarity("b", "b c")
    long = " ".join(f"word{i}" for i in range(60))
    assert find_near([long, "word1", long + " more", ""], 0.9).links.keys() == {0, 2}


@settings(max_examples=40, deadline=None)
@given(rows=texts, threshold=st.sampled_from([0.5, 0.8, 1.0]))
def test_of_many_rows_nothing_below_the_threshold_is_reported(rows, threshold):
    """What MinHash offers is compared before it is reported."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(near_duplicates, "_ALL_PAIRS", 0)
        some = find_near(rows, threshold)
    every = find_near(rows, threshold)
    assert (some.keys == every.keys).all()
    assert all(set(links) <= set(every.links[key]) for key, links in some.links.items())


@pytest.mark.parametrize("all_pairs", ["0", "1000"])
def test_every_process_finds_the_same(all_pairs):
    """Python orders a set of strings anew in each process; what is found must not follow it."""
    script = """
import random, sys
from liftune.data import near_duplicates
from liftune.data.near_duplicates import find_near
rng = random.Random(1)
near_duplicates._ALL_PAIRS = int(sys.argv[1])
rows = [" ".join(rng.choices("abcdefgh", k=rng.randint(1, 9))) for _ in range(300)]
print(sorted(find_near(rows, 0.5).links.items()))
"""
    found = {
        subprocess.run(
            [sys.executable, "-c", script, all_pairs],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(3)
    }
    assert len(found) == 1


@pytest.mark.parametrize("words", [12, 400], ids=["short", "long"])
def test_comparing_many_alike_rows_takes_little_memory_and_the_same_links_come_of_any_block(monkeypatch, words):
    """A row has up to 16 candidates: the shingles of all pairs at once took most of a run's memory."""
    rng = random.Random(1)
    form = " ".join(f"{rng.randrange(10**6):06d}" for _ in range(words))
    rows = [f"{form} {i}" for i in range(1500)]
    tracemalloc.start()
    try:
        near = find_near(rows, 0.9)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(near.links) == 1500
    assert peak < 64 * 2**20
    monkeypatch.setattr(near_duplicates, "_COMPARED", 1000)
    assert find_near(rows, 0.9).links == near.links


def test_most_pairs_just_at_the_threshold_are_found_among_many_rows(monkeypatch):
    """MinHash, which more than a thousand different rows are left to."""
    monkeypatch.setattr(near_duplicates, "_ALL_PAIRS", 0)
    rng = random.Random(1)
    rows = []
    for _ in range(300):
        words = [f"{rng.randrange(10**6):06d}" for _ in range(9)]
        rows += [" ".join(words), " ".join([*words[:8], f"{rng.randrange(10**6):06d}"])]  # 8 of 10 words shared
    near = find_near(rows, 0.8)
    keys = near.keys.tolist()
    found = sum(keys[i + 1] in dict(near.around(keys[i])) for i in range(0, len(rows), 2))
    assert found >= 297


def test_case_punctuation_and_spaces_make_no_difference_but_pictures_do():
    assert similarity("It's  GREAT!", "it s great") == 1.0
    assert similarity("what a day 😀", "what a day 😡") < 1.0
    assert similarity("...", "...") == 1.0
    assert similarity("...", "???") < 1.0


def test_a_slip_of_a_letter_is_near_though_every_word_counts():
    assert similarity("we definitely enjoyed the film", "we definately enjoyed the film") >= 0.8
    assert similarity("今天天气很好我们去公园", "今天天气很好我们去公园吧") >= 0.8


def test_pairs_resemble_each_other_where_both_sides_do():
    """Sets of inference repeat a premise with another hypothesis: no near duplicate."""
    premise = "a man in a red shirt plays the guitar on a small stage in front of a large crowd"
    rows = [(premise, "he sings"), (premise, "nobody is there"), (premise + " now", "he sings")]
    near = find_near(rows, 0.8)
    keys = near.keys.tolist()
    assert set(dict(near.around(keys[0]))) == {keys[0], keys[2]}


@pytest.mark.parametrize("all_pairs", [0, 5_000])
def test_in_a_large_cluster_every_row_finds_a_partner_in_train(monkeypatch, all_pairs):
    """A thousand rows of one form: not every pair is looked at, but no row is left alone."""
    monkeypatch.setattr(near_duplicates, "_ALL_PAIRS", all_pairs)
    form = "the sensor of unit {} reported a value out of its range and was restarted by the watchdog"
    train = split_of([form.format(i) for i in range(1000)], ["a"] * 1000)
    test = split_of([form.format(f"x{i}") for i in range(60)], ["a"] * 60, "test")
    found = audit(train, test.take([]), test, validation_from_train=False, near_duplicates=0.8)
    assert found.near_leaked_test_rows == 60
    assert found.near_duplicate_train_rows == 999


def test_the_audit_tells_near_rows_from_exact_ones():
    long = "one two three four five six seven eight nine"
    train = split_of([long, long, long + " ten", "something else altogether here"], ["x", "x", "y", "x"])
    test = split_of([long, long.upper(), "new text", "new text", "New text."], ["x", "x", "x", "y", "x"], "test")
    found = audit(train, train.take([]), test, validation_from_train=False, near_duplicates=0.8)
    assert (found.leaked_ids, found.near_leaked_ids) == (("test:0",), ("test:1",))
    assert (found.duplicate_train_rows, found.near_duplicate_train_rows) == (1, 1)
    assert (found.duplicate_test_rows, found.near_duplicate_test_rows) == (1, 2)
    assert found.near_conflicting_rows == 3
    assert found.conflicting_test_ids == ("test:2", "test:3")
    assert found.unclean == {"test:0"}, "near leaks and conflicts are no reason to leave a row out of the verdict"
    assert found.near_examples[0].other.startswith("train:")


def test_nothing_is_looked_for_where_none_is_asked():
    train = split_of(["one two three four five"], ["x"])
    test = split_of(["one two three four five !"], ["x"], "test")
    for threshold, expected in ((0.0, 0), (0.8, 1)):
        found = audit(train, train.take([]), test, validation_from_train=False, near_duplicates=threshold)
        assert found.near_leaked_test_rows == expected
    assert DataSpec.checked({"near_duplicates": "none"}).near_duplicates == 0.0
