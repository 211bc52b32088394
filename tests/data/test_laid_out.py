"""Labels that no column holds: what the data seem to be, and that the command which writes them as rows works."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from liftune.data import load_data
from liftune.errors import DataError
from liftune.spec import DataSpec

TEXTS = [f"Guest {i} found the room, on floor {i * 3}, {('lovely', 'grim')[i % 2]}." for i in range(40)]
LABELS = ["pos" if i % 2 == 0 else "neg" for i in range(40)]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(source: str, **options: object) -> DataError:
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=source, **options))  # type: ignore[arg-type]
    return caught.value


def followed(error: DataError) -> None:
    """The command that a hint ends in."""
    command = re.search(r"(python|awk|sed) .*? > rows\.(csv|tsv|jsonl)|python -c .*", error.hint or "")
    assert command
    typed = command[0].replace("python -c", f"{sys.executable} -c", 1)
    subprocess.run(["/bin/sh", "-c", typed], check=True, timeout=60)


def is_read(name: str = "rows.csv") -> None:
    splits = load_data(DataSpec(source=name, near_duplicates="none"))
    assert (sum(splits.counts.model_dump().values()), splits.labels) == (40, ("neg", "pos"))
    [text] = {*splits.columns.texts} if splits.columns else {"text"}
    assert text == "text"
    assert {*TEXTS} >= {str(row) for row in splits.train.rows}


def files_of_labels(folder: str, ending: str, *, header: str = "") -> None:
    Path(folder).mkdir(parents=True)
    for label in ("neg", "pos"):
        own = [text for text, each in zip(TEXTS, LABELS, strict=True) if each == label]
        quoted = [f'"{text}"' if header else text for text in own]
        (Path(folder) / ending.format(label)).write_text(header + "\n".join(quoted) + "\n")


@pytest.mark.parametrize("ending", ["{}.txt", "rt-polarity.{}", "{}"])
def test_a_text_file_for_each_label(ending):
    files_of_labels("x", ending)
    followed(refused("x"))
    splits = load_data(DataSpec(source="rows.tsv", near_duplicates="none"))
    assert splits.labels == tuple(ending.format(label).removesuffix(".txt") for label in ("neg", "pos"))
    assert sum(splits.counts.model_dump().values()) == 40


def test_a_table_for_each_label():
    files_of_labels("x", "{}.csv", header="text\n")
    hint = refused("x").hint or ""
    assert "--split train=neg+pos" in hint
    followed(refused("x", split={"train": "neg+pos"}))
    is_read()


def test_a_table_for_each_label_in_the_folder_of_a_part():
    files_of_labels("x/train", "{}.csv", header="text\n")
    followed(refused("x"))
    is_read()


@pytest.mark.parametrize("mark", [",", ";"])
def test_texts_and_labels_in_files_of_their_own_with_an_id_of_both(mark):
    """In another order, too."""
    Path("x").mkdir()
    texts = [f'{i}{mark}"{text}"' for i, text in enumerate(TEXTS)]
    labels = [f"{i}{mark}{label}" for i, label in enumerate(LABELS)]
    Path("x/texts.csv").write_text(f"id{mark}text\n" + "\n".join(texts) + "\n")
    Path("x/labels.csv").write_text(f"id{mark}label\n" + "\n".join(reversed(labels)) + "\n")
    error = refused("x", split={"train": "labels+texts"})
    assert "column 'id' says which rows belong together" in (error.hint or "")
    if importlib.util.find_spec("pandas"):
        followed(error)
        is_read()


def test_a_table_that_lies_on_its_side():
    quoted = [f'"{text}"' for text in TEXTS]
    Path("x.csv").write_text(f"text,{','.join(quoted)}\nlabel,{','.join(LABELS)}\n")
    error = refused("x.csv")
    assert "lies on its side" in (error.hint or "")
    assert max(map(len, error.message.split(", "))) < 70
    followed(error)
    is_read()


@pytest.mark.parametrize("mark", [",", ";"])
@pytest.mark.parametrize("quoted", ["texts", "all"])
def test_cells_in_single_quotes(mark, quoted):
    """A comma in a text ends its cell, and the quotes would stand in the labels."""
    header, label = (f"'text'{mark}'label'", "'{}'") if quoted == "all" else (f"text{mark}label", "{}")
    rows = [f"'{text}'{mark}{label.format(each)}" for text, each in zip(TEXTS, LABELS, strict=True)]
    Path("x.csv").write_text("\n".join([header, *rows]) + "\n")
    if (mark, quoted) == (";", "texts"):  # no cell is cut
        assert load_data(DataSpec(source="x.csv", near_duplicates="none")).labels == ("neg", "pos")
        return
    error = refused("x.csv")
    assert "single quotes" in error.message
    followed(error)
    is_read()


def test_a_text_that_begins_with_an_apostrophe_is_no_cell_in_quotes():
    rows = [f"'Twas {text.replace(',', '')},{each}" for text, each in zip(TEXTS, LABELS, strict=True)]
    Path("x.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    assert load_data(DataSpec(source="x.csv", near_duplicates="none")).labels == ("neg", "pos")


def test_quotes_that_are_written_with_a_backslash():
    rows = [f'"He said \\"{text}\\" twice","{each}"' for text, each in zip(TEXTS, LABELS, strict=True)]
    Path("x.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    followed(refused("x.csv"))
    assert load_data(DataSpec(source="rows.csv", near_duplicates="none")).train.rows[0].count('"') == 2


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_rows_that_stand_as_json_in_a_column(kind):
    mark = {"csv": ",", "tsv": "\t"}[kind]
    with Path(f"x.{kind}").open("w", newline="") as file:
        out = csv.writer(file, delimiter=mark)
        out.writerow(["id", "payload"])
        pairs = zip(TEXTS, LABELS, strict=True)
        out.writerows([i, json.dumps({"text": text, "label": label})] for i, (text, label) in enumerate(pairs))
    error = refused(f"x.{kind}")
    assert "column 'payload' holds JSON objects" in (error.hint or "")
    followed(error)
    is_read("rows.jsonl")


def test_columns_that_blanks_divide():
    """As R writes a table: quoted, with the numbers of the rows."""
    pairs = enumerate(zip(TEXTS, LABELS, strict=True), 1)
    Path("x.txt").write_text('"text" "label"\n' + "".join(f'"{i}" "{text}" "{label}"\n' for i, (text, label) in pairs))
    error = refused("x.txt")
    assert "blanks divide its columns" in (error.hint or "")
    followed(error)
    is_read()
