"""JSON that nothing here can use is refused by the one reader, in words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import liftune
from liftune.data.readers.formats import read_bytes
from liftune.errors import ArtifactError, DataError, SpecError
from liftune.files import read_json_object
from liftune.json_text import DEEPEST, JsonError, parse_json, parse_json_values
from liftune.spec import RunSpec

DEEP = "[" * 60_000
HUGE = "1" * 401
BROKEN = {
    "deep": DEEP + "]" * 60_000,
    "deep and open": DEEP,
    "deep objects": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "just too deep": "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
    "huge": f'{{"a": [{HUGE}]}}',
    "more digits than Python reads": "1" * 5_000,
    "no JSON": "{a}",
    "nothing": "",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_be_used_is_said(kind):
    for read in (parse_json, parse_json_values):
        if (read, kind) == (parse_json_values, "nothing"):
            assert read("") == []
            continue
        with pytest.raises(JsonError, match=r"nested|digits|Expecting|property"):
            read(BROKEN[kind])
    with pytest.raises(JsonError):
        parse_json(BROKEN[kind].encode())


def test_what_is_usual_is_read():
    deep = "[" * DEEPEST + "]" * DEEPEST
    for text in (deep, "1" * 308, "1e308", '"' + DEEP + '"', "[" + "{}," * 5_000 + "1]", "NaN"):
        value, usual = parse_json(text), json.loads(text)
        assert repr(value) == repr(usual)
        assert parse_json_values(f"{text} {text}") == [usual, usual] or text == "NaN"
    with pytest.raises(JsonError, match="UTF-8"):
        parse_json(b'"\xff"')


@pytest.mark.parametrize("kind", BROKEN)
def test_every_file_of_json_refuses_it(kind, tmp_path: Path):
    path = tmp_path / "x.json"
    path.write_text(BROKEN[kind])
    with pytest.raises(ArtifactError, match=r"x\.json is damaged"):
        read_json_object(path, hint="")
    with pytest.raises(SpecError):
        RunSpec.read(path)
    for name in ("x.json", "x.jsonl"):
        with pytest.raises(DataError):
            read_bytes(BROKEN[kind].encode(), name, name)


def test_a_row_that_cannot_be_used_is_a_fault_of_that_row():
    lines = ['{"text": "a", "label": "x"}', f'{{"text": "b", "label": {HUGE}}}', f'{{"text": {DEEP}']
    table = read_bytes("\n".join(lines).encode(), "x.jsonl", "x.jsonl")
    assert [(fault.position, fault.reason[:40]) for fault in table.faults] == [
        (1, "line 2 is not JSON that can be read: a n"),
        (2, "line 3 is not JSON that can be read: lis"),
    ]


def test_toml_that_is_nested_too_deeply_is_refused(tmp_path: Path):
    path = tmp_path / "x.toml"
    path.write_text(f"a = {'[' * 5_000}")
    with pytest.raises(SpecError, match=r"cannot read x\.toml as TOML"):
        RunSpec.read(path)


def test_nothing_else_reads_json():
    """One reader knows what cannot be used; a second one would not."""
    source = Path(liftune.__file__).parent
    readers = [
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if re.search(r"^[^\"]*\bjson\.loads?\(|JSONDecoder", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert readers == ["json_text.py"]
