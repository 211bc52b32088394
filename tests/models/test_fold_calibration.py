"""A calibrated head: the scale is in its last layer, and so in the saved adapter, wherever that is opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from tiny_models import save_tiny
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from liftune.models.adapter_io import open_adapter, read_card, save_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.fold_calibration import fold_calibration
from liftune.models.methods.registry import METHODS
from liftune.records.base import Interval
from liftune.records.calibration import Cutoff
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

FAMILIES = ["distilbert", "bert", "roberta", "t5", "gpt2", "llama"]
ROWS = ["ok", "a longer row of text", "and one that is a little longer than that"]
LABELS = ("cold", "hot", "mild")
SCALE, SHIFT = np.array([0.5, 0.25, 0.4]), np.array([0.3, -0.2, 0.0])


def tuned(base: Path, method: str = "lora") -> Classifier:
    """A classifier whose trainable numbers are no longer those of its initialisation."""
    backbone = load_backbone(ModelSpec(name=str(base)), task=TaskKind.SINGLE_LABEL, labels=LABELS, seed=0)
    classifier = attach(backbone, METHODS[method], seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, parameter in classifier.trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return classifier


def plain(base: Path, adapter: Path, pad: int) -> np.ndarray:
    """What transformers and PEFT answer without liftune, a row at a time."""
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=3, dtype=torch.float32)
    model.config.pad_token_id = pad
    model = PeftModel.from_pretrained(model, adapter).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    with torch.no_grad():
        return np.concatenate([model(**tokenizer(row, return_tensors="pt")).logits.numpy() for row in ROWS])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folded_head_answers_scaled_logits_here_reopened_and_in_plain_peft(family: str, tmp_path: Path) -> None:
    base = save_tiny(family, tmp_path / "base")
    classifier = tuned(base)
    before = classifier.logits(ROWS)
    shift = SHIFT if classifier.has_output_bias else np.zeros(3)
    assert fold_calibration(classifier, SCALE, shift, ROWS, before) == ""
    wanted = before * SCALE + shift
    np.testing.assert_allclose(classifier.logits(ROWS), wanted, atol=1e-5)
    save_adapter(classifier, tmp_path / "adapter")
    np.testing.assert_allclose(open_adapter(tmp_path / "adapter", seed=7).logits(ROWS), wanted, atol=1e-5)
    again = plain(base, tmp_path / "adapter", classifier.backbone.pad_token_id)
    np.testing.assert_allclose(again, wanted, atol=1e-5)


def test_a_folded_whole_model_survives_the_disk(tmp_path: Path) -> None:
    classifier = tuned(save_tiny("bert", tmp_path / "base"), "full")
    before = classifier.logits(ROWS)
    assert fold_calibration(classifier, SCALE, SHIFT, ROWS, before) == ""
    save_adapter(classifier, tmp_path / "adapter")
    np.testing.assert_allclose(open_adapter(tmp_path / "adapter").logits(ROWS), before * SCALE + SHIFT, atol=1e-5)


def test_a_head_that_does_not_end_in_its_last_layer_is_noticed_and_left_alone(tmp_path: Path) -> None:
    """Normalised outputs do not feel a scale; folding it in unseen would leave a false temperature on record."""
    classifier = tuned(save_tiny("distilbert", tmp_path / "base"))
    layer = classifier.final_layer()
    layer.register_forward_hook(lambda module, inputs, output: nn.functional.layer_norm(output, output.shape[-1:]))
    before, weight = classifier.logits(ROWS), layer.weight.detach().clone()
    assert "does not scale" in fold_calibration(classifier, SCALE, SHIFT, ROWS, before)
    assert torch.equal(layer.weight, weight)
    np.testing.assert_array_equal(classifier.logits(ROWS), before)


def test_a_head_without_bias_refuses_a_shift(tmp_path: Path) -> None:
    classifier = tuned(save_tiny("gpt2", tmp_path / "base"))
    before = classifier.logits(ROWS)
    assert "no bias" in fold_calibration(classifier, SCALE, SHIFT, ROWS, before)
    np.testing.assert_array_equal(classifier.logits(ROWS), before)


def test_the_card_keeps_what_validation_gave(tmp_path: Path) -> None:
    cutoff = Cutoff(above=0.7, rows=30, share=0.5, accuracy=Interval(value=0.9, low=0.8, high=0.95))
    learnt = {"temperature": 1.5, "thresholds": (0.3, 0.5, 0.4), "cutoffs": (cutoff,)}
    classifier = tuned(save_tiny("distilbert", tmp_path / "base"))
    card = save_adapter(classifier, tmp_path / "adapter", learnt=learnt)
    assert read_card(tmp_path / "adapter") == card
    assert (card.temperature, card.thresholds, card.cutoffs) == (1.5, (0.3, 0.5, 0.4), (cutoff,))
