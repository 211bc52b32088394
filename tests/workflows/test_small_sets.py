"""Few rows are all tested, out of fold, where no part of them is given; what few test rows cannot show is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.data.folds import Folds, folds_of_few
from liftune.data.load import load_data, load_data_or_folds, load_folds
from liftune.data.splits import Split
from liftune.errors import SpecError
from liftune.events import EpochEnded, EpochStarted, Listener, Note, RunPrepared
from liftune.records.base import RowCounts
from liftune.records.run import TuneRecord
from liftune.reports.render.text import to_markdown
from liftune.reports.sections.power import cost_of_folds, power_before, undetectable
from liftune.run_folder import RunFolder
from liftune.spec import IN_MEMORY, DataSpec, RunSpec
from liftune.spec_text import command_line
from liftune.tasks import TaskKind
from liftune.workflows.request import check_request

SINGLE, MULTI, REGRESSION = TaskKind
WORDS = {"joy": ("sunny", "laugh"), "anger": ("shout", "slam")}


def lines(count: int) -> list[dict[str, Any]]:
    return [
        {"text": f"{i} {WORDS[label][i % 2]} row of mine {i * 7 % 11}", "label": label}
        for i in range(count // 2)
        for label in WORDS
    ]


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def part(count: int, *, rare: int = 0) -> Split:
    targets = tuple("rare" if i < rare else "ab"[i % 2] for i in range(count))
    return Split(tuple(map(str, range(count))), tuple(f"text {i}" for i in range(count)), targets)


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        (part(499), 5),
        (part(500), None),
        (part(100), 5),
        (part(99), 10),
        (part(300, rare=9), 10),
        (part(300, rare=10), 5),
    ],
)
def test_the_number_of_folds_follows_a_rule(rows: Split, count: int | None) -> None:
    assert folds_of_few({"train": rows}) == count


def test_folds_are_no_more_than_there_are_texts_or_groups() -> None:
    few = part(60)
    assert folds_of_few({"train": Split(few.ids, ("x", "y", "z") * 20, few.targets)}) == 3
    assert folds_of_few({"train": Split(few.ids, ("x",) * 60, few.targets)}) is None
    assert folds_of_few({"train": Split(few.ids, few.rows, few.targets, ("one", "two") * 30)}) == 2


def test_a_given_part_is_kept() -> None:
    assert folds_of_few({"train": part(60), "test": part(20)}) is None
    assert folds_of_few({"train": part(60), "validation": part(20)}) is None


def found(spec: DataSpec) -> int | None:
    rows = load_data_or_folds(spec)
    return len(rows.parts) if isinstance(rows, Folds) else None


def test_no_part_is_given_by_file_option_or_column(tmp_path: Path) -> None:
    source = written(tmp_path / "rows.jsonl", lines(120))
    other = written(tmp_path / "other.jsonl", lines(20))
    assert found(DataSpec(source=source)) == 5
    for more in ({"test": other}, {"validation": other}, {"test_rows": 5}, {"train_rows": 50}):
        assert found(DataSpec(source=source, **more)) is None, more  # type: ignore[arg-type]
    marked = [{**row, "split": "test" if i % 4 == 0 else "train"} for i, row in enumerate(lines(120))]
    assert found(DataSpec(source=written(tmp_path / "marked.jsonl", marked))) is None
    folder = tmp_path / "folder"
    folder.mkdir()
    written(folder / "train.jsonl", lines(60))
    assert found(DataSpec(source=str(folder))) == 10
    written(folder / "test.jsonl", lines(20))
    assert found(DataSpec(source=str(folder))) is None


def test_folds_chosen_are_those_that_are_asked_for_by_number(tmp_path: Path) -> None:
    source = written(tmp_path / "rows.jsonl", lines(120))
    chosen, asked = load_data_or_folds(DataSpec(source=source)), load_folds(DataSpec(source=source), 5)
    assert isinstance(chosen, Folds)
    assert [each.test.ids for each in chosen.parts] == [each.test.ids for each in asked.parts]
    assert any("cross-validation in 5 folds" in note for note in chosen.whole.audit.notes)


def test_rows_that_do_not_fill_folds_are_split_as_before(tmp_path: Path) -> None:
    """One text holds all but a few rows: a fold that tests it would leave one class."""
    rows = [{"text": "same", "label": "ab"[i % 2]} for i in range(30)] + [
        {"text": f"t {i}", "label": "a"} for i in range(9)
    ]
    source = written(tmp_path / "rows.jsonl", rows)
    assert found(DataSpec(source=source)) is None
    cut = load_data_or_folds(DataSpec(source=source))
    assert not isinstance(cut, Folds)
    assert len(cut.test)
    assert any("no cross-validation of them" in note for note in cut.audit.notes)


def test_folds_that_the_rows_do_not_fill_are_not_hinted_at(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": "a" if i else "b"} for i in range(30)]
    for folds in ("auto", "none"):
        spec = RunSpec.of(data=written(tmp_path / "rows.jsonl", rows), folds=folds, out=str(tmp_path / "run"))
        assert "--folds" not in " ".join(check_request(spec).notes)
        assert not check_request(spec).folds_fit, "so that the report does not hint at them either"


@pytest.mark.parametrize("rows", [60, pytest.param(2_100, marks=pytest.mark.slow)])
def test_folds_that_groups_do_not_fill_are_not_hinted_at(rows: int, tmp_path: Path) -> None:
    """However many rows there are, and whether they are read or in memory."""
    for groups, fit in ((3, False), (60, True)):
        found = [{**row, "who": str(i % groups)} for i, row in enumerate(lines(rows))]
        parts = {"train": found[:-40], "validation": found[-40:-20], "test": found[-20:]}
        folder = tmp_path / str(groups)
        folder.mkdir()
        for name, each in parts.items():
            written(folder / f"{name}.jsonl", each)
        out = str(tmp_path / "run")
        assert check_request(RunSpec.of(data=str(folder), group="who", out=out)).folds_fit is fit
        kept = load_data(DataSpec(source=str(folder), group="who"))
        assert check_request(RunSpec.of(data=IN_MEMORY, folds="none", out=out), kept).folds_fit is fit


def test_the_option_is_auto_none_or_a_number() -> None:
    assert RunSpec().evaluation.folds == "auto"
    assert RunSpec.of(folds="none").evaluation.folds is None
    assert RunSpec.of(folds="7").evaluation.folds == 7
    assert RunSpec.of(folds=7).evaluation.folds == 7
    assert command_line(RunSpec.of(folds="none")).endswith("--folds none")
    assert "--folds" not in command_line(RunSpec.of(folds="auto"))
    for wrong in ("some", "1", "51", "2.5", True):
        with pytest.raises(SpecError, match="--folds") as caught:
            RunSpec.of(folds=wrong)
        assert caught.value.message.count("--folds") == 1, "one fault, said once"


def test_earlier_specs_open_as_they_were_meant(tmp_path: Path) -> None:
    """null was no folds; it still is."""
    for value, meant in ((None, None), (4, 4), ("auto", "auto"), ("none", None)):
        path = tmp_path / "spec.json"
        path.write_text(json.dumps({"data": {"source": "x"}, "evaluation": {"folds": value}}))
        assert RunSpec.read(path).evaluation.folds == meant
    spec = RunSpec.of(folds="none")
    path.write_text(spec.model_dump_json())
    assert RunSpec.read(path) == spec


def test_what_few_test_rows_cannot_show_is_said_in_points_before_a_run() -> None:
    (six,) = power_before(SINGLE, RowCounts(train=48, validation=6, test=6))
    assert six.startswith("6 test examples: a gain of less than 97 points of accuracy will probably go undetected")
    assert six.endswith("--folds 5 would test on all 60 examples")
    (sixty,) = power_before(SINGLE, RowCounts(train=480, validation=60, test=60))
    assert "less than 13 points" in sixty
    (four,) = power_before(SINGLE, RowCounts(train=48, validation=6, test=4))
    assert "no gain can be shown; the test needs 6" in four
    assert "needs at least 6" in undetectable(4)[0]
    assert undetectable(6) == ()
    (numbers,) = power_before(REGRESSION, RowCounts(train=48, validation=6, test=6))
    assert "a correlation below 0.81 cannot be told from none" in numbers
    (two,) = power_before(REGRESSION, RowCounts(train=48, validation=6, test=2))
    assert "any correlation" in two
    assert power_before(SINGLE, RowCounts(train=9, validation=9, test=200)) == ()
    assert "--folds" not in power_before(SINGLE, RowCounts(train=10, validation=10, test=60))[0]


def test_the_cost_of_folds_is_said_in_tunings() -> None:
    said = cost_of_folds(5, 1, 60, with_full=False, chosen=True)
    assert "6 tunings instead of 1, about 5 times the time" in said
    assert "60 rows" in said
    assert "--folds none" in said
    asked = cost_of_folds(5, 3, 60, with_full=True, chosen=False)
    assert "24 tunings instead of 4" in asked
    assert "--folds none" not in asked


def test_a_hint_at_folds_can_be_followed(tmp_path: Path) -> None:
    """Where --folds would be refused, nothing hints at it."""
    source, other = written(tmp_path / "rows.jsonl", lines(60)), written(tmp_path / "test.jsonl", lines(20))
    for more, hinted in (({}, True), ({"test": other}, False), ({"test_rows": 4}, False)):
        spec = RunSpec.of(data=source, folds="none", out=str(tmp_path / "run"), **more)
        assert ("--folds 5" in check_request(spec).notes[0]) is hinted
    assert check_request(RunSpec.of(data=source, folds=5, out=str(tmp_path / "run"))).folds


class Heard(Listener):
    def __init__(self) -> None:
        self.epochs, self.notes, self.prepared = 0, list[str](), list[RunPrepared]()

    def on_prepared(self, event: RunPrepared) -> None:
        self.prepared.append(event)

    def on_epoch(self, event: EpochStarted | EpochEnded) -> None:
        self.epochs += isinstance(event, EpochStarted)

    def on_note(self, event: Note) -> None:
        self.notes.append(event.text)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[TuneRecord, Path, Heard]:
    """A run on 40 rows of one file by default, with a curve."""
    ground, heard = tmp_path_factory.mktemp("small"), Heard()
    model = save_tiny("distilbert", ground / "model")
    record = liftune.tune(
        written(ground / "rows.jsonl", lines(40)),
        model=str(model),
        epochs=1,
        lr=0.01,
        curve=True,
        out=ground / "run",
        listeners=[heard],
    )
    return record, ground / "run", heard


def test_by_default_a_small_file_is_tested_on_all_rows(ran: tuple[TuneRecord, Path, Heard]) -> None:
    record, path, heard = ran
    assert record.folds == 10
    assert record.rows.test == 40
    assert RunSpec.read(path / "spec.json").evaluation.folds == "auto"
    assert "11 tunings instead of 1, about 10 times the time" in heard.notes[0]
    assert heard.prepared[0].folds == 10
    assert "cross-validation in 10 folds" in to_markdown(record)
    assert RunFolder.open(path).record() == record


def test_label_errors_of_all_rows_are_looked_for(ran: tuple[TuneRecord, Path, Heard]) -> None:
    record, path, _ = ran
    assert record.suspects is not None
    assert record.suspects.rows == 40
    assert (path / "suspects.jsonl").is_file()


def test_a_curve_of_a_run_in_folds_is_of_rows_that_no_point_was_fitted_on(ran: tuple[TuneRecord, Path, Heard]) -> None:
    """The validation rows of the folds are train rows of others; the curve takes the saved adapter's."""
    record, _, _ = ran
    assert record.curve is not None
    sizes = {point.rows for point in record.curve.points}
    assert max(sizes) == record.rows.train
    for rows in sizes:
        assert {point.contender for point in record.curve.points if point.rows == rows} == {"tfidf", "probe", "tuned"}
    folds = load_folds(DataSpec(source=record.data), 10)
    assert not set(folds.final.train.ids) & set(folds.final.validation.ids)
    step = {point.score.value * len(folds.final.validation) for point in record.curve.points if point.score.value}
    assert np.allclose([value - round(value) for value in step], 0), (
        "scores are shares of the adapter's validation rows"
    )


def test_folds_none_splits_a_test_part_off_and_says_what_it_cannot_show(
    ran: tuple[TuneRecord, Path, Heard], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, model = ran[0].data, ran[0].model
    argv = ["tune", data, "--model", model, "--epochs", "1", "--folds", "none", "--out", str(tmp_path / "run")]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    said = " ".join(out.split())
    assert "4 test examples: no gain can be shown" in err
    assert "4 test examples cannot show that one model is better" in said
    record = RunFolder.open(tmp_path / "run").record()
    assert record.folds is None
    assert "--folds 5 would test on all 40 examples" in err
    assert "--folds 5 would test on all 40 examples by cross-validation" in said
    assert RunSpec.read(tmp_path / "run" / "spec.json").evaluation.folds is None


def test_inspect_says_that_folds_will_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", written(tmp_path / "rows.jsonl", lines(60))]) == 0
    assert "cross-validates in 10 folds" in " ".join(capsys.readouterr().out.split())


def test_a_sweep_has_no_folds_and_says_so(ran: tuple[TuneRecord, Path, Heard], tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="unknown argument of sweep 'folds'"):
        liftune.sweep(ran[0].data, methods="lora", folds=5)
    record = liftune.sweep(
        ran[0].data, models=ran[0].model, methods="probe", epochs=1, out=tmp_path / "sweep", quiet=True
    )
    assert record.rows.test == 4
