"""The speed of a run: arithmetic counted as written, and only where it holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import FAMILIES, FEED_FORWARD, HIDDEN, LAYERS, save_tiny

from liftune.hardware.flops import SMALL_ENCODER, Shapes
from liftune.hardware.plan import Plan
from liftune.models.backbone import load_backbone
from liftune.models.linear_shapes import shapes_of
from liftune.models.methods.registry import METHODS
from liftune.records.training import Epoch, TrainLog
from liftune.spec import ModelSpec, RunSpec
from liftune.tasks import TaskKind
from liftune.training import throughput as speed
from liftune.workflows.tune import tune

BLOCK = 4 * HIDDEN * HIDDEN + 2 * HIDDEN * FEED_FORWARD


def shapes(family: str, folder: Path) -> Shapes:
    spec = ModelSpec(name=str(save_tiny(family, folder)))
    return shapes_of(load_backbone(spec, task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0))


def log(**more: object) -> TrainLog:
    epoch = Epoch(epoch=1, train_loss=1.0, validation={}, seconds=2.0, rows_per_second=5.0)
    values = {"seed": 0, "learning_rate": 1e-3, "batch_size": 2, "steps": 5, "best_epoch": 1, "epochs": (epoch,)}
    return TrainLog.model_validate({**values, "seconds": 2.0, "stopped": "", **more})


@pytest.mark.parametrize(("passes", "weight", "attention"), [("forward", 2, 4), ("frozen", 4, 12), ("trained", 6, 12)])
def test_operations_are_counted_by_weight_token_and_pair(passes: str, weight: int, attention: int) -> None:
    rows = (3, 5)
    found = Shapes(((7, 4), (4, 7)), width=4, layers=2).flops(
        sum(rows),
        sum(length**2 for length in rows),
        passes=passes,  # type: ignore[arg-type]
    )
    assert found == weight * 56 * 8 + attention * 4 * 2 * 34


def test_the_small_encoder_is_a_block_of_the_default_model() -> None:
    assert 6 * SMALL_ENCODER.weights == 10_616_832


@pytest.mark.parametrize("family", ["distilbert", "bert", "roberta", "electra", "mpnet", "gpt2"])
def test_a_familys_blocks_are_found_and_nothing_else(family: str, tmp_path: Path) -> None:
    found = shapes(family, tmp_path)
    assert not found.unsupported_reason
    assert (found.width, found.layers) == (HIDDEN, LAYERS)
    # tiny GPT-2 has the usual four times its width inside
    assert found.weights == LAYERS * (BLOCK if family != "gpt2" else 12 * HIDDEN * HIDDEN)


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        ("t5", "decoder"),
        ("bart", "decoder"),
        ("albert", "share"),
        ("modernbert", "window"),
        ("xlnet", "outside linear layers"),
    ],
)
def test_what_the_count_does_not_hold_for_says_why(family: str, reason: str, tmp_path: Path) -> None:
    found = shapes(family, tmp_path)
    assert reason in found.unsupported_reason
    with pytest.raises(ValueError, match=reason):
        found.flops(1, 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_counted_or_says_why(family: str, tmp_path: Path) -> None:
    found = shapes(family, tmp_path)
    assert found.unsupported_reason or found.flops(10, 100) > 0


def test_speed_is_arithmetic_over_seconds_over_the_machines_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "gemm_rate", lambda *_, **__: 1000.0)
    model = Shapes(((4, 2),), width=2, layers=1)
    logs = (log(tokens=30, token_pairs=90), log(seed=1, tokens=30, token_pairs=90))
    found = speed.speed_of(logs, 10, shapes=model, method=METHODS["lora"], plan=Plan())
    assert found is not None
    assert found.rows_per_second == 5.0
    assert found.tokens_per_second == 15.0
    assert found.gemm_fraction == (4 * 8 * 60 + 12 * 2 * 180) / 4.0 / 1000.0
    assert speed.speed_of((log(),), 10, shapes=model, method=METHODS["lora"], plan=Plan()) is None


def test_a_model_that_cannot_be_counted_has_a_speed_without_a_share() -> None:
    model = Shapes(((4, 2),), unsupported_reason="its layers share their weights")
    found = speed.speed_of((log(tokens=30, token_pairs=90),), 10, shapes=model, method=METHODS["lora"], plan=Plan())
    assert found is not None
    assert (found.gemm_fraction, found.note) == (None, "its layers share their weights")


def test_a_run_records_its_speed(emotions: Path, tmp_path: Path) -> None:
    model = save_tiny("distilbert", tmp_path / "model")
    record = tune(RunSpec.of(data=str(emotions), model=str(model), out=str(tmp_path / "run"), epochs=2, batch_size=8))
    found = record.speed
    assert found is not None
    assert found.rows_per_second > 0
    assert found.gemm_fraction is not None
    assert found.plan == record.plan
    # one token a byte, two special ones
    train = (emotions / "train.jsonl").read_text().splitlines()
    lengths = [len(json.loads(row)["text"]) + 2 for row in train]
    assert record.logs[0].tokens == 2 * sum(lengths)
    assert record.logs[0].token_pairs == 2 * sum(length**2 for length in lengths)
    assert {"rows_per_second", "tokens_per_second", "gemm_fraction", "peak_mib", "plan"} <= set(
        record.to_json()["speed"]
    )


def test_a_run_with_no_acceleration_computes_in_float32(emotions: Path, tmp_path: Path) -> None:
    model = save_tiny("distilbert", tmp_path / "model")
    spec = RunSpec.of(
        data=str(emotions), model=str(model), out=str(tmp_path / "run"), epochs=1, batch_size=8, accelerations="none"
    )
    assert {choice.choice for choice in tune(spec).plan if choice.value == "on"} == set()
