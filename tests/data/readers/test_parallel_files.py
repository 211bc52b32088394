"""Texts in one file and labels in another."""

from __future__ import annotations

import pytest

from liftune.data.load import load
from liftune.errors import DataError
from liftune.spec import DataSpec

TEXTS = [f"the {('printer', 'mailbox', 'screen')[i % 3]}, of room {i}, stands still" for i in range(40)]
LABELS = [str(i % 2) for i in range(40)]


def write(folder, texts, labels, count=40):
    for name, lines in ((texts, TEXTS), (labels, LABELS)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(lines[:count]) + "\n")


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        ("{}_text.txt", "{}_labels.txt"),
        ("{}.txt", "{}.labels"),
        ("{}.txt", "{}.label"),
        ("{}-sentences.txt", "{}-labels.txt"),
        ("X_{}.txt", "y_{}.txt"),
        ("{}/seq.in", "{}/label"),
        ("{}/texts.txt", "{}/labels.txt"),
    ],
)
@pytest.mark.parametrize("mapping", [None, "0\tanger\n1\tjoy\n", "0: anger\n1: joy\n", "anger\njoy\n"])
def test_parts_of_two_files_are_read_and_said(tmp_path, texts, labels, mapping):
    for role, count in (("train", 40), ("val", 10), ("test", 12)):
        write(tmp_path, texts.format(role), labels.format(role), count)
        if mapping:
            at = (tmp_path / texts.format(role)).parent
            (at / "mapping.txt").write_text(mapping)
    loaded = load(DataSpec(source=str(tmp_path)), skip_bad_rows=False)
    splits = loaded.splits
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (40, 10, 12)
    assert list(loaded.examples["train"].split.rows) == TEXTS
    assert splits.labels == (("anger", "joy") if mapping else ("0", "1"))
    notes = " ".join(splits.audit.notes)
    assert "is a text, and the same line of" in notes
    assert ("mapping.txt names the labels: 0 = anger, 1 = joy" in notes) == bool(mapping)


@pytest.mark.parametrize(("texts", "labels"), [("sentences.txt", "labels.txt"), ("train_text.txt", "train_labels.txt")])
def test_one_pair_is_one_part(tmp_path, texts, labels):
    write(tmp_path, texts, labels)
    (tmp_path / "dev.docs").write_text("no labels\n")
    loaded = load(DataSpec(source=str(tmp_path)), skip_bad_rows=False)
    assert loaded.examples["train"].split.targets == tuple(LABELS)
    assert any(note.endswith("not read: dev.docs") for note in loaded.splits.audit.notes)


def test_one_file_of_a_pair_stands_for_both(tmp_path):
    write(tmp_path, "train.txt", "train.labels")
    write(tmp_path, "test.txt", "test.labels", 10)
    for name in ("train.txt", "train.labels"):
        spec = DataSpec(source=str(tmp_path / name), test=str(tmp_path / "test.txt"))
        splits = load(spec, skip_bad_rows=False).splits
        assert (len(splits.train) + len(splits.validation), len(splits.test)) == (40, 10)


def test_files_of_different_length_are_refused(tmp_path):
    write(tmp_path, "sentences.txt", "labels.txt")
    (tmp_path / "labels.txt").write_text("\n".join(LABELS[:30]))
    with pytest.raises(DataError, match=r"sentences.txt has 40 lines, labels.txt 30"):
        load(DataSpec(source=str(tmp_path)), skip_bad_rows=False)


def test_other_data_in_the_folder_come_first(tmp_path):
    write(tmp_path, "sentences.txt", "labels.txt")
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"{i} rooms,{'ab'[i % 2]}\n" for i in range(30)))
    assert load(DataSpec(source=str(tmp_path)), skip_bad_rows=False).splits.labels == ("a", "b")
