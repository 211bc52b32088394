"""What a column of labels may mean besides what it is read as is said, and hints lead somewhere."""

from __future__ import annotations

import json
import re

import pytest

from liftune.data import load_data
from liftune.errors import DataError
from liftune.spec import DataSpec
from liftune.tasks import TaskKind

TEXTS = [f"Guest {i} wrote about room {i * 7}." for i in range(40)]


def loaded(path, **options):
    return load_data(DataSpec(source=str(path), near_duplicates="none", skip_bad_rows=True, **options))


def of_labels(folder, cells, column="label"):
    lines = [f'"{text}","{cell}"' for text, cell in zip(TEXTS, cells, strict=True)]
    (folder / "x.csv").write_text("\n".join([f"text,{column}", *lines]) + "\n")
    return folder / "x.csv"


def notes(splits):
    return " | ".join(splits.audit.notes)


@pytest.mark.parametrize("word", ["-", "?", "#REF!", "#N/A", "N/A", "\u2013"])
def test_signs_for_no_label_are_said(tmp_path, word):
    cells = ["ab"[i % 2] for i in range(40)]
    cells[3] = word
    assert f"labels {word!r} (1 row) are read as classes" in notes(loaded(of_labels(tmp_path, cells)))


def test_plus_and_minus_are_classes(tmp_path):
    assert "are read as classes" not in notes(loaded(of_labels(tmp_path, ["+-"[i % 2] for i in range(40)])))


def test_tags_in_angle_brackets_are_lists(tmp_path):
    cells = [("<praise><hotel>", "<blame>", "<hotel>")[i % 3] for i in range(40)]
    splits = loaded(of_labels(tmp_path, cells, "tags"))
    assert splits.task == TaskKind.MULTI_LABEL
    assert splits.labels == ("blame", "hotel", "praise")


def test_single_names_in_angle_brackets_stay_classes(tmp_path):
    assert loaded(of_labels(tmp_path, ["<a>" if i % 2 else "<b>" for i in range(40)])).labels == ("<a>", "<b>")


def test_decimal_commas_are_said(tmp_path):
    lines = [f"{text};{i % 9 + 1},{i % 7}" for i, text in enumerate(TEXTS)]
    (tmp_path / "x.csv").write_text("\n".join(["text;note", *lines]) + "\n")
    splits = loaded(tmp_path / "x.csv", label="note")
    assert splits.task == TaskKind.REGRESSION
    assert "labels have decimal commas: '1,0' is read as 1" in notes(splits)


def test_columns_of_several_people_are_not_offered_as_sets(tmp_path):
    """They are refused as such: each command that a hint writes out is one that works."""
    names = [f"annotator_{i}" for i in (1, 2, 3)]
    lines = [f"{text},{','.join('pos' if (i + k) % 2 else 'neg' for k in range(3))}" for i, text in enumerate(TEXTS)]
    (tmp_path / "x.csv").write_text("\n".join([f"text,{','.join(names)}", *lines]) + "\n")
    with pytest.raises(DataError) as caught:
        loaded(tmp_path / "x.csv")
    offered = [each.rstrip(";") for each in re.findall(r"--label (\S+)", caught.value.hint or "")]
    assert offered == names
    assert all(loaded(tmp_path / "x.csv", text="text", label=name).labels == ("neg", "pos") for name in offered)


def test_answers_to_one_label_in_prodigy_say_how_to_read_them(tmp_path):
    """Left out, the rejected rows leave one class."""
    rows = [{"text": text, "label": "BLAME", "answer": ("accept", "reject")[i % 2]} for i, text in enumerate(TEXTS)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError) as caught:
        loaded(tmp_path / "x.jsonl")
    assert "to tell accept from reject, --label answer" in (caught.value.hint or "")
    assert loaded(tmp_path / "x.jsonl", label="answer").labels == ("accept", "reject")


def test_a_text_that_was_taken_out_of_another_column_is_not_to_be_joined_with_it(tmp_path):
    rows = [{"prompt": f"{text}\n\n###\n\n", "completion": f" {'ab'[i % 2]}"} for i, text in enumerate(TEXTS)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "a text too" not in notes(loaded(tmp_path / "x.jsonl"))


def test_tags_that_blanks_separate_are_said_and_the_option_reads_them(tmp_path):
    path = of_labels(tmp_path, [("praise vip web", "blame web", "blame")[i % 3] for i in range(40)], "Tags")
    assert "labels of 'Tags' hold blanks, such as 'praise vip web'" in notes(loaded(path))
    assert loaded(path, label_separator=" ").labels == ("blame", "praise", "vip", "web")


def test_names_of_two_words_are_no_tags(tmp_path):
    path = of_labels(tmp_path, [("very good", "very bad", "not sure")[i % 3] for i in range(40)], "labels")
    assert "hold blanks" not in notes(loaded(path))
