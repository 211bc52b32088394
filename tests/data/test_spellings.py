"""One label in several spellings: kept apart with a warning that shows them, merged where that is asked for."""

from __future__ import annotations

import json

import pytest

from liftune.data import load_data
from liftune.data.spellings import folded, spelt_alike
from liftune.data.test_part import load_test
from liftune.errors import SpecError
from liftune.spec import DataSpec, RunSpec
from liftune.workflows.inspect import inspect_data


def source(path, labels, **more):
    rows = [{"text": f"text number {i}", "label": label} for i, label in enumerate(labels)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DataSpec(source=str(path), **more)


SPELLINGS = {
    "case": (["POS", "neg", "pos", "neg"], "case", "'POS'"),
    "composed": (["caf\u00e9", "bar", "cafe\u0301", "bar"], "unicode", "U+00E9"),
    "not seen": (["pos", "neg", "pos\u200b", "neg"], "unicode", "U+200B ZERO WIDTH SPACE"),
    "soft hyphen": (["pos", "neg", "p\u00ados", "neg"], "unicode", "U+00AD"),
    "a blank that does not break": (["very good", "neg", "very\u00a0good", "neg"], "space", "U+00A0 NO-BREAK SPACE"),
    "two blanks": (["very good", "neg", "very  good", "neg"], "space", "'very  good'"),
    "another script": (["pos", "neg", "p\u043es", "neg"], "unicode", "U+043E CYRILLIC SMALL LETTER O"),
    "full width": (["A", "B", "\uff21", "B"], "unicode", "U+FF21"),
    "zeros": (["7", "neg", "007", "neg"], "number", "'007'"),
    "decimals": (["1.1", "neg", "1.10", "neg"], "number", "'1.10'"),
    "true and True": ([True, False, "True", "False"], "case", "'True'"),
    "true and 1": ([True, False, 1, 0], "truth", "'1'"),
    "a star": (["pos", "neg", "neg*", "pos"], "punctuation", "'neg*'"),
    "a question": (["pos", "neg", "neg (?)", "pos"], "punctuation", "'neg (?)'"),
    "quotes": (["pos", "neg", '"neg"', "pos"], "punctuation", "'\"neg\"'"),
    "a full stop": (["pos", "neg", "neg.", "pos"], "punctuation", "'neg.'"),
    "a line below": (["pos", "not ok", "not_ok", "pos"], "punctuation", "'not_ok'"),
    "a hyphen": (["pos", "not-ok", "not_ok", "pos"], "punctuation", "'not-ok'"),
    "a doubt": (["pos", "neg", "neg [unsure]", "pos"], "notes", "'neg [unsure]'"),
    "a note after a dash": (["pos", "neg", "neg - checked JL", "pos"], "notes", "'neg - checked JL'"),
    "yes and 1": (["yes", "no", "1", "0"], "truth", "'1'"),
}


@pytest.mark.parametrize("case", SPELLINGS)
def test_spellings_are_kept_apart_with_a_warning_whose_option_works(tmp_path, case):
    labels, option, shown = SPELLINGS[case]
    spec = source(tmp_path / "x.jsonl", labels * 12)
    splits = load_data(spec)
    assert len(splits.labels) == len({str(each).lower() if isinstance(each, bool) else str(each) for each in labels})
    [warning] = [note for note in splits.audit.notes if note.startswith("warning: labels")]
    assert shown in warning
    assert f"--merge-labels {option} " in warning
    merged = load_data(spec.model_copy(update={"merge_labels": (option,)}))
    assert len(merged.labels) == 2
    assert not any(note.startswith("warning: labels") for note in merged.audit.notes)
    assert any("spellings merged" in note for note in merged.audit.notes)


@pytest.mark.parametrize(
    "labels",
    [
        ["C", "C++", "C#", "C*x"],
        ["A", "A-", "A+", "B"],
        ["Apple (fruit)", "Apple (firm)", "pear", "plum"],
        ["billing", "billing - refund", "billing - invoice", "other"],
        ["spam", "!spam", ":)", ":("],
        ["1-2", "1 2", "12", "2-1"],
    ],
)
def test_marks_and_words_that_belong_to_a_label_are_not_warned_of(tmp_path, labels):
    splits = load_data(source(tmp_path / "x.jsonl", labels * 12))
    assert not any(note.startswith("warning: labels") for note in splits.audit.notes)


def test_a_note_is_merged_only_where_its_label_stands_without_it(tmp_path):
    labels = ["neg", "neg (unsure)", "pos (unsure)", "other"]
    splits = load_data(source(tmp_path / "x.jsonl", labels * 12, merge_labels="notes"))
    assert splits.labels == ("neg", "other", "pos (unsure)")


def test_the_spelling_of_most_train_rows_is_kept_in_every_part(tmp_path):
    spec = source(tmp_path / "a.jsonl", ["pos", "pos", "POS", "neg"] * 12, merge_labels="case")
    source(tmp_path / "b.jsonl", ["POS", "Neg"] * 8)
    splits = load_data(spec.model_copy(update={"test": str(tmp_path / "b.jsonl")}))
    assert splits.labels == ("neg", "pos")
    assert splits.unseen == ()
    assert set(splits.test.targets) == {"neg", "pos"}


def test_labels_that_differ_between_parts_are_warned_of(tmp_path):
    spec = source(tmp_path / "a.jsonl", ["pos", "neg"] * 12)
    source(tmp_path / "b.jsonl", ["POS", "neg"] * 8)
    notes = load_data(spec.model_copy(update={"test": str(tmp_path / "b.jsonl")})).audit.notes
    assert any("'POS'" in note for note in notes)


def test_sets_of_labels_are_merged_too(tmp_path):
    spec = source(tmp_path / "x.jsonl", [["Joy", "fear"], ["joy"], ["joy", "Joy"], ["joy"]] * 12, merge_labels="case")
    splits = load_data(spec)
    assert splits.labels == ("fear", "joy")
    assert set(splits.train.targets) == {("fear", "joy"), ("joy",)}


def test_rows_to_evaluate_on_are_merged_and_warned_of(tmp_path):
    spec = source(tmp_path / "x.jsonl", ["pos", "POS", "neg"] * 4)
    assert any("'POS'" in note for note in load_test(spec).audit.notes)
    assert load_test(spec.model_copy(update={"merge_labels": ("case",)})).labels == ("POS", "neg")


def test_a_cleaned_copy_holds_the_merged_labels(tmp_path):
    spec = source(tmp_path / "x.jsonl", ["pos", "pos", "POS", "neg"] * 12, merge_labels="case")
    inspect_data(spec, out=str(tmp_path / "clean.jsonl"))
    rows = [json.loads(line) for line in (tmp_path / "clean.jsonl").read_text().splitlines()]
    assert {row["label"] for row in rows} == {"neg", "pos"}


def test_what_is_read_as_one_label_is_named(tmp_path):
    notes = load_data(source(tmp_path / "x.jsonl", ["1", 1, 1.0, "0", " 0"] * 9)).audit.notes
    [note] = [note for note in notes if "read as one label" in note]
    assert "'1' (text) and 1 (number) and 1.0 (number) are '1'" in note
    assert "'0' and ' 0' are '0'" in note


def test_other_labels_are_not_alike():
    assert spelt_alike({"T": 3, "F": 3, "N": 3}) == []
    assert spelt_alike({"yes": 3, "no": 2, "1": 1, "maybe": 1}) == []
    assert spelt_alike({"US": 3, "us": 2}) == [("US", "us")]
    assert folded("A  b", ("case",)) == "a  b"


def test_a_respect_that_is_not_known_is_refused():
    with pytest.raises(SpecError, match="'accent' is none of case, space, unicode, punctuation, notes, truth, number"):
        RunSpec.of(data="x.csv", merge_labels="accent")


def test_codes_in_csv_are_counted_as_they_are_kept_apart(tmp_path):
    labels = ["0", "1", "007", "7"] * 12
    rows = "".join(f"text number {i},{label}\n" for i, label in enumerate(labels))
    (tmp_path / "x.csv").write_text(f"text,label\n{rows}")
    spec = DataSpec(source=str(tmp_path / "x.csv"))
    seen = inspect_data(spec)
    assert seen.labels == ("0", "007", "1", "7")
    assert seen.task_reason == "whole numbers of 4 values"
    assert any("'007'" in note and "--merge-labels number" in note for note in seen.audit.notes)
    merged = load_data(spec.model_copy(update={"merge_labels": ("number",)}))
    assert merged.labels in (("0", "007", "1"), ("0", "1", "7"))


def test_numbers_are_alike_to_the_last_digit():
    long = "1234567890123456789012345678901234567890"
    assert spelt_alike({long: 1, long[:-1] + "1": 1}) == []
    assert spelt_alike({"-7": 1, "7": 1, "1e1": 1, "10": 1, "1,000": 1, "1": 1}) == []
    assert spelt_alike({"0,50": 1, "0.5": 2, "+.5": 1}) == [("0.5", "+.5", "0,50")]
