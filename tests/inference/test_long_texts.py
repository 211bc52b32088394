"""Long texts get the same answer by every door: Python, the command line, the server, bundles, a merged model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient
from tiny_adapters import save_tuned
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.exports.run import export
from liftune.inference.onnx_bundle import Bundle
from liftune.inference.opening import load_predictor
from liftune.models.adapter_io import save_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.methods.registry import METHODS
from liftune.server.app import make_app
from liftune.server.registry import ModelRegistry
from liftune.server.server import ServeOptions, model_opener
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

LABELS = ("anger", "joy", "love")
TEXTS = ["ok", "first " * 30 + "last", "a " * 21, "", "x" * 500]
RULES: dict[str, dict[str, Any]] = {
    "head-tail": {"long": "head-tail"},
    "windows": {"long": "windows"},
    "greatest": {"long": "windows", "window_overlap": 5, "window_pooling": "max"},
}


def make_run(folder: Path, base: Path, options: dict[str, Any]) -> Path:
    """A run folder as far as predicting and exporting read it."""
    folder.mkdir(exist_ok=True)
    spec = ModelSpec.model_validate({"name": str(base), "max_length": 24, **options})
    backbone = load_backbone(spec, task=TaskKind.SINGLE_LABEL, labels=LABELS, seed=0)
    classifier = attach(backbone, METHODS["lora"])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, parameter in classifier.trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    save_adapter(classifier, folder / "adapter")
    (folder / "rows").mkdir()
    with (folder / "rows" / "validation.jsonl").open("w", encoding="utf-8") as file:
        for i, text in enumerate(TEXTS):
            file.write(json.dumps({"id": f"validation:{i}", "text": text, "target": LABELS[i % 3]}) + "\n")
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("bert", tmp_path_factory.mktemp("long") / "base")


@pytest.fixture(scope="module", params=list(RULES))
def run(request: pytest.FixtureRequest, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), base, RULES[request.param])


def probabilities(logits: Any) -> Any:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def expected(run: Path) -> Any:
    return probabilities(load_predictor(run).logits(TEXTS))


def test_the_rule_changes_the_answers_to_long_texts_alone(run: Path, base: Path, tmp_path: Path, expected: Any) -> None:
    cut = probabilities(load_predictor(make_run(tmp_path, base, {"long": "cut"})).logits(TEXTS))
    gaps = np.abs(cut - expected).max(axis=1)
    assert gaps[[0, 3]].max() < 1e-6
    assert gaps[[1, 4]].max() > 1e-3


def test_the_command_line_answers_as_python(run: Path, expected: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(run), *TEXTS[:3], "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = [each["probabilities"] for each in lines]
    np.testing.assert_allclose([[each[label] for label in LABELS] for each in found], expected[:3], atol=1e-5)
    assert [each.label for each in liftune.load(run).predict(TEXTS)] == [LABELS[i] for i in expected.argmax(axis=1)]


def test_the_server_answers_as_python_also_in_batches_of_several_models(
    run: Path, base: Path, tmp_path: Path, expected: Any
) -> None:
    save_tuned(base, tmp_path / "other", labels=2)
    models = ModelRegistry(model_opener(ServeOptions([]), 2048))
    models.load(str(run), "long")
    models.load(str(tmp_path / "other"))
    with TestClient(make_app(models)) as client:
        answer = client.post("/v1/classify", json={"model": "long", "texts": TEXTS})
    found = [each["probabilities"] for each in answer.json()["results"]]
    np.testing.assert_allclose([[each[label] for label in LABELS] for each in found], expected, atol=1e-4)
    engine, other = (models.find(name).engine for name in ("long", "other"))
    assert engine.executor is other.executor
    works = [*engine.prepare(TEXTS), *other.prepare(TEXTS)]
    mixed = engine.executor.logits(works)
    np.testing.assert_allclose(probabilities(np.stack(mixed[: len(TEXTS)])), expected, atol=1e-5)


def test_bundles_without_torch_answer_as_python(run: Path, expected: Any, tmp_path: Path) -> None:
    export(run, tmp_path / "onnx", format="onnx")
    bundle = load_predictor(tmp_path / "onnx")
    assert isinstance(bundle, Bundle)
    np.testing.assert_allclose(probabilities(bundle.logits(TEXTS)), expected, atol=1e-4)


def test_a_merged_export_reads_them_by_its_card_and_says_that_others_do_not(
    run: Path, expected: Any, tmp_path: Path
) -> None:
    export(run, tmp_path / "merged", format="merged")
    np.testing.assert_allclose(probabilities(load_predictor(tmp_path / "merged").logits(TEXTS)), expected, atol=1e-4)
    readme = (tmp_path / "merged" / "README.md").read_text(encoding="utf-8")
    assert "These files do not hold that" in readme


@pytest.mark.parametrize(("rule", "format"), [("windows", "merged"), ("cut", "merged"), ("windows", "onnx")])
def test_an_export_says_on_screen_what_its_files_do_not_hold(
    rule: str, format: str, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not in the README alone, which nobody reads before the model answers otherwise."""
    made = make_run(tmp_path / "run", base, {"long": rule, "window_overlap": 6 if rule == "windows" else None})
    assert main(["export", str(made), "--format", format, "--to", str(tmp_path / "out")]) == 0
    said = " ".join(capsys.readouterr().err.split())
    note = (
        "Texts of more than 24 tokens: liftune reads them in windows of 24 tokens that share 6, and takes the mean of "
        "their logits. These files do not hold that: transformers, PEFT and other servers read the beginning alone"
    )
    assert (note in said) is (rule == "windows" and format == "merged")
    assert ("These files do not hold that" in said) is (rule == "windows" and format == "merged")


def test_cards_of_bundles_that_cut_are_as_before(base: Path, tmp_path: Path) -> None:
    """So that a liftune from before opens them."""
    export(make_run(tmp_path, base, {"long": "cut"}), tmp_path / "onnx", format="onnx")
    card = json.loads((tmp_path / "onnx" / "bundle.json").read_text(encoding="utf-8"))
    assert not {"long", "overlap", "pooling", "most_windows"} & set(card["tokens"])
