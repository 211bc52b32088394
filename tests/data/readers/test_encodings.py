"""Text in other encodings than UTF-8: read and said, or refused with a hint that works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liftune.data import load_data
from liftune.data.readers.formats import open_stream, read_file
from liftune.data.readers.options import FileOptions
from liftune.data.readers.table import Table
from liftune.errors import DataError
from liftune.spec import DataSpec

FRENCH = ["Le café était très bon, même à midi", "Où est l'hôtel ?", "“Jamais” - dit-il", "Prix : 3 €"]
RUSSIAN = ["Очень хорошая книга", "Плохой фильм, не советую", "Всё понравилось"]


def write(path: Path, texts: list[str], encoding: str, *, header: str = "text,label") -> Path:
    rows = [f'"{text}",{"ab"[i % 2]}' for i, text in enumerate(texts)]
    path.write_bytes("\n".join((header, *rows, "")).encode(encoding))
    return path


def both(path: Path, options: FileOptions | None = None) -> Table:
    """The file read at once, after seeing that it is streamed alike."""
    options = options or FileOptions()
    table, stream = read_file(path, options=options), open_stream(path, options)
    lines = [line for block in stream.blocks(3) for line in block]
    assert stream.notes == table.notes
    broken = {fault.position for fault in table.faults}
    for column in table.columns:
        cells = table.read(column)
        assert all(line.cells.get(column) == cells[i] for i, line in enumerate(lines) if i not in broken)
    assert [line.fault for line in lines if line.fault] == [fault.reason for fault in table.faults]
    return table


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
@pytest.mark.parametrize("size", [1, 50])
def test_western_text_of_before_utf_8_is_read_and_said(encoding, size, tmp_path):
    texts = (FRENCH if encoding == "cp1252" else FRENCH[:2]) * size
    table = both(write(tmp_path / "x.csv", texts, encoding))
    assert table.read("text") == texts
    (note,) = table.notes
    assert f"read as {encoding}" in note
    assert "byte 0xe9 in line 2" in note
    assert "café" in note
    assert "--encoding" in note


def test_one_byte_in_much_english_is_enough_and_odd_places_are_forgiven_then(tmp_path):
    """spam.csv, as the web has it: \x89\xdb\xaa stands for an apostrophe that was converted twice."""
    texts = [f"Free entry in {i} a weekly competition to win, text now to claim" for i in range(80)]
    texts[7] = "I\u2030\u00db\u00aam fine"
    table = both(write(tmp_path / "x.csv", texts, "cp1252", header="v1,v2"))
    assert table.read("v1") == texts
    assert "read as cp1252" in table.notes[0]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((text, name) for text in RUSSIAN[:1] for name in ("cp1251", "koi8_r", "cp866")),
        ("これは良い本です", "shift_jis"),
        ("这是一本好书", "gb18030"),
        ("좋은 책입니다 정말", "euc_kr"),
        ("Πολύ καλό βιβλίο", "cp1253"),
        ("ספר טוב מאוד", "cp1255"),
        ("społeczeństwo było źle żądło, więc łąka", "cp1250"),
    ],
)
def test_other_text_is_refused_and_the_encoding_that_the_hint_names_reads_it(text, encoding, tmp_path):
    """Read as cp1252 it would be letters, too, and wrong."""
    path = write(tmp_path / "x.csv", [text] * 10, encoding)
    with pytest.raises(DataError) as caught:
        read_file(path)
    assert "line 2" in (caught.value.where or "")
    assert f"{encoding} reads it as" in (caught.value.hint or "")
    assert both(path, FileOptions(encoding=encoding)).read("text") == [text] * 10


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("texts", [FRENCH, RUSSIAN, ["这本书很好", "不好"]])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf_16_and_utf_32_are_read_with_and_without_a_mark(encoding, texts, mark, tmp_path):
    table = both(write(tmp_path / "x.csv", texts, encoding, header=f"{mark}text,label"))
    assert table.columns == ("text", "label")
    assert table.read("text") == texts
    assert bool(table.notes) == (not mark)


def test_json_lines_too(tmp_path):
    lines = [json.dumps({"text": text, "label": "a"}, ensure_ascii=False) for text in FRENCH]
    for encoding in ("cp1252", "utf-16-le", "utf-32"):
        (tmp_path / "x.jsonl").write_bytes("\n".join(lines).encode(encoding))
        assert both(tmp_path / "x.jsonl").read("text") == FRENCH


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_a_broken_byte_in_utf_8_is_a_bad_row_of_its_own(name, tmp_path):
    rows = [f"good café {i}" for i in range(40)]
    lines = [f"{row},{'ab'[i % 2]}" for i, row in enumerate(rows)]
    if name == "x.jsonl":
        lines = [json.dumps({"text": row, "label": "ab"[i % 2]}, ensure_ascii=False) for i, row in enumerate(rows)]
    data = "\n".join(["text,label"] * (name == "x.csv") + lines).encode().replace("café 30".encode(), b"caf\xe9 30")
    (tmp_path / name).write_bytes(data)
    assert [fault.position for fault in both(tmp_path / name).faults] == [30]
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path / name)))
    assert "row 31" in caught.value.message
    assert "0xe9" in caught.value.message
    assert load_data(DataSpec(source=str(tmp_path / name), skip_bad_rows=True)).audit.skipped_rows == 1


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_nul_in_a_cell_is_a_bad_row_of_its_own(encoding, tmp_path):
    texts = FRENCH * 10
    path = write(tmp_path / "x.csv", [*texts[:7], "a\0b", *texts[8:]], encoding)
    (fault,) = both(path).faults
    assert (fault.position, "NUL" in fault.reason) == (7, True)
    assert load_data(DataSpec(source=str(path), skip_bad_rows=True)).audit.skipped_rows == 1


def test_many_control_characters_are_a_binary_file(tmp_path):
    (tmp_path / "x.csv").write_bytes(bytes(range(256)) * 9)
    with pytest.raises(DataError, match="binary"):
        read_file(tmp_path / "x.csv")


def test_the_encoding_given_is_the_one_taken(tmp_path):
    path = write(tmp_path / "x.csv", ["čeština", "žlutý kůň"], "cp1250")
    assert both(path, FileOptions(encoding="windows-1250")).read("text") == ["čeština", "žlutý kůň"]
    utf8 = write(tmp_path / "y.csv", FRENCH, "utf-8")
    table = both(utf8, FileOptions(encoding="latin-1"))
    assert table.read("text")[0].startswith("Le cafÃ©")
    assert "--encoding utf-8" in table.notes[0]
    assert both(write(tmp_path / "z.csv", FRENCH, "utf-16-be"), FileOptions(encoding="utf-16")).read("text") == FRENCH
    assert both(write(tmp_path / "b.csv", FRENCH, "utf-8-sig"), FileOptions(encoding="utf8")).read("text") == FRENCH


@pytest.mark.parametrize(
    ("encoding", "written", "what"),
    [
        ("ascii", "utf-8", "not ascii: byte 0xc3"),
        ("latin-1", "utf-8-sig", "byte order mark of the file says utf-8"),
        ("utf-8", "utf-16", "byte order mark of the file says utf-16"),
        ("cp1251x", "utf-8", "unknown encoding 'cp1251x', did you mean cp1251?"),
        ("base64", "utf-8", "unknown encoding"),
        ("idna", "utf-8", "unknown encoding"),
    ],
)
def test_an_encoding_that_cannot_be_is_refused(encoding, written, what, tmp_path):
    path = write(tmp_path / "x.csv", FRENCH, written)
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(path), encoding=encoding))
    assert what in caught.value.message
    assert caught.value.hint
