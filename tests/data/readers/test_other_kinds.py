"""Files of other kinds, as tools write them: what each one is said to be, and that the hint's command works."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from liftune.data import load_data
from liftune.data.readers.looks import looks_of
from liftune.errors import DataError
from liftune.spec import DataSpec

TEXTS = [f"The {('lovely', 'rude')[i % 2]} guest number {i} wrote about room {i * 7}." for i in range(40)]
LABELS = ["praise" if i % 2 == 0 else "blame" for i in range(40)]


def lines(form: str, *, between: str = "\n") -> str:
    each = zip(range(40), TEXTS, LABELS, strict=True)
    return between.join(form.format(i=i, text=text, label=label) for i, text, label in each)


def refused(path: Path) -> tuple[str, str]:
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(path)))
    return caught.value.message, caught.value.hint or ""


def rows_and_labels(path: Path, **options: str) -> tuple[int, tuple[str, ...]]:
    splits = load_data(DataSpec(source=str(path), near_duplicates="none", **options))
    return sum(splits.counts.model_dump().values()), splits.labels


def followed(command: str, folder: Path) -> None:
    subprocess.run(["/bin/sh", "-c", command], cwd=folder, check=True, timeout=60)


def test_a_folder_of_brat_is_named_and_the_command_writes_its_spans(tmp_path, monkeypatch):
    (tmp_path / "notes").mkdir()
    for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True)):
        (tmp_path / "notes" / f"{i:02d}.txt").write_text(text)
        (tmp_path / "notes" / f"{i:02d}.ann").write_text(f"T1\t{label} 0 {len(text)}\t{text}\nA1\tSure T1\n")
    monkeypatch.chdir(tmp_path)
    message, hint = refused(Path("notes"))
    assert "00.ann, 01.ann, 02.ann and 37 more (annotations of brat" in message
    followed(hint.partition(": ")[2], tmp_path)
    assert rows_and_labels(tmp_path / "notes.tsv") == (40, ("blame", "praise"))


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs the program sqlite3")
def test_a_sql_dump_is_named_and_the_command_writes_its_table(tmp_path, monkeypatch):
    values = lines("({i},'{text}','{label}')", between=",\n")
    dump = f"-- dump\nCREATE TABLE `tickets` (`id` int NOT NULL, `body` text, `queue` varchar(20));\nINSERT INTO `tickets` VALUES\n{values};\n"  # noqa: E501  one statement a line, as dumps are
    (tmp_path / "x.sql").write_text(dump)
    monkeypatch.chdir(tmp_path)
    message, hint = refused(Path("x.sql"))
    assert "it is a SQL dump" in message
    followed(hint.partition(": ")[2].partition(" (its")[0], tmp_path)
    assert rows_and_labels(tmp_path / "x.csv") == (40, ("blame", "praise"))


def test_a_table_in_markdown_is_named_and_the_command_takes_it_out(tmp_path, monkeypatch):
    (tmp_path / "x.md").write_text(
        "# Guests\n\n| text | label |\n|---|---|\n" + lines("| {text} | {label} |") + "\n\nEnd.\n"
    )
    monkeypatch.chdir(tmp_path)
    message, hint = refused(Path("x.md"))
    assert "a Markdown text" in message
    followed(hint.partition(": ")[2], tmp_path)
    assert rows_and_labels(tmp_path / "x.csv") == (40, ("blame", "praise"))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (("text | label\n" + lines("{text} | {label}") + "\n").encode(), "x.csv"),
        (("text\tlabel\r\n" + lines("{text} é\t{label}", between="\r\n")).encode("utf-16"), "x.tsv"),
        (("text\tlabel\n" + lines("{text}\t{label}")).encode("utf-16-le"), "x.tsv"),
        (("text;label\n" + lines("{text};{label}")).encode("utf-32"), "x.csv"),
    ],
)
def test_text_with_columns_under_the_name_of_plain_text_is_told_its_name(tmp_path, content, name):
    """A spreadsheet's "Unicode text" is UTF-16, and a pipe between blanks still divides."""
    (tmp_path / "x.txt").write_bytes(content)
    _, hint = refused(tmp_path / "x.txt")
    assert f"rename it to {name}" in hint
    (tmp_path / "x.txt").rename(tmp_path / name)
    assert rows_and_labels(tmp_path / name) == (40, ("blame", "praise"))


def test_lines_that_begin_with_their_label_under_any_name_are_told_how(tmp_path, monkeypatch):
    (tmp_path / "train.label").write_text(lines("{label}:sub {text}") + "\n")
    monkeypatch.chdir(tmp_path)
    message, hint = refused(Path("train.label"))
    assert "unknown kind of file '.label': it is a text file without columns" in message
    command = re.search(r"sed -E .*? > rows\.tsv", hint)
    assert command
    followed(command[0], tmp_path)
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source="rows.tsv"))
    assert "--columns label,text" in (caught.value.hint or "")
    assert rows_and_labels(tmp_path / "rows.tsv", columns="label,text") == (40, ("blame:sub", "praise:sub"))


def test_a_log_is_no_csv_for_the_commas_of_its_times(tmp_path):
    (tmp_path / "x.log").write_text(lines("2024-05-01 12:00:{i:02d},123 [{label}] web - {text}") + "\n")
    message, hint = refused(tmp_path / "x.log")
    assert "it is a log" in message
    assert "rename" not in hint


@pytest.mark.parametrize(
    ("content", "what", "how"),
    [
        (b"<html><table><tr><td>a</td></tr></table></html>", "not a workbook, but a web page", "pandas.read_html("),
        (b"text\tlabel\na\tb\nc\td\n", "not a workbook, but text", "name it .tsv"),
        (b"text,label\na,b\nc,d\n", "not a workbook, but text", "name it .csv"),
        (b'<?xml version="1.0"?><Workbook/>', "not a workbook, but text", "as .xlsx"),
    ],
)
def test_what_programs_write_under_the_name_of_a_workbook_is_named(tmp_path, content, what, how):
    (tmp_path / "x.xls").write_bytes(content)
    message, hint = refused(tmp_path / "x.xls")
    assert what in message
    assert how in hint


def test_a_page_with_a_table_says_how_to_take_it_out(tmp_path):
    (tmp_path / "x.csv").write_text("<html><body><table><tr><td>a</td></tr></table></body></html>")
    assert "if the rows are in its table" in refused(tmp_path / "x.csv")[1]
    (tmp_path / "x.csv").write_text("<html><body>404</body></html>")
    assert "table" not in refused(tmp_path / "x.csv")[1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32-le"])
def test_a_text_looks_alike_in_every_encoding(encoding):
    assert looks_of(("text\tlabel\n" + lines("{text}\t{label}")).encode(encoding)) == ".tsv"
