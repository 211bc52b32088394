"""Files of survey tools, databases, crawlers and scripts: read as meant, or refused with a command that works."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from liftune.data import load_data
from liftune.data.load import load
from liftune.data.readers.formats import read_bytes, read_file
from liftune.errors import DataError
from liftune.spec import DataSpec

THINGS = ("printer", "mailbox", "screen", "router", "phone")
TEXTS = [f"The {THINGS[i % 5]} of room {i} is slow, sadly, since {i}" for i in range(40)]
LABELS = ["pos" if i % 3 else "neg" for i in range(40)]
ROWS = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
LINES = list(map(json.dumps, ROWS))


def both(pattern: str, head: str = "", **replaced: str) -> str:
    texts = [each.replace(",", replaced.get("comma", ",")) for each in TEXTS]
    return head + "".join(pattern.format(text=t, label=y) for t, y in zip(texts, LABELS, strict=True))


COMMANDS = {
    "commas at the ends": ("x.jsonl", "".join(f"{line},\n" for line in LINES), "ends in a comma"),
    "Python's objects": ("x.jsonl", "\n".join(map(repr, ROWS)), "as Python prints it"),
    "record separators": ("x.jsonl", "".join(f"\x1e{line}\n" for line in LINES), "U+001E"),
    "a character that is not shown": ("x.csv", both("{text}\x01{label}\n", "text\x01label\n"), "U+0001"),
    "a mark that divides nothing": ("x.csv", both("{text}~{label}\n", "text~label\n", comma=" "), "divided by '~'"),
    "two bars": ("x.csv", both("{text}::{label}\n", "verbatim::outcome\n", comma=" "), "divided by '::'"),
    "lines in quotes": ("x.csv", both('"{text},{label}"\n', '"text,label"\n', comma=" "), "whole lines"),
    "labels at the start": ("x.txt", both("{label}: {text}\n", comma=" "), "without columns"),
}


@pytest.mark.skipif(not shutil.which("sed"), reason="the commands are those of a Unix shell")
@pytest.mark.parametrize("case", COMMANDS)
def test_the_command_of_a_refusal_writes_a_file_that_is_read(case, tmp_path: Path):
    name, content, said = COMMANDS[case]
    (tmp_path / name).write_text(content, newline="")
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path / name)))
    assert said in caught.value.message
    assert ": " in (caught.value.hint or "")
    command = (caught.value.hint or "").split(": ", 1)[1].split("; with a tab")[0]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    [made] = tmp_path.glob("rows.*")
    if case == "two bars":
        columns = {"text": "verbatim", "label": "outcome"}
        assert load_data(DataSpec(source=str(made), **columns)).labels == ("neg", "pos")  # type: ignore[arg-type]
        return
    columns = {} if case != "labels at the start" else {"columns": ("label", "text")}
    loaded = load(DataSpec(source=str(made), **columns), skip_bad_rows=False)  # type: ignore[arg-type]
    assert loaded.splits.labels == ("neg", "pos")
    assert sum(loaded.splits.counts.model_dump().values()) == 40


def test_a_comma_before_the_last_bracket_is_named():
    with pytest.raises(DataError) as caught:
        read_bytes(("[" + ",\n".join(LINES) + ",\n]").encode(), "x.json", "x.json")
    assert caught.value.hint == "take out the comma before the last ]"


def test_texts_with_commas_under_a_name_with_one_are_a_column():
    data = '"Comments, ideas"\n' + "".join(f'"{text}"\n' for text in TEXTS)
    assert read_bytes(data.encode(), "x.csv", "x.csv").read("Comments, ideas") == TEXTS


def test_prose_is_no_csv(tmp_path):
    (tmp_path / "x.txt").write_text("\n".join(TEXTS))
    with pytest.raises(DataError) as caught:
        read_file(tmp_path / "x.txt")
    assert "a text file without columns" in caught.value.message


def test_a_table_in_markdown_has_a_line_below_its_header():
    table = read_bytes(
        both("| {text} | {label} |\n", "| text | label |\n|:-----|-------|\n").encode(), "x.csv", "x.csv"
    )
    assert table.rows == 40
    assert {cell.strip() for cell in table.read("label")} == {"neg", "pos"}
    assert any("left out below the header" in note for note in table.notes)


def test_columns_of_one_name_are_refused_and_the_hint_reads_them(tmp_path):
    data = both('{label},"{text}",x\n', "label,text,text\n")
    with pytest.raises(DataError) as caught:
        read_bytes(data.encode(), "x.csv", "x.csv")
    assert "--skip-lines 1 --columns label,text,text_2" in (caught.value.hint or "")
    (tmp_path / "x.csv").write_text(data)
    spec = DataSpec(source=str(tmp_path / "x.csv"), skip_lines=1, columns="label,text,text_2")
    assert load_data(spec).labels == ("neg", "pos")


def test_words_for_an_empty_cell_are_said(tmp_path):
    labels = ["nan", "N/A", "pos", "neg"] * 10
    rows = "".join(f'"{text}",{label}\n' for text, label in zip(TEXTS, labels, strict=True))
    (tmp_path / "x.csv").write_text(f"text,label\n{rows}")
    notes = load_data(DataSpec(source=str(tmp_path / "x.csv"))).audit.notes
    assert any("'nan' (10 rows), 'N/A' (10 rows) are read as classes" in note for note in notes)


def test_an_emoji_and_its_sign_are_alike(tmp_path):
    labels = ["\u2764", "\u2764\ufe0f", "\U0001f44d", "\U0001f44e"] * 10
    rows = "".join(f'"{text}",{label}\n' for text, label in zip(TEXTS, labels, strict=True))
    (tmp_path / "x.csv").write_text(f"text,label\n{rows}")
    splits = load_data(DataSpec(source=str(tmp_path / "x.csv")))
    assert len(splits.labels) == 4
    assert any("U+FE0F" in note and "--merge-labels unicode" in note for note in splits.audit.notes)
    assert len(load_data(DataSpec(source=str(tmp_path / "x.csv"), merge_labels="unicode")).labels) == 3


def test_rows_below_a_blank_line_are_said():
    data = "text,label\n" + both('"{text}",{label}\n')
    assert not read_bytes(data.encode(), "x.csv", "x.csv").notes
    [note] = read_bytes(f"{data}\nname,count\npos,20\nneg,10\n".encode(), "x.csv", "x.csv").notes
    assert "a blank line stands above line 43, and 3 rows from there on" in note
    spaced = data.replace("\n", "\n\n")
    assert not read_bytes(spaced.encode(), "x.csv", "x.csv").notes
    assert not read_bytes((data + "\n\n").encode(), "x.csv", "x.csv").notes


def test_labels_of_doccano_and_label_studio_are_said_to_be_lists(tmp_path):
    for several, option in (
        ("pos#neg", {"label_separator": "#"}),
        ('{"choices": ["pos", "neg"]}', {"task": "multi_label"}),
    ):
        cells = [several if i % 7 == 0 else y for i, y in enumerate(LABELS)]
        rows = [{"text": t, "label": y} for t, y in zip(TEXTS, cells, strict=True)]
        (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
        spec = DataSpec(source=str(tmp_path / "x.jsonl"))
        loaded = load(spec, skip_bad_rows=False).splits
        assert loaded.labels == ("neg", "pos") or any('--label-separator "#"' in note for note in loaded.audit.notes)
        assert load_data(spec.model_validate({**spec.model_dump(), **option})).labels == ("neg", "pos")


def test_lists_of_objects_below_their_labels_are_rows():
    value = {"PlayMusic": [{"text": t} for t in TEXTS[:20]], "GetWeather": [{"text": t} for t in TEXTS[20:]]}
    table = read_bytes(json.dumps(value).encode(), "x.json", "x.json")
    assert table.read("text") == TEXTS
    assert table.read("label") == ["PlayMusic"] * 20 + ["GetWeather"] * 20
    assert "each key is taken as a label" in table.notes[0]


def test_categories_of_spacy_are_a_mapping_of_labels(tmp_path):
    rows = [
        [t, {"cats": {"POS": float(y == "pos"), "NEG": float(y == "neg")}}] for t, y in zip(TEXTS, LABELS, strict=True)
    ]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    with pytest.raises(DataError, match="--columns text,label"):
        load_data(DataSpec(source=str(tmp_path / "x.json")))
    assert load_data(DataSpec(source=str(tmp_path / "x.json"), columns="text,label")).labels == ("NEG", "POS")


def test_blanks_before_a_quote_are_no_part_of_the_cell():
    """Else the labels would be '"pos"' with their quotes, and a comma in a text would divide it."""
    data = "text, label, by\n" + "".join(f'{i}, "fine, {i}", "{"ab"[i % 2]}"\n' for i in range(40))
    table = read_bytes(data.encode(), "x.csv", "x.csv")
    assert table.read("label") == [f"fine, {i}" for i in range(40)]
    assert set(table.read("by")) == {"a", "b"}
    assert not table.faults


def test_a_text_that_begins_with_a_word_in_quotes_keeps_it():
    data = "label,text\n" + "".join(f'{"ab"[i % 2]}, "Great" was all {i} of us said\n' for i in range(40))
    table = read_bytes(data.encode(), "x.csv", "x.csv")
    assert [cell.strip() for cell in table.read("text")] == [f'"Great" was all {i} of us said' for i in range(40)]


@pytest.mark.parametrize("below", ["raw,final\nid,,\n", "id,,\n"])
def test_the_levels_of_pandas_columns_are_no_rows(below):
    data = ",comment,rating\n" + (f",{below}" if below.startswith("raw") else below)
    data += "".join(f"{i},It was the stay number {i},{'ab'[i % 2]}\n" for i in range(40))
    table = read_bytes(data.encode(), "x.csv", "x.csv")
    assert table.rows == 40
    assert set(table.read("rating")) == {"a", "b"}
    assert any("left out below the header" in note for note in table.notes)


def test_a_first_row_without_a_text_is_no_header():
    data = ",comment,rating\n0,,\n" + "".join(f"{i},It was the stay number {i},a\n" for i in range(1, 40))
    assert read_bytes(data.encode(), "x.csv", "x.csv").rows == 40


def test_rows_of_empty_fields_below_the_last_row_are_left_out_and_others_stay():
    """As Excel writes them where cells were once filled; between rows they keep their place."""
    rows = [f"text {i},{'ab'[i % 2]},\n" for i in range(40)]
    rows[7] = ",,\n"
    data = "text,label,\n" + "".join(rows) + ",,\n" * 5_000
    table = read_bytes(data.encode(), "x.csv", "x.csv")
    assert table.rows == 40
    assert table.read("text")[7] == ""
    assert read_bytes(b'text\na\n""\n', "x.csv", "x.csv").rows == 2  # an empty text to predict
