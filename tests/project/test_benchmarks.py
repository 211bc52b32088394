"""The benchmarks time equal work, and say of it what they should. Tiny random models, a few rows, no asserted times."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from serving import fake_app, serving
from tiny_models import save_tiny

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks/ is run from the checkout, and not installed

from benchmarks import __main__ as command
from benchmarks import accuracy, contender, label, rows, scaling, speed, time_to_accuracy
from benchmarks.load import ask
from benchmarks.search import GRID, search
from benchmarks.summary import paired_gain, ratios
from benchmarks.work import Result, Work

WORDS = {"joy": ("sunny", "laugh", "dance"), "anger": ("shout", "slam", "rage"), "fear": ("dark", "shiver", "hide")}


def sentences(count: int) -> list[tuple[str, str]]:
    """Rows of uneven lengths, labels in turn."""
    labels = list(WORDS)
    return [(" ".join([f"row {i}", *(WORDS[labels[i % 3]] * (1 + i % 4))])[:120], labels[i % 3]) for i in range(count)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for part, count in (("train", 40), ("validation", 9), ("test", 12)):
        lines = (json.dumps({"text": f"{part} {text}", "label": label}) + "\n" for text, label in sentences(count))
        (folder / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def distilbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("distilbert", tmp_path_factory.mktemp("model"))


@pytest.fixture
def work(data: Path, distilbert: Path) -> Work:
    return Work("ours", str(data), str(distilbert), max_length=100, rows=32, warmup_steps=1, score="test")


@pytest.mark.slow
def test_contenders_do_the_same_work(work: Work):
    """A benchmark that times different work is a defect: rows, their tokens, steps, adapter and head are equal."""
    works = [
        replace(work, contender="notebook"),
        replace(work, contender="stock", config="sdpa:16x1:float32"),
        replace(work, contender="best-stock", config="eager:4x4:bfloat16"),
        replace(work, contender="ours-plain"),
        work,
    ]
    results = [contender.run(each) for each in works]
    shared = ("rows", "steps", "tokens", "token_sum", "lora_parameters", "trainable_parameters")
    counts = {each.name: {name: getattr(each, name) for name in shared} for each in results}
    assert counts["ours"]["rows"] == 32
    assert counts["ours"]["steps"] == 2
    assert counts["ours"]["lora_parameters"] > 0
    assert all(each == counts["ours"] for each in counts.values()), counts
    assert all(len(each.correct) == 12 and each.accuracy == sum(each.correct) / 12 for each in results)
    assert all(each.train_seconds > 0 and each.peak_mib > 0 for each in results)


def test_ours_is_asked_for_what_the_opponents_do(work: Work, tmp_path: Path):
    """Few rows would start from pairs, and long ones be read by another rule: neither is the opponents' work."""
    from benchmarks.ours import specified

    spec = specified(work, str(tmp_path))
    assert (spec.train.few, spec.model.long, spec.train.epochs) == ("off", "cut", 1)


@pytest.mark.slow
def test_rows_that_are_seen_twice_count_twice(work: Work):
    results = [contender.run(replace(work, contender=name, rows=16, epochs=2)) for name in ("notebook", "ours")]
    assert [(each.rows, each.steps) for each in results] == [(32, 2), (32, 2)]
    assert results[0].token_sum == results[1].token_sum


@pytest.mark.slow
def test_ours_stops_at_the_goal(work: Work):
    """A goal of nothing is reached by the first evaluation; one beyond reach is said to be so."""
    reached = contender.run(replace(work, goal=0.0, warmup_steps=0))
    assert len(reached.curve) == 1
    assert not reached.notes
    beyond = contender.run(replace(work, goal=1.1, warmup_steps=0))
    assert len(beyond.curve) > 1
    assert "never reached" in beyond.notes[0]


def test_a_process_of_its_own_says_what_went_wrong(work: Work):
    broken = contender.launch(replace(work, contender="nobody"))
    assert broken.missing == "failed: KeyError: 'nobody'"


def test_what_is_not_installed_is_said(work: Work, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "adapters", None)  # as if it were not here
    monkeypatch.delitem(sys.modules, "benchmarks.adapters_opponent", raising=False)
    assert contender.run(replace(work, contender="adapters")).missing == "not installed"


def test_the_search_takes_the_fastest(work: Work):
    """Every configuration is tried; a lucky single run of another does not win over two slower repeats."""
    calls: list[str] = []

    def launch(each: Work) -> Result:
        calls.append(each.config)
        lucky = each.config == GRID[5] and calls.count(each.config) == 1
        return Result("stock", config=each.config, rows=100 if lucky else 10 + GRID.index(each.config), train_seconds=1)

    config, tried = search(replace(work, contender="best-stock"), launch)
    assert config == GRID[-1]
    assert set(calls) == set(GRID)
    assert len(tried) == len(GRID) + 6


def test_ratios_are_within_a_round():
    ours = [Result("ours", rows=rate, train_seconds=1) for rate in (20, 10, 40)]
    theirs = [Result("stock", rows=rate, train_seconds=1) for rate in (10, 5, 10)]
    found = ratios(ours, theirs)
    assert found is not None
    assert (found.median, found.low, found.high) == (2.0, 2.0, 4.0)
    assert ratios(ours, [replace(each, missing="failed") for each in theirs]) is None


def test_the_paired_interval_is_that_of_the_paired_t_test():
    """And the one over seeds too is not narrower where seeds differ."""
    from scipy.stats import ttest_1samp

    random = np.random.default_rng(0)
    a, b = random.integers(2, size=(2, 3, 200))
    a[0] |= random.integers(2, size=200)
    found = paired_gain(a, b, draws=2_000)
    low, high = ttest_1samp((a - b).mean(axis=0), 0).confidence_interval(0.95)
    assert found.rows == pytest.approx((low, high))
    assert found.gain == pytest.approx((a.mean(axis=1) - b.mean(axis=1)).mean())
    assert found.rows_and_seeds[1] - found.rows_and_seeds[0] > high - low


def test_fewer_rows_are_the_first_of_the_same(emotions: Path, tmp_path: Path):
    splits = rows.read(str(emotions), None)
    assert rows.write(splits, tmp_path / "all", rows=None, validation_rows=None) == 48
    assert rows.write(splits, tmp_path / "few", rows=10, validation_rows=4) == 10
    whole, few = ((tmp_path / name / "train.jsonl").read_text().splitlines() for name in ("all", "few"))
    assert whole[:10] == few
    assert rows.write(splits, tmp_path / "many", rows=100, validation_rows=4, stretch=True) == 100
    assert len(set((tmp_path / "many" / "train.jsonl").read_text().splitlines())) == 100


def options(emotions: Path, model: Path, out: Path, *given: str) -> argparse.Namespace:
    """What the command line makes of its arguments."""
    asked = [*given, "--train", str(emotions), "--model", str(model), "--out", str(out)]
    found = command.parser().parse_args(asked)
    found.model, found.max_length = command.settled(found.model, found.max_length)
    return found


def pretend(work: Work) -> Result:
    """A contender that does nothing, quickly: ours ten times as fast as the rest."""
    if work.contender == "adapters":
        return Result("adapters", missing="not installed")
    seconds = 1.0 if work.contender.startswith("ours") else 10.0
    counts = {"rows": work.rows, "steps": work.rows // 16, "tokens": 10 * work.rows, "train_seconds": seconds}
    correct = (1, 0, 1, int(work.seed != 1))
    return Result(
        work.contender, **counts, seconds=seconds, peak_mib=100.0, accuracy=0.75, correct=correct, config=work.config
    )


@pytest.mark.parametrize(
    ("mode", "given", "expected"),
    [
        (speed, ["speed", "--contenders", "stock,best-stock,adapters,ours", "--repeats", "2"], "10.0 [10.0, 10.0]"),
        (accuracy, ["accuracy"], "+0.00 [+0.00, +0.00]"),
        (time_to_accuracy, ["time-to-accuracy", "--best-stock", "eager:4x4:bfloat16"], "10.0"),
        (scaling, ["scaling", "--sizes", "32,64"], "3,125"),
    ],
)
def test_a_mode_prints_a_table_and_writes_what_it_found(mode, given, expected, emotions, distilbert, tmp_path, capsys):
    arguments = options(emotions, distilbert, tmp_path / "out", *given)
    assert mode.run(arguments, pretend) == 0
    assert expected in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / f"{given[0]}.json").read_text(encoding="utf-8"))
    assert found["mode"] == given[0]
    assert found["arguments"]["max_length"] == 128


def test_a_contender_that_failed_is_shown_and_fails_the_command(emotions, distilbert, tmp_path, capsys):
    arguments = options(emotions, distilbert, tmp_path, "speed", "--contenders", "stock,ours", "--repeats", "1")
    assert speed.run(arguments, lambda work: Result(work.contender, missing="failed: out of memory")) == 1
    assert "failed: out of memory" in capsys.readouterr().out


@pytest.mark.slow
def test_the_command_runs_from_end_to_end(emotions, distilbert, tmp_path, capsys):
    asked = ["--train", str(emotions), "--model", str(distilbert), "--out", str(tmp_path / "out"), "--rows", "32"]
    assert command.main([*asked, "--contenders", "notebook,ours", "--repeats", "1", "--evaluate"]) == 0
    assert "notebook" in capsys.readouterr().out


def test_predict_answers_every_row_by_every_contender(
    distilbert: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Ours and the pipeline read the same texts; a label that differs from float32's is counted."""
    import liftune
    from benchmarks import predict as bench

    run = tmp_path / "run"
    liftune.tune(str(data), model=str(distilbert), epochs=1, max_length=64, out=str(run), folds="none", quiet=True)
    texts = [text for text, _ in sentences(9)]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    found = {}
    for name, turn in (("pipeline", bench.pipeline(str(run))), ("float32", bench.ours(str(run), None))):
        out = tmp_path / f"{name}.jsonl"
        turn(source, out)
        found[name] = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["text"] for row in found["pipeline"]] == [row["text"] for row in found["float32"]] == texts
    assert [row["label"] for row in found["pipeline"]] == [row["label"] for row in found["float32"]]

    labels = {name: [row["label"] for row in rows] for name, rows in found.items()}
    rounds = [
        {name: {"wall": seconds, "processor": seconds} for name, seconds in (("pipeline", 2.0), ("float32", 0.5))}
    ]
    arguments = argparse.Namespace(contenders=list(found), repeats=1, out=str(tmp_path))
    bench.report(arguments, rounds, labels, [])
    kept = json.loads((tmp_path / "predict.json").read_text(encoding="utf-8"))["contenders"]["float32"]
    assert (kept["times"]["median"], kept["flipped"]) == (4.0, 0)


def test_many_adapters_are_timed_against_one_that_is_merged(data: Path, distilbert: Path, tmp_path: Path, capsys):
    small = ["--adapters", "3", "--rows", "6", "--repeats", "1", "--out", str(tmp_path)]
    assert command.main(["many", "--train", str(data), "--model", str(distilbert), *small]) == 0
    found = json.loads((tmp_path / "many.json").read_text(encoding="utf-8"))
    assert list(found["seconds"]) == ["merged", "1 adapters", "3 adapters"]
    assert found["memory_mib"]["allowed"] > found["memory_mib"]["base"] > 0
    assert "3 adapters" in capsys.readouterr().out


def test_the_load_counts_every_answer_and_stops_at_a_refusal(tmp_path: Path):
    with serving(fake_app(tmp_path)) as address:
        found = ask(int(address.rpartition(":")[2]), ["a", "bc"], connections=3, requests=10)
        assert len(found.latencies) == 10
        assert 0 < found.quantile(0.5) <= found.quantile(0.99)
        with pytest.raises(RuntimeError, match="413"):
            ask(int(address.rpartition(":")[2]), ["a" * 30_000], connections=1, requests=1)


@pytest.mark.slow
def test_the_defaults_are_set_against_four_other_ways(data: Path, distilbert: Path, tmp_path: Path, capsys):
    """All contenders answer the same rows; what is finished is not run again."""
    from benchmarks import defaults, recipes
    from liftune.cli.main import main

    calls: list[str] = []

    def called(asked: list[str], what: str) -> bool:
        calls.append(what)
        module, *rest = asked[1:]
        if module == "liftune":
            return main(rest) == 0
        recipes.main(rest)
        return True

    given = ["defaults", str(data), "--model", str(distilbert), "--train-rows", "30", "--tune", "--epochs 1 --quiet"]
    places = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path)]
    arguments = command.parser().parse_args([*given, *places])
    for _ in range(2):
        assert defaults.run(arguments, called) == 0
    assert [call.rpartition(": ")[2] for call in calls] == ["liftune tune", "lora", "full"]
    assert "worse than the best on" in capsys.readouterr().out
    kept = json.loads((tmp_path / "defaults.json").read_text(encoding="utf-8"))["sets"][data.name]
    assert kept["rows"]["train"] == 30
    assert set(kept["scores"]) == {"tuned", "tfidf", "probe", "notebook LoRA", "Trainer full"}
    assert kept["best"] in kept["against"]
    best = max(value["value"] for name, value in kept["scores"].items() if name != "tuned")
    assert kept["against"][kept["best"]]["gain"] == pytest.approx(kept["scores"]["tuned"]["value"] - best)


def test_labels_saved_are_read_off_the_curves():
    """Twice as fast saves half; what is slower by as much costs as many again."""
    at = np.array([50, 100, 200])
    curves = {
        "random": np.array([[0.5, 0.6, 0.8], [0.5, 0.6, 0.8]]),
        "fast": np.array([[0.5, 0.8, 0.9], [0.5, 0.8, 0.9]]),
        "slow": np.array([[0.5, 0.5, 0.6], [0.5, 0.5, 0.6]]),
    }
    found = label.Scored("made", "accuracy", at, curves)
    assert [round(label.labels_saved(found, name).value) for name in ("fast", "slow")] == [50, -100]
    gain = label.mean_gain(found, "fast")
    assert (gain.value, gain.low, gain.high) == (pytest.approx(15), pytest.approx(15), pytest.approx(15))


def test_every_strategy_starts_from_the_same_labels(data: Path):
    rng = np.random.default_rng(0)
    splits = rows.read(str(data / "train.jsonl"), str(data / "test.jsonl"))
    made = {
        part: (np.eye(3)[splits.encoded(each)] + rng.normal(scale=0.3, size=(len(each), 3))).astype(np.float32)
        for part, each in (("train", splits.train), ("test", splits.test))
    }
    asked = argparse.Namespace(start=6, budget=5, rounds=3, seeds=2, strategies=["margin-diverse", "random"])
    found = label.simulated("made", splits, made["train"], made["test"], asked)
    assert found.labels.tolist() == [6, 11, 16, 21]
    assert (found.scores["random"][:, 0] == found.scores["margin-diverse"][:, 0]).all()
    assert all(each.shape == (2, 4) and (each[:, -1] > 0.8).all() for each in found.scores.values())
