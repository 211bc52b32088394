"""Rows of several windows: one row to whatever takes rows, with the mean of its windows' logits and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_adapters import PACKED
from tiny_models import save_tiny
from torch.nn import functional as F

from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.models.multi_lora.low_rank import AdapterWeights
from liftune.models.multi_lora.model import MixedModel
from liftune.models.multi_lora.segments import MixedRow
from liftune.models.tokens.cache import Chunk, Tokens, open_file, write_file
from liftune.models.tokens.encoder import RowEncoder
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind
from liftune.types import Row

BREAK = " / "
ROWS = ["ok", f"the first half{BREAK}and a second one, which is longer", "a row of one window"]


class EncoderOfHalves(RowEncoder):
    """A fake: each part of a text between breaks is a window, encoded as it is alone."""

    def chunk(self, rows: Sequence[Row]) -> Chunk:
        parts = [str(row).split(BREAK) for row in rows]
        windows = super().chunk([part for row in parts for part in row])
        firsts = np.cumsum([0, *map(len, parts)])
        return replace(
            windows, offsets=windows.offsets[firsts], pairs=windows.pairs[firsts[:-1]], windows=windows.offsets
        )


def classifier_of(
    folder: Path, method: str | None = None, plan: Plan | None = None, *, fake: bool = True
) -> Classifier:
    backbone = load_backbone(ModelSpec(name=str(folder)), task=TaskKind.SINGLE_LABEL, labels=("a", "b", "c"), seed=0)
    classifier = attach(backbone, METHODS[method] if method else None, plan=plan)
    if fake:
        encoder = EncoderOfHalves(backbone.model, backbone.tokenizer, classifier.max_length)
        classifier._collator._encoder = encoder
    return classifier


@pytest.mark.parametrize(
    ("family", "method", "plan"),
    [
        ("bert", None, Plan()),
        ("bert", "lora", PACKED),
        ("gpt2", "prompt", Plan()),  # such batches are split by length
        ("xlnet", None, Plan()),  # padded on the left
    ],
)
def test_a_row_has_the_mean_of_its_windows_logits(family: str, method: str | None, plan: Plan, tmp_path: Path) -> None:
    folder = save_tiny(family, tmp_path / family)
    plain = classifier_of(folder, method, plan, fake=False)
    expected = [plain.logits(row.split(BREAK)).mean(0) for row in ROWS]
    windowed = classifier_of(folder, method, plan)
    assert [len(row.windows) for row in windowed.encode(ROWS)] == [0, 2, 0]
    np.testing.assert_allclose(windowed.logits(ROWS), expected, atol=1e-5)


def test_features_and_final_inputs_are_means_too(tmp_path: Path) -> None:
    folder = save_tiny("bert", tmp_path / "bert")
    plain, windowed = classifier_of(folder, fake=False), classifier_of(folder)
    features = windowed.features(ROWS)
    for name, values in features.items():
        expected = [plain.features(row.split(BREAK))[name].mean(0) for row in ROWS]
        np.testing.assert_allclose(values, expected, atol=1e-5, err_msg=name)
    expected = [plain.final_inputs(row.split(BREAK)).mean(0) for row in ROWS]
    np.testing.assert_allclose(windowed.final_inputs(ROWS), expected, atol=1e-5)


def test_training_sees_one_loss_a_row(tmp_path: Path) -> None:
    windowed = classifier_of(save_tiny("bert", tmp_path / "bert"), "lora", PACKED)
    logits = windowed.forward(windowed.collate(windowed.encode(ROWS)))
    assert logits.shape == (3, 3)
    F.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    assert all(p.grad is not None for name, p in windowed.trainable() if "lora_A" in name)


def test_mixed_batches_keep_a_rows_windows_with_its_model(tmp_path: Path) -> None:
    folder = save_tiny("bert", tmp_path / "bert")
    windowed = classifier_of(folder, None, PACKED)
    expected = windowed.logits(ROWS)
    models = [AdapterWeights({}, {}, 3), AdapterWeights({}, {}, 2)]
    mixed = MixedModel(windowed)
    rows = [MixedRow(model, row) for row in windowed.encode(ROWS) for model in models]
    logits = mixed.logits(rows)
    np.testing.assert_allclose(np.stack(logits[::2]), expected, atol=1e-5)
    np.testing.assert_allclose(np.stack(logits[1::2]), expected[:, :2], atol=1e-5)


def test_windows_survive_the_disk(tmp_path: Path) -> None:
    encoded = classifier_of(save_tiny("bert", tmp_path / "bert")).encode(ROWS)
    write_file(tmp_path / "tokens.arrow", encoded._chunks)
    read = open_file(tmp_path / "tokens.arrow")
    assert isinstance(read, Tokens)
    assert [row.windows for row in read] == [row.windows for row in encoded]
    assert [len(row.windows) for row in read] == [0, 2, 0]
    assert sum(read[1].windows) == len(read[1])
    assert read.token_pairs == sum(n**2 for row in read for n in row.windows or (len(row),))
