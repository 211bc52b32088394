"""One training by several processes: the numbers of one, whoever computes what; and what is said where one is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import save_tiny
from together import Job, together, without_dropout

from liftune.hardware.plan import Plan
from liftune.models.packed.install import PACKED
from liftune.tasks import TaskKind

#: Biases of keys, which softmax takes out again: their gradient is zero but for rounding, which AdamW makes steps of.
IDLE = ("k_lin.bias", "key.bias")
FAST = Plan(accelerations=frozenset(PACKED))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    families = ("distilbert", "bert", "llama")
    return {name: str(save_tiny(name, folder / name, change=without_dropout)) for name in families}


def test_what_fails_in_another_process_is_said_by_the_first(models: dict[str, str]) -> None:
    """Once, with the number of the process; the connection holds."""
    kind, said, _ = together(Job(models["distilbert"], fails_at=3), 2)
    assert (kind, said.splitlines()[0]) == ("LiftuneError", "rank 1: no more")


def assert_like_one(job: Job, ranks: int = 2) -> dict[str, Any]:
    """Within 1e-5, as float32 allows after 20 steps."""
    one, several = together(job, 1), together(job, ranks)
    assert isinstance(one, dict), one
    assert isinstance(several, dict), several
    for name, weight in one["weights"].items():
        if name.endswith(IDLE):
            continue
        np.testing.assert_allclose(several["weights"][name], weight, atol=1e-5, rtol=1e-5, err_msg=name)
    for epoch, other in zip(one["scores"], several["scores"], strict=True):
        assert other == pytest.approx(epoch, abs=1e-5)
    assert len(one["losses"]) >= 20
    np.testing.assert_allclose(several["losses"], one["losses"], atol=1e-5)
    np.testing.assert_allclose(several["logits"], one["logits"], atol=1e-5)
    np.testing.assert_allclose(several["base"], one["base"], atol=1e-6)
    assert one["features"].keys() == several["features"].keys()
    for name, values in one["features"].items():
        np.testing.assert_allclose(several["features"][name], values, atol=1e-6)
    return several


def test_two_processes_train_as_one_does(models: dict[str, str]) -> None:
    assert_like_one(Job(models["distilbert"]))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full", "adalora", "ia3", "pissa", "prompt", "bitfit"])
def test_every_kind_of_method_trains_as_in_one_process(method: str, models: dict[str, str]) -> None:
    assert_like_one(Job(models["distilbert"], method))


@pytest.mark.slow
@pytest.mark.parametrize("task", [TaskKind.MULTI_LABEL, TaskKind.REGRESSION])
def test_every_kind_of_task_trains_as_in_one_process(task: TaskKind, models: dict[str, str]) -> None:
    assert_like_one(Job(models["distilbert"], task=task))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_decoder_trains_as_in_one_process(method: str, models: dict[str, str]) -> None:
    assert_like_one(Job(models["llama"], method))


@pytest.mark.slow
def test_the_packed_encoder_and_workers_go_along(models: dict[str, str]) -> None:
    assert_like_one(Job(models["bert"], plan=FAST))


@pytest.mark.slow
@pytest.mark.parametrize(("family", "method"), [("llama", "lora"), ("distilbert", "adalora"), ("bert", "ia3")])
def test_frozen_weights_are_divided(family: str, method: str, models: dict[str, str]) -> None:
    """By FSDP2, over both processes; what is trained is whole."""
    found = assert_like_one(Job(models[family], method, shard=True))
    assert found["meshes"] == {2}
    kinds = found["kinds"]
    assert {kinds[name] for name in found["weights"]} == {"Parameter"}
    heads = ("classifier", "pre_classifier", "score", "pooler")
    assert {
        kind for name, kind in kinds.items() if name not in found["weights"] and not set(name.split(".")) & set(heads)
    } == {"DTensor"}


@pytest.mark.slow
def test_more_processes_than_rows_in_a_step(models: dict[str, str]) -> None:
    """Of AdaLoRA, whose penalty is shared by those that have rows."""
    assert_like_one(Job(models["distilbert"], "adalora", batch=2, epochs=1), ranks=3)


@pytest.mark.slow
def test_a_process_that_is_killed_is_named_and_another_number_goes_on(models: dict[str, str], tmp_path: Path) -> None:
    job = Job(models["distilbert"], folder=str(tmp_path / "seed"))
    kind, said, notes = together(Job(job.model, folder=job.folder, dies_at=7), 2)
    assert kind == "RankLost"
    assert said.startswith("rank 1 (process ")
    assert notes == ["training was saved after step 6"]
    gone_on = together(job, 1)
    whole = together(Job(models["distilbert"]), 1)
    for name, weight in whole["weights"].items():
        np.testing.assert_allclose(gone_on["weights"][name], weight, atol=1e-5, err_msg=name)
