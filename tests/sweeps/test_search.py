"""A search: the same proposals from the same seed, none lost by a kill, and test looked at by the winner alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.errors import ArtifactError, LiftuneError, MissingExtra
from liftune.events import EpochEnded
from liftune.records.comparable import comparable
from liftune.records.sweep import CellRecord, SweepRecord
from liftune.spec import RunSpec
from liftune.sweeps import run as sweeping
from liftune.sweeps.cells import Stage
from liftune.sweeps.folder import SweepFolder
from liftune.sweeps.grid import Cell, SweepSpec, Trial, record_of
from liftune.sweeps.run import sweep
from liftune.sweeps.search import Proposals, contenders_of
from liftune.sweeps.sections import sweep_sections
from liftune.sweeps.trials import Behind, Watch

SPACE = {"lr": {"low": 1e-4, "high": 1e-1, "log": True}, "lora": {"rank": [2, 4]}}
Ask = Callable[..., SweepSpec]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("models") / "distilbert"))


@pytest.fixture
def ask(model: str, emotions: Path, tmp_path: Path) -> Ask:
    def asked(out: str = "sweep", methods: str = "lora,ia3", trials: int = 4, space: Any = SPACE, **more: Any) -> Any:
        options = {"data": str(emotions), "out": str(tmp_path / out), "epochs": 1, "batch_size": 8, **more}
        return SweepSpec.of(RunSpec.of(**options), methods, [model], search=trials, space=space)

    return asked


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """Trials that are not tuned: how good one is follows from its learning rate; the winner is tuned in earnest."""
    return faked(monkeypatch)


def faked(monkeypatch: pytest.MonkeyPatch, before: Callable[[Cell], None] = lambda cell: None) -> list[Cell]:
    real, seen = sweeping.tune_cell, []

    def tune(stage: Stage, cell: Cell) -> CellRecord:
        before(cell)
        seen.append(cell)
        if cell.trial is None or cell.trial.chosen:
            return real(stage, cell)
        score = 1 - abs(math.log10(cell.options["lr"]) + 2) / 10 + cell.seed / 100
        rows = len(stage.context.splits.validation)
        logits = np.random.default_rng(cell.trial.number).normal(size=(rows, 2)).astype(np.float32)
        stage.context.folder.save_logits(cell.name, test=logits[:0], validation=logits)
        return record_of(cell, state="done", validation={"accuracy": score}, curve=(score,))

    monkeypatch.setattr(sweeping, "tune_cell", tune)
    return seen


def proposed(record: SweepRecord) -> list[Any]:
    assert record.search is not None
    return [(each.method, each.options) for each in record.search.trials]


class Fake:
    """A search whose trials are not tuned."""

    def __init__(self, spec: SweepSpec, path: Path, score: Callable[[Cell], float | str] | None = None) -> None:
        self.folder, self.said = SweepFolder(path, spec.short_names()), list[str]()
        path.mkdir(exist_ok=True)
        context = SimpleNamespace(metric="accuracy")
        stages: Any = {model: SimpleNamespace(spec=spec, context=context, unfit={}) for model in spec.models}
        self.proposals = Proposals(stages, self.folder, at_once=1, tell=self.said.append)
        self._score = score or (lambda cell: 1 - abs(math.log10(cell.options["lr"]) + 2) / 10 + cell.seed / 100)

    def go(self, most: int = 100) -> list[Cell]:
        """So many cells, or all; as `run_search` does it."""
        seen: list[Cell] = []
        for cell in self.proposals:
            assert cell is not None
            if len(seen) == most:
                break
            seen.append(cell)
            score = self._score(cell)
            if isinstance(score, str):
                record = record_of(cell, state="failed", reason=score)
            else:
                record = record_of(cell, state="done", validation={"accuracy": score}, curve=(score, score))
            self.folder.save_cell(record)
            self.proposals.take(record)
        return seen


def test_the_winner_alone_is_looked_at_on_test(ask: Ask, tmp_path: Path) -> None:
    """In earnest, from the proposals to the table."""
    record = sweep(ask(trials=3))
    search = record.search
    assert search is not None
    assert [each.number for each in search.trials] == [0, 1, 2]
    best = max(search.trials, key=lambda each: (each.validation or 0.0, -each.number))
    assert search.winner == best.number
    assert [(each.method, each.options, each.trial) for each in record.cells] == [(best.method, best.options, None)]
    assert record.cells[0].validation["accuracy"] is not None
    tuned = [each for each in record.leaderboard if each.tuned]
    assert [each.contender for each in tuned] == [best.method]
    trials = list((tmp_path / "sweep" / "distilbert").glob("*-t*-*.json"))
    assert len(trials) == 3
    for path in trials:
        values = json.loads(path.read_text())
        assert values["metrics"] == {}
        assert values["validation"]["accuracy"] is not None
        with np.load(path.parent / "logits" / f"{path.stem}.npz") as file:
            assert (len(file["test"]), len(file["validation"])) == (0, 16)
    assert not (tmp_path / "sweep" / "distilbert" / "checkpoint").exists()
    section = next(each for each in sweep_sections(record) if each.title == "Search")
    assert "test was looked at by it alone" in section.sentences[0]
    assert "Winner's curse" in section.sentences[1]
    assert {each.state for each in liftune.check(tmp_path / "sweep").files} == {"whole"}
    assert comparable(sweep(ask(trials=3))) == comparable(record)
    with pytest.raises(ArtifactError, match=r"search\.trials: 3 there, 2 asked") as fewer:
        sweep(ask(trials=2))
    assert "give --search 3 or more, or another --out" in str(fewer.value.hint)
    (tmp_path / "sweep" / "search.db").write_text("no database " * 100)
    with pytest.raises(ArtifactError, match=r"search\.db is damaged"):
        sweep(ask(trials=3))


def test_more_trials_are_those_of_a_search_that_was_asked_for_as_many(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Fake(ask(trials=2), tmp_path / "grown")
    first = few.go()
    won = few.proposals.winner()[0].trial
    more = Fake(ask(trials=8), tmp_path / "grown")
    assert [*first, *more.go()] == Fake(ask(trials=8), tmp_path / "whole").go()
    more.proposals.winner()
    assert won is not None
    assert won.number in more.proposals._study.user_attrs["winners"]
    folder = tmp_path / "sweep"
    monkeypatch.setattr("liftune.sweeps.folder.fingerprint", str)
    SweepFolder.create(ask(trials=3)).begin(ask(trials=3), _NO_ROWS)
    (folder / "sweep.json").write_text("{}")
    SweepFolder.create(ask(trials=4)).begin(ask(trials=4), _NO_ROWS)
    assert not (folder / "sweep.json").exists()
    with pytest.raises(ArtifactError, match=r"search\.trials: 4 there, 3 asked") as fewer:
        SweepFolder.create(ask(trials=3))
    assert "give --search 4 or more" in str(fewer.value.hint)
    with pytest.raises(ArtifactError, match=r"train\.epochs: 1 there, 2 asked"):
        SweepFolder.create(ask(trials=5, epochs=2))


_NO_ROWS: Any = SimpleNamespace(train=[], validation=[], test=[])


@pytest.mark.slow
def test_a_search_goes_on_to_more_trials_and_says_who_won_before(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: list[Cell]
) -> None:
    """The trials are those of a search that was asked for as many at once; a winner that was begun is forgotten."""
    monkeypatch.setattr("liftune.sweeps.search.Proposals._best", _latest)
    first = sweep(ask(trials=2)).search
    quick.clear()
    record = sweep(ask(trials=4))
    assert [cell.trial.number for cell in quick if cell.trial and not cell.trial.chosen] == [2, 3]
    assert first is not None
    assert record.search is not None
    assert (first.winner, first.earlier_winners) == (1, ())
    assert (record.search.winner, record.search.earlier_winners) == (3, (1,))
    section = next(each for each in sweep_sections(record) if each.title == "Search")
    assert "test was looked at by it, and by what won before there were as many: 1." in section.sentences[0]
    assert {each.state for each in liftune.check(tmp_path / "sweep").files} == {"whole"}
    assert proposed(record) == proposed(sweep(ask("whole", trials=4)))
    assert comparable(sweep(ask(trials=4))) == comparable(record)


def _latest(proposals: Proposals) -> Any:
    return proposals._whole()[-1]


def test_the_same_seed_proposes_the_same_and_another_one_does_not(ask: Ask, tmp_path: Path) -> None:
    first = Fake(ask(), tmp_path / "a").go()
    assert Fake(ask(), tmp_path / "b").go() == first
    other = Fake(ask(seeds="1"), tmp_path / "c").go()
    assert [cell.options for cell in other] != [cell.options for cell in first]


@pytest.mark.parametrize("at", [3, 8])
def test_a_search_that_was_stopped_proposes_what_it_would_have(at: int, ask: Ask, tmp_path: Path) -> None:
    """Within a trial and between two; what was proposed and not done is begun anew, with the same bars."""
    spec = ask(trials=12, seeds="0,1")
    before = Fake(spec, tmp_path / "stopped").go(at)
    rest = Fake(spec, tmp_path / "stopped").go()
    assert [*before, *rest] == Fake(spec, tmp_path / "whole").go()
    assert any(cell.trial and cell.trial.bars for cell in rest)


def test_what_was_done_but_not_told_is_taken_from_the_disk(ask: Ask, tmp_path: Path) -> None:
    """As where the process was killed between the two."""
    spec = ask(trials=2)
    first = Fake(spec, tmp_path / "sweep")
    cell = next(iter(first.proposals))
    assert cell is not None
    first.folder.save_cell(record_of(cell, state="done", validation={"accuracy": 0.5}, curve=(0.5,)))
    again = Fake(spec, tmp_path / "sweep")
    assert again.proposals.settled == 1
    assert [each.name.partition("-")[2] for each in again.go()] == ["t1-0"]


def test_seeds_are_tried_one_after_the_other_and_their_mean_decides(ask: Ask, tmp_path: Path) -> None:
    fake = Fake(ask(trials=2, seeds="0,3"), tmp_path / "sweep")
    seen = fake.go()
    assert [cell.name.partition("-")[2] for cell in seen] == ["t0-0", "t0-3", "t1-0", "t1-3"]
    means = [1 - abs(math.log10(cell.options["lr"]) + 2) / 10 for cell in seen[::2]]
    best = seen[0 if means[0] >= means[1] else 2]
    won = fake.proposals.winner()
    assert [(cell.options, cell.seed) for cell in won] == [(best.options, 0), (best.options, 3)]
    assert [cell.name.partition("-")[2] for cell in won] == ["0", "3"]


def test_what_was_tried_is_not_tried_again(ask: Ask, tmp_path: Path) -> None:
    fake = Fake(ask(methods="lora", trials=6, space={"lr": [0.1, 0.01]}), tmp_path / "sweep")
    assert len(fake.go()) == 2
    assert len(fake.said) == 4
    assert "its score is taken" in fake.said[0]


def test_a_trial_that_fails_ends_nothing_but_where_all_do(ask: Ask, tmp_path: Path) -> None:
    some = Fake(
        ask(), tmp_path / "some", lambda cell: "it broke" if cell.trial and cell.trial.number in (0, 2) else 0.5
    )
    assert len(some.go()) == 4
    assert some.proposals.winner()[0].trial == Trial(1, tuple(some.proposals.winner()[0].options.items()), chosen=True)
    none = Fake(ask(trials=2), tmp_path / "none", lambda cell: "it broke")
    none.go()
    with pytest.raises(LiftuneError, match="no trial of the search was done") as said:
        none.proposals.winner()
    assert "it broke" in said.value.message


def test_methods_that_do_not_fit_are_not_proposed(ask: Ask) -> None:
    spec = ask()
    stages: Any = {spec.models[0]: SimpleNamespace(unfit={"lora": "lora does not fit"})}
    assert contenders_of(spec, stages) == {"ia3": (spec.models[0], "ia3")}
    stages[spec.models[0]].unfit["ia3"] = "ia3 does not fit"
    with pytest.raises(LiftuneError, match="lora does not fit"):
        contenders_of(spec, stages)


@pytest.mark.slow
def test_a_trial_that_is_behind_the_median_is_given_up(ask: Ask) -> None:
    record = sweep(ask(methods="lora", trials=9, epochs=3, space={"lr": [1e-6, 1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 1e-4]}))
    assert record.search is not None
    assert {each.state for each in record.search.trials} <= {"done", "pruned"}


def test_who_does_not_reach_what_it_must_is_behind() -> None:
    def ended(epoch: int, value: float) -> EpochEnded:
        return EpochEnded(epoch, 3, "accuracy", {"accuracy": value})

    watch = Watch(Trial(7, (), (None, 0.5, 0.6)), 1.0)
    watch.on_epoch(ended(0, 0.1))
    watch.on_epoch(ended(1, 0.55))
    watch.on_epoch(ended(2, 0.1))  # its best so far counts
    with pytest.raises(Behind, match="after epoch 3"):
        watch.on_epoch(ended(3, 0.59))
    assert watch.curve == [0.55, 0.1, 0.59]
    lower = Watch(Trial(7, (), (0.5,)), -1.0)
    lower.on_epoch(ended(1, 0.4))
    with pytest.raises(Behind):
        Watch(Trial(7, (), (0.5,)), -1.0).on_epoch(ended(1, 0.6))


def test_what_cannot_be_searched_leaves_nothing(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LiftuneError, match="prefix does not fit"):
        sweep(ask(methods="prefix", space=None))
    monkeypatch.setattr(
        "liftune.errors.importlib.util.find_spec", lambda name: None if name == "optuna" else find_spec(name)
    )
    with pytest.raises(MissingExtra, match="optuna is not installed") as missing:
        sweep(ask())
    assert missing.value.hint == "pip install 'liftune[search]'"
    assert not (tmp_path / "sweep").exists()


@pytest.mark.slow
def test_python_and_the_command_line_search_alike(
    model: str, emotions: Path, tmp_path: Path, quick: list[Cell], capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "space.toml"
    space.write_text("lr = {low = 1e-4, high = 1e-1, log = true}\n[lora]\nrank = [2, 4]\n")
    here = liftune.sweep(
        emotions, methods="lora,ia3", models=model, out=tmp_path / "a", search=2, space=SPACE, epochs=1, batch_size=8
    )
    asked = ["sweep", str(emotions), "--methods", "lora,ia3", "--models", model, "--out", str(tmp_path / "b")]
    asked += ["--search", "2", "--space", str(space), "--epochs", "1", "--batch-size", "8", "--json"]
    assert main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["options"] for each in told["search"]["trials"]] == [each[1] for each in proposed(here)]


@pytest.mark.slow
def test_a_search_in_two_processes_finds_as_many_trials(ask: Ask) -> None:
    record = sweep(ask(trials=5), jobs=2)
    assert record.search is not None
    assert [each.state for each in record.search.trials] == ["done"] * 5
