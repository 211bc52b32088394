"""Whether tuning fits into memory is known before it begins."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import save_tiny

from liftune.errors import MethodError, OutOfMemory
from liftune.hardware.flops import Shapes
from liftune.hardware.memory import MIB, Room
from liftune.hardware.plan import PASS_SIZE, RECOMPUTE, Plan
from liftune.models.attach import attach
from liftune.models.backbone import Backbone, load_backbone
from liftune.models.linear_shapes import shapes_of
from liftune.models.memory_needs import check_memory, check_rank, fit_passes, size_of
from liftune.models.methods.registry import METHODS, parse_options
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

#: PEFT gives these numbers while it sets them up.
UNKNOWN = ("boft", "shira")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("bert", tmp_path_factory.mktemp("model"))


def load(folder: Path) -> Backbone:
    return load_backbone(ModelSpec(name=str(folder)), task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_without_numbers_trains_as_many_as_with_them(name: str, folder: Path) -> None:
    """What would take gigabytes is counted without them."""
    method = METHODS[name]
    if "bert" not in method.families:
        pytest.skip("not of this family")
    backbone = load(folder)
    size = size_of(backbone, method, method.options())
    if name in UNKNOWN:
        assert size is None
        return
    assert size is not None
    assert size.trained == attach(backbone, method).trainable_parameters()
    assert size.numbers >= size.trained


@pytest.mark.parametrize("name", ["lora", "dora", "adalora", "loha", "vera"])
def test_a_rank_that_does_not_fit_is_refused_with_the_largest_that_does(name: str, folder: Path) -> None:
    """Following the hint is accepted."""
    method, backbone, room = METHODS[name], load(folder), Room(64 * MIB, "free on the machine")
    options = parse_options(method, {})
    rank = max((key for key, _ in options if key.endswith("rank")), key=lambda key: getattr(options, key) or 0)
    huge = options.model_copy(update={rank: 10_000_000})
    shapes = shapes_of(backbone)
    with pytest.raises(OutOfMemory, match=r"needs [\d,]+ MiB: [\d,]+ trained parameters.*there are 64 MiB") as caught:
        check_memory(backbone, method, huge, shapes, room)
    found = re.search(rf"--set {rank}=(\d+)", caught.value.hint or "")
    assert found
    check_memory(backbone, method, options.model_copy(update={rank: int(found[1])}), shapes, room)


def test_a_model_that_does_not_fit_itself_is_refused(folder: Path) -> None:
    """Whatever the rank."""
    backbone = load(folder)
    with pytest.raises(OutOfMemory) as caught:
        check_memory(backbone, METHODS["full"], METHODS["full"].options(), shapes_of(backbone), Room(1000))
    assert "--method lora" in (caught.value.hint or "")


def test_a_limit_is_what_to_raise_where_the_method_is_the_smallest(folder: Path) -> None:
    """To say "such as --method lora" to one who took lora helps nobody."""
    backbone, limit = load(folder), "the 1,000 MiB of ulimit -v"
    with pytest.raises(OutOfMemory) as caught:
        check_memory(
            backbone, METHODS["lora"], METHODS["lora"].options(), shapes_of(backbone), Room(1000, f"left of {limit}")
        )
    assert caught.value.hint == f"raise the limit, {limit}, or take a smaller --model"


def test_nothing_is_refused_where_nothing_says_what_is_free(folder: Path) -> None:
    """Better tried than refused."""
    backbone = load(folder)
    huge = METHODS["lora"].options().model_copy(update={"rank": 10_000_000})
    assert check_memory(backbone, METHODS["lora"], huge, shapes_of(backbone), None) is not None


def test_passes_are_made_as_small_as_the_room_that_is_left(folder: Path) -> None:
    """And the plan says why."""
    backbone = load(folder)
    size = size_of(backbone, METHODS["lora"], METHODS["lora"].options())
    assert size is not None
    shapes = Shapes(linears=(), width=384, layers=6)
    plan = fit_passes(Plan(), shapes, size, Room(size.bytes + 100 * 34 * 6 * 384), most=4096, longest=64)
    assert plan.pass_limits[1] == 100
    assert plan.choices[0].choice == PASS_SIZE
    assert fit_passes(Plan(), shapes, size, Room(2**40), most=4096, longest=64) == Plan()
    assert fit_passes(Plan(), replace(shapes, layers=0), size, Room(size.bytes), most=4096, longest=64) == Plan()


def test_a_row_that_does_not_fit_is_computed_twice(folder: Path) -> None:
    """Where the model can: each of six layers keeps 4 bytes of a token, not 34."""
    backbone = load(folder)
    size = size_of(backbone, METHODS["lora"], METHODS["lora"].options())
    assert size is not None
    assert size.recomputes
    shapes, room = Shapes(linears=(), width=384, layers=6), Room(size.bytes + 100 * 34 * 6 * 384)
    plan = fit_passes(Plan(), shapes, size, room, most=4096, longest=200)
    assert plan.recompute
    assert plan.pass_limits[1] == 100 * 34 * 6 // (4 * 6 + 34)
    assert [each.choice for each in plan.choices] == [RECOMPUTE, PASS_SIZE]
    assert not plan.for_inference.recompute
    unable = fit_passes(Plan(), shapes, replace(size, recomputes=False), room, most=4096, longest=200)
    assert not unable.recompute
    assert unable.pass_limits[1] == 100
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("name", ["lora", "pissa", "adalora", "loha", "vblora"])
def test_a_rank_above_every_matrix_is_refused_before_it_is_built(name: str, folder: Path) -> None:
    """It would take minutes and gigabytes. Following the hint is accepted."""
    method, backbone = METHODS[name], load(folder)
    options = parse_options(method, {})
    rank = max((key for key, _ in options if key.endswith("rank")), key=lambda key: getattr(options, key) or 0)
    with pytest.raises(MethodError, match=rf"{rank}=1,000,000 trains [\d,]+ parameters, the whole model has") as caught:
        check_rank(backbone, method, options.model_copy(update={rank: 1_000_000}))
    found = re.search(rf"--set {rank}=(\d+)", caught.value.hint or "")
    assert found
    check_rank(backbone, method, options.model_copy(update={rank: int(found[1])}))


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_has_by_default_is_no_rank_too_many(name: str, folder: Path) -> None:
    """Even of a tiny model: some ranks, such as VeRA's, are above every matrix's by design."""
    check_rank(load(folder), METHODS[name], METHODS[name].options())
