"""The recommended model is the model you get: every contender of a run is on disk, and predicts as it was scored."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.hardware.measure import MachineFacts
from liftune.records.run import TuneRecord
from liftune.run_folder import CONTENDERS as EVERY
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec
from liftune.tasks import TaskKind
from liftune.workflows import preparing
from liftune.workflows.tune import tune

#: Of a run that begins at the base; one that goes on from another has `start` too (test_start.py).
CONTENDERS = tuple(each for each in EVERY if each not in ("start", "contrastive"))
FAST = {"epochs": 1, "batch_size": 8, "lr": 1e-2}
WORDS = {"joy": ("sunny", "laugh"), "anger": ("shout", "slam"), "fear": ("dark", "creep")}
#: What a row of so many a task has as its target, from its number.
TARGETS: dict[TaskKind, Callable[[int], Any]] = {
    TaskKind.SINGLE_LABEL: lambda i: list(WORDS)[i % 3],
    TaskKind.MULTI_LABEL: lambda i: list(WORDS)[: 1 + i % 3],
    TaskKind.REGRESSION: lambda i: (i % 3) + 0.25 * (i % 2) + 0.125,
}


def write_rows(folder: Path, task: TaskKind, *, pair: bool = False) -> Path:
    """Three files of rows whose words tell the target."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 42), ("validation", 36), ("test", 24)):
        rows = [
            {
                "text": f"{WORDS[list(WORDS)[i % 3]][i % 2]} {part} {i}",
                **({"text_pair": f"second {i % 5}"} if pair else {}),
                "label": TARGETS[task](i),
            }
            for i in range(count)
        ]
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    fresh, trained = save_tiny("bert", root / "bert"), save_tiny("roberta", root / "roberta", head=list(WORDS))
    return {"fresh": str(fresh), "trained": str(trained)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, models: dict[str, str]) -> Callable[[str], Path]:
    """A run of each task, and one on pairs and one on a model with a trained head; each is tuned once."""
    root = tmp_path_factory.mktemp("runs")

    def run(kind: str) -> Path:
        out = root / kind
        if not out.exists():
            task = TaskKind(kind) if kind in set(TaskKind) else TaskKind.SINGLE_LABEL
            data = write_rows(root / f"{kind}-rows", task, pair=kind == "pairs")
            options = {"text": "text", "text_pair": "text_pair"} if kind == "pairs" else {}
            model = models["trained" if kind == "trained" else "fresh"]
            options |= {"label": "label", "task": task.value}
            tune(RunSpec.of(data=str(data), model=model, out=str(out), with_full=True, **options, **FAST))
        return out

    return run


KINDS = (*(kind.value for kind in TaskKind), "pairs", "trained")


@pytest.mark.parametrize("name", CONTENDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_contender_of_a_run_predicts_as_it_was_scored(kind: str, name: str, runs: Callable[[str], Path]) -> None:
    run = RunFolder.open(runs(kind))
    test, record = run.split("test"), run.record()
    predictor = liftune.load(run.path, use=name)
    assert np.abs(predictor.logits(test.rows) - run.logits(name)).max() < 1e-4
    assert predictor.labels == record.labels
    assert predictor.pairs is (kind == "pairs")
    scored = run.evaluation(name)
    found = predictor.predict(test.rows)
    given = [each.value if each.value is not None else each.labels or each.label for each in found]
    expected = [value or () if isinstance(value, tuple) else value for value in decoded(record, scored.decisions)]
    if record.task is TaskKind.REGRESSION:
        assert np.allclose(np.array(given, dtype=float), np.array(expected, dtype=float), atol=1e-4)
    else:
        assert [each or () for each in given] == [each or () for each in expected]


def decoded(record: TuneRecord, decisions: Any) -> list[Any]:
    from liftune.tasks import task_of

    return task_of(record.task).decode(decisions, record.labels)


def test_what_is_saved_is_arrays_and_json_and_its_size_is_recorded(runs: Callable[[str], Path]) -> None:
    """Never a pickle: reading a run must not run code."""
    run = RunFolder.open(runs("single_label"))
    assert run.saved_contenders == CONTENDERS
    kept = [path for path in (run.path / "contenders").rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} <= {".safetensors", ".json", ".txt"}
    sizes = {each.name: each.saved_bytes for each in run.record().contenders}
    assert all(sizes.values())
    assert sizes["tuned"] == (run.path / "adapter" / "adapter_model.safetensors").stat().st_size
    assert sizes["full"] > sizes["tuned"]  # type: ignore[operator]


def test_a_base_with_a_head_of_its_own_is_not_copied(runs: Callable[[str], Path]) -> None:
    assert (runs("single_label") / "contenders" / "base" / "head.safetensors").is_file()
    assert not (runs("trained") / "contenders" / "base" / "head.safetensors").exists()


def test_contenders_of_a_run_that_trains_in_bfloat16_are_scored_as_they_answer_later(
    models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = MachineFacts(("cpu",), "any", 1, bfloat16_speedup=3.0, eager_speedup={"float32": 1.0, "bfloat16": 4.0})
    monkeypatch.setattr(preparing, "measure_machine", lambda: fast)
    data = write_rows(tmp_path / "rows", TaskKind.SINGLE_LABEL)
    tune(RunSpec.of(data=str(data), model=models["fresh"], out=str(tmp_path / "run"), **FAST))
    run = RunFolder.open(tmp_path / "run")
    for name in ("base", "probe"):
        logits = liftune.load(run.path, use=name).logits(run.split("test").rows)
        assert np.abs(logits - run.logits(name)).max() < 1e-4


@pytest.mark.slow
def test_contenders_of_a_run_in_folds_are_fitted_on_all_rows(models: dict[str, str], tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows", TaskKind.MULTI_LABEL)
    options = {"folds": 2, "with_full": True, "label": "label", **FAST}
    record = tune(RunSpec.of(data=str(data), model=models["fresh"], out=str(tmp_path / "run"), **options))
    run = RunFolder.open(tmp_path / "run")
    assert run.saved_contenders == CONTENDERS
    assert all(each.saved_bytes for each in record.contenders)
    for name in CONTENDERS:
        assert liftune.load(run.path, use=name).predict(["sunny day"])[0].labels is not None
    vocabulary = json.loads((run.contender("tfidf") / "vocabulary.json").read_text())["words"]
    assert {"train", "test"} <= set(vocabulary)  # words of every part


@pytest.mark.parametrize("name", ["tfidf", "base", "probe"])
def test_a_damaged_contender_is_an_error_with_its_folder(
    name: str, runs: Callable[[str], Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs("single_label"), run)
    folder = run / "contenders" / name
    for file in folder.glob("*.safetensors"):
        file.write_bytes(b"nothing")
    with pytest.raises(liftune.LiftuneError, match="damaged") as caught:
        liftune.load(run, use=name)
    assert caught.value.hint


# --use ----------------------------------------------------------------------------------------------------------------


def called(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> tuple[str, str]:
    """What a command prints on stdout and on stderr."""
    found = main(list(argv))
    out, err = capsys.readouterr()
    assert found == code, err
    return out, err


@pytest.fixture
def beaten(runs: Callable[[str], Path], tmp_path: Path) -> Path:
    """A run whose verdict says that tuned is worse than the recommended probe."""
    run = tmp_path / "beaten"
    shutil.copytree(runs("single_label"), run)
    record = RunFolder.open(run).record()
    verdict = record.comparisons[-1].model_copy(update={"a": "probe", "verdict": "worse"})
    changed = {"recommended": "probe", "comparisons": (record.comparisons[0], verdict)}
    RunFolder(run).save_record(record.model_copy(update=changed))
    return run


def undecided(run: Path, recommended: str | None) -> None:
    record = RunFolder.open(run).record()
    open_ = tuple(each.model_copy(update={"verdict": "undecided"}) for each in record.comparisons)
    RunFolder(run).save_record(record.model_copy(update={"recommended": recommended, "comparisons": open_}))


def test_the_tuned_model_is_used_but_where_the_verdict_says_that_it_is_worse(
    beaten: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recommended model is the model you get; and it is said each time."""
    out, err = called(capsys, "predict", str(beaten), "sunny", "--json")
    assert "using probe: on the test rows the tuned model is worse" in err
    assert "--use tuned" in err
    assert json.loads(out)["contender"] == "probe"
    out, err = called(capsys, "predict", str(beaten), "sunny", "--json", "--use", "tuned")
    assert "using" not in err
    assert "contender" not in json.loads(out)
    assert liftune.load(beaten).contender == "probe"  # type: ignore[attr-defined]
    assert "worse" in liftune.load(beaten).note  # type: ignore[attr-defined]
    assert liftune.load(beaten / "adapter").contender == "tuned"  # type: ignore[attr-defined]
    undecided(beaten, "probe")
    assert liftune.load(beaten).contender == "tuned"  # type: ignore[attr-defined]
    assert liftune.load(beaten, use="recommended").contender == "probe"  # type: ignore[attr-defined]


def test_every_command_uses_the_contender_that_was_asked_for(
    beaten: Path, runs: Callable[[str], Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data, run = str(runs("single_label").parent / "single_label-rows"), RunFolder.open(beaten)
    scores = {each.name: each.metrics["accuracy"].value for each in run.record().contenders}
    for name in CONTENDERS:
        out, _ = called(capsys, "evaluate", data, "--model", str(beaten), "--use", name, "--label", "label", "--json")
        found = json.loads(out)
        assert found["contender"] == name
        assert found["contenders"][0]["metrics"]["accuracy"]["value"] == scores[name]
    out, err = called(capsys, "evaluate", data, "--model", str(beaten), "--label", "label")
    assert "beaten (probe)" in out
    assert "using probe" in err
    texts = tmp_path / "texts.csv"
    texts.write_text("text\nsunny\nslam\n")
    called(capsys, "predict", str(beaten), "--in", str(texts), "--out", str(tmp_path / "out.csv"), "--use", "tfidf")
    assert (tmp_path / "out.csv").read_text().startswith("text,label,")
    out, _ = called(capsys, "compare", str(beaten), str(runs("single_label")), "--json")
    assert json.loads(out)["comparisons"][0]["a"] == "beaten (probe)"
    assert any("probe" in note for note in json.loads(out)["notes"])
    out, _ = called(capsys, "compare", str(beaten), str(beaten), "--json", "--use", "tfidf")
    assert json.loads(out)["comparisons"][0]["gain"] == 0.0


@pytest.mark.parametrize("command", [("predict", "RUN", "text"), ("export", "RUN", "--to", "TO"), ("serve", "RUN")])
def test_a_wrong_name_lists_the_contenders(
    command: tuple[str, ...], runs: Callable[[str], Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    places = {"RUN": str(runs("single_label")), "TO": str(tmp_path / "to")}
    argv = [places.get(each, each) for each in command]
    port = ["--port", "0"] if command[0] == "serve" else []
    _, err = called(capsys, *argv, *port, "--use", "prob", code=2)
    assert "did you mean probe?" in err
    assert all(name in err for name in (*CONTENDERS, "recommended"))


def test_one_model_by_itself_has_no_contenders_to_choose_from(
    runs: Callable[[str], Path], models: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs("single_label")
    for path in (run / "adapter", run / "contenders" / "probe", run / "contenders" / "full"):
        called(capsys, "predict", str(path), "sunny")
        _, err = called(capsys, "predict", str(path), "sunny", "--use", "tfidf", code=2)
        assert "the run's own folder" in err
    data = str(run.parent / "single_label-rows")
    _, err = called(capsys, "evaluate", data, "--model", models["fresh"], "--use", "probe", code=2)
    assert "is no run" in err


def test_a_run_that_kept_tuned_alone_says_so(runs: Callable[[str], Path], tmp_path: Path) -> None:
    """As every run of 0.1, whatever its verdict was."""
    run = tmp_path / "old"
    shutil.copytree(runs("single_label"), run)
    shutil.rmtree(run / "contenders")
    assert liftune.load(run).contender == "tuned"  # type: ignore[attr-defined]
    assert liftune.load(run, use="tuned")
    for use in ("probe", "recommended"):
        undecided(run, "probe")
        with pytest.raises(liftune.LiftuneError, match="holds the tuned model alone") as caught:
            liftune.load(run, use=use)
        assert "leave use= out" in str(caught.value.hint)


def test_what_reads_words_refuses_options_of_pretrained_models(
    runs: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(runs("single_label"))
    for option in (["--with-base"], ["--precision", "bfloat16"], ["--device", "cpu"]):
        _, err = called(capsys, "predict", run, "sunny", "--use", "tfidf", *option, code=2)
        assert option[0] in err
    out, _ = called(capsys, "predict", run, "sunny", "--use", "probe", "--with-base", "--json")
    assert "base" in json.loads(out)


def test_a_server_answers_with_the_contender_that_was_asked_for(beaten: Path, runs: Callable[[str], Path]) -> None:
    from starlette.testclient import TestClient

    from liftune.server.app import make_app
    from liftune.server.registry import ModelRegistry
    from liftune.server.server import ServeOptions, model_opener

    models = ModelRegistry(model_opener(ServeOptions([]), 2048))
    models.load(str(beaten))
    for name in CONTENDERS:
        models.load(str(runs("multi_label")), name, use=name)
    with TestClient(make_app(models), base_url="http://localhost") as client:
        listed = {each["name"]: each for each in client.get("/v1/models").json()["models"]}
        assert listed["beaten"]["contender"] == "probe"
        assert "the tuned model is worse" in listed["beaten"]["note"]
        assert [listed[name]["contender"] for name in CONTENDERS] == list(CONTENDERS)
        rows = RunFolder.open(runs("multi_label")).split("test").rows[:6]
        for name in CONTENDERS:
            answer = client.post("/v1/classify", json={"model": name, "texts": list(rows)}).json()
            assert answer["contender"] == name
            expected = liftune.load(runs("multi_label"), use=name).predict(rows)
            for found, wanted in zip(answer["results"], expected, strict=True):
                assert found["labels"] == list(wanted.labels or ())
                assert found["probabilities"] == pytest.approx(wanted.probabilities, abs=1e-4)
        refused = client.post("/v1/classify", json={"model": "tfidf", "texts": ["x"], "with_base": True})
        assert refused.status_code == 422
        assert "--use tuned" in refused.text
        assert client.get("/v1/models/probe").json()["verdict"]


@pytest.mark.parametrize(
    ("name", "forms"), [("base", ("merged", "onnx")), ("full", ("merged", "onnx")), ("probe", ("onnx",))]
)
def test_a_contender_that_reads_texts_with_a_transformer_can_be_exported(
    name: str, forms: tuple[str, ...], runs: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder.open(runs("single_label"))
    for form in forms:
        to = tmp_path / form
        called(capsys, "export", str(run.path), "--to", str(to), "--use", name, "--format", form)
        found = liftune.load(to).logits(run.split("test").rows)
        assert np.abs(found - run.logits(name)).max() < 1e-3


@pytest.mark.parametrize(("name", "form"), [("majority", "onnx"), ("tfidf", "merged"), ("probe", "merged")])
def test_a_contender_that_cannot_be_exported_is_refused_with_a_hint_that_works(
    name: str, form: str, runs: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs("single_label")
    to = str(tmp_path / "to")
    _, err = called(capsys, "export", str(run), "--to", to, "--use", name, "--format", form, code=2)
    assert "cannot be exported" in err
    assert not Path(to).exists()
    copied = tmp_path / "copied"
    shutil.copytree(run / "contenders" / name, copied)
    called(capsys, "predict", str(copied), "some text")
    called(capsys, "export", str(run), "--to", to, "--use", "tuned")
