"""Others' models by their ids: adapters on bases of the hub, and fully tuned models. The hub is a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_hub import FakeHub, fake_hub
from huggingface_hub import constants
from peft_adapters import KINDS, LABELS, TEXTS, answers, peft_answers, save_base, save_plain
from tiny_models import save_tiny
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import liftune
from liftune.errors import LiftuneError
from liftune.models import hub as reading


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    monkeypatch.setattr(reading, "_FETCHED", {})
    monkeypatch.chdir(tmp_path)
    with fake_hub(monkeypatch, tmp_path / "cache") as server:
        yield server


def test_an_adapter_of_peft_opens_by_its_id_on_a_base_of_the_hub(hub: FakeHub, tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    config = KINDS["regex"]()
    folder = save_plain(base, tmp_path / "adapter", config)
    expected = peft_answers(base, folder)
    commit = hub.add("someone/base", base)
    text = (folder / "adapter_config.json").read_text()
    (folder / "adapter_config.json").write_text(
        text.replace(f'"{base}"', '"someone/base"').replace('"revision": null', f'"revision": "{commit}"')
    )
    (folder / "training_args.bin").write_bytes(b"1")
    hub.add("someone/plain", folder)
    for name in ("someone/plain", folder):
        assert np.abs(liftune.load(name, label_names=LABELS).logits(TEXTS) - expected).max() <= 1e-5
    assert not [each for each in hub.requests if each.endswith(".bin")]


def test_a_fully_tuned_model_of_others_opens_by_its_id(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headed = save_tiny("bert", tmp_path / "headed", head=LABELS)
    (headed / "model.onnx").write_bytes(b"1")
    (headed / "pytorch_model.bin").write_bytes(b"1")
    hub.add("someone/headed", headed)
    expected = answers(
        AutoModelForSequenceClassification.from_pretrained(headed).eval(), AutoTokenizer.from_pretrained(headed)
    )
    predictor = liftune.load("someone/headed")
    assert predictor.labels == LABELS
    assert np.abs(predictor.logits(TEXTS) - expected).max() <= 1e-5
    assert not [each for each in hub.requests if each.endswith((".onnx", ".bin"))]
    rows = [{"text": text, "label": LABELS[i % 3]} for i, text in enumerate(TEXTS)]
    assert liftune.evaluate(rows, model="someone/headed").contenders[0].head == "trained"
    reading._FETCHED.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for place in ("liftune.models.hub.hub_is_reachable", "liftune.models.checkpoint.hub_is_reachable"):
        monkeypatch.setattr(place, lambda: False)
    assert np.abs(liftune.load("someone/headed").logits(TEXTS) - expected).max() <= 1e-5


def test_a_base_that_the_hub_does_not_have_is_named(hub: FakeHub, tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    folder = save_plain(base, tmp_path / "adapter", KINDS["lora"]())
    text = (folder / "adapter_config.json").read_text()
    (folder / "adapter_config.json").write_text(text.replace(f'"{base}"', '"someone/gone"'))
    with pytest.raises(LiftuneError) as refused:
        liftune.load(folder, label_names=LABELS)
    assert "someone/gone" in str(refused.value)
    assert (
        np.abs(liftune.load(folder, base=base, label_names=LABELS).logits(TEXTS) - peft_answers(base, folder)).max()
        <= 1e-5
    )
