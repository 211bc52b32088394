"""Adapters that plain PEFT saved answer through every door as PEFT's own code does."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import peft
import pytest
from numpy.typing import NDArray
from peft_adapters import KINDS, LABELS, TEXTS, peft_answers, save_base, save_plain

import liftune
import liftune.workflows.evaluate as scoring
from liftune.errors import ArtifactError, DataError, MethodError
from liftune.evaluation.evaluate import evaluate
from liftune.exports.run import export
from liftune.hardware.plan import Plan
from liftune.inference.locate import find_model
from liftune.inference.opening import load_predictor
from liftune.models.adapter_io import read_card
from liftune.models.foreign.said import Said
from liftune.models.merge import open_merged
from liftune.models.methods.registry import METHODS
from liftune.server.engine import ServedModel
from liftune.server.limits import Limits
from liftune.server.schemas import ClassifyRequest
from liftune.server.server import ServeOptions, model_opener
from liftune.server.validation import rows_of

NAMED = Said(LABELS)
#: In the default suite; the others are slow.
FIRST = ("lora", "regex", "dora", "rank_pattern", "modules_to_save", "ia3", "adalora", "prompt")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base") / "base")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [json.dumps({"text": text, "label": LABELS[i % 3]}) for i, text in enumerate(TEXTS)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def served(folder: Path, said: Said = NAMED, texts: Sequence[str] = TEXTS) -> NDArray[np.float32]:
    """What the server computes for some texts."""
    engine, _ = model_opener(ServeOptions([]), 2048)(folder, said=said)
    return np.stack(engine.executor.logits(engine.prepare(list(texts))))


def evaluated(folder: Path, rows: Path, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.float32]:
    """What is scored of some rows."""
    caught: list[NDArray[np.float32]] = []
    monkeypatch.setattr(
        scoring,
        "evaluate",
        lambda _, logits, *given, **named: caught.append(logits) or evaluate(_, logits, *given, **named),
    )
    liftune.evaluate(rows, model=folder, label_names=LABELS)
    return caught[0]


def exported(folder: Path, to: Path, format: str, rows: Path) -> NDArray[np.float32]:
    """What a model answers once it is exported."""
    export(folder, to, format=format, rows=str(rows), accept_gap=True, said=NAMED)
    return load_predictor(to).logits(TEXTS)


@pytest.mark.parametrize("kind", FIRST)
def test_an_adapter_of_peft_answers_as_peft_does(kind: str, base: Path, tmp_path: Path) -> None:
    folder = save_plain(base, tmp_path / "adapter", KINDS[kind]())
    expected = peft_answers(base, folder)
    predictor = load_predictor(folder, said=NAMED)
    assert np.abs(predictor.logits(TEXTS) - expected).max() <= 1e-5
    assert [each.label for each in predictor.predict(TEXTS)] == [LABELS[i] for i in expected.argmax(1)]


@pytest.mark.parametrize("modules", [["query", "value"], ["query", "dense"]])
@pytest.mark.parametrize("kind", ["LoHaConfig", "VeraConfig", "LoraConfig"])
def test_modules_that_are_saved_beside_targets_are_merged(kind: str, modules: list[str], tmp_path: Path) -> None:
    """PEFT's own merging takes BERT's pooler for a layer, and fails; where it is tuned and saved, it is both."""
    if kind == "VeraConfig":
        modules = modules[:1]  # of one shape alone
    base = save_base(tmp_path / "base", family="bert")
    config = getattr(peft, kind)(
        r=3, target_modules=modules, task_type="SEQ_CLS", modules_to_save=["bert.pooler", "classifier"]
    )
    folder = save_plain(base, tmp_path / "adapter", config)
    expected = peft_answers(base, folder)
    assert np.abs(load_predictor(folder, said=NAMED).logits(TEXTS) - expected).max() <= 1e-5
    card = find_model(folder, said=NAMED).card
    assert np.abs(open_merged(folder, card=card, plan=Plan()).logits(TEXTS) - expected).max() <= 1e-5


@pytest.mark.parametrize("error", [AttributeError("no weight"), KeyError("x"), RuntimeError("shapes")])
def test_whatever_peft_says_while_it_merges_the_adapter_answers_unmerged(
    error: Exception, base: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    folder = save_plain(base, tmp_path / "adapter", KINDS["lora"]())
    monkeypatch.setattr("peft.tuners.lora.LoraModel.merge_and_unload", fail)
    expected = peft_answers(base, folder)
    assert np.abs(load_predictor(folder, said=NAMED).logits(TEXTS) - expected).max() <= 1e-5
    with pytest.raises(MethodError, match="cannot be merged"):
        export(folder, tmp_path / "merged", format="merged", rows=str(rows), said=NAMED)


def test_every_door_gives_the_same_answers(
    base: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_plain(base, tmp_path / "adapter", KINDS["lora"]())
    expected = peft_answers(base, folder)
    copied = pickle.loads(pickle.dumps(load_predictor(folder, said=NAMED)))
    assert copied.labels == LABELS
    assert np.abs(copied.logits(TEXTS) - expected).max() <= 1e-5
    assert np.abs(served(folder) - expected).max() <= 1e-5
    assert np.abs(evaluated(folder, rows, monkeypatch)[: len(TEXTS)] - expected).max() <= 1e-5
    assert np.abs(exported(folder, tmp_path / "merged", "merged", rows) - expected).max() <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_adapter_goes_through_every_door(
    kind: str, base: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_plain(base, tmp_path / "adapter", KINDS[kind]())
    expected = peft_answers(base, folder)
    found = {
        "predict": load_predictor(folder, said=NAMED).logits(TEXTS),
        "serve": served(folder),
        "evaluate": evaluated(folder, rows, monkeypatch)[: len(TEXTS)],
    }
    if METHODS[find_model(folder, said=NAMED).card.method].mergeable:
        found["merged"] = exported(folder, tmp_path / "merged", "merged", rows)
        found["onnx"] = exported(folder, tmp_path / "onnx", "onnx", rows)
    else:
        with pytest.raises(MethodError, match="cannot be merged"):
            exported(folder, tmp_path / "merged", "merged", rows)
    gaps = {door: float(np.abs(logits - expected).max()) for door, logits in found.items()}
    assert max(gaps.values()) <= 1e-5, gaps


def test_a_pair_model_of_others_is_served_and_reads_files_of_pairs(base: Path, tmp_path: Path) -> None:
    folder = save_plain(base, tmp_path / "adapter", KINDS["lora"]())
    pairs = [(each, "joy") for each in TEXTS]
    expected = peft_answers(base, folder, texts=[list(each) for each in pairs])
    body = ClassifyRequest(texts=list(TEXTS), pairs=["joy"] * len(TEXTS))
    for options in (ServeOptions(["x"], label_names=LABELS, pairs=True), ServeOptions(["x"], label_names=LABELS)):
        engine, info = model_opener(options, 2048)(folder, said=options.said)
        model = ServedModel("mine", folder, info, engine)
        if options.pairs:
            rows = rows_of(body, model, Limits())
            assert np.abs(np.stack(engine.executor.logits(engine.prepare(rows))) - expected).max() <= 1e-5
            body = body.model_copy(update={"pairs": None})
            with pytest.raises(DataError, match="served to read text pairs") as refused:
                rows_of(body, model, Limits())
            assert "without --pairs" in str(refused.value.hint)
            body = body.model_copy(update={"pairs": ["joy"] * len(TEXTS)})
        else:
            with pytest.raises(DataError, match="served to read single texts") as refused:
                rows_of(body, model, Limits())
            assert "with --pairs" in str(refused.value.hint)
    table = tmp_path / "pairs.csv"
    table.write_text("premise,hypothesis\n" + "".join(f'"{a}","{b}"\n' for a, b in pairs), encoding="utf-8")
    found = liftune.predict(str(table), model=folder, label_names=LABELS, text="premise", text_pair="hypothesis")
    assert [each.label for each in found] == [LABELS[i] for i in expected.argmax(1)]


def test_a_file_of_pairs_is_not_read_by_half(base: Path, tmp_path: Path) -> None:
    """Nobody said that the model reads pairs, nor that the second text is to be left out."""
    folder = save_plain(base, tmp_path / "adapter", KINDS["lora"]())
    table = tmp_path / "pairs.csv"
    table.write_text("premise,hypothesis\na,b\nc,d\n", encoding="utf-8")
    with pytest.raises(DataError) as refused:
        liftune.predict(str(table), model=folder, label_names=LABELS)
    assert 'text_pair="hypothesis"' in str(refused.value.hint)
    assert len(liftune.predict(str(table), model=folder, label_names=LABELS, text="premise")) == 2


def test_an_export_reads_pairs_where_its_rows_are_pairs(base: Path, tmp_path: Path) -> None:
    """Its card knows what the model's folder does not say, too: the base's weights, the tokens that are read."""
    folder = save_plain(base, tmp_path / "adapter", KINDS["lora"]())
    rows = tmp_path / "rows.jsonl"
    lines = [
        json.dumps({"sentence1": each, "sentence2": "joy", "label": LABELS[i % 3]}) for i, each in enumerate(TEXTS)
    ]
    rows.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ArtifactError, match="none were saved with the model") as refused:
        export(folder, tmp_path / "none", format="merged", said=NAMED)
    assert "--rows FILE" in str(refused.value.hint)
    export(folder, tmp_path / "merged", format="merged", rows=str(rows), accept_gap=True, said=NAMED)
    card = read_card(tmp_path / "merged")
    assert (card.pairs, card.max_length, card.labels, len(card.base_sha256)) == (True, 128, LABELS, 64)
    pairs = [(each, "joy") for each in TEXTS]
    expected = peft_answers(base, folder, texts=[list(each) for each in pairs])
    assert np.abs(load_predictor(tmp_path / "merged").logits(pairs) - expected).max() <= 1e-5
