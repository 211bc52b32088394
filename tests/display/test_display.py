"""What records show of themselves, in a notebook and at a prompt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from made_runs import made_run

from liftune.display import html, sections_of
from liftune.errors import MissingExtra, SpecError
from liftune.progress import Progress
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


def test_a_contender_is_looked_up_by_its_name(record: TuneRecord) -> None:
    assert record["tuned"] in record.contenders
    with pytest.raises(SpecError, match="unknown contender 'tunde', did you mean tuned") as error:
        record["tunde"]
    assert "probe" in (error.value.hint or "")


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
    assert figure._repr_png_().startswith(b"\x89PNG"), "a cell shows it, also where pyplot was never imported"
    with pytest.raises(SpecError, match="no charts of nothing") as refused:
        record.plot("nothing")
    assert refused.value.hint
    assert "confusions" in refused.value.hint
    with pytest.raises(SpecError, match="did you mean confusions"):
        record.plot("confusion")


def test_one_epoch_makes_no_curve_and_this_is_said(record: TuneRecord) -> None:
    logs = tuple(each.model_copy(update={"epochs": each.epochs[:1]}) for each in record.logs)
    with pytest.raises(SpecError, match="tuned for one epoch, which makes no curve") as refused:
        record.model_copy(update={"logs": logs}).plot("training")
    assert "epochs=3" in str(refused.value.hint)
    none = tuple(each.model_copy(update={"epochs": ()}) for each in record.logs)
    with pytest.raises(SpecError, match="no step of training after its start"):
        record.model_copy(update={"logs": none}).plot("training")


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


def shown(record: Any) -> tuple[str, str]:
    return repr(record), record._repr_html_()


def test_a_check_says_whether_files_are_whole() -> None:
    from liftune.records.check import CheckRecord, FileState

    whole, damaged = FileState(name="a.json", state="whole"), FileState(name="b.json", state="damaged", reason="cut")
    said, html = shown(CheckRecord(path="runs/a", kind="run", files=(whole,)))
    assert said == "<CheckRecord runs/a (1 file, none damaged: 1 whole)>"
    assert "a.json" in html
    said, html = shown(CheckRecord(path="runs/a", kind="run", files=(whole, damaged)))
    assert said == "<CheckRecord runs/a (1 of 2 files damaged: b.json)>"
    assert "cut" in html
    assert "1 of 2 files damaged" in html


def test_a_dry_run_says_whether_it_would_run() -> None:
    from liftune.workflows.dry_run import DryRun, Fault

    said, html = shown(DryRun(would_run=True, out="runs/b", seconds=95.0))
    assert re.fullmatch(r"<DryRun \(would run for about [^,]+, in runs/b\)>", said)
    assert "would run" in html
    said, html = shown(DryRun(would_run=False, faults=(Fault(stage="data", message="no rows", where=None, hint=None),)))
    assert said == "<DryRun (would not run: no rows)>"
    assert "would not run: no rows" in html


def test_an_inspection_says_what_was_found() -> None:
    import liftune

    rows = [{"text": f"a good text, number {i}", "label": "ab"[i % 2]} for i in range(40)]
    said, html = shown(liftune.inspect(rows, model=None))
    assert re.fullmatch(
        r"<Inspection \(rows in memory\) \(single_label, 2 labels: \d+ train, \d+ validation, \d+ test rows\)>", said
    )
    assert "single_label, 2 labels" in html


def test_what_is_pushed_is_said_without_its_card() -> None:
    from liftune.exports.push import Pushed

    pushed = Pushed("a/b", "adapter", True, "mit", "free to hand on", (("x.json", 2048),), "the card\n## <more>\n" * 99)
    said, html = shown(pushed)
    assert re.fullmatch(r"<Pushed would push to a/b \(private, 1 files, [^)]+\)>", said)
    assert "the card" not in said + html + str(pushed)
    assert "x.json" in html


def test_a_record_without_charts_says_which_has_some(record: TuneRecord) -> None:
    from liftune.records.run import EvaluationRecord

    fields = set(EvaluationRecord.model_fields)
    evaluated = EvaluationRecord(
        **{k: getattr(record, k) for k in fields if k in TuneRecord.model_fields and k != "schema_version"}
    )
    with pytest.raises(SpecError, match="no charts") as refused:
        evaluated.plot()
    assert "liftune.read" in str(refused.value.hint)


def test_a_long_line_of_progress_is_wrapped_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell does not wrap what is printed there: the end of a line would be out of sight."""
    shown: list[Any] = []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("IPython.display.display", shown.append)
    progress = Progress()
    progress.log("a note that says a lot " * 20)
    progress.tell("what changes the answers " * 20)
    assert len(shown) == 2
    for each in shown:
        lines = each._repr_mimebundle_((), ())["text/plain"].splitlines()
        assert len(lines) > 3
        assert max(map(len, lines)) <= 100
