"""A classifier answers each row by itself, keeps what it is told to keep, and trains what is fresh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, save_tiny
from torch.nn import functional as F

from liftune.errors import MethodError
from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.backbone import Backbone, load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

LABELS = ("anger", "joy", "love")
#: Texts that spell out special tokens, one of nothing but an end of text, an empty one, and pairs.
ROWS = [
    "ok",
    "a much longer row, which goes on and on </s> and on <|endoftext|> [SEP] <pad> until nobody reads it any more",
    "</s>",
    "<|endoftext|>",
    "",
    ("a premise", "and what would follow from it"),
    ("x", "y"),
    "ends with its own pad <|endoftext|>",
]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {family: save_tiny(family, folder / family) for family in FAMILIES}


def load(folder: Path, *, task: str = "single_label") -> Backbone:
    labels = LABELS if task != "regression" else ()
    return load_backbone(ModelSpec(name=str(folder)), task=TaskKind(task), labels=labels, seed=0)


def step(classifier: Classifier, *, times: int = 3) -> None:
    """A few optimizer steps toward the first label."""
    optimizer = torch.optim.AdamW([p for _, p in classifier.trainable()], lr=1e-2)
    batch = classifier.collate(classifier.encode(["one row", "and a second, longer row"]))
    classifier.model.train()
    for _ in range(times):
        F.cross_entropy(classifier.forward(batch), torch.tensor([0, 0])).backward()
        optimizer.step()
        optimizer.zero_grad()
    classifier.model.eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_alone_answers_as_beside_longer_rows(family: str, saved: dict[str, Path]) -> None:
    classifier = attach(load(saved[family]), None)
    together = classifier.logits(ROWS)
    alone = np.concatenate([classifier.logits([row]) for row in ROWS])
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "llama", "qwen3"])
@pytest.mark.parametrize("method", ["prompt", "prefix"])
def test_a_prompted_row_does_not_depend_on_its_batch_either(method: str, family: str, saved: dict[str, Path]) -> None:
    """A last-token classifier that is given embeddings cannot see padding: such rows go in batches without any."""
    classifier = attach(load(saved[family]), METHODS[method], seed=1)
    step(classifier)
    together = classifier.logits(ROWS)
    alone = np.concatenate([classifier.logits([row]) for row in ROWS])
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)
    rows = ROWS[:3]
    batch = classifier.collate(classifier.encode(rows))
    np.testing.assert_allclose(classifier.forward(batch).detach().numpy(), alone[:3], atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["bert", "xlnet", "t5", "gpt2"])
def test_the_texts_of_a_pair_are_told_apart(family: str, saved: dict[str, Path]) -> None:
    classifier = attach(load(saved[family]), None)
    one, other = classifier.logits([("ab", "c"), ("a", "bc")])
    assert not np.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_of_one_row_each(family: str, saved: dict[str, Path]) -> None:
    classifier = attach(load(saved[family]), None)
    rows = ["ok", "a longer row of text"]
    found = classifier.features(rows)
    assert set(found) == {"mean", "first", "last", "head"}
    for key, values in found.items():
        assert values.shape == (2, 32)
        assert values.dtype == np.float32
        for i, row in enumerate(rows):
            np.testing.assert_allclose(values[i], classifier.features([row])[key][0], atol=1e-5, rtol=0)


def test_the_heads_features_are_what_its_logits_come_from(saved: dict[str, Path]) -> None:
    backbone = load(saved["llama"])
    classifier = attach(backbone, None)
    weight = backbone.model.score.weight.numpy()
    np.testing.assert_allclose(classifier.features(["abc"])["head"] @ weight.T, classifier.logits(["abc"]), atol=1e-5)


def test_no_rows_have_no_answers(saved: dict[str, Path]) -> None:
    assert attach(load(saved["bert"]), None).logits([]).shape == (0, 3)


def test_answering_leaves_the_mode_as_it_was(saved: dict[str, Path]) -> None:
    classifier = attach(load(saved["bert"]), METHODS["lora"])
    classifier.model.train()
    first, second = classifier.logits(["ok"]), classifier.logits(["ok"])
    assert classifier.model.training
    np.testing.assert_array_equal(first, second, err_msg="dropout was on")


def test_a_break_while_answering_leaves_the_mode_as_it_was(saved: dict[str, Path]) -> None:
    """Memory may run out in the middle; what is tried next must train with gradients and dropout."""

    def stop(rows: int) -> None:
        raise MemoryError

    classifier = attach(load(saved["bert"]), METHODS["lora"])
    classifier.model.train()
    with pytest.raises(MemoryError):
        classifier.logits(["ok"], progress=stop)
    assert classifier.model.training
    assert not torch.is_inference_mode_enabled()


def test_progress_counts_every_row_once(saved: dict[str, Path]) -> None:
    counts: list[int] = []
    attach(load(saved["bert"]), None).logits(["ok"] * 300, progress=counts.append)
    assert sum(counts) == 300
    assert len(counts) > 1


def test_a_snapshot_brings_back_the_answers(saved: dict[str, Path]) -> None:
    classifier = attach(load(saved["roberta"]), METHODS["lora"])
    step(classifier)
    kept, before = classifier.snapshot(), classifier.logits(["ok"])
    step(classifier)
    assert not np.allclose(classifier.logits(["ok"]), before, atol=1e-3)
    classifier.restore(kept)
    np.testing.assert_array_equal(classifier.logits(["ok"]), before)


@pytest.mark.parametrize("family", ["bert", "roberta", "bart", "gpt2"])
def test_the_target_scale_folds_into_the_head(family: str, saved: dict[str, Path]) -> None:
    classifier = attach(load(saved[family], task="regression"), METHODS["lora"])
    raw = classifier.logits(["ok", "a longer row"])
    mean, scale = classifier.set_target_scale(300.0, 40.0)
    assert (mean, scale) == ((0.0, 40.0) if family == "gpt2" else (300.0, 40.0))
    scaled = classifier.logits(["ok", "a longer row"])
    np.testing.assert_allclose(scaled, raw * scale + mean, rtol=1e-5)
    classifier.fold_target_scale()
    assert not classifier.has_target_scale
    np.testing.assert_allclose(classifier.logits(["ok", "a longer row"]), scaled, rtol=1e-5)


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "modernbert", "xlnet", "t5", "gpt2", "qwen3"])
def test_bfloat16_holds_the_frozen_matrices_and_trains_in_float32(family: str, saved: dict[str, Path]) -> None:
    plan = Plan(dtype="bfloat16")
    exact = attach(load(saved[family]), None).logits(["ok", "a longer row of text"])
    backbone = load(saved[family])
    loaded = [p.data for p in backbone.model.parameters()]  # held, so that none of their memory is given out again
    classifier = attach(backbone, METHODS["lora"], plan=plan)
    of_the_file = {tensor.untyped_storage().data_ptr() for tensor in loaded}
    assert of_the_file.isdisjoint(p.untyped_storage().data_ptr() for p in classifier.model.parameters())
    assert {p.dtype for _, p in classifier.trainable()} == {torch.float32}
    frozen = {p.dtype for p in classifier.model.parameters() if not p.requires_grad and p.ndim >= 2}
    assert torch.bfloat16 in frozen
    close = classifier.logits(["ok", "a longer row of text"])
    assert close.dtype == np.float32
    np.testing.assert_allclose(close, exact, atol=0.1)
    step(classifier)
    assert np.isfinite(classifier.logits(["ok"])).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_probe_trains_the_head_and_nothing_else(family: str, saved: dict[str, Path]) -> None:
    backbone = load(saved[family])
    classifier = attach(backbone, METHODS["probe"])
    trained = {name.removeprefix("base_model.model.") for name, _ in classifier.trainable()}
    assert {name.replace(".modules_to_save.default", "") for name in trained} == set(backbone.fresh)


@pytest.mark.parametrize("method", ["probe", "lora", "bitfit", "full"])
def test_what_is_trained_is_the_head_or_in_the_encoder(method: str, saved: dict[str, Path]) -> None:
    """Bert's head has two parts: the classifier, and a pooler that the checkpoint lacks, inside of the body."""
    backbone = load(saved["bert"])
    assert backbone.head_modules == ("bert.pooler", "classifier")
    head = sum(p.numel() for p in backbone.head_parameters())
    assert head == sum(p.numel() for name, p in backbone.model.named_parameters() if name in backbone.fresh)
    biases = sum(p.numel() for name, p in backbone.model.named_parameters() if name.endswith(".bias"))
    body_biases = biases - sum(p.numel() for p in backbone.head_parameters() if p.ndim == 1)
    everything = sum(p.numel() for p in backbone.model.parameters())
    classifier = attach(backbone, METHODS[method])
    lora = sum(p.numel() for name, p in classifier.trainable() if ".lora_" in name)
    expected = {"probe": 0, "lora": lora, "bitfit": body_biases, "full": everything - head}[method]
    assert classifier.trainable_in_encoder() == expected
    assert classifier.trainable_parameters() == expected + head
    assert (expected > 0) == (method != "probe")


def test_one_seed_makes_one_adapter(saved: dict[str, Path]) -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        return [
            p for name, p in attach(load(saved["bert"]), METHODS["lora"], seed=seed).trainable() if "lora_A" in name
        ]

    for first, same, other in zip(weights(1), weights(1), weights(2), strict=True):
        assert torch.equal(first, same)
        assert not torch.equal(first, other)


def test_a_method_is_refused_where_it_does_not_fit(saved: dict[str, Path]) -> None:
    with pytest.raises(MethodError, match="does not fit t5"):
        attach(load(saved["t5"]), METHODS["prompt"])
