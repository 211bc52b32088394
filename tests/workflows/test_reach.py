"""How many tokens are read where nobody says: more than usual where texts need it, the model can, and memory allows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tiny_models import save_tiny

from liftune.hardware.flops import Shapes
from liftune.hardware.memory import MIB, Room
from liftune.models.backbone import Backbone, load_backbone
from liftune.models.linear_shapes import shapes_of
from liftune.models.memory_needs import Size, pass_bytes
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind
from liftune.workflows.reach import reach, tokens_of

ROWS = ["short"] * 80 + ["x" * 70] * 20
SIZE = Size(numbers=0, trained=0)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """A model that reads 128 tokens, and 24 unless more is asked for."""
    folder = save_tiny("bert", tmp_path_factory.mktemp("reach") / "base")
    backbone = load_backbone(ModelSpec(name=str(folder)), task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0)
    backbone.tokenizer.model_max_length = 128
    return replace(backbone, max_length=24)


@pytest.fixture(scope="module")
def shapes(usual: Backbone) -> Shapes:
    return shapes_of(usual)


def test_most_texts_are_read_whole_and_the_plan_says_why(usual: Backbone, shapes: Shapes) -> None:
    found = reach(ModelSpec(), usual, ROWS, shapes, SIZE, Room(1_000 * MIB))
    assert found is not None
    assert tokens_of(found) == 128  # 72 tokens, in steps of 64
    assert found.reason.startswith("20% of the train texts have more than 24 tokens; the model reads 128")


def test_less_is_read_where_memory_is_short(usual: Backbone, shapes: Shapes) -> None:
    found = reach(ModelSpec(), usual, ROWS, shapes, SIZE, Room(2 * pass_bytes(shapes, 70), "free"))
    assert found is not None
    assert tokens_of(found) == 64
    assert "but there are" in found.reason


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        (ModelSpec(max_length=24), ROWS),
        (ModelSpec(long="cut"), ROWS),
        (ModelSpec(), ["short"] * 100),
        (ModelSpec(), ["short"] * 98 + ["x" * 70] * 2),
    ],
)
def test_the_usual_stays_where_it_was_asked_for_or_few_texts_are_longer(
    spec: ModelSpec, rows: list[str], usual: Backbone, shapes: Shapes
) -> None:
    assert reach(spec, usual, rows, shapes, SIZE, Room(1_000 * MIB)) is None


def test_a_model_whose_limit_is_the_usual_keeps_it(usual: Backbone, shapes: Shapes) -> None:
    assert reach(ModelSpec(), replace(usual, max_length=128), ["x" * 500], shapes, SIZE, Room(1_000 * MIB)) is None
