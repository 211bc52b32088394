"""One loaded model in many hands: threads that share it, copies of it, other processes."""

from __future__ import annotations

import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_adapters import PACKED, save_tuned
from tiny_models import save_tiny

import liftune
from liftune.errors import ArtifactError, DataError, LiftuneError
from liftune.exports.run import export
from liftune.hardware.plan import Plan
from liftune.inference.adapter_predictor import AdapterPredictor
from liftune.inference.onnx_bundle import Bundle
from liftune.inference.opening import load_predictor
from liftune.inference.predictor import Predictor
from liftune.models import moved_bases
from liftune.models.adapter_io import open_adapter, read_card
from liftune.models.merge import open_merged
from liftune.server.adapter_engine import AdapterLoader

TEXTS = [f"The room number {i} was {'lovely' if i % 2 else 'cold'} " + "w " * (i % 17) for i in range(72)]
THREADS = 4
PLANS = {
    "packed": replace(PACKED, accelerations=PACKED.accelerations | {"parallel-passes"}),
    "unpacked": Plan(),
    "bfloat16": replace(PACKED, dtype="bfloat16"),
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tuned model `one` and another of the same base."""
    root = tmp_path_factory.mktemp("ground")
    base = save_tiny("bert", root / "base")
    save_tuned(base, root / "one" / "adapter")
    save_tuned(base, root / "other" / "adapter", labels=2)
    save_tuned(save_tiny("distilbert", root / "plain"), root / "pairs" / "adapter", pairs=True)
    (root / "one" / "rows").mkdir()
    rows = [{"id": f"validation:{i}", "text": text, "target": f"label{i % 3}"} for i, text in enumerate(TEXTS)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (root / "one" / "rows" / "validation.jsonl").write_text(lines, encoding="utf-8")
    for name in ("onnx", "onnx-int8"):
        export(root / "one", root / name, format=name, accept_gap=True)
    return root


def adapter(ground: Path, plan: Plan, *, merged: bool = False, with_base: bool = False) -> AdapterPredictor:
    folder = ground / "one" / "adapter"
    base = open_adapter(ground / "one" / "adapter", plan=plan) if with_base else None
    return AdapterPredictor((open_merged if merged else open_adapter)(folder, plan=plan), read_card(folder), base=base)


def answers_of(predictor: Predictor) -> Callable[[list[str]], Any]:
    def answers(texts: list[str]) -> Any:
        found = [[each, *([each.base] if each.base else [])] for each in predictor.predict(texts)]
        return np.array([[p for one in each for p in (one.probabilities or {}).values()] for each in found])

    return answers


def engine(name: str, ground: Path) -> Callable[[list[str]], Any]:
    if name == "multi-lora":
        loader = AdapterLoader(device="cpu", precision="float32", tokens=512)
        opened = [loader.open(ground / each / "adapter")[0] for each in ("one", "other")]

        def both(texts: list[str]) -> Any:
            works = [each for model in opened for each in model.prepare(texts)]
            found = opened[0].executor.logits(works)
            return np.hstack([np.stack(found[: len(texts)]), np.stack(found[len(texts) :])])

        return both
    if name.startswith("onnx"):
        return answers_of(Bundle.open(ground / name, threads=2))
    if name.startswith("merged"):
        return answers_of(adapter(ground, PLANS["packed"], merged=True))
    return answers_of(adapter(ground, PLANS[name], with_base=name == "unpacked"))


@pytest.mark.parametrize("name", [*PLANS, "merged", "onnx", "onnx-int8", "multi-lora"])
def test_threads_that_share_a_model_get_the_answers_of_one(name: str, ground: Path) -> None:
    """Threads wrote into each other's batches: errors, and wrong answers without one."""
    answers = engine(name, ground)
    check_threads(answers)


def check_threads(answers: Callable[[list[str]], Any]) -> None:
    parts = [TEXTS[k::THREADS] for k in range(THREADS)] + [TEXTS[k : k + 1] for k in range(THREADS)]
    expected = [answers(part) for part in parts]
    gaps: list[float] = []
    together = threading.Barrier(THREADS)

    def work(k: int) -> None:
        together.wait()
        for turn in range(6):
            for i in (k, THREADS + k, (k + turn) % THREADS):
                gaps.append(float(np.abs(answers(parts[i]) - expected[i]).max()))

    errors: list[BaseException] = []

    def guarded(k: int) -> None:
        try:
            work(k)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(k,)) for k in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not errors
    assert len(gaps) == THREADS * 18
    assert max(gaps) <= 1e-5


@pytest.mark.parametrize("name", ["one", "onnx"])
def test_copies_answer_as_the_model_does(name: str, ground: Path) -> None:
    """What is pickled is where it was loaded from, with its options."""
    predictor = load_predictor(ground / name)
    expected = answers_of(predictor)(TEXTS[:5])
    for again in (copy.deepcopy(predictor), copy.copy(predictor), pickle.loads(pickle.dumps(predictor))):
        assert again is not predictor
        np.testing.assert_array_equal(answers_of(again)(TEXTS[:5]), expected)
    assert len(pickle.dumps(predictor)) < 5_000


@pytest.mark.slow
def test_another_process_elsewhere_loads_what_was_pickled(
    ground: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ground)
    predictor = load_predictor("one", with_base=True)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(predictor))
    code = "import pickle; m = pickle.load(open('model.pickle', 'rb')); print(m.predict('a')[0].base.label)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=False
    )
    (answer,) = predictor.predict("a")
    assert answer.base is not None
    assert found.stdout.strip() == answer.base.label, found.stderr


def test_a_copy_of_a_model_that_has_changed_is_refused(ground: Path, tmp_path: Path) -> None:
    shutil.copytree(ground / "one", tmp_path / "run")
    predictor = load_predictor(tmp_path / "run")
    kept = pickle.dumps(predictor)
    shutil.copytree(ground / "other" / "adapter", tmp_path / "run" / "adapter", dirs_exist_ok=True)
    with pytest.raises(ArtifactError, match="has changed on the disk") as refused:
        copy.deepcopy(predictor)
    assert refused.value.where == str(tmp_path / "run")
    pickle.dumps(load_predictor(tmp_path / "run"))  # as the hint says
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(ArtifactError, match="there is no run folder"):
        pickle.loads(kept)


def test_a_model_made_in_memory_has_no_copies(ground: Path) -> None:
    with pytest.raises(ArtifactError, match="made in memory"):
        copy.deepcopy(adapter(ground, Plan()))


def test_models_may_be_loaded_by_several_threads(ground: Path) -> None:
    expected = answers_of(load_predictor(ground / "one"))(TEXTS[:5])
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(answers_of(load_predictor(ground / "one"))(TEXTS[:5])))
        for _ in range(THREADS)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == THREADS
    for each in found:
        np.testing.assert_array_equal(each, expected)


@pytest.mark.parametrize("name", ["one", "onnx"])
def test_every_predictor_takes_the_same(name: str, ground: Path) -> None:
    predictor = load_predictor(ground / name)
    (answer,) = predictor.predict("The room was lovely.")
    assert answer.row == "The room was lovely."
    assert predictor.logits("The room was lovely.").shape == (1, 3)
    assert [each.row for each in predictor.predict(iter(TEXTS[:3]))] == TEXTS[:3]
    assert predictor.predict([]) == []
    for given in (["a", None], ["a", 5], [b"a"], ["\ud83d"], [["a", "b"]], [("a", "b")]):
        for ask in (predictor.predict, predictor.logits):
            with pytest.raises(DataError) as refused:
                ask(given)  # type: ignore[arg-type]
            assert str(refused.value.where).startswith("row ")


def test_a_model_of_pairs_takes_pairs(ground: Path) -> None:
    predictor = load_predictor(ground / "pairs")
    assert [each.row for each in predictor.predict(iter([("a", "b"), ("c", "d")]))] == [("a", "b"), ("c", "d")]
    with pytest.raises(LiftuneError, match="tuned on text pairs"):
        predictor.predict("a")


def test_a_copy_finds_the_base_that_moved_in_another_process_too(
    ground: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process: one to which nobody has said where the base is."""
    monkeypatch.setattr(moved_bases, "_PLACES", {})
    save_tuned(save_tiny("bert", tmp_path / "base"), tmp_path / "run" / "adapter")
    expected = load_predictor(tmp_path / "run").logits("a")
    (tmp_path / "base").rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    kept = pickle.dumps(liftune.load("run", base="moved"))
    monkeypatch.setattr(moved_bases, "_PLACES", {})
    monkeypatch.chdir(ground)
    np.testing.assert_array_equal(pickle.loads(kept).logits("a"), expected)
