"""Groups: rows of one author or document stay in one part, and are known by their group to the end of a run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liftune.data import load_data
from liftune.data.sampling import split_off
from liftune.data.splits import Split
from liftune.data.test_part import load_test
from liftune.errors import DataError
from liftune.spec import DataSpec
from liftune.tasks import TaskKind

SINGLE = TaskKind.SINGLE_LABEL


def lines(path: Path, rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def by_author(n: int, *, per: int = 5, start: int = 0):
    return [
        {"text": f"text {start + i}", "label": "ab"[i % 2], "author": f"author {start + i // per}"} for i in range(n)
    ]


def test_one_file_is_split_by_whole_groups_in_about_the_usual_shares(tmp_path):
    splits = load_data(DataSpec(source=lines(tmp_path / "x.jsonl", by_author(400)), group="author"))
    parts = [set(split.groups) for split in (splits.train, splits.validation, splits.test)]
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    assert sum(map(len, parts)) == 80
    assert 30 <= len(splits.test) <= 50
    assert 30 <= len(splits.validation) <= 50
    assert abs(Counter(splits.test.targets)["a"] - len(splits.test) / 2) <= 5
    assert splits.audit.group == "author"
    assert splits.audit.groups == {"train": len(parts[0]), "validation": len(parts[1]), "test": len(parts[2])}
    assert splits.audit.shared_groups == 0


rows = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 30), st.sampled_from("abc")), min_size=6, max_size=60)


@settings(max_examples=80, deadline=None)
@given(rows=rows, size=st.integers(1, 20), seed=st.integers(0, 3))
def test_carving_keeps_groups_and_texts_whole_and_every_class_behind(rows, size, seed):
    split = Split(
        tuple(str(i) for i in range(len(rows))),
        tuple(f"t{text}" for _, text, _ in rows),
        tuple(label for _, _, label in rows),
        tuple(f"g{group}" for group, _, _ in rows),
    )
    try:
        kept, taken = split_off(split, size, SINGLE, seed, name="test", where="x")
    except DataError:
        return
    stays, goes = split.take(kept), split.take(taken)
    assert sorted(kept + taken) == list(range(len(rows)))
    assert goes.ids
    assert not set(stays.groups) & set(goes.groups)
    assert not set(stays.rows) & set(goes.rows)
    assert set(stays.targets) == set(split.targets)


def test_groups_that_hold_a_class_alone_cannot_be_split_off(tmp_path):
    rows = [{"text": f"t{i}", "label": "ab"[i // 20], "author": str(i // 20)} for i in range(40)]
    with pytest.raises(DataError, match="2 groups are too few"):
        load_data(DataSpec(source=lines(tmp_path / "x.jsonl", rows), group="author"))


def test_groups_that_given_parts_share_are_reported_and_their_rows_named(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    lines(folder / "train.jsonl", by_author(60))
    lines(folder / "test.jsonl", [*by_author(10, start=500), {"text": "more", "label": "a", "author": "author 3"}])
    audit = load_data(DataSpec(source=str(folder), group="author")).audit
    assert (audit.shared_groups, audit.group_leaked_ids) == (1, ("test:10",))
    assert "test:10" in audit.unclean


def test_sampling_and_labels_of_a_head_keep_the_groups(tmp_path):
    source = lines(tmp_path / "x.jsonl", by_author(400))
    splits = load_data(DataSpec(source=source, group="author", train_rows=50, test_rows=10)).for_labels(("b", "a"))
    for split in (splits.train, splits.test):
        assert split.groups == tuple(f"author {int(str(row).split()[1]) // 5}" for row in split.rows)


def test_the_groups_column_is_no_text_unless_it_is_one_of_a_pair(tmp_path):
    rows = [{"document": f"d{i // 4}", "words": f"text {i}", "label": "ab"[i % 2]} for i in range(80)]
    splits = load_data(DataSpec(source=lines(tmp_path / "x.jsonl", rows), group="document", text="words"))
    assert splits.train.rows[0].startswith("text")
    pairs = [{"premise": f"p{i // 4}", "hypothesis": f"h{i}", "label": "ab"[i % 2]} for i in range(80)]
    splits = load_data(DataSpec(source=lines(tmp_path / "y.jsonl", pairs), group="premise"))
    assert splits.pairs
    assert splits.train.groups == tuple(row[0] for row in splits.train.rows)


@pytest.mark.parametrize(
    ("group", "says"),
    [("authr", "unknown column 'authr', did you mean author"), ("label", "'label' cannot have two roles")],
)
def test_a_column_that_cannot_be_the_group_is_refused(tmp_path, group, says):
    with pytest.raises(DataError, match=says):
        load_data(DataSpec(source=lines(tmp_path / "x.jsonl", by_author(60)), group=group))


def test_a_row_without_a_group_is_a_bad_row(tmp_path):
    rows = by_author(60)
    rows[7]["author"] = None
    source = lines(tmp_path / "x.jsonl", rows)
    with pytest.raises(DataError, match="no group in column 'author'"):
        load_data(DataSpec(source=source, group="author"))
    assert load_data(DataSpec(source=source, group="author", skip_bad_rows=True)).audit.skipped_rows == 1


def test_rows_that_are_only_scored_have_their_groups_too(tmp_path):
    splits = load_test(DataSpec(source=lines(tmp_path / "x.jsonl", by_author(60)), group="author"))
    assert splits.test.groups is not None
    assert len(set(splits.test.groups)) == 12
