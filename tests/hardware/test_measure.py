"""The plan follows from facts alone; the probe measures once and remembers."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from liftune.errors import SpecError
from liftune.hardware import measure as probing
from liftune.hardware.measure import MachineFacts, cache_folder, measure_machine, peak_mib, restart_peak
from liftune.hardware.plan import make_plan

LAPTOP = MachineFacts(
    devices=("cpu",),
    processor="a laptop",
    threads=2,
    bfloat16_speedup=0.7,
    eager_speedup={"float32": 0.5, "bfloat16": 4.0},
)


@pytest.fixture(autouse=True)
def _no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the laptop's."""
    monkeypatch.setattr(probing, "find_compiler", lambda: "")


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
    assert {choice.choice for choice in make_plan(LAPTOP).choices} >= {"device", "bfloat16", "attention-kernel"}


def test_a_device_that_is_not_here_is_refused_and_never_replaced() -> None:
    with pytest.raises(SpecError, match="cuda") as caught:
        make_plan(LAPTOP, device="cuda")
    assert "cpu" in (caught.value.hint or "")


def test_the_machine_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "hardware.json"
    first = measure_machine(cache=cache)
    monkeypatch.setattr(probing, "measure", lambda: pytest.fail("measured again"))
    assert measure_machine(cache=cache) == first


@pytest.mark.parametrize("damage", ["", "{", '{"key": 1}', "[]"])
def test_a_damaged_cache_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    cache = tmp_path / "hardware.json"
    cache.write_text(damage)
    monkeypatch.setattr(probing, "measure", lambda: LAPTOP)
    assert measure_machine(cache=cache) == LAPTOP


def test_measurements_are_positive_ratios() -> None:
    facts = probing.measure()
    assert facts.bfloat16_speedup > 0
    assert all(ratio > 0 for ratio in facts.eager_speedup.values())


SHAPES = ((16, 8), (16, 8), (8, 16))


def test_the_rate_of_products_is_measured_once_for_shapes_and_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hardware.json"
    rate = probing.gemm_rate(SHAPES, "float32", tokens=4, cache=cache)
    assert rate > 0
    other = probing.gemm_rate(SHAPES, "bfloat16", tokens=4, cache=cache)
    monkeypatch.setattr(probing, "_product_seconds", lambda *_: pytest.fail("measured again"))
    assert probing.gemm_rate(tuple(reversed(SHAPES)), "float32", tokens=4, cache=cache) == rate
    assert probing.gemm_rate(SHAPES, "bfloat16", tokens=4, cache=cache) == other


def test_a_rate_weighs_each_shape_by_its_operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_product_seconds", lambda shape, *_: {(16, 8): 1.0, (8, 4): 3.0}[shape])
    rate = probing.gemm_rate(((16, 8), (16, 8), (8, 4)), "float32", tokens=10, cache=tmp_path / "hardware.json")
    assert rate == 2 * 10 * (2 * 16 * 8 + 8 * 4) / (2 * 1.0 + 3.0)


def test_a_rate_measured_again_never_falls_as_other_work_can_only_lower_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, seconds = tmp_path / "hardware.json", iter((2.0, 1.0, 4.0, 8.0))
    monkeypatch.setattr(probing, "_product_seconds", lambda *_: next(seconds))

    def rate(**how: bool) -> float:
        return probing.gemm_rate(((8, 4),), "float32", tokens=10, cache=cache, **how) / (2 * 10 * 8 * 4)

    assert (rate(), rate(again=True), rate(again=True), rate()) == (0.5, 1.0, 1.0, 1.0)
    assert rate(remeasure=True) == 0.125, "and a measurement that was asked for forgets the others"


def test_a_ratio_is_measured_once_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFTUNE_CACHE", str(tmp_path))
    monkeypatch.setattr(probing, "measure", lambda: LAPTOP)
    measure_machine()
    ratio = probing.kept_ratio("one way", lambda: sum(range(9_000)), lambda: None)
    assert ratio > 1
    monkeypatch.setattr(probing, "_ratio", lambda *_: 0.25)
    assert probing.kept_ratio("one way", lambda: None, lambda: None) == ratio
    assert probing.kept_ratio("another", lambda: None, lambda: None) == 0.25
    assert measure_machine() == LAPTOP, "facts stay beside ratios"
    measure_machine(remeasure=True)
    assert probing.kept_ratio("one way", lambda: None, lambda: None) == 0.25, "what was asked to be forgotten is"


def test_a_compiler_that_was_installed_since_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "hardware.json"
    monkeypatch.setattr(probing, "measure", lambda: LAPTOP)
    assert measure_machine(cache=cache).compiler == ""
    monkeypatch.setattr(probing, "find_compiler", lambda: "/usr/bin/cc")
    monkeypatch.setattr(probing, "measure", lambda: pytest.fail("measured again"))
    assert measure_machine(cache=cache).compiler == "/usr/bin/cc"


def test_facts_and_rates_share_a_file_and_keep_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "hardware.json"
    monkeypatch.setattr(probing, "measure", lambda: LAPTOP)
    rate = probing.gemm_rate(SHAPES, "float32", tokens=4, cache=cache)
    assert measure_machine(cache=cache) == LAPTOP
    monkeypatch.setattr(probing, "_product_seconds", lambda *_: pytest.fail("measured again"))
    assert probing.gemm_rate(SHAPES, "float32", tokens=4, cache=cache) == rate
    monkeypatch.setattr(probing, "measure", lambda: dataclasses.replace(LAPTOP, threads=3))
    assert measure_machine(cache=cache) == LAPTOP
    assert measure_machine(cache=cache, remeasure=True).threads == 3


@pytest.mark.parametrize("damage", ["[]", "{", '{"rates": 3}'])
def test_a_damaged_cache_costs_a_measurement_not_the_run(tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "hardware.json"
    cache.write_text(damage)
    assert probing.gemm_rate(SHAPES, "float32", tokens=4, cache=cache) > 0


def test_the_peak_of_memory_grows_with_what_is_held() -> None:
    before = probing.peak_mib()
    held = bytearray(64 * 2**20)
    held[:: 2**12] = b"x" * len(held[:: 2**12])
    after = probing.peak_mib()
    assert before is None or (after is not None and after >= before > 10)


def test_a_peak_that_is_restarted_counts_what_comes_after() -> None:
    """A sweep's cells share one process: without this each would show the most of all before it."""
    block = np.ones(40 * 2**17)  # 40 MiB
    del block
    held = restart_peak()
    if held is None:
        pytest.skip("this system lets no process count its peak anew")
    before = peak_mib()
    block = np.ones(40 * 2**17)
    after = peak_mib()
    assert abs(before - held) < 5
    assert after - before > 35
    del block


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep caches elsewhere")
def test_the_cache_lies_where_it_always_did_on_linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("LIFTUNE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "liftune"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert cache_folder() == tmp_path / "caches" / "liftune"
    monkeypatch.setenv("LIFTUNE_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    for name in ("LIFTUNE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")  # set to nothing is not set
    assert cache_folder() == tmp_path / ".cache" / "liftune"


def test_without_a_home_caches_are_kept_for_the_process_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usual in containers: HOME is not set, and the user has no entry in passwd."""
    monkeypatch.setenv("LIFTUNE_CACHE", "")

    def unknown(*_: object, **__: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(probing.platformdirs, "user_cache_path", unknown)
    probing._without_home.cache_clear()
    found = cache_folder()
    assert found.is_dir()
    assert found.stat().st_mode & 0o077 == 0, "of this user alone"
    assert cache_folder() == found
    said = capsys.readouterr().err
    assert str(found) in said
    assert "LIFTUNE_CACHE" in said
