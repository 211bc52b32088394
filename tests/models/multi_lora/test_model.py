"""Many tuned models of one base in one batch answer as each does alone."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_adapters import PACKED, save_tuned
from tiny_models import FAMILIES, save_tiny

from liftune.hardware.plan import Plan
from liftune.hardware.workers import current_worker
from liftune.models.adapter_io import open_adapter
from liftune.models.multi_lora.segments import MixedRow
from liftune.models.multi_lora.shared_base import AdapterPool, PooledAdapter

TEXTS = ["ok", "a longer row of text", "the middle", "", "another one that is far longer than all the rows before it"]
#: method, its options, number of labels; each changes other layers than the next, or to another rank.
MIXED = [
    ("lora", {}, 2),
    ("rslora", {"rank": "4", "alpha": "4"}, 6),
    ("pissa", {"rank": "2"}, 77),
    ("adalora", {}, 3),
    ("probe", {}, 5),
]
#: Those whose layers are all of PEFT's kind for LoRA; the others answer by themselves.
APART = ("xlnet", "deberta-v2")
QUICK = ("bert", "gpt2", "t5")


def answers(opened: list[PooledAdapter], texts: list[str]) -> list[list[np.ndarray]]:
    """Of every model to every text, each text for one model after the other, in one batch."""
    (mixed,) = {each.mixed_model for each in opened}
    rows = [(each, each.row_encoder.chunk(texts).row(i)) for i in range(len(texts)) for each in opened]
    found = mixed.logits([MixedRow(each.weights, row) for each, row in rows])
    return [[logits for (each, _), logits in zip(rows, found, strict=True) if each is one] for one in opened]


def assert_alike(found: list[np.ndarray], alone: np.ndarray) -> None:
    np.testing.assert_allclose(np.stack(found), alone, atol=1e-5 * max(1, np.abs(alone).max()), rtol=0)


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=() if family in QUICK else pytest.mark.slow)
        for family in sorted(FAMILIES)
        if family not in APART
    ],
)
def test_models_of_one_base_answer_in_one_batch_as_alone(family: str, tmp_path: Path) -> None:
    base = save_tiny(family, tmp_path / "base")
    pool = AdapterPool(PACKED, tokens=256)
    folders = [
        save_tuned(base, tmp_path / method, method=method, raw=raw, labels=labels) for method, raw, labels in MIXED
    ]
    opened = [pool.open(folder) for folder in folders]
    assert [each.shared for each in opened] == [True] * len(opened)
    for folder, found in zip(folders, answers(opened, TEXTS), strict=True):
        assert_alike(found, open_adapter(folder, plan=PACKED).logits(TEXTS))


@pytest.mark.parametrize("family", APART)
def test_a_base_that_does_not_keep_rows_apart_answers_for_one_model_at_a_time(family: str, tmp_path: Path) -> None:
    """XLNet's batches have rows in the second axis, DeBERTa's positions go through queries' layers without rows."""
    base = save_tiny(family, tmp_path / "base")
    pool = AdapterPool(PACKED, tokens=256)
    folders = [save_tuned(base, tmp_path / str(labels), labels=labels) for labels in (2, 4)]
    opened = [pool.open(folder) for folder in folders]
    assert [each.shared for each in opened] == [False, False]
    for folder, one in zip(folders, opened, strict=True):
        assert_alike(answers([one], TEXTS)[0], open_adapter(folder, plan=PACKED).logits(TEXTS))


@pytest.mark.parametrize("method", ["dora", "ia3", "ln_tuning", "prefix", "prompt", "lora-bias"])
def test_other_methods_share_the_weights_but_not_the_batch(method: str, tmp_path: Path) -> None:
    base = save_tiny("bert", tmp_path / "base")
    pool = AdapterPool(PACKED, tokens=256)
    plain = pool.open(save_tuned(base, tmp_path / "plain"))
    name, raw = ("lora", {"bias": "all"}) if method == "lora-bias" else (method, {})
    folder = save_tuned(base, tmp_path / "other", method=name, raw=raw)
    other = pool.open(folder)
    assert not other.shared
    assert other.mixed_model is not plain.mixed_model
    assert_alike(answers([other], TEXTS)[0], open_adapter(folder, plan=PACKED).logits(TEXTS))
    assert plain.base is not None
    shared = {tensor.data_ptr() for tensor in plain.base.tensors.values()}
    weights = [each for each in other.mixed_model.base.backbone.model.parameters() if each.ndim == 2]
    held = sum(each.numel() for each in weights if each.data_ptr() in shared)
    assert held > 0.5 * sum(each.numel() for each in weights)


def test_the_base_is_in_memory_once(tmp_path: Path) -> None:
    """What its fused layers multiply by is what the other models share."""
    base = save_tiny("bert", tmp_path / "base")
    opened = AdapterPool(PACKED, tokens=256).open(save_tuned(base, tmp_path / "two"))
    assert opened.base is not None
    encoder = opened.mixed_model.base.packed_encoder
    assert encoder is not None
    pool = {tensor.untyped_storage().data_ptr() for tensor in opened.base.tensors.values()}
    assert encoder.fused is not None
    for layer in encoder.fused.weights():
        assert {each.weight.untyped_storage().data_ptr() for each in (layer.qkv, layer.out, layer.up)} <= pool


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="what is mapped is told by Linux alone")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_bases_file_is_let_go_of(dtype: str, tmp_path: Path) -> None:
    """Where fused layers move the queries' weights, what the file held of them would stay in memory for nothing."""
    base = save_tiny("bert", tmp_path / "base")
    pool = AdapterPool(replace(PACKED, dtype=dtype), tokens=256)
    opened = [pool.open(save_tuned(base, tmp_path / str(labels), labels=labels)) for labels in (2, 3)]
    gc.collect()
    assert str(tmp_path) not in Path("/proc/self/maps").read_text(encoding="utf-8")
    assert [each.shared for each in opened] == [True, True]


def test_a_model_tuned_in_full_has_weights_of_its_own(tmp_path: Path) -> None:
    base = save_tiny("bert", tmp_path / "base")
    folder = save_tuned(base, tmp_path / "full", method="full")
    opened = AdapterPool(PACKED, tokens=256).open(folder)
    assert (opened.shared, opened.base) == (False, None)
    assert_alike(answers([opened], TEXTS)[0], open_adapter(folder, plan=PACKED).logits(TEXTS))


@pytest.mark.parametrize(
    "plan",
    [Plan(), replace(PACKED, dtype="bfloat16"), Plan(accelerations=frozenset({"packing"}))],
    ids=["padded", "bfloat16", "packed by modules"],
)
def test_other_plans_answer_as_alone_too(plan: Plan, tmp_path: Path) -> None:
    base = save_tiny("distilbert", tmp_path / "base")
    pool = AdapterPool(plan, tokens=256)
    models = [("lora", "8", 2), ("lora", "2", 77), ("probe", "", 3)]
    folders = [
        save_tuned(base, tmp_path / str(labels), method=method, raw={"rank": rank} if rank else {}, labels=labels)
        for method, rank, labels in models
    ]
    opened = [pool.open(folder) for folder in folders]
    assert all(each.shared for each in opened)
    for folder, found in zip(folders, answers(opened, TEXTS), strict=True):
        alone = open_adapter(folder, plan=plan).logits(TEXTS)
        tolerance = (1e-5 if plan.dtype == "float32" else 2e-2) * max(1, np.abs(alone).max())
        np.testing.assert_allclose(np.stack(found), alone, atol=tolerance, rtol=0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_workers_answer_as_one_does(dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a batch go in two passes, side by side; each worker knows whose its own rows are."""
    monkeypatch.setattr("liftune.models.multi_lora.model.WORKER_TOKENS", 8)
    plan = replace(PACKED, dtype=dtype)
    base = save_tiny("distilbert", tmp_path / "base")
    pool = AdapterPool(plan, tokens=256)
    opened = [pool.open(save_tuned(base, tmp_path / str(labels), labels=labels)) for labels in (2, 6, 77)]
    one = answers(opened, TEXTS)
    mixed = opened[0].mixed_model
    mixed.base.plan = replace(mixed.base.plan, accelerations=mixed.base.plan.accelerations | {"parallel-passes"})
    passes = []
    placed = mixed._layout.set
    monkeypatch.setattr(mixed._layout, "set", lambda *batch: (passes.append(current_worker().index), placed(*batch)))
    for before, found in zip(one, answers(opened, TEXTS), strict=True):
        tolerance = (1e-5 if dtype == "float32" else 2e-2) * max(1, np.abs(before).max())
        np.testing.assert_allclose(np.stack(found), np.stack(before), atol=tolerance, rtol=0)
    packed = mixed.base.packed_encoder is not None  # not where this processor has no fast products in bfloat16
    assert len(passes) == (2 if packed else 3), "of padded rows those of like length go together"


@pytest.mark.slow
def test_on_a_real_model_two_six_and_many_labels_share_a_batch(tmp_path: Path) -> None:
    pool = AdapterPool(PACKED, tokens=2048)
    folders = [save_tuned(Path("minilm"), tmp_path / str(labels), labels=labels) for labels in (2, 6, 77)]
    opened = [pool.open(folder) for folder in folders]
    for folder, found in zip(folders, answers(opened, TEXTS), strict=True):
        assert_alike(found, open_adapter(folder, plan=PACKED).logits(TEXTS))


def test_models_of_one_row_and_of_many_meet_in_a_batch(tmp_path: Path) -> None:
    """Eight models of one row each beside one of many: in bfloat16 some pieces hold many models, others one."""
    plan = replace(PACKED, dtype="bfloat16")
    base = save_tiny("distilbert", tmp_path / "base")
    pool = AdapterPool(plan, tokens=2048)
    opened = [pool.open(save_tuned(base, tmp_path / str(labels), labels=labels)) for labels in range(2, 11)]
    rows = opened[0].row_encoder.chunk(["a few words of some length"] * 40)
    mixed_rows = [MixedRow(opened[min(i, 8)].weights, rows.row(i)) for i in range(40)]
    found = opened[0].mixed_model.logits(mixed_rows)
    for i in (0, 7, 8, 39):
        alone = opened[0].mixed_model.logits([mixed_rows[i]])[0]
        np.testing.assert_allclose(found[i], alone, atol=2e-2 * max(1, np.abs(alone).max()), rtol=0)


def test_in_bfloat16_factors_are_held_once_and_go_with_their_models(tmp_path: Path) -> None:
    """Batches pick their models' factors from stacks, of which the models' own tensors become views."""
    base = save_tiny("distilbert", tmp_path / "base")
    pool = AdapterPool(replace(PACKED, dtype="bfloat16"), tokens=256)
    opened = [pool.open(save_tuned(base, tmp_path / str(labels), labels=labels)) for labels in (2, 3, 4)]
    before = answers(opened, TEXTS)
    store = opened[0].mixed_model._updates.store
    held = {stacked.a.untyped_storage().data_ptr() for stacked in store._stacked.values()}
    factors = [layer for each in opened for layer in each.weights.factors.values()]
    assert {each.a.untyped_storage().data_ptr() for each in factors} == held
    del opened[1], factors
    gc.collect()
    after = answers(opened, TEXTS)
    assert {len(stacked.a) for stacked in store._stacked.values()} == {2}
    for one, other in zip((before[0], before[2]), after, strict=True):
        np.testing.assert_allclose(np.stack(one), np.stack(other), atol=2e-2)


def test_the_untuned_model_answers_in_the_same_batch(tmp_path: Path) -> None:
    base = save_tiny("bert", tmp_path / "base")
    pool = AdapterPool(PACKED, tokens=256)
    opened = pool.open(save_tuned(base, tmp_path / "two", labels=2))
    plain = pool.load_base(opened.card)
    from liftune.inference.opening import load_predictor

    bases = [each.base for each in load_predictor(tmp_path / "two", with_base=True).predict(TEXTS)]
    shares = np.array([list(each.probabilities.values()) for each in bases if each and each.probabilities])
    logits = np.stack(answers([opened, plain], TEXTS)[1])
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), shares, atol=1e-5)


def test_a_base_is_held_as_long_as_any_model_of_it(tmp_path: Path) -> None:
    base = save_tiny("bert", tmp_path / "base")
    pool = AdapterPool(PACKED, tokens=256)
    first, second = (pool.open(save_tuned(base, tmp_path / str(labels), labels=labels)) for labels in (2, 3))
    assert first.base is second.base
    del first
    gc.collect()
    assert len(pool._bases) == 1
    del second
    gc.collect()
    assert len(pool._bases) == 0
