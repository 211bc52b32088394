"""Which rows are train, validation and test: reproducible, stratified, and nothing leaks by our own doing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liftune.data import load_data
from liftune.data.audit import audit, fingerprint
from liftune.data.sampling import sample, split_off
from liftune.data.splits import Split
from liftune.errors import DataError
from liftune.spec import DataSpec
from liftune.tasks import TaskKind

SINGLE, MULTI, REGRESSION = TaskKind
PINNED_TEST = ("rows:2", "rows:19", "rows:26", "rows:27")
PINNED_VALIDATION = ("rows:1", "rows:4", "rows:20", "rows:35")


def split_of(rows, targets, name="train"):
    return Split(tuple(f"{name}:{i}" for i in range(len(rows))), tuple(rows), tuple(targets))


def lines(path: Path, rows) -> str:
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    return str(path)


def sorted_by_class(n: int, labels="abcd", start: int = 0):
    """As some public sets are: every row of one class, then the next."""
    return [(f"text {start + i}", labels[i * len(labels) // n]) for i in range(n)]


def everything(splits):
    return [*splits.train.ids, *splits.validation.ids, *splits.test.ids]


def test_one_file_is_split_eighty_ten_ten_in_proportion(tmp_path):
    splits = load_data(DataSpec(source=lines(tmp_path / "x.jsonl", sorted_by_class(400))))
    assert (splits.counts.train, splits.counts.validation, splits.counts.test) == (320, 40, 40)
    for part in (splits.validation, splits.test):
        assert Counter(part.targets) == dict.fromkeys("abcd", 10)
    assert len(set(everything(splits))) == 400
    assert not splits.partial
    assert splits.train.ids[0].startswith("rows:")


def test_the_same_seed_splits_alike_and_another_does_not(tmp_path):
    source = lines(tmp_path / "x.jsonl", sorted_by_class(400))
    first, again, other = (load_data(DataSpec(source=source, seed=seed)) for seed in (3, 3, 4))
    assert first.test.ids == again.test.ids
    assert first.fingerprint == again.fingerprint
    assert first.test.ids != other.test.ids
    assert first.fingerprint != other.fingerprint


def test_a_split_is_the_same_on_every_machine(tmp_path):
    """Pinned: a change here changes the rows of every user's next run."""
    splits = load_data(DataSpec(source=lines(tmp_path / "x.jsonl", sorted_by_class(40, "ab"))))
    assert splits.test.ids == PINNED_TEST
    assert splits.validation.ids == PINNED_VALIDATION


texts = st.lists(st.tuples(st.integers(0, 25), st.sampled_from("abc")), min_size=6, max_size=60)


@settings(max_examples=60, deadline=None)
@given(rows=texts, size=st.integers(1, 20), seed=st.integers(0, 3))
def test_carving_keeps_equal_texts_together_and_every_class_behind(rows, size, seed):
    split = split_of([f"t{text}" for text, _ in rows], [label for _, label in rows])
    try:
        kept, taken = split_off(split, size, SINGLE, seed, name="test", where="x")
    except DataError:
        return
    assert sorted(kept + taken) == list(range(len(rows)))
    assert not {split.rows[i] for i in kept} & {split.rows[i] for i in taken}
    assert taken
    once = {label for label, count in Counter(split.targets).items() if count == 1}
    assert once <= {split.targets[i] for i in kept}


def test_a_class_of_one_row_stays_in_train(tmp_path):
    rows = [*sorted_by_class(60, "ab"), ("lonely", "z")]
    for seed in range(8):
        splits = load_data(DataSpec(source=lines(tmp_path / "x.jsonl", rows), seed=seed))
        assert "rows:60" in splits.train.ids


def test_a_class_of_equal_texts_stays_whole(tmp_path):
    rows = [*sorted_by_class(60, "ab"), *[("again", "z")] * 12]
    splits = load_data(DataSpec(source=lines(tmp_path / "x.jsonl", rows)))
    assert Counter(splits.train.targets)["z"] == 12
    assert splits.audit.leaked_test_rows == 0


def test_regression_parts_span_the_range():
    values = [float(i) for i in range(200)]
    _, taken = split_off(split_of([f"t{i}" for i in range(200)], values), 20, REGRESSION, 0, name="test", where="x")
    assert Counter(int(values[i] // 20) for i in taken) == dict.fromkeys(range(10), 2)


def test_rare_labels_of_multi_label_rows_reach_every_part():
    """Whole label sets are often unique: strata of them would leave nothing to split off."""
    targets = [tuple(sorted({"common", f"x{i % 7}", f"y{i % 11}"})) + (("rare",) if i < 20 else ()) for i in range(300)]
    split = split_of([f"t{i}" for i in range(300)], [tuple(sorted(each)) for each in targets])
    _, taken = split_off(split, 30, MULTI, 0, name="test", where="x")
    assert len(taken) == 30
    assert sum("rare" in split.targets[i] for i in taken) == 2


def test_too_few_rows_to_split_are_refused(tmp_path):
    with pytest.raises(DataError, match="too few"):
        load_data(DataSpec(source=lines(tmp_path / "x.jsonl", [("a", "x"), ("b", "y")])))


def folder(path: Path, **parts) -> str:
    path.mkdir(exist_ok=True)
    for name, rows in parts.items():
        lines(path / f"{name}.jsonl", rows)
    return str(path)


def test_missing_validation_is_split_off_from_train_and_never_from_test(tmp_path):
    source = folder(tmp_path / "d", train=sorted_by_class(200), test=sorted_by_class(80, start=500))
    splits = load_data(DataSpec(source=source))
    assert (splits.counts.train, splits.counts.validation, splits.counts.test) == (180, 20, 80)
    assert all(id_.startswith("train:") for id_ in splits.validation.ids)
    assert splits.test.ids == tuple(f"test:{i}" for i in range(80))
    assert any("split off from train" in note for note in splits.audit.notes)


def test_without_a_test_part_validation_is_the_test_and_this_is_said(tmp_path):
    source = folder(tmp_path / "d", train=sorted_by_class(200), dev=sorted_by_class(80, start=500))
    splits = load_data(DataSpec(source=source))
    assert splits.test.ids == tuple(f"dev:{i}" for i in range(80))
    assert all(id_.startswith("train:") for id_ in splits.validation.ids)
    assert any("validation is used as test" in note for note in splits.audit.notes)


def test_extra_files_stand_for_validation_and_test(tmp_path):
    train = lines(tmp_path / "x.jsonl", sorted_by_class(100))
    validation = lines(tmp_path / "v.jsonl", sorted_by_class(30, start=500))
    test = lines(tmp_path / "t.jsonl", sorted_by_class(20, start=700))
    splits = load_data(DataSpec(source=train, validation=validation, test=test))
    assert (splits.counts.train, splits.counts.validation, splits.counts.test) == (100, 30, 20)
    assert splits.test.ids[0] == "test:0"
    only = load_data(DataSpec(source=train, validation=validation))
    assert (only.counts.train, only.counts.validation, only.counts.test) == (90, 30, 10)


def test_n_training_rows_remain_after_validation_is_split_off(tmp_path):
    source = folder(tmp_path / "d", train=sorted_by_class(2000), test=sorted_by_class(400, start=5000))
    splits = load_data(DataSpec(source=source, train_rows=100, test_rows=40))
    assert (splits.counts.train, splits.counts.validation, splits.counts.test) == (100, 200, 40)
    assert Counter(splits.train.targets) == dict.fromkeys("abcd", 25)
    assert Counter(splits.test.targets) == dict.fromkeys("abcd", 10)
    assert splits.partial
    assert not set(splits.train.ids) & set(splits.validation.ids)


def test_asking_for_more_rows_than_there_are_takes_all_and_is_not_partial(tmp_path):
    source = folder(tmp_path / "d", train=sorted_by_class(200), test=sorted_by_class(80, start=500))
    splits = load_data(DataSpec(source=source, train_rows=180, test_rows=9999))
    assert (splits.counts.train, splits.counts.test, splits.partial) == (180, 80, False)


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.sampled_from("aaaabbc"), min_size=2, max_size=60), size=st.integers(1, 70))
def test_a_sample_has_its_size_and_every_class_that_fits(labels, size):
    split = split_of([str(i) for i in range(len(labels))], labels)
    taken = sample(split, size, SINGLE, 0, name="train", every_class=True)
    assert len(taken) == len(set(taken)) == min(size, len(labels))
    if size >= len(set(labels)):
        assert {labels[i] for i in taken} == set(labels)


def test_the_audit_counts_leaks_duplicates_conflicts_and_unseen_labels():
    train = split_of(["a", "a", "b", "b", "c"], ["x", "x", "x", "y", "y"])
    validation = split_of(["c", "d"], ["x", "z"], "validation")
    test = split_of(["a", "d", "e"], ["x", "x", "z"], "test")
    found = audit(train, validation, test, validation_from_train=False)
    assert (found.leaked_test_rows, found.leaked_ids, found.leaked_validation_rows) == (1, ("test:0",), 1)
    assert (found.duplicate_train_rows, found.conflicting_rows) == (2, 2)
    assert found.unseen_labels == {"z": 2}
    split_off_first = audit(train, validation, test, validation_from_train=True)
    assert split_off_first.leaked_ids == ("test:0", "test:1")


def test_a_pair_leaks_only_as_a_pair():
    train = split_of([("a", "b")], ["x"])
    test = split_of([("a", "c"), ("a", "b")], ["x", "x"], "test")
    assert audit(train, test, test, validation_from_train=False).leaked_ids == ("test:1",)


def test_unseen_labels_are_kept_and_named(tmp_path):
    source = folder(tmp_path / "d", train=sorted_by_class(100, "ab"), test=[("new", "q"), ("old", "a")])
    splits = load_data(DataSpec(source=source))
    assert (splits.labels, splits.unseen) == (("a", "b"), ("q",))
    assert splits.encoded(splits.test).tolist() == [2, 0]


@pytest.mark.parametrize("change", ["ids", "rows", "targets"])
def test_the_fingerprint_covers_ids_texts_and_targets(change):
    base = split_of(["a", "b"], ["x", "y"])
    other = Split(**{**base.__dict__, change: tuple(reversed(getattr(base, change)))})
    assert fingerprint(base) == fingerprint(split_of(["a", "b"], ["x", "y"]))
    assert fingerprint(base) != fingerprint(other)


def test_rows_that_each_have_a_label_of_their_own_are_not_told_to_be_too_few() -> None:
    """Such as answers in JSON with a reason in each."""
    split = Split(
        tuple(map(str, range(40))), tuple(f"text {i}" for i in range(40)), tuple(f"own {i}" for i in range(40))
    )
    with pytest.raises(DataError, match="each of the 40 rows has a label of its own") as refused:
        split_off(split, 10, TaskKind.SINGLE_LABEL, 0, name="test", where="rows")
    assert "--label" in str(refused.value.hint)
