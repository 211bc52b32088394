"""The commands as a user meets them: what is on stdout, what is in the files, and that the doors agree."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import inspect
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.data.readers.formats import read_file
from liftune.evaluation.ladder import Ladder
from liftune.event_lines import events_in
from liftune.events import ContenderScored, EpochStarted, RunEnded, RunStarted
from liftune.records.base import SCHEMA
from liftune.run_folder import RunFolder
from liftune.spec import OPTIONS, RunSpec

#: Options that the commands of the first release name.
ASKED = (
    *("model", "method", "set", "task", "text", "text-pair", "label", "epochs", "batch-size", "lr", "max-length"),
    *("seeds", "train-rows", "test-rows", "validation", "test", "split", "skip-bad-rows", "metric", "class-weights"),
    *("with-full", "device", "trust-remote-code", "label-map", "out"),
)


@dataclass(frozen=True)
class Ran:
    """A finished run, and what its command printed."""

    run: str
    data: str
    out: str
    err: str
    scores: dict[str, list[float]] = field(default_factory=dict)
    """Of contenders on validation, seed by seed, as the run itself computes them."""

    @property
    def found(self) -> dict[str, Any]:
        return strict(self.out)


def strict(text: str) -> Any:
    """JSON without NaN and Infinity, which no other reader takes."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def called(*argv: str, code: int = 0) -> tuple[str, str]:
    """stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(argv) == code, err.getvalue()
    return out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ground")
    save_tiny("distilbert", folder / "model")
    save_tiny("distilbert", folder / "headed", head=["SAD", "GLAD"])
    return folder


def tuned(ground: Path, name: str, rows: list[dict[str, Any]], *options: str, model: str = "model") -> Ran:
    data = ground / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = str(ground / name)
    argv = ("tune", str(data), "--model", str(ground / model), "--epochs", "1", "--max-length", "32", "--out", run)
    return Ran(run, str(data), *called(*argv, "--folds", "none", "--json", *options))


MOODS = [{"text": f"{mood} day {i}, {'é' * (i % 3)}", "label": mood} for i in range(20) for mood in ("glad", "sad")]


@pytest.fixture(scope="module")
def single(ground: Path) -> Ran:
    events = str(ground / "events.jsonl")
    scores: dict[str, list[float]] = {}
    add = Ladder.add

    def noted(self: Ladder, name: str, attempts: Any, **given: Any) -> Any:
        scores[name] = [self.validation_score(each) for each in attempts]
        return add(self, name, attempts, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ladder, "add", noted)
        ran = tuned(ground, "single", MOODS, "--seeds", "0,1", "--class-weights", "--with-full", "--events", events)
    ran.scores.update(scores)
    return ran


@pytest.fixture(scope="module")
def headed(ground: Path) -> Ran:
    return tuned(ground, "headed-run", MOODS, "--label-map", "sad=SAD,glad=GLAD", model="headed")


@pytest.fixture(scope="module")
def multi(ground: Path) -> Ran:
    kinds = [["glad"], ["sad"], ["glad", "sad"], []]
    return tuned(ground, "multi", [{"text": f"day {i}", "labels": kinds[i % 4]} for i in range(40)])


@pytest.fixture(scope="module")
def scored(ground: Path) -> Ran:
    rows = [{"sentence1": f"day {i}", "sentence2": f"night {i % 7}", "score": i / 8 + 0.05} for i in range(40)]
    return tuned(ground, "scored", rows, "--metric", "rmse")


def test_a_run_writes_what_happens_as_lines_of_json(single: Ran, ground: Path) -> None:
    """For a page that follows it: what the table of the results holds is there as soon as it is known."""
    events = [event for _, event in events_in((ground / "events.jsonl").read_text(encoding="utf-8"))]
    assert sum(isinstance(each, RunStarted) for each in events) == 1
    assert isinstance(events[-1], RunEnded)
    scored = [each.contender for each in events if isinstance(each, ContenderScored)]
    assert [each.model_dump(mode="json") for each in scored] == single.found["contenders"]
    assert sum(isinstance(each, EpochStarted) for each in events) == 3, "two seeds, and the full one"


def test_tune_prints_one_object_that_record_json_holds_too(single: Ran) -> None:
    found = single.found
    assert list(found)[:9] == ["schema", "run", "task", "labels", "partial", "rows", "audit", "contenders", "metric"]
    assert found == strict((Path(single.run) / "record.json").read_text(encoding="utf-8"))
    assert (found["schema"], found["run"], found["task"]) == (SCHEMA, single.run, "single_label")
    assert (found["labels"], found["partial"]) == (["glad", "sad"], False)
    assert found["rows"] == {"train": 32, "validation": 4, "test": 4}
    assert {"leaked_test_rows", "duplicate_train_rows", "conflicting_rows"} <= set(found["audit"])
    assert [each["name"] for each in found["contenders"]] == ["majority", "tfidf", "base", "probe", "tuned", "full"]
    for each in found["contenders"]:
        assert {"name", "head", "trainable_parameters", "seconds", "metrics"} <= set(each)
        assert set(each["seconds"]) == {"train", "evaluate"}
        assert set(each["metrics"]) == {"accuracy", "macro_f1", "log_loss", "brier"}
        assert {"value", "low", "high"} <= set(each["metrics"]["accuracy"])
    assert [each["head"] for each in found["contenders"]] == [None, None, "fresh", None, "fresh", "fresh"]
    keys = {"a", "b", "metric", "gain", "low", "high", "p_value", "verdict"}
    assert [keys <= set(each) for each in found["comparisons"]] == [True, True]
    assert found["comparisons"][0]["a"] == "base"


def test_several_seeds_are_listed_their_mean_is_the_value_and_the_best_by_validation_is_kept(single: Ran) -> None:
    contender = next(each for each in single.found["contenders"] if each["name"] == "tuned")
    assert [each["seed"] for each in contender["seeds"]] == [0, 1]
    for metric, found in contender["metrics"].items():
        assert found["value"] == pytest.approx(
            np.mean([each["metrics"][metric]["value"] for each in contender["seeds"]])
        )
    scores = single.scores["tuned"]
    best = contender["seeds"][scores.index(max(scores))]
    folder = RunFolder.open(single.run)
    right = folder.logits("tuned").argmax(axis=1)
    labels = np.array([single.found["labels"].index(each) for each in folder.split("test").targets])
    assert best["metrics"]["accuracy"]["value"] == pytest.approx(np.mean(right == labels))
    live = liftune.load(single.run).logits(folder.split("test").rows)
    np.testing.assert_allclose(live, folder.logits("tuned"), atol=2e-2)


def test_progress_is_on_stderr_and_quiet_means_none(single: Ran, ground: Path) -> None:
    assert re.search(r"tuning by lora, with soft labels from (tfidf|probe), seed 1", single.err)
    out, err = called("evaluate", single.data, "--model", single.run, "--quiet", "--json")
    assert err == ""
    assert strict(out)["contenders"][0]["name"] == "single"


def test_a_label_map_keeps_the_trained_head_and_its_order(headed: Ran) -> None:
    assert headed.found["labels"] == ["sad", "glad"]
    assert next(each for each in headed.found["contenders"] if each["name"] == "base")["head"] == "trained"


def test_with_base_adds_what_the_untuned_head_says(headed: Ran, ground: Path) -> None:
    out, err = called("predict", headed.run, "a glad day", "--json", "--with-base")
    answer = strict(out)
    assert list(answer) == ["text", "label", "probabilities", "base"]
    scored = strict(called("evaluate", headed.data, "--model", str(ground / "headed"), "--json",
                           "--label-map", "sad=SAD,glad=GLAD")[0])  # fmt: skip
    assert scored["labels"] == ["sad", "glad"]
    folder = RunFolder.open(headed.run)
    rows = folder.split("test").rows
    powers = np.exp(folder.logits("base"))
    shares = [each.base.probabilities["sad"] for each in liftune.load(headed.run, with_base=True).predict(rows)]
    np.testing.assert_allclose(shares, powers[:, 0] / powers.sum(axis=1), atol=1e-2)
    assert "fresh" not in err


def test_predict_gives_an_object_a_line(single: Ran) -> None:
    out, err = called("predict", single.run, "a glad day", "über\nzwei Zeilen", "--json", "--quiet")
    answers = [strict(line) for line in out.splitlines()]
    assert [list(each) for each in answers] == [["text", "label", "probabilities"]] * 2
    assert [each["text"] for each in answers] == ["a glad day", "über\nzwei Zeilen"]
    assert sum(answers[0]["probabilities"].values()) == pytest.approx(1)
    assert answers[0]["label"] == max(answers[0]["probabilities"], key=answers[0]["probabilities"].get)
    assert err == ""


def test_a_multi_label_answer_has_labels(multi: Ran) -> None:
    assert multi.found["task"] == "multi_label"
    answer = strict(called("predict", multi.run, "a day", "--json")[0])
    assert list(answer) == ["text", "labels", "probabilities"]
    assert answer["labels"] == [label for label, share in answer["probabilities"].items() if share >= 0.5]


def test_a_pair_with_a_number_has_text_pair_and_value(scored: Ran) -> None:
    assert (scored.found["task"], scored.found["metric"], scored.found["labels"]) == ("regression", "rmse", [])
    answer = strict(called("predict", scored.run, "day", "--pair", "night", "--json")[0])
    assert (list(answer), answer["text_pair"]) == (["text", "text_pair", "value"], "night")
    assert "a pair" in called("predict", scored.run, "day", code=2)[1] + "a pair"
    assert "--pair" in called("predict", scored.run, "day", code=2)[1]


def test_a_single_text_model_refuses_pairs(single: Ran) -> None:
    assert "single texts" in called("predict", single.run, "day", "--pair", "night", code=2)[1]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz", ".jsonl.gz"])
def test_a_file_keeps_its_columns_beside_the_answers(ending: str, single: Ran, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", str(tmp_path / f"out{ending}")
    source.write_text('id,text,label\n7,"a, glad day",sad\n8,"two\nlines",glad\n', encoding="utf-8")
    assert called("predict", single.run, "--in", str(source), "--out", out, "--quiet") == ("", "")
    table = read_file(out)
    assert table.columns[:4] == ("id", "text", "label", "predicted_label")
    assert [str(cell) for cell in table.read("id")] == ["7", "8"]
    assert table.read("text") == ["a, glad day", "two\nlines"]
    assert set(table.read("predicted_label")) <= {"glad", "sad"}
    again = str(tmp_path / f"again{ending}")
    assert called("predict", single.run, "--in", out, "--out", again, "--quiet") == ("", "")
    assert "predicted_predicted_label" in read_file(again).columns


def test_rows_of_different_columns_can_be_written_as_a_table(single: Ran, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text('{"text": "a", "more": {"x": 1}}\n{"text": "b", "more": {"y": [1, 2]}}\n', encoding="utf-8")
    called("predict", single.run, "--in", str(source), "--out", str(out))
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["more.x"], row["more.y"]) for row in rows] == [("1", ""), ("", "1|2")]


def test_multi_labels_in_a_table_are_written_as_they_are_read(multi: Ran, tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    called("predict", multi.run, "a day", "--out", str(out))
    assert read_file(out).columns == ("text", "labels", "probabilities.glad", "probabilities.sad")


def test_cells_that_parquet_cannot_hold_are_refused(single: Ran, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_text('{"text": "a", "more": 1}\n{"text": "b", "more": "x"}\n', encoding="utf-8")
    assert (
        "do not fit into a Parquet file"
        in called("predict", single.run, "--in", str(source), "--out", str(out), code=2)[1]
    )
    assert not out.exists()


def test_a_file_that_fails_to_be_written_keeps_what_it_held(single: Ran, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    out.write_bytes(b"before")
    source.write_text('{"text": "a", "more": 1}\n{"text": "b", "more": "x"}\n', encoding="utf-8")
    called("predict", single.run, "--in", str(source), "--out", str(out), code=2)
    assert out.read_bytes() == b"before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.jsonl", "out.parquet"]


def test_standard_input_is_a_text_a_line(single: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a glad day\r\n\nlast")))
    out, _ = called("predict", single.run, "--in", "-", "--json")
    assert [strict(line)["text"] for line in out.splitlines()] == ["a glad day", "", "last"]


def test_standard_input_of_pairs_has_tabs(scored: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"day\tnight\nalone\n")))
    assert "line 2 is no pair" in called("predict", scored.run, "--in", "-", code=2)[1]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"day\tnight\n")))
    assert strict(called("predict", scored.run, "--in", "-", "--json")[0])["text_pair"] == "night"


@pytest.mark.parametrize(("data", "said"), [(b"", "no rows"), (b"caf\xe9\n", "0xe9")])
def test_standard_input_that_cannot_be_read_is_refused(
    data: bytes, said: str, single: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    message = called("predict", single.run, "--in", "-", code=2)[1]
    assert said in message
    assert "standard input" in message


def test_predict_says_why_a_folder_is_no_run(ground: Path, single: Ran, tmp_path: Path) -> None:
    assert "pretrained model, not a run" in called("predict", str(ground / "model"), "x", code=2)[1]
    assert "pretrained model, not a run" in called("predict", "minilm", "x", code=2)[1]
    (tmp_path / "spec.json").write_text("{}")
    assert "unfinished run" in called("predict", str(tmp_path), "x", code=2)[1]
    assert strict(called("predict", f"{single.run}/adapter", "x", "--json")[0])["text"] == "x"


def test_evaluate_scores_a_run_an_adapter_and_models_on_all_rows_of_one_file(
    single: Ran, headed: Ran, ground: Path
) -> None:
    for model in (single.run, f"{single.run}/adapter", str(ground / "model")):
        found = strict(called("evaluate", single.data, "--model", model, "--json")[0])
        assert found["rows"] == {"train": 0, "validation": 0, "test": 40}
        (contender,) = found["contenders"]
        assert contender["head"] == ("fresh" if model.endswith("/model") else "trained")
    shown = " ".join(called("evaluate", single.data, "--model", str(ground / "model"))[0].split())
    assert "randomly initialised: this score is just guessing" in shown
    assert "chance" not in called("evaluate", single.data, "--model", single.run)[0]


def test_evaluate_refuses_options_that_an_adapter_settles(single: Ran) -> None:
    for option in (("--max-length", "8"), ("--label-map", "glad=x")):  # of a map only names that do not exist
        assert option[0] in called("evaluate", single.data, "--model", single.run, *option, code=2)[1]


def test_compare_prints_one_object(single: Ran, headed: Ran) -> None:
    found = strict(called("compare", single.run, single.run, "--json")[0])
    (comparison,) = found["comparisons"]
    assert (comparison["gain"], comparison["verdict"], comparison["metric"]) == (0.0, "undecided", "accuracy")
    assert (
        strict(called("compare", single.run, single.run, "--json", "--metric", "macro_f1")[0])["metric"] == "macro_f1"
    )


def test_compare_says_whether_a_run_is_not_worse_by_a_margin(single: Ran) -> None:
    """The same run twice: no row differs, and so few rows still do not show it."""
    (comparison,) = strict(called("compare", single.run, single.run, "--json", "--margin", "1")[0])["comparisons"]
    assert comparison["margin"]["margin"] == 0.01
    assert comparison["margin"]["verdict"] == "not shown"
    assert comparison["margin"]["rows_needed"] == 299
    said = called("compare", single.run, single.run, "--margin", "1")[0]
    assert "by more than 1.0 points of accuracy is not shown" in " ".join(said.split())
    assert "--margin 2" in called("compare", single.run, single.run, "--margin", "0.02", code=2)[1]


def test_compare_refuses_runs_of_other_rows_labels_or_lengths(
    single: Ran, headed: Ran, multi: Ran, ground: Path
) -> None:
    assert "label" in called("compare", single.run, headed.run, code=2)[1]
    assert called("compare", single.run, multi.run, code=2)[1].startswith("liftune: ")
    assert "unknown metric" in called("compare", single.run, single.run, "--metric", "acuracy", code=2)[1]
    shorter = tuned(ground, "shorter", MOODS, "--max-length", "16")
    assert "16" in called("compare", single.run, shorter.run, code=2)[1]


def test_inspect_prints_one_object_with_the_same_audit(single: Ran, ground: Path) -> None:
    out, _ = called("inspect", single.data, "--model", str(ground / "model"), "--json")
    found = strict(out)
    assert found["schema"] == SCHEMA
    assert found["audit"] == single.found["audit"]
    assert found["length_unit"] == "tokens"


def test_report_prints_and_writes_markdown(single: Ran, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "report.md"
    called("report", single.run, "--out", str(out))
    assert out.read_text(encoding="utf-8").startswith("# liftune report")
    assert out.read_text(encoding="utf-8") == liftune.report(single.run)
    assert "Data audit" in called("report", single.run)[0]
    told = strict(called("report", single.run, "--json")[0])
    assert told.pop("details")["against"] in {"tfidf", "probe", "majority"}
    assert told == single.found


@pytest.mark.parametrize("kind", ["methods", "metrics", "sources"])
def test_list_prints_a_table_or_json(kind: str) -> None:
    names = [each["name"] for each in strict(called("list", kind, "--json")[0])]
    shown = called("list", kind)[0]
    assert names
    assert all(name in shown for name in names)


@pytest.mark.slow
def test_tune_takes_parts_from_other_files_and_by_name(ground: Path, tmp_path: Path) -> None:
    for name, rows in (("first", MOODS[:24]), ("second", MOODS[24:32]), ("third", MOODS[32:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    common = ("--model", str(ground / "model"), "--epochs", "1", "--json", "--quiet")
    parts = ("--validation", str(tmp_path / "second.jsonl"), "--test", str(tmp_path / "third.jsonl"))
    apart = called("tune", str(tmp_path / "first.jsonl"), *parts, *common, "--out", str(tmp_path / "a"))[0]
    split = ("--split", "train=first,validation=second,test=third", "--train-rows", "12", "--test-rows", "4")
    named = called("tune", str(tmp_path), *split, *common, "--out", str(tmp_path / "b"))[0]
    assert strict(apart)["rows"] == {"train": 24, "validation": 8, "test": 8}
    assert (strict(named)["rows"], strict(named)["partial"]) == ({"train": 12, "validation": 8, "test": 4}, True)


#: They change no result, and so are no options of a spec.
SWITCHES = {
    "config",
    "track",
    "overwrite",
    "quiet",
    "listeners",
    "resume",
    "keep_checkpoints",
    "checkpoint_minutes",
    "devices",
    "shard",
    "jobs",
    "dry_run",
}


def test_options_of_the_command_the_spec_and_python_are_the_same() -> None:
    assert {name.replace("-", "_") for name in ASKED} <= set(OPTIONS)
    python = set(inspect.signature(liftune.tune).parameters) - SWITCHES
    assert python == set(OPTIONS)
    help_text = called("tune", "--help")[0]
    missing = [name for name in OPTIONS if name != "data" and f"--{name.replace('_', '-')} " not in help_text]
    assert missing == []


def test_python_and_the_command_line_ask_for_the_same(single: Ran) -> None:
    spec = RunFolder.open(single.run).spec()
    python = RunSpec.of(
        data=single.data, model=spec.model.name, epochs=1, max_length=32, out=single.run,
        seeds=[0, 1], class_weights=True, with_full=True, folds="none",
    )  # fmt: skip
    assert python == spec


def test_no_module_hides_a_verb() -> None:
    """Importing `liftune.x` puts the module where the function `liftune.x` was looked up."""
    assert [name for name in liftune.__all__ if importlib.util.find_spec(f"liftune.{name}")] == []
    assert all(hasattr(liftune, name) for name in liftune.__all__)


def test_help_version_and_no_arguments_are_answered() -> None:
    assert called("--version")[0] == f"liftune {liftune.__version__}\n"
    assert called()[0] == called("--help")[0]
    for command in ("tune", "inspect", "predict", "evaluate", "compare", "report", "list"):
        assert command in called("--help")[0]
        assert "Usage" in called(command, "-h")[0]


@pytest.mark.parametrize("argv", [["--help"], ["list", "methods"], ["tune", "--help"], ["list", "sources"]])
def test_what_needs_no_model_imports_none(argv: list[str]) -> None:
    program = (
        "import sys; from liftune.cli.main import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'transformers', 'peft', 'datasets', 'sklearn', 'pandas', 'scipy', 'pyarrow', 'numpy'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program, *argv], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    program = (
        "import sys; sys.argv[1:] = ['list', 'methods', '--json']; from liftune.cli.main import main; sys.exit(main())"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", program], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.stderr == ""


def test_the_module_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "liftune", "list", "nothing"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("liftune: unknown kind of thing to list")
