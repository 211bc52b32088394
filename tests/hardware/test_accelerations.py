"""Accelerations by name: what the plan takes, what can be asked for, what is refused."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from liftune.cli.main import main
from liftune.errors import SpecError
from liftune.hardware.accelerations import ACCELERATIONS, FOR_CPUS
from liftune.hardware.measure import MachineFacts
from liftune.hardware.plan import UNCUT, make_plan
from liftune.spec import RunSpec, TrainSpec

LAPTOP = MachineFacts(
    devices=("cpu",),
    processor="a laptop",
    threads=2,
    bfloat16_speedup=0.7,
    eager_speedup={"float32": 0.5, "bfloat16": 4.0},
    compiler="/usr/bin/cc",
)
SERVER = dataclasses.replace(LAPTOP, devices=("cuda", "cpu"), accelerators=1, accelerator_bfloat16=True)
OLD_CARD = dataclasses.replace(SERVER, accelerator_bfloat16=False)
HAND_WRITTEN = {"packing", "fused-lora", "last-layer", "pooled-dropout", "parallel-passes", "compiled-attention"}


@pytest.mark.parametrize("facts", [LAPTOP, SERVER, OLD_CARD], ids=["laptop", "server", "old card"])
def test_every_acceleration_is_one_choice_with_its_reason(facts: MachineFacts) -> None:
    """One list: nothing of the plan is said twice."""
    plan = make_plan(facts)
    choices = [choice.choice for choice in plan.choices]
    assert choices == ["device", "answers", *ACCELERATIONS]
    assert {choice.choice for choice in plan.choices if choice.value == "on"} == plan.accelerations
    assert all(choice.reason for choice in plan.choices)
    assert not plan.requested


def test_what_was_written_for_processors_stays_off_elsewhere() -> None:
    plan = make_plan(SERVER)
    assert not plan.accelerations & HAND_WRITTEN
    assert {choice.reason for choice in plan.choices if choice.choice in HAND_WRITTEN} == {FOR_CPUS}
    assert make_plan(SERVER, device="cpu").accelerations >= HAND_WRITTEN


@pytest.mark.parametrize("facts", [LAPTOP, SERVER], ids=["laptop", "server"])
def test_with_none_the_plan_is_what_torch_does_by_itself(facts: MachineFacts) -> None:
    plan = make_plan(facts, accelerations=())
    assert (plan.dtype, plan.inference_dtype, plan.attention) == ("float32", "float32", "sdpa")
    assert plan.micro_batch_rows == plan.micro_batch_tokens == UNCUT
    assert plan.accelerations == plan.requested == frozenset()


@pytest.mark.parametrize("name", ACCELERATIONS)
def test_each_can_be_the_only_one_and_the_only_one_left_out(name: str) -> None:
    alone = make_plan(LAPTOP, accelerations=[name])
    assert alone.accelerations == alone.requested == {name}
    others = make_plan(LAPTOP, accelerations=set(ACCELERATIONS) - {name})
    assert others.accelerations == set(ACCELERATIONS) - {name}
    assert next(choice for choice in others.choices if choice.choice == name).reason == "not asked for"


def test_what_is_merely_slower_is_done_where_it_is_asked_for() -> None:
    assert "bfloat16" not in make_plan(LAPTOP).accelerations
    plan = make_plan(LAPTOP, accelerations=["bfloat16", "attention-kernel"])
    assert (plan.dtype, plan.attention) == ("bfloat16", "eager"), "attention goes by the precision that was asked for"
    reason = next(choice.reason for choice in plan.choices if choice.choice == "bfloat16")
    assert "asked for" in reason
    assert "0.7x" in reason


def test_a_kernel_that_the_wheel_brought_needs_no_compiler() -> None:
    def said(facts: MachineFacts) -> tuple[str, str]:
        (choice,) = (each for each in make_plan(facts).choices if each.choice == "compiled-attention")
        return choice.value, choice.reason

    bare = dataclasses.replace(LAPTOP, compiler="")
    assert said(bare) == ("off", "there is no C compiler (cc, gcc or clang)")
    assert said(dataclasses.replace(bare, prebuilt="x86-64-v3"))[0] == "on"
    assert "built for x86-64-v3" in said(dataclasses.replace(LAPTOP, prebuilt="x86-64-v3"))[1]
    assert "compiled once by /usr/bin/cc" in said(LAPTOP)[1]


@pytest.mark.parametrize("name", sorted(HAND_WRITTEN | {"bfloat16"}))
def test_what_is_impossible_on_the_device_is_refused_and_never_replaced(name: str) -> None:
    with pytest.raises(SpecError, match=name) as caught:
        make_plan(OLD_CARD, accelerations=[name])
    assert caught.value.where == "--accelerations"
    assert make_plan(OLD_CARD, device="cpu", accelerations=[name]).accelerations == {name}


def test_a_plan_says_what_does_not_fit_a_model() -> None:
    plan = make_plan(LAPTOP).without({"packing": "no layers of its kind", "bfloat16": "never said: it is off"})
    assert "packing" not in plan.accelerations
    reasons = {choice.choice: (choice.value, choice.reason) for choice in plan.choices}
    assert reasons["packing"] == ("off", "no layers of its kind")
    assert "0.7x" in reasons["bfloat16"][1]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, None),
        ("none", ()),
        ((), ()),
        ("packing", ("packing",)),
        ("packing, bfloat16", ("packing", "bfloat16")),
        (["packing", "bfloat16"], ("packing", "bfloat16")),
    ],
)
def test_names_are_read_alike_from_the_command_line_and_python(
    given: object, found: tuple[str, ...] | None, tmp_path: Path
) -> None:
    spec = RunSpec.of(accelerations=given)
    assert spec.train.accelerations == found
    (tmp_path / "spec.json").write_text(json.dumps(spec.model_dump(mode="json")))
    assert RunSpec.read(tmp_path / "spec.json") == spec


def test_none_beside_names_is_a_fault() -> None:
    with pytest.raises(SpecError, match="--accelerations: give either none or names, not both"):
        RunSpec.of(accelerations="none,packing")


def test_an_unknown_name_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tune", "--accelerations", "paking"]) == 2
    said = capsys.readouterr().err
    assert "unknown acceleration 'paking', did you mean packing?" in said
    assert "where: --accelerations" in said
    assert list(tmp_path.iterdir()) == []


def test_help_and_listing_name_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "accelerations", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == list(ACCELERATIONS)
    assert TrainSpec().accelerations is None


def test_accelerations_and_plans_need_no_torch() -> None:
    code = "import sys, liftune.hardware.plan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_plan_tells_the_passes_that_it_makes() -> None:
    said = {choice.choice: choice.reason for choice in make_plan(LAPTOP).choices}["length-batches"]
    for plan in (make_plan(LAPTOP), make_plan(LAPTOP).without({"packing": "another kind"})):
        rows, tokens = plan.pass_limits
        assert f"{rows} or {tokens}" in said or f"{rows} rows or {tokens} tokens" in said
