"""A sweep on a cluster is the sweep of this machine: the same files, whatever is lost on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray_nodes import two_nodes
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.cluster import Share
from liftune.errors import SpecError
from liftune.files import write_text
from liftune.progress import Progress
from liftune.records.comparable import comparable
from liftune.records.sweep import CellRecord
from liftune.spec import RunSpec
from liftune.sweeps.grid import Cell, SweepSpec
from liftune.sweeps.on_cluster import ClusterAsk, made
from liftune.sweeps.run import sweep

FAST = {"epochs": 1, "batch_size": 8, "lr": 1e-2, "seeds": "0,1"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("models") / "distilbert"))


@pytest.fixture
def ask(model: str, emotions: Path, tmp_path: Path) -> Callable[[str], SweepSpec]:
    def asked(out: str) -> SweepSpec:
        return SweepSpec.of(RunSpec.of(data=str(emotions), out=str(tmp_path / out), **FAST), "lora,ia3", [model])

    return asked


class Heard(Progress):
    """Keeps what is said, and does something at a line."""

    def __init__(self, at: str = "", do: Callable[[], None] = lambda: None) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []
        self._at, self._do = at, do

    def log(self, line: str) -> None:
        self.lines.append(line)
        if self._at and self._at in line:
            self._do()


def files_of(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in folder.rglob("*")}


class Remembering:
    """Work that says where it was done, and leaves logits there."""

    def __init__(self, places: dict[str, str]) -> None:
        self.places = places

    def at(self, places: dict[str, str]) -> Remembering:
        return Remembering(places)

    def __call__(self, cell: Cell) -> CellRecord:
        place = Path(self.places[cell.model])
        write_text(place / "logits" / f"{cell.name}.npz", (place / "teacher.json").read_text())
        return CellRecord(model=cell.model, method=cell.method, seed=cell.seed, state="done", reason=str(place))


@pytest.mark.parametrize("seen", [True, False])
def test_a_node_works_in_the_sweeps_folder_where_it_sees_it_and_sends_files_where_it_does_not(
    seen: bool, tmp_path: Path
) -> None:
    place, mark = tmp_path / "sweep" / "m", tmp_path / "sweep" / ".cluster-1"
    write_text(place / "teacher.json", "soft")
    if seen:
        mark.touch()
    do = made(Remembering({"m": str(place)}), {"m": {"teacher.json": b"soft"}}, str(mark), "nowhere")
    left = do(Cell("m", "lora", 0))
    assert (left.record.reason == str(place)) is seen
    assert left.files == ({} if seen else {"logits/lora-0.npz": b"soft"})
    assert (place / "logits").exists() is seen


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((None, 2.0, None), "no cluster is asked for"),
        ((None, None, 1.0), "no cluster is asked for"),
        (("auto", 0.0, None), "cannot ask for 0 CPUs"),
        (("auto", -1.0, None), "cannot ask for -1 CPUs"),
        (("auto", float("nan"), None), "cannot ask for nan CPUs"),
        (("auto", None, 1.5), "cannot ask for 1.5 GPUs"),
        (("somewhere", None, None), "no address of a Ray cluster"),
    ],
)
def test_a_share_that_cannot_be_had_is_refused(asked: tuple[Any, ...], said: str) -> None:
    with pytest.raises(SpecError, match=re.escape(said)):
        ClusterAsk.of(*asked)
    assert ClusterAsk.of("auto", None, 0.5) == ClusterAsk("auto", Share(1.0, 0.5))


def test_cells_on_a_gpu_must_ask_for_one(ask: Callable[[str], SweepSpec]) -> None:
    spec = ask("sweep")
    run = spec.run.model_copy(update={"model": spec.run.model.model_copy(update={"device": "cuda"})})
    with pytest.raises(SpecError, match="ask for no GPU"):
        sweep(spec.model_copy(update={"run": run}), cluster=ClusterAsk("auto", Share()))


@pytest.mark.parametrize("python", [True, False])
def test_a_cluster_that_is_not_there_is_refused_before_anything_is_tuned(
    python: bool, model: str, emotions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sweep"
    if python:
        with pytest.raises(SpecError, match="no Ray answers at 127"):
            liftune.sweep(emotions, methods="lora", models=model, out=out, cluster="127.0.0.1:1")
    else:
        asked = ["sweep", str(emotions), "--methods", "lora", "--models", model, "--out", str(out)]
        assert main([*asked, "--cluster", "127.0.0.1:1"]) == 2
        assert "no Ray answers at 127.0.0.1:1" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.slow
def test_a_sweep_whose_node_is_killed_is_that_of_this_machine(ask: Callable[[str], SweepSpec], tmp_path: Path) -> None:
    local = sweep(ask("local"))
    with two_nodes() as nodes:
        heard = Heard("1 of 4", nodes.lose_one)
        there = sweep(ask("there"), cluster=ClusterAsk.of(nodes.address, None, None), progress=heard)
    assert any("2 nodes, 2 cells at once" in line for line in heard.lines)
    assert any("tried once more" in line for line in heard.lines), heard.lines
    assert comparable(there) == comparable(local)
    assert files_of(tmp_path / "there") == files_of(tmp_path / "local")


@pytest.mark.slow
def test_a_sweep_goes_on_here_that_was_begun_on_a_cluster_and_the_other_way_round(
    ask: Callable[[str], SweepSpec], tmp_path: Path
) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    local = sweep(ask("local"))
    auto = ClusterAsk.of("auto", None, None)
    for out, first, then in (("a", auto, None), ("b", None, auto)):
        with pytest.raises(KeyboardInterrupt):
            sweep(ask(out), cluster=first, jobs=1, progress=Heard("2 of 4", stop))
        heard = Heard()
        assert comparable(sweep(ask(out), cluster=then, progress=heard)) == comparable(local)
        assert any("2 of them done before" in line for line in heard.lines)
        assert files_of(tmp_path / out) == files_of(tmp_path / "local")


@pytest.mark.slow
def test_a_search_whose_node_is_killed_is_that_of_this_machine(ask: Callable[[str], SweepSpec], tmp_path: Path) -> None:
    def searched(out: str) -> SweepSpec:
        spec = ask(out)
        run = spec.run.model_copy(update={"train": spec.run.train.model_copy(update={"lr": None, "seeds": (0,)})})
        return SweepSpec.of(run, "lora,ia3", spec.models, search=4)

    local = sweep(searched("local"))
    with two_nodes() as nodes:
        heard = Heard("trial 1:", nodes.lose_one)
        there = sweep(searched("there"), jobs=1, cluster=ClusterAsk.of(nodes.address, None, None), progress=heard)
    assert there.search == local.search
    assert comparable(there) == comparable(local)
    assert files_of(tmp_path / "there") == files_of(tmp_path / "local")
