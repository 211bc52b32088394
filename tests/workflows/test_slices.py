"""`--slices` through the verbs: tune, evaluate, compare, inspect; recorded, reported, and gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.run_folder import RunFolder


def data(place: Path) -> Path:
    words = {"joy": ("sunny", "laugh", "dance", "smile"), "anger": ("shout", "slam", "rage", "glare")}
    folder = place / "data"
    folder.mkdir()
    for part, count in (("train", 24), ("validation", 8), ("test", 40)):
        rows = [
            {
                "text": f"{part} {i} {words[label][i % 4]} {words[label][(i + 1) % 4]}",
                "label": label if i % 3 else "joy",
                "lang": ("de", "en", None)[i % 3],
                "length": i,
            }
            for i in range(count)
            for label in words
        ]
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("slices")
    base = save_tiny("distilbert", place / "base")
    source = data(place)
    record = liftune.tune(
        source,
        model=base,
        slices="lang,length",
        epochs=1,
        near_duplicates="none",
        out=place / "run",
        quiet=True,
    )
    assert record.slices is not None
    return source, place / "run"


def test_a_run_records_its_slices_and_reports_them(run):
    _, path = run
    record = liftune.read(path)
    found = record.slices
    assert [column.column for column in found.columns] == ["lang", "length"]
    assert [column.in_ranges for column in found.columns] == [False, True]
    assert {each.value for each in found.columns[0].slices} == {"de", "en", None}
    assert sum(each.rows for each in found.columns[0].slices) == found.rows
    assert (found.contender, found.against) == ("tuned", record.strongest)
    assert RunFolder(path).evaluation("tuned").kept[0].name == "lang"
    page = (path / "report.html").read_text(encoding="utf-8")
    assert "Slices" in page
    assert "length" in page


def test_two_runs_are_compared_by_slice(run):
    _, path = run
    found = liftune.compare(path, path).slices
    assert [column.column for column in found.columns] == ["lang", "length"]
    assert {each.gain.verdict for column in found.columns for each in column.slices if each.gain} == {"undecided"}


def test_a_model_is_evaluated_by_slice(run, capsys):
    source, path = run
    assert main(["evaluate", str(source), "--model", str(path), "--use", "tfidf", "--slices", "lang", "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "Slices" in shown
    assert "(no value)" in shown
    assert liftune.evaluate(source, model=path, use="tfidf", quiet=True).slices is None


def test_inspect_says_by_what(run, capsys):
    source, _ = run
    assert main(["inspect", str(source), "--slices", "lang"]) == 0
    assert "slices by: lang" in capsys.readouterr().out


def test_a_wrong_column_ends_before_a_model_is_loaded(run, tmp_path, capsys):
    source, _ = run
    assert main(["tune", str(source), "--slices", "lagn", "--out", str(tmp_path / "x")]) == 2
    said = capsys.readouterr().err
    assert "did you mean lang" in said
    assert "loading" not in said
    assert not (tmp_path / "x").exists()
