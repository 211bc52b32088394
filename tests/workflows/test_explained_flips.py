"""The words that mattered in a run's flips: found with the run's own models, kept, shown, and never in the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.records.details import ExplainedFlips, Flips
from liftune.reports.sections.predictions import flips as flips_section
from liftune.run_folder import RunFolder
from liftune.workflows import explained_flips
from liftune.workflows.explained_flips import FILE, explain_flips, kept_explanations
from liftune.workflows.report import read_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, kept_emotions: Path) -> Path:
    place = tmp_path_factory.mktemp("flips")
    base = save_tiny("distilbert", place / "base", head=["joy", "anger"])
    liftune.tune(kept_emotions, model=base, epochs=6, lr=0.02, near_duplicates="none", out=place / "run", quiet=True)
    return place / "run"


def test_a_run_explains_a_few_flips_and_its_page_shows_them(run: Path) -> None:
    record, details = read_run(RunFolder(run))
    found = details.explained
    assert found is not None
    assert 1 <= len(found.flips) == found.wanted <= 6
    known = {each.id: each for each in (*details.flips.fixed, *details.flips.broken)}
    for each in found.flips:
        assert set(each.words) == {"tuned", details.against}
        assert all(word.word in known[each.id].text for words in each.words.values() for word in words)
    made = flips_section(record, details)
    assert "The words that mattered in" in made.sentences[-1]
    assert made.tables[-1].caption == "fixed or broken: why"
    assert "The words that mattered in" in (run / "report.html").read_text(encoding="utf-8")


def test_later_reports_read_what_was_kept(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report.json"
    assert main(["report", str(run), "--out", str(out)]) == 0
    kept = json.loads((run / FILE).read_text(encoding="utf-8"))
    assert json.loads(out.read_text(encoding="utf-8"))["details"]["explained"] == kept


def test_what_is_damaged_or_missing_is_left_out(run: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert kept_explanations(folder) is None
    for text in ("", "{", "[]", '{"flips": 3}'):
        (tmp_path / FILE).write_text(text)
        assert kept_explanations(folder) is None


def test_no_flip_is_begun_once_the_time_is_over(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(run)
    record, details = read_run(folder)
    before = (run / FILE).read_bytes()
    ticks = iter([0.0, 1.0, 99.0, 99.0])
    monkeypatch.setattr("liftune.workflows.explained_flips.time.monotonic", lambda: next(ticks))
    found = explain_flips(folder, record, details.flips)
    assert found is not None
    assert (len(found.flips), found.wanted > 1) == (1, True)
    made = flips_section(record, details.model_copy(update={"explained": found}))
    assert "after 10 seconds no further one was begun" in made.sentences[-1]
    (run / FILE).write_bytes(before)


def short_of_memory(*_: object) -> None:
    raise MemoryError


def test_models_that_cannot_be_opened_or_are_slow_explain_nothing_and_the_report_says_why(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(run)
    record, details = read_run(folder)
    before = (run / FILE).read_bytes()

    def said(flips: Flips) -> str:
        found = explain_flips(folder, record, flips)
        assert found is not None
        assert (found.flips, found) == ((), kept_explanations(folder))
        made = flips_section(record, details.model_copy(update={"explained": found}))
        return made.sentences[-1]

    assert explain_flips(folder, record, Flips(against="base", fixed=(), broken=())) is None
    nobody = details.flips.model_copy(update={"against": "nobody"})
    assert "not explained word by word" in said(nobody)
    assert "nobody" in said(nobody)
    with monkeypatch.context() as patch:
        patch.setattr(explained_flips, "_models", short_of_memory)
        assert "memory ran short" in said(details.flips)
    monkeypatch.setattr(explained_flips, "SECONDS", 0.0)
    assert "would take more than 0 seconds" in said(details.flips)
    (run / FILE).write_bytes(before)


def test_a_defect_in_explaining_is_no_reason(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(explained_flips, "_models", broken)
    folder = RunFolder(run)
    record, details = read_run(folder)
    with pytest.raises(ZeroDivisionError):
        explain_flips(folder, record, details.flips)


def test_rows_that_are_no_longer_flips_are_not_shown(run: Path) -> None:
    record, details = read_run(RunFolder(run))
    other = ExplainedFlips(flips=(details.explained.flips[0].model_copy(update={"id": "x"}),), wanted=1, seconds=10)
    made = flips_section(record, details.model_copy(update={"explained": other}))
    assert not any("The words that mattered" in each for each in made.sentences)
