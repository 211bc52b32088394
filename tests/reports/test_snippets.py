"""What the card of a model prints for transformers and PEFT runs as it stands there, and answers as liftune does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_runs import made_run
from tiny_models import FAMILIES, save_tiny
from transformers import AutoModel

from liftune.hardware.plan import Plan
from liftune.models.adapter_io import open_adapter, read_card, save_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.methods.registry import METHODS
from liftune.records.training import AdapterCard
from liftune.reports.model_card import to_card
from liftune.reports.snippets import usage
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind, task_of
from liftune.types import Row

LABELS = ("an`ger", "joy", "lo\"ve's")
CLOSE = 1e-5


def saved(
    folder: Path,
    family: str = "bert",
    method: str = "lora",
    *,
    task: TaskKind = TaskKind.SINGLE_LABEL,
    half: bool = False,
    **more: Any,
) -> Path:
    """An adapter whose every trained number is another than at the start."""
    base = save_tiny(family, folder / "base")
    if half:
        AutoModel.from_pretrained(base, dtype=torch.bfloat16).save_pretrained(base)
    labels = LABELS if task_of(task).outputs_labels else ()
    backbone = load_backbone(ModelSpec(name=str(base), max_length=40), task=task, labels=labels, seed=0)
    classifier = attach(backbone, METHODS[method], plan=Plan(), seed=0, total_steps=10)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, parameter in classifier.trainable():
            if parameter.is_floating_point():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    classifier.encode(["a text that sets the tokenizer's limit"])
    save_adapter(classifier, folder / "adapter", **more)
    return folder / "adapter"


def printed(text: str) -> list[str]:
    """The blocks of Python."""
    return re.findall(r"```python\n(.*?)\n```", text, re.DOTALL)


def answers(code: str) -> list[float]:
    """Runs a block, and reads its answers in order of the labels."""
    known: dict[str, Any] = {}
    exec(code, known)
    found = known["answers"]
    if isinstance(found[0], dict):
        order = known.get("labels") or list(known["classify"].model.config.id2label.values())
        score = {each["label"]: each["score"] for each in found}
        return [score[name] for name in order]
    return [float(each) for each in found]


def liftunes(adapter: Path) -> np.ndarray[Any, Any]:
    card = read_card(adapter)
    row: Row = ("some text", "another text") if card.pairs else "some text"
    logits = open_adapter(adapter).logits([row])
    kind = task_of(card.task)
    return np.asarray((kind.probabilities(logits) if kind.has_probabilities else logits)[0])


def check(adapter: Path, monkeypatch: pytest.MonkeyPatch, blocks: int) -> None:
    monkeypatch.chdir(adapter.parent)
    code = printed("\n\n".join(usage(read_card(adapter), "adapter")))
    assert len(code) == blocks
    for each in code:
        assert np.abs(answers(each) - liftunes(adapter)).max() <= CLOSE, each


def _mostly_slow(names: Iterable[str], *quick: str) -> list[Any]:
    return [pytest.param(each, marks=() if each in quick else pytest.mark.slow) for each in names]


@pytest.mark.parametrize("family", _mostly_slow(FAMILIES, "modernbert", "xlnet", "t5", "llama"))
def test_every_family_answers_alike_elsewhere(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(saved(tmp_path, family), monkeypatch, 2)


@pytest.mark.parametrize("method", _mostly_slow(METHODS, "dora", "prompt", "ia3", "full"))
def test_every_method_answers_alike_where_the_card_says_so(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that transformers' pipeline cannot read rightly have no snippet for it."""
    whole = METHODS[method].kind == "full"
    check(saved(tmp_path, "bert", method), monkeypatch, 1 if whole or not METHODS[method].pipelines else 2)


@pytest.mark.parametrize("task", TaskKind)
@pytest.mark.parametrize("pairs", [False, True])
def test_every_task_answers_alike_elsewhere(
    task: TaskKind, pairs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(saved(tmp_path, task=task, pairs=pairs), monkeypatch, 2)


def test_a_base_in_half_precision_is_loaded_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = saved(tmp_path, half=True)
    assert read_card(adapter).config_changes == {"dtype": "float32"}
    check(adapter, monkeypatch, 2)


def test_a_pad_token_that_the_base_lacks_is_named(tmp_path: Path) -> None:
    assert read_card(saved(tmp_path, "gpt2")).config_changes == {"pad_token_id": 0}


def test_the_folder_holds_a_tokenizer_and_is_no_whole_model(tmp_path: Path) -> None:
    """With a config.json transformers would take it for one, and fail."""
    adapter = saved(tmp_path)
    names = {each.name for each in adapter.iterdir()}
    assert {"tokenizer.json", "tokenizer_config.json"} <= names
    assert "config.json" not in names
    assert {"tokenizer.json", "tokenizer_config.json"} <= set(read_card(adapter).files)
    kept = json.loads((adapter / "tokenizer.json").read_text())
    assert kept["truncation"] is None
    assert kept["padding"] is None
    assert not {"is_local", "local_files_only", "name_or_path"} & set(
        json.loads((adapter / "tokenizer_config.json").read_text())
    )
    assert {oct(each.stat().st_mode & 0o777) for each in adapter.iterdir()} == {"0o644"}


def test_an_adapter_without_a_tokenizer_still_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As liftune wrote them before."""
    from liftune.records.reading import ADAPTER_CARD, write_sealed

    adapter = saved(tmp_path)
    before = liftunes(adapter)
    for each in adapter.glob("tokenizer*"):
        each.unlink()
    write_sealed(adapter / ADAPTER_CARD, read_card(adapter))
    assert np.array_equal(liftunes(adapter), before)
    check(adapter, monkeypatch, 2)  # with the base's


def test_the_models_card_holds_the_snippets(tmp_path: Path) -> None:
    record = made_run(tmp_path / "run").record()
    adapter = read_card(saved(tmp_path))
    card = to_card(record, adapter)
    assert printed(card) == printed("\n".join(usage(adapter, "adapter")))
    assert "liftune predict adapter" in card
    assert 'model="org/name"' in to_card(record, adapter, "org/name").replace("'", '"')


def test_thresholds_are_told(tmp_path: Path) -> None:
    adapter: AdapterCard = read_card(
        saved(tmp_path, task=TaskKind.MULTI_LABEL, learnt={"thresholds": (0.25, 0.5, 0.75)})
    )
    assert "`an'ger` 0.25" in usage(adapter, "adapter")[-1]
