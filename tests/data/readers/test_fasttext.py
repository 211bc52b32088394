"""fastText's lines are read, whatever the file is called."""

from __future__ import annotations

import bz2

import pytest

from liftune.data import load_data
from liftune.data.readers.fasttext import is_fasttext
from liftune.data.readers.formats import open_stream, read_bytes
from liftune.errors import DataError
from liftune.inference.row_texts import Texts
from liftune.spec import DataSpec
from liftune.tasks import TaskKind

THINGS = ("printer", "mailbox", "screen", "router", "phone")
TEXTS = [f"The {THINGS[i % 5]}, of room {i}; stands  still" for i in range(40)]
LABELS = ["pos" if i % 3 else "neg" for i in range(40)]
ONE = "".join(f"__label__{label} {text}\n" for text, label in zip(TEXTS, LABELS, strict=True))
SEVERAL = "".join(
    f"__label__{label} {'__label__new ' * (i % 2)}{text}\n"
    for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))
)


@pytest.mark.parametrize("name", ["x.txt", "x.ft", "x.csv", "x.tsv", "cooking.train", "noname", "x.TXT"])
def test_one_label_a_line_is_a_class(name, tmp_path):
    (tmp_path / name).write_text(ONE)
    assert is_fasttext(b"# made by hand\n" + ONE.encode())
    splits = load_data(DataSpec(source=str(tmp_path / name)))
    assert splits.task is TaskKind.SINGLE_LABEL
    assert splits.labels == ("neg", "pos")
    assert set(splits.train.rows) <= set(TEXTS)
    assert any("fastText" in note for note in splits.audit.notes)
    stream = open_stream(tmp_path / name)
    texts = Texts.of(stream, pairs=False)
    assert [texts.row(line)[0] for line in next(stream.blocks(100))] == TEXTS


def test_several_labels_a_line_are_sets_wherever_they_stand(tmp_path):
    (tmp_path / "x.txt").write_text(SEVERAL.replace("__label__new ", "") + "A last one __label__new __label__neg\n")
    splits = load_data(DataSpec(source=str(tmp_path / "x.txt")))
    assert splits.task is TaskKind.MULTI_LABEL
    assert splits.labels == ("neg", "new", "pos") or splits.unseen == ("new",)
    table = read_bytes(SEVERAL.encode(), "x.txt", "x.txt")
    assert table.read("label")[:2] == [["neg"], ["pos", "new"]]
    assert table.read("text") == TEXTS


def test_numbers_are_classes(tmp_path):
    lines = [f"__label__{i % 25} The {THINGS[i % 5]} of room {i}" for i in range(100)]
    (tmp_path / "x.txt").write_text("\n".join(lines))
    assert load_data(DataSpec(source=str(tmp_path / "x.txt"))).task is TaskKind.SINGLE_LABEL


def test_folders_and_compressed_files_hold_them_too(tmp_path):
    (tmp_path / "train.ft.txt.bz2").write_bytes(bz2.compress(ONE.encode()))
    (tmp_path / "test.ft.txt.bz2").write_bytes(bz2.compress(ONE.replace("room", "floor").encode()))
    (tmp_path / "readme.txt").write_text("What this is.")
    splits = load_data(DataSpec(source=str(tmp_path)))
    assert splits.counts.test == 40
    assert read_bytes(bz2.compress(ONE.encode()), "train.ft.txt.bz2", "x").rows == 40


def test_lines_without_a_label_or_a_text_are_bad_rows(tmp_path):
    (tmp_path / "x.txt").write_text(ONE + "A line of its own\n__label__pos\n")
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path / "x.txt")))
    assert "row 41: no label" in caught.value.message
    assert "row 42: no text" in caught.value.message


def test_options_of_other_files_are_refused_and_other_texts_are_told_how_to_be_predicted(tmp_path):
    (tmp_path / "x.txt").write_text(ONE)
    with pytest.raises(DataError, match="leave --no-header out"):
        load_data(DataSpec(source=str(tmp_path / "x.txt"), no_header=True))
    (tmp_path / "y.txt").write_text("\n".join(each.replace(",", "").replace(";", "") for each in TEXTS))
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path / "y.txt")))
    assert f"liftune predict RUN --in - < {tmp_path / 'y.txt'}" in (caught.value.hint or "")
    (tmp_path / "z.ft").write_text("\n".join(TEXTS))
    with pytest.raises(DataError, match="no line holds a label"):
        load_data(DataSpec(source=str(tmp_path / "z.ft")))
