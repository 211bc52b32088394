"""What records show of themselves, in a notebook and at a prompt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from made_runs import made_run

from liftune.display import html, sections_of
from liftune.errors import MissingExtra, SpecError
from liftune.records.base import StoredRecord
from liftune.records.run import TuneRecord
from liftune.tasks import TaskKind


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> TuneRecord:
    folder = made_run(tmp_path_factory.mktemp("runs") / "made", labels=("anger", "<b>joy</b>", "love"))
    return folder.record()


def every_class(of: type[StoredRecord]) -> list[type[StoredRecord]]:
    return [of, *(each for below in of.__subclasses__() for each in every_class(below))]


def test_every_record_that_names_what_shows_it_names_a_function() -> None:
    from importlib import import_module

    import liftune.api
    import liftune.workflows.doctor
    import liftune.workflows.dry_run  # noqa: F401

    named = {each.__name__: each.sections_from for each in every_class(StoredRecord) if each.sections_from}
    assert {
        "TuneRecord",
        "EvaluationRecord",
        "ComparisonRecord",
        "SweepRecord",
        "Inspection",
        "Checkup",
        "DryRun",
    } <= set(named)
    for place in named.values():
        module, _, name = place.partition(":")
        assert callable(getattr(import_module(module), name))


def test_a_record_is_one_line_at_a_prompt(record: TuneRecord) -> None:
    shown = repr(record)
    assert shown == str(record)
    assert "\n" not in shown
    assert len(shown) < 400
    assert re.match(r"<TuneRecord \S+ \((better|worse|undecided)\) accuracy: majority 0\.\d+", shown)


def test_a_notebook_shows_the_verdict_the_table_and_warnings(record: TuneRecord) -> None:
    shown = record._repr_html_()
    for part in ("<table>", "majority", "tuned", "Summary", "&#9888;"):
        assert part in shown
    assert "<b>joy" not in shown, "labels are texts, not elements"
    assert html(record) == shown
    assert "<script" not in shown


def test_a_frame_has_a_row_a_contender(record: TuneRecord) -> None:
    frame = record.to_frame()
    assert list(frame["contender"]) == [each.name for each in record.contenders]
    tuned = frame.set_index("contender").loc["tuned"]
    assert tuned["accuracy.low"] <= tuned["accuracy"] <= tuned["accuracy.high"]


def test_figures_are_drawn_by_section(record: TuneRecord, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    for section in (None, "confusions", "reliability", "classes", "training"):
        figure = record.plot(section)
        assert isinstance(figure, Figure)
        figure.savefig(tmp_path / "figure.png")
        assert (tmp_path / "figure.png").stat().st_size > 1_000
    with pytest.raises(SpecError, match="no charts of nothing") as refused:
        record.plot("nothing")
    assert refused.value.hint
    assert "confusions" in refused.value.hint


def test_without_its_folder_a_record_draws_what_it_holds(record: TuneRecord) -> None:
    gone = record.model_copy(update={"run": "nowhere"})
    assert gone.plot("training")
    with pytest.raises(SpecError, match="confusions") as refused:
        gone.plot("confusions")
    assert "not at nowhere" in str(refused.value)


def test_a_regression_draws_its_values(tmp_path: Path) -> None:
    assert made_run(tmp_path / "run", TaskKind.REGRESSION).record().plot("values").axes


def test_what_is_not_installed_is_said(record: TuneRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find: Any = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "pandas" else find(name, *more)
    )
    with pytest.raises(MissingExtra, match="pandas"):
        record.to_frame()


def test_a_record_that_nothing_shows_still_has_a_line() -> None:
    class Plain(StoredRecord):
        path: str = "here"

    assert sections_of(Plain()) == ()
    assert repr(Plain()) == "<Plain here>"
    assert "here" in Plain()._repr_html_()
