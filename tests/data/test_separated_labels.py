"""Separators within brackets, notes that are labels, notes on rows that are not used, and hints as they are typed."""

from __future__ import annotations

import ast
import csv
import re
import shlex
from pathlib import Path

import pytest

import liftune
from liftune.data.inspect import inspect
from liftune.data.label_lists import pieces
from liftune.data.load import load
from liftune.data.separators import separator_note
from liftune.data.spellings import spelt_alike
from liftune.errors import DataError
from liftune.reports.sections.inspection import inspection_sections
from liftune.spec import DataSpec
from liftune.tasks import TaskKind


def table(path, rows, head=("text", "label")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows((head, *rows))
    return str(path)


def labelled(path, labels):
    return table(path, [(f"the parcel came {i} days too late", label) for i, label in enumerate(labels)])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Billing, Delivery (home, shop)", ["Billing", "Delivery (home, shop)"]),
        ('"Health, Safety", Other', ['"Health, Safety"', "Other"]),
        ("a [b, {c, d}], e", ["a [b, {c, d}]", "e"]),
        ("a :), b", ["a :)", "b"]),
        ("a (b, c", ["a (b", "c"]),
        ("don't, won't", ["don't", "won't"]),
        ("\u201ca, b\u201d, c", ["\u201ca, b\u201d", "c"]),
    ],
)
def test_separators_within_brackets_and_quotes_separate_nothing(text, found):
    assert pieces(text, ",") == found


def test_the_separator_that_a_note_offers_keeps_brackets_whole(tmp_path):
    labels = ["Billing", "Billing, Delivery (home, shop)", "Billing, Website", "Website"] * 3
    source = labelled(tmp_path / "a.csv", labels)
    note = next(note for note in load(DataSpec(source=source), skip_bad_rows=False).reading.notes if "hold ','" in note)
    separator = shlex.split(note[note.index("--label-separator") :])[1]
    loaded = load(DataSpec(source=source, label_separator=separator), skip_bad_rows=False)
    assert loaded.splits.labels == ("Billing", "Delivery (home, shop)", "Website")
    assert not any("never occur apart" in note for note in loaded.reading.notes)


def test_labels_that_never_occur_apart_are_said(tmp_path):
    source = labelled(tmp_path / "a.csv", ["Billing", "Health, Safety", "Billing, Health, Safety", "Website"] * 3)
    notes = load(DataSpec(source=source, label_separator=","), skip_bad_rows=False).reading.notes
    assert any("never occur apart: 'Health' and 'Safety'" in note for note in notes)


@pytest.mark.parametrize(
    "labels",
    [
        ("Billing", "Billing, Website", "Website"),
        ("Billing", "Billing - Website", "Website"),
        ("Billing", "Billing (Website)", "Website"),
        ("a", "a; b", "a / c"),
        ("a", "a, b (c, d)"),
        ("Bill", "Bill: web", "Web"),
    ],
)
def test_what_is_a_label_itself_is_no_note(labels):
    assert spelt_alike(dict.fromkeys(labels, 3), ("notes",)) == []


@pytest.mark.parametrize(
    "label", ["pos, unsure", "pos; check", "pos (unsure)", "pos - see 12", "pos / unsure", "pos: why not"]
)
def test_a_note_is_one_still(label):
    assert spelt_alike({"pos": 3, label: 1, "neg": 2}, ("notes",)) == [("pos", label)]


def test_a_word_of_rows_that_are_not_used_is_not_said(tmp_path):
    rows = [(f"the parcel came {i} days too late", "good" if i % 2 else "bad") for i in range(12)]
    source = table(tmp_path / "a.csv", [*rows, ("", "N/A"), (" ", "N/A"), ("", "x; y")])
    for given in (False, True):
        seen = inspect(DataSpec(source=source, skip_bad_rows=given))
        assert not any("N/A" in note or "';'" in note for note in seen.audit.notes)
        [section] = [each for each in inspection_sections(seen) if each.title == "Bad rows"]
        assert ("as --skip-bad-rows says" in section.sentences[0]) is given


def test_a_name_that_a_file_has_twice_is_given_as_it_is_typed(tmp_path):
    rows = [
        (f"the parcel came {i} days too late", "ux" if i % 3 else "web", "web" * (i % 3 == 1), "amy") for i in range(12)
    ]
    source = table(tmp_path / "a.csv", rows, ("Summary", "Labels", "Labels", "Created by"))
    with pytest.raises(DataError, match="two columns are named") as caught:
        load(DataSpec(source=source), skip_bad_rows=False)
    hint = caught.value.hint
    words = shlex.split(hint[hint.index("--skip-lines") :].split(";")[0])
    assert words[::2] == ["--skip-lines", "--columns"]
    spec = DataSpec(source=source, skip_lines=int(words[1]), columns=tuple(words[3].split(",")))
    loaded = load(spec, skip_bad_rows=False)
    assert loaded.reading.task is TaskKind.MULTI_LABEL
    assert loaded.splits.labels == ("ux", "web")


#: Options whose value needs no quotes: numbers, names of liftune's own.
SAFE = {
    "--skip-lines",
    "--max-length",
    "--decimal",
    "--merge-labels",
    "--label-threshold",
    "--folds",
    "--rank",
    "--encoding",
}


def test_hints_on_data_quote_what_they_take_from_the_data():
    """An option followed by a value in an f-string: the value passes errors.pasted, or the option is one of SAFE."""
    found = []
    for path in sorted((Path(liftune.__file__).parent / "data").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for before, value in (
                zip(node.values, node.values[1:], strict=False) if isinstance(node, ast.JoinedStr) else ()
            ):
                match = isinstance(before, ast.Constant) and re.search(r"(--[a-z-]+) (\w+=)?$", str(before.value))
                if match and isinstance(value, ast.FormattedValue) and match[1] not in SAFE:
                    shown = ast.unparse(value.value)
                    if shown != "role" and not shown.startswith(("pasted(", "shlex.quote(", "_typed(")):
                        found.append(f"{path.name}:{node.lineno} {match[1]} {shown}")
    assert not found, "\n".join(found)


def test_shares_and_days_are_no_lists_of_labels_but_names_may_be() -> None:
    assert separator_note(["4/5", "5/5", "5/5", "1/5"]) == ()
    assert separator_note(["2026/12/01", "2026/12/02"]) == ()
    (said,) = separator_note(["anger/fear", "anger", "fear", "joy"])
    assert '--label-separator "/"' in said
