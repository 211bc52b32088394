"""An exported encoder computes no more than its head reads, and answers as the model's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tiny_models import save_tiny
from torch import Tensor

from liftune.exports.onnx_encoder import first_states_only
from liftune.exports.onnx_graph import write_graph
from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

ROWS = ("short", "a row of another length", "é", "and the longest of them all, so that there is padding")
READS_FIRST = ("bert", "distilbert", "roberta", "electra")
READS_OTHERWISE = ("t5", "gpt2", "deberta-v2")


def tiny(family: str, folder: Path) -> Classifier:
    spec = ModelSpec(name=str(save_tiny(family, folder)), max_length=64)
    backbone = load_backbone(spec, task=TaskKind.SINGLE_LABEL, labels=("a", "b", "c"), seed=0, plan=Plan())
    classifier = attach(backbone, METHODS["full"], seed=0, total_steps=1)
    classifier.model.eval()
    return classifier


def inputs(classifier: Classifier) -> dict[str, Tensor]:
    return classifier.collate(classifier.encode(ROWS))


@pytest.mark.parametrize("family", READS_FIRST)
def test_the_first_states_are_enough_where_the_head_reads_no_other(family: str, tmp_path: Path) -> None:
    classifier = tiny(family, tmp_path)
    model, batch = classifier.backbone.model, inputs(classifier)
    with torch.no_grad():
        own = model(**batch).logits
        with first_states_only(model, batch) as only:
            assert only
            torch.testing.assert_close(model(**batch).logits, own, rtol=1e-4, atol=1e-5)
            assert model.base_model(**batch).last_hidden_state.shape[1] == 1
        assert model.base_model(**batch).last_hidden_state.shape[1] > 1, "the encoder has its own forward back"
        torch.testing.assert_close(model(**batch).logits, own, rtol=0, atol=0)


@pytest.mark.parametrize("family", READS_OTHERWISE)
def test_other_models_are_left_as_they_are(family: str, tmp_path: Path) -> None:
    classifier = tiny(family, tmp_path)
    with first_states_only(classifier.backbone.model, inputs(classifier)) as only:
        assert not only


def test_a_head_that_reads_every_state_is_left_its_own_encoder(tmp_path: Path) -> None:
    class Mean(torch.nn.Module):
        """In place of BERT's pooler."""

        def forward(self, states: Tensor) -> Tensor:
            return states.mean(dim=1)

    classifier = tiny("bert", tmp_path)
    model, batch = classifier.backbone.model, inputs(classifier)
    model.bert.pooler = Mean()
    with torch.no_grad():
        own = model(**batch).logits
        with first_states_only(model, batch) as only:
            assert not only
            torch.testing.assert_close(model(**batch).logits, own, rtol=0, atol=0)


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_the_graphs_last_layer_multiplies_one_token_a_row(family: str, tmp_path: Path) -> None:
    classifier = tiny(family, tmp_path / "base")
    write_graph(classifier, tmp_path / "model.onnx")
    graph = onnx.load(str(tmp_path / "model.onnx"))
    products = [node.output[0] for node in graph.graph.node if node.op_type == "MatMul"]
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in products)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    batch = {name: values.numpy() for name, values in inputs(classifier).items()}
    logits, *found = session.run(None, batch)
    with torch.no_grad():
        own = classifier.backbone.model(**inputs(classifier)).logits.numpy()
    np.testing.assert_allclose(logits, own, atol=1e-5)
    one_token = [each.shape for each in found if each.ndim == 3 and each.shape[1] == 1]
    # query, attention's way out, and the feed-forward's two
    assert len(one_token) == 4
    per_layer = [each for each in found if each.ndim == 3 and each.shape[1] > 1]
    assert len(per_layer) == 6 + 2, "the first layer's six, the last one's keys and values"
