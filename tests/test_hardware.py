"""The plan follows from facts alone; the probe measures once and remembers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from liftune.errors import SpecError
from liftune.hardware import probe as probing
from liftune.hardware.plan import make_plan
from liftune.hardware.probe import Facts, probe

LAPTOP = Facts(
    devices=("cpu",),
    processor="a laptop",
    threads=2,
    bfloat16_speedup=0.7,
    eager_speedup={"float32": 0.5, "bfloat16": 4.0},
)


def test_a_processor_that_is_slow_in_bfloat16_computes_in_float32() -> None:
    plan = make_plan(LAPTOP)
    assert (plan.device, plan.dtype, plan.attention) == ("cpu", "float32", "sdpa")


def test_a_processor_that_is_fast_in_bfloat16_uses_it_with_the_attention_measured_for_it() -> None:
    plan = make_plan(dataclasses.replace(LAPTOP, bfloat16_speedup=3.9))
    assert (plan.dtype, plan.attention) == ("bfloat16", "eager")


def test_an_accelerator_is_taken_where_there_is_one() -> None:
    facts = dataclasses.replace(LAPTOP, devices=("cuda", "cpu"), accelerators=2, accelerator_bfloat16=True)
    plan = make_plan(facts)
    assert (plan.device, plan.dtype, plan.attention) == ("cuda", "bfloat16", "sdpa")
    assert make_plan(facts, device="cpu").device == "cpu"
    assert make_plan(facts, device="cuda:1").device == "cuda:1"


def test_every_choice_carries_its_reason() -> None:
    assert all(choice.reason and choice.value for choice in make_plan(LAPTOP).choices)
    assert {choice.choice for choice in make_plan(LAPTOP).choices} >= {"device", "bfloat16", "fast-attention"}


def test_a_device_that_is_not_here_is_refused_and_never_replaced() -> None:
    with pytest.raises(SpecError, match="cuda") as caught:
        make_plan(LAPTOP, device="cuda")
    assert "cpu" in (caught.value.mend or "")


def test_the_machine_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "hardware.json"
    first = probe(cache=cache)
    monkeypatch.setattr(probing, "measure", lambda: pytest.fail("measured again"))
    assert probe(cache=cache) == first


@pytest.mark.parametrize("damage", ["", "{", '{"key": 1}', "[]"])
def test_a_damaged_cache_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    cache = tmp_path / "hardware.json"
    cache.write_text(damage)
    monkeypatch.setattr(probing, "measure", lambda: LAPTOP)
    assert probe(cache=cache) == LAPTOP


def test_measurements_are_positive_ratios() -> None:
    facts = probing.measure()
    assert facts.bfloat16_speedup > 0
    assert all(ratio > 0 for ratio in facts.eager_speedup.values())
