"""tests/fixtures/v0_1 stays small, whole and free of any machine's paths."""

from __future__ import annotations

import json
import re
from pathlib import Path

from v0_1 import HERE, WRITTEN, lay_out

FILES = sorted(path for path in HERE.rglob("*") if path.is_file())


def test_they_are_small_and_name_no_place_of_the_machine_that_made_them() -> None:
    assert len(FILES) > 60
    assert sum(path.stat().st_size for path in FILES) < 700 * 2**10
    home = re.compile(rb"/(work|tmp|root|home|Users|private)/")
    assert [path.name for path in FILES if path.name != "v0_1.py" and home.search(path.read_bytes())] == []


def test_what_was_begun_says_of_its_files_what_a_copy_of_them_has(tmp_path: Path) -> None:
    """Where this fails, `predict --resume` would refuse the copy whatever the code does."""
    place = lay_out(tmp_path)
    begun = json.loads((place / "predict" / "answers.jsonl.part.json").read_text(encoding="utf-8"))
    settings, part = begun["settings"], place / "predict" / "answers.jsonl.part"
    rows = place / "predict" / "rows.csv"
    assert settings["in"] == str(rows.resolve())
    assert (settings["bytes"], settings["modified"]) == (rows.stat().st_size, rows.stat().st_mtime_ns)
    assert settings["modified"] == WRITTEN * 10**9
    assert settings["model"] == [
        [path.name, path.stat().st_size, path.stat().st_mtime_ns]
        for path in sorted((place / "run" / "adapter").iterdir())
    ]
    assert begun["bytes"] == part.stat().st_size
    assert begun["rows"] == len(part.read_text(encoding="utf-8").splitlines()) < len(rows.read_text().splitlines()) - 1
