"""A sweep: every cell once, resumable, never ended by one cell, refused where it is not the one that was begun."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.errors import ArtifactError, LiftuneError, MethodError, SpecError
from liftune.evaluation.evaluate import Evaluation
from liftune.records.base import Interval
from liftune.records.comparable import comparable
from liftune.records.dry_run import DiskNeed
from liftune.records.reading import read_record
from liftune.records.sweep import CellRecord, LeaderboardRow, SweepRecord
from liftune.spec import RunSpec
from liftune.stopping import Signalled, ending_tidily
from liftune.sweeps import cells
from liftune.sweeps import run as sweeping
from liftune.sweeps.cells import Stage
from liftune.sweeps.disk import sweep_need
from liftune.sweeps.grid import Cell, SweepSpec
from liftune.sweeps.leaderboard import LeaderboardEntry, front, leaderboard, pareto_fronts
from liftune.sweeps.plot import draw
from liftune.sweeps.run import sweep
from liftune.sweeps.sections import leaderboard_sentences, sweep_sections
from liftune.tasks import TaskKind
from liftune.training.gradients import StepGradients

FAST = {"epochs": 1, "batch_size": 8, "lr": 1e-2}
Tune = Callable[[Stage, Cell], CellRecord]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {family: str(save_tiny(family, folder / family)) for family in ("distilbert", "bert")}


@pytest.fixture
def ask(models: dict[str, str], emotions: Path, tmp_path: Path) -> Callable[..., SweepSpec]:
    def asked(methods: Any = "lora,ia3", *, names: str = "distilbert", **options: Any) -> SweepSpec:
        values = {"data": str(emotions), "out": str(tmp_path / "sweep"), "seeds": "0,1", **FAST, **options}
        return SweepSpec.of(RunSpec.of(**values), methods, [models[name] for name in names.split(",")])

    return asked


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The cells that are tuned in earnest, as they are."""
    return spy(monkeypatch, lambda cell: None)


def spy(monkeypatch: pytest.MonkeyPatch, before: Callable[[Cell], None]) -> list[str]:
    real, seen = sweeping.tune_cell, []

    def watched(stage: Stage, cell: Cell) -> CellRecord:
        before(cell)
        seen.append(cell.name)
        return real(stage, cell)

    monkeypatch.setattr(sweeping, "tune_cell", watched)
    return seen


# The grid -----------------------------------------------------------------------------------------------------------


def test_every_cell_is_tuned_once_seed_by_seed_and_ranked_beside_the_baselines(
    ask: Callable[..., SweepSpec], tuned: list[str], tmp_path: Path
) -> None:
    record = sweep(ask())
    assert tuned == ["lora-0", "ia3-0", "lora-1", "ia3-1"]
    assert {each.contender for each in record.leaderboard} == {"majority", "tfidf", "base", "probe", "lora", "ia3"}
    assert [each.rank for each in record.leaderboard] == sorted(each.rank for each in record.leaderboard)
    assert record.leaderboard[0].rank == 1
    lora = next(each for each in record.leaderboard if each.contender == "lora")
    assert (lora.seeds, lora.tuned) == (2, True)
    assert lora.spread is not None
    assert lora.adapter_bytes > 4 * lora.trainable_parameters > 0
    assert lora.train_seconds > 0
    cells = [cell for cell in record.cells if cell.method == "lora"]
    assert lora.score.value == pytest.approx(np.mean([cell.metrics["accuracy"].value for cell in cells]))
    assert read_record(tmp_path / "sweep" / "sweep.json", SweepRecord, "sweep") == record
    assert next(iter(record.to_json())) == "schema"


def test_a_cell_is_what_tune_finds(ask: Callable[..., SweepSpec], tmp_path: Path) -> None:
    """The sweep goes by the very steps of tune: the same spec gives the same numbers."""
    spec = ask("lora", seeds="1")
    cell = sweep(spec).cells[0]
    run = spec.run_of(Cell(spec.models[0], "lora", 1)).model_copy(update={"out": str(tmp_path / "run")})
    from liftune.workflows.tune import tune

    contender = next(each for each in tune(run).contenders if each.name == "tuned")
    assert cell.metrics == contender.metrics
    assert cell.validation == contender.validation
    assert cell.trainable_parameters == contender.trainable_parameters


@pytest.mark.slow
def test_several_models_are_crossed_with_the_methods(ask: Callable[..., SweepSpec]) -> None:
    record = sweep(ask("lora", names="distilbert,bert", seeds="0"))
    assert [(Path(each.model).name, each.state) for each in record.cells] == [("distilbert", "done"), ("bert", "done")]
    assert len(record.baselines) == 2
    assert "model" in sweep_sections(record)[0].tables[0].headings


@pytest.mark.slow
def test_all_contenders_read_rows_cut_as_the_greediest_method_needs(ask: Callable[..., SweepSpec]) -> None:
    """Virtual tokens take room: were the others to read more, they would answer other questions."""
    record = sweep(ask("lora,prompt", seeds="0"))
    assert record.baselines[0].max_length == 128 - 20


def test_options_are_given_method_by_method(ask: Callable[..., SweepSpec]) -> None:
    spec = ask("lora,ia3", set=["lora.rank=2"])
    assert spec.run_of(Cell(spec.models[0], "lora", 0)).method.options == {"rank": "2"}
    assert spec.run_of(Cell(spec.models[0], "ia3", 0)).method.options == {}
    for stray in ("rank=2", "dora.rank=2"):
        with pytest.raises(SpecError, match="no method of the sweep"):
            ask("lora,ia3", set=[stray])
    with pytest.raises(MethodError, match="rank"):
        ask("lora", set=["lora.rank=-1"])


def test_methods_are_named_as_freely_as_elsewhere_and_all_of_them_by_one_word(ask: Callable[..., SweepSpec]) -> None:
    from liftune.models.methods.registry import METHODS

    assert ask("LoRA+, p-tuning").methods == ("loraplus", "p_tuning")
    assert ask("all").methods == tuple(METHODS)
    with pytest.raises(SpecError, match="lora is given twice"):
        ask("lora,LoRA")
    with pytest.raises(MethodError, match="did you mean lora"):
        ask("lroa")


@pytest.mark.slow
def test_the_base_and_the_test_rows_are_read_once_a_model(
    ask: Callable[..., SweepSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    real = sweeping.run_shared_baselines
    monkeypatch.setattr(sweeping, "run_shared_baselines", lambda stage: computed.append(stage.model) or real(stage))
    loaded = []
    load = sweeping.load_data
    monkeypatch.setattr(sweeping, "load_data", lambda spec, **more: loaded.append(spec) or load(spec, **more))
    spec = ask("lora", names="distilbert,bert", seeds="0,1")
    sweep(spec)
    assert computed == list(spec.models)
    assert len(loaded) == 1


# Stopped, and gone on with ------------------------------------------------------------------------------------------


def test_a_sweep_that_was_stopped_goes_on_where_it_was(
    ask: Callable[..., SweepSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stop(cell: Cell) -> None:
        if cell.name == "lora-1":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        first = spy(patch, stop)
        with pytest.raises(KeyboardInterrupt) as stopped:
            sweep(ask())
    assert first == ["lora-0", "ia3-0"]
    assert "kept: 2 cells" in stopped.value.__notes__[0]
    assert not (tmp_path / "sweep" / "sweep.json").exists()
    before = (tmp_path / "sweep" / "distilbert" / "lora-0.json").read_bytes()
    second = spy(monkeypatch, lambda cell: None)
    monkeypatch.setattr(sweeping, "run_shared_baselines", None)  # the baselines are on the disk
    whole = sweep(ask())
    assert second == ["lora-1", "ia3-1"]
    assert (tmp_path / "sweep" / "distilbert" / "lora-0.json").read_bytes() == before
    assert [cell.state for cell in whole.cells] == ["done"] * 4
    third = spy(monkeypatch, lambda cell: None)
    assert sweep(ask()).leaderboard == whole.leaderboard
    assert third == []


@pytest.mark.slow
def test_a_signal_inside_a_cell_saves_its_training_and_a_rerun_goes_on(
    ask: Callable[..., SweepSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real, steps = StepGradients.backward, []

    def step(*arguments: Any) -> float:
        steps.append(1)
        if len(steps) == 3:
            signal.raise_signal(signal.SIGTERM)
        return real(*arguments)

    def stopped() -> None:
        with ending_tidily():
            sweep(ask("lora", seeds="0"))

    monkeypatch.setattr(StepGradients, "backward", step)
    with pytest.raises(Signalled):
        stopped()
    checkpoints = tmp_path / "sweep" / "distilbert" / "checkpoint"
    assert len(steps) == 3
    assert list((checkpoints / "lora-0").glob("*.safetensors"))
    resumed = sweep(ask("lora", seeds="0"))
    assert len(steps) == 6  # 48 rows, 8 a step: each step once
    assert not checkpoints.exists()
    whole = sweep(ask("lora", seeds="0", out=str(tmp_path / "whole")))
    assert comparable(whole) == comparable(resumed)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads Linux's list of children")
def test_the_workers_of_a_sweep_save_and_end_with_it(models: dict[str, str], emotions: Path, tmp_path: Path) -> None:
    """Before, SIGTERM to the parent left them alive."""
    out = tmp_path / "sweep"
    command = [sys.executable, "-m", "liftune", "sweep", str(emotions), "--methods", "lora", "--seeds", "0,1"]
    command += ["--models", models["distilbert"], "--epochs", "100000", "--patience", "100000", "--jobs", "2"]
    process = subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.PIPE, text=True)
    try:
        while len({each.parent for each in out.glob("*/checkpoint/lora-*/*.safetensors")}) != 2:
            assert process.poll() is None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [
            each
            for each in (Path("/proc", pid) for pid in children)
            if b"spawn_main" in (each / "cmdline").read_bytes()
        ]
        assert len(workers) >= 2
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait() == 143
        assert "the same command continues" in said
        assert "Traceback" not in said
        assert not [each for each in workers if each.exists()]
    finally:
        process.kill()
        process.wait()


def test_a_cell_that_was_being_written_is_tuned_again(
    ask: Callable[..., SweepSpec], tuned: list[str], tmp_path: Path
) -> None:
    sweep(ask("lora", seeds="0"))
    place = tmp_path / "sweep" / "distilbert"
    (place / "lora-0.json").rename(place / "lora-0.json.new")
    sweep(ask("lora", seeds="0"))
    assert tuned == ["lora-0", "lora-0"]


def test_another_spec_is_refused_with_what_differs(ask: Callable[..., SweepSpec]) -> None:
    sweep(ask("lora", seeds="0"))
    with pytest.raises(ArtifactError) as refused:
        sweep(ask("lora,ia3", seeds="0", epochs=2))
    assert "train.epochs: 1 there, 2 asked" in refused.value.message
    assert "methods: lora there, lora,ia3 asked" in refused.value.message
    assert len(refused.value.message.splitlines()) == 3
    assert "another folder" in refused.value.hint


def test_other_rows_are_refused(ask: Callable[..., SweepSpec], emotions: Path) -> None:
    sweep(ask("lora", seeds="0"))
    path = emotions / "train.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("sunny", "rainy"), encoding="utf-8")
    with pytest.raises(ArtifactError, match="rows of train have changed"):
        sweep(ask("lora", seeds="0"))


def test_a_folder_of_something_else_is_left_alone(ask: Callable[..., SweepSpec], tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="holds other files"):
        sweep(ask())
    (tmp_path / "sweep" / "spec.json").write_text("{}")
    with pytest.raises(ArtifactError, match="holds no sweep"):
        sweep(ask())


def test_a_damaged_cell_is_named(ask: Callable[..., SweepSpec], tmp_path: Path) -> None:
    sweep(ask("lora", seeds="0"))
    (tmp_path / "sweep" / "distilbert" / "lora-0.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"lora-0\.json is damaged"):
        sweep(ask("lora", seeds="0"))


def test_what_is_refused_before_anything_is_tuned_leaves_nothing(ask: Callable[..., SweepSpec], tmp_path: Path) -> None:
    spec = ask("lora")
    nowhere = spec.model_copy(update={"models": (*spec.models, str(tmp_path / "nowhere"))})
    with pytest.raises(LiftuneError):
        sweep(nowhere)
    assert not (tmp_path / "sweep").exists()


# Failures -----------------------------------------------------------------------------------------------------------


def test_a_method_that_does_not_fit_and_a_cell_that_fails_end_nothing(
    ask: Callable[..., SweepSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(cell: Cell) -> None:
        if cell.name == "ia3-0":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with monkeypatch.context() as patch:
        spy(patch, fail)
        record = sweep(ask("ia3,prefix,lora"))
    states = {(cell.method, cell.seed): cell.state for cell in record.cells}
    assert states == {
        ("ia3", 0): "failed", ("ia3", 1): "done", ("prefix", 0): "unfit", ("prefix", 1): "unfit",
        ("lora", 0): "done", ("lora", 1): "done",
    }  # fmt: skip
    told = sweep_sections(record)[1]
    assert told.title == "Without a score"
    assert list(told.tables[0].rows[0][1:4]) == ["ia3", "0", "failed"]
    assert "memory ran short" in told.tables[0].rows[0][4]
    assert told.tables[0].rows[1][1:4] == ("prefix", "0, 1", "unfit")
    assert "does not fit distilbert" in told.tables[0].rows[1][4]
    assert next(each for each in record.leaderboard if each.contender == "ia3").seeds == 1
    again = spy(monkeypatch, lambda cell: None)
    assert {cell.state for cell in sweep(ask("ia3,prefix,lora")).cells} == {"done", "unfit"}
    assert again == ["ia3-0"], "a failed cell is tried again, one that can never fit is not"


def test_a_full_disk_ends_the_sweep(ask: Callable[..., SweepSpec], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(cell: Cell) -> None:
        raise ArtifactError("cannot write: no space left on device")

    spy(monkeypatch, full)
    with pytest.raises(ArtifactError, match="no space"):
        sweep(ask())


# Leaderboard, table and plot -----------------------------------------------------------------------------------------


def test_the_front_is_what_nothing_beats_at_its_cost() -> None:
    """By brute force over random points, ties among them."""
    points = np.random.default_rng(0).integers(0, 6, size=(40, 2)).astype(float)
    for i, on in enumerate(front(points)):
        beaten = any((other <= points[i]).all() and (other < points[i]).any() for other in points)
        assert on != beaten


def row(contender: str, score: float | None, **costs: Any) -> LeaderboardRow:
    found = Interval(value=score) if score is None else Interval(value=score, low=score - 0.05, high=score + 0.05)
    return LeaderboardRow(model="m", contender=contender, tuned=True, rank=1, score=found, seeds=1, **costs)


def test_a_cost_that_is_unknown_is_on_no_front_and_lower_is_better_turns_the_front() -> None:
    found = [row("a", 0.9, train_seconds=10.0), row("b", 0.5, train_seconds=1.0), row("c", 0.95)]
    assert [each.fronts for each in pareto_fronts(found, 1.0)] == [("seconds",), ("seconds",), ()]
    assert [each.fronts for each in pareto_fronts(found, -1.0)] == [(), ("seconds",), ()]


def test_costs_are_means_over_seeds() -> None:
    logits = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
    evaluation = Evaluation(
        "x", TaskKind.SINGLE_LABEL, ("a", "b"), (), ("0", "1", "2", "3"), logits, np.array([0, 1, 0, 0]), "f"
    )
    cells = tuple(
        CellRecord(
            model="m", method="x", seed=seed, state="done", validation={"accuracy": 0.5 + seed / 10},
            train_seconds=1.0 + seed, adapter_bytes=100 + 10 * seed,
        )
        for seed in (0, 1)
    )  # fmt: skip
    found = leaderboard([LeaderboardEntry("m", "x", True, cells, (evaluation, evaluation))], "accuracy")[0]
    assert (found.train_seconds, found.adapter_bytes, found.memory_mib) == (1.5, 105, None)
    assert (found.validation, found.score.value, found.spread) == (0.55, 0.75, 0.0)


@pytest.fixture(scope="module")
def finished(models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> SweepRecord:
    """A record as a sweep leaves it, without one: its leaderboard alone."""
    from liftune.records.base import RowCounts
    from liftune.records.data import Audit

    costs = {"train_seconds": 2.0, "memory_mib": 900.0, "adapter_bytes": 40_000, "trainable_parameters": 1_000}
    return SweepRecord(
        sweep="s", data="x/<b>&data", task=TaskKind.SINGLE_LABEL, labels=("a", "b"), partial=True, audit=Audit(),
        rows=RowCounts(train=10, validation=5, test=20), metric="accuracy", data_fingerprint="f", baselines=(),
        cells=(),
        leaderboard=pareto_fronts([row("lora", 0.8, **costs), row("ia3", None, **costs)], 1.0),
        chosen="lora on m",
    )  # fmt: skip


def test_the_table_says_how_to_read_it(finished: SweepRecord) -> None:
    section = sweep_sections(finished)[0]
    assert section.tables[0].rows[0][1:3] == ("lora", "0.800 [0.750, 0.850]")
    assert section.tables[0].rows[0][-2:] == ("39.1 KiB", "time, memory, size")
    assert section.tables[0].rows[1][2] == "undefined"
    said = " ".join(leaderboard_sentences(finished))
    assert "One seed" in said
    assert "Validation would choose lora on m" in said
    assert "partial" in said


@pytest.mark.parametrize("ending", [".svg", ".png"])
def test_the_picture_is_one(finished: SweepRecord, ending: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"picture{ending}"
    draw(finished, str(path))
    if ending == ".svg":
        text = path.read_text(encoding="utf-8")
        ET.fromstring(text)
        assert "lora" in text
    else:
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_notebook_shows_the_picture(finished: SweepRecord) -> None:
    pytest.importorskip("matplotlib")
    figure = finished.plot()
    assert len(figure.axes) == 3
    assert figure._repr_png_().startswith(b"\x89PNG")


# Doors --------------------------------------------------------------------------------------------------------------


def called(*argv: str, code: int = 0) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(argv) == code, err.getvalue()
    return out.getvalue(), err.getvalue()


@pytest.mark.slow
def test_the_command_and_python_find_the_same(models: dict[str, str], emotions: Path, tmp_path: Path) -> None:
    argv = ("sweep", str(emotions), "--methods", "lora,ia3", "--models", models["distilbert"], "--epochs", "1")
    out, err = called(*argv, "--seeds", "0,1", "--out", str(tmp_path / "cli"), "--json")
    found = json.loads(out)
    assert "2 of 4" in err
    python = liftune.sweep(
        str(emotions), methods=["lora", "ia3"], models=[models["distilbert"]], seeds=[0, 1], epochs=1,
        out=tmp_path / "python",
    )  # fmt: skip
    assert [each["score"] for each in found["leaderboard"]] == [each.score.model_dump() for each in python.leaderboard]
    text, _ = called(*argv, "--seeds", "0,1", "--out", str(tmp_path / "cli"), "--quiet")
    assert text.startswith("Leaderboard")
    assert "lora" in text


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "missing option '--methods'"),
        (["--methods", "lroa"], "did you mean lora"),
        (["--methods", "lora,lora"], "lora is given twice"),
        (["--methods", "lora", "--models", "minilm,minilm"], "minilm is given twice"),
        (["--methods", "none"], "at least 1 item"),
        (["--methods", "lora", "--seeds", "0,0"], "0 is given twice"),
        (["--methods", "lora", "--epochs", "0"], "--epochs"),
        (["--methods", "lora", "--set", "rank=2"], "no method of the sweep"),
        (["--methods", "lora", "--jobs", "0"], "--jobs"),
        (["--methods", "lora", "--picture", "x.jpg"], "not a kind of picture"),
        (["--methods", "lora", "--metric", "rmse"], "does not fit"),
        (["--methods", "lora", "--models", "no/such/folder"], "no/such/folder"),
        (["--methods", "lora", "--model", "minilm"], "did you mean --models?"),
    ],
)
def test_bad_input_is_refused_before_anything_is_tuned(
    argv: list[str], said: str, emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out, err = called("sweep", str(emotions), *argv, code=2)
    assert said in err
    assert "hint:" in err
    assert out == ""
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_cells_side_by_side_are_those_one_after_the_other(ask: Callable[..., SweepSpec], tmp_path: Path) -> None:
    alone = sweep(ask())
    together = sweep(ask(out=str(tmp_path / "together")), jobs=2)
    assert [each.score for each in together.leaderboard] == [each.score for each in alone.leaderboard]
    assert {cell.state for cell in together.cells} == {"done"}


def test_the_baseline_and_the_method_of_one_name_are_both_listed(ask: Callable[..., SweepSpec]) -> None:
    """The probe on frozen features and the model's own head tuned are two contenders."""
    record = sweep(ask("probe", seeds="0"))
    assert {("probe", False), ("probe (tuned)", True)} <= {(each.contender, each.tuned) for each in record.leaderboard}


# What a run is checked for, and keeps ---------------------------------------------------------------------------------


def stopped_in_training(spec: SweepSpec, monkeypatch: pytest.MonkeyPatch, *, at: int = 3) -> None:
    real, steps = StepGradients.backward, []

    def step(*arguments: Any) -> float:
        steps.append(1)
        if len(steps) == at:
            signal.raise_signal(signal.SIGTERM)
        return real(*arguments)

    def tidily() -> None:
        with ending_tidily():
            sweep(spec)

    with monkeypatch.context() as patch:
        patch.setattr(StepGradients, "backward", step)
        with pytest.raises(Signalled):
            tidily()


def test_a_cell_goes_on_by_the_plan_that_it_was_begun_with(
    ask: Callable[..., SweepSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ask("lora", seeds="0", accelerations="none")
    stopped_in_training(spec, monkeypatch)
    used = []
    real = cells.tune_once

    def tuning(context: Any, *given: Any, **more: Any) -> Any:
        used.append(context.plan)
        return real(context, *given, **more)

    def measured(*_: Any, **__: Any) -> Any:
        raise AssertionError("the plan is measured again")

    monkeypatch.setattr(cells, "tune_once", tuning)
    with monkeypatch.context() as patch:
        patch.setattr(cells, "make_plan", measured)
        assert sweep(spec).cells[0].state == "done"
    assert [each.accelerations for each in used] == [frozenset()]


def test_a_sweep_does_not_go_on_with_another_base(
    ask: Callable[..., SweepSpec], models: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(models["distilbert"], tmp_path / "base")
    spec = ask("lora", seeds="0").model_copy(update={"models": (str(tmp_path / "base"),)})
    stopped_in_training(spec, monkeypatch)
    weights = tmp_path / "base" / "model.safetensors"
    save_file({name: each + 0.1 for name, each in load_file(weights).items()}, weights, {"format": "pt"})
    with pytest.raises(ArtifactError, match="base model has changed"):
        sweep(spec)


def test_a_rank_above_every_matrix_is_refused_before_it_is_built(ask: Callable[..., SweepSpec]) -> None:
    record = sweep(ask("lora", seeds="0", set=["lora.rank=1000000"]))
    assert record.cells[0].state == "unfit"
    assert "no matrix in it has a rank above" in (record.cells[0].reason or "")


def test_a_disk_that_is_too_small_for_a_sweep_is_refused_with_the_sum(
    ask: Callable[..., SweepSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needs = []

    def need(stages: Any, path: Path, *, jobs: int) -> DiskNeed:
        found = [sweep_need(stages, path, jobs=each) for each in (jobs, jobs + 1)]
        needs.extend(found)
        return found[0].model_copy(update={"free_bytes": found[0].peak_bytes - 1})

    monkeypatch.setattr(sweeping, "sweep_need", need)
    with pytest.raises(ArtifactError, match="the sweep needs about"):
        sweep(ask("lora,ia3"))
    assert not (tmp_path / "sweep").exists()
    assert 0 < needs[0].kept_bytes < needs[0].peak_bytes < needs[1].peak_bytes
    monkeypatch.setattr(sweeping, "sweep_need", sweep_need)
    sweep(ask("ia3", seeds="0"))
    whole = sum(each.stat().st_size for each in (tmp_path / "sweep").rglob("*") if each.is_file())
    assert whole <= needs[0].kept_bytes


def test_a_process_that_died_while_a_base_was_read_is_noted(ask: Callable[..., SweepSpec], tmp_path: Path) -> None:
    place = tmp_path / "sweep" / "distilbert" / "checkpoint"
    place.mkdir(parents=True)
    note = {"tried": 4096, "fitted": 0, "most": 0, "deaths": 1}
    (place / "reading.json").write_text(json.dumps({**note, "kills": {}}))
    stage = cells.set_stage(ask("lora", seeds="0"), ask("lora").models[0], *_rows_and_folder(ask, tmp_path))
    found = cells.run_shared_baselines(stage)
    assert any("died in a pass of 4,096 tokens" in each for each in found.notes)


def _rows_and_folder(ask: Callable[..., SweepSpec], tmp_path: Path) -> tuple[Any, Any]:
    from liftune.sweeps.folder import model_folder

    return sweeping.load_data(ask("lora").run.data), model_folder(tmp_path / "sweep" / "distilbert")
