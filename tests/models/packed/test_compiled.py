"""Attention by the compiled kernel: the contexts and gradients of tiles, and every way to go without it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from packed_models import EVERYTHING, ROWS, assert_alike, attached, learnt, reasons
from torch import Tensor

from liftune.errors import ModelError
from liftune.hardware.compiler import NotBuiltError, build
from liftune.hardware.plan import Plan
from liftune.hardware.prebuilt import Kind, kinds_here
from liftune.hardware.processor import find_compiler
from liftune.models.packed import compiled
from liftune.models.packed.attention import TILED, Attention
from liftune.models.packed.compiled import CompiledAttention, SavedAttention, compiled_attention
from liftune.models.packed.dropout import draw_mask
from liftune.models.packed.install import COMPILED
from liftune.models.packed.packing import Packing
from liftune.records.base import Choice

pytestmark = pytest.mark.skipif(not find_compiler(), reason="there is no C compiler")

HEADS = 3
LENGTHS = {"one": (1,), "short": (3, 12, 7, 5, 9), "blocks": (24, 25, 48), "long": (70, 70, 90, 200)}
COMPILED_TOO = replace(
    EVERYTHING,
    accelerations=EVERYTHING.accelerations | {COMPILED},
    choices=(*EVERYTHING.choices, Choice(choice=COMPILED, value="on", reason="wanted")),
)


@pytest.fixture(autouse=True)
def _faster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No time decides a test."""
    compiled_attention.cache_clear()
    monkeypatch.setattr(compiled, "kept_ratio", lambda *_: 2.0)
    yield
    compiled_attention.cache_clear()


def kernel(size: int = 16, dtype: str = "float32") -> CompiledAttention:
    found = compiled_attention(size, dtype)
    assert isinstance(found, CompiledAttention), found
    return found


def computed(
    attention: Attention, lengths: tuple[int, ...], size: int, dtype: torch.dtype, rate: float, *, wide: bool = False
) -> list[Tensor]:
    """Contexts, and the gradient of qkv; those of spare tokens too.

    Args:
        wide: compute in float64 with the numbers that the dtype rounds to.
    """
    torch.manual_seed(0)
    packing = Packing.of(lengths, max(lengths), round_up=True)
    tokens = sum(lengths) + packing.spare
    qkv = (2 * torch.randn(tokens, 3 * HEADS * size)).to(dtype)
    grad = torch.randn(tokens, HEADS * size).to(dtype)
    qkv, grad = (each.double() if wide else each for each in (qkv, grad))

    def draw(rows: int, columns: int, _: torch.dtype) -> Tensor:
        return draw_mask(rate, rows, columns, dtype).to(qkv.dtype)

    given = {"draw": draw} if rate else {}
    torch.manual_seed(1)
    contexts, saved = attention.forward(qkv, None, packing, HEADS, **given)
    torch.manual_seed(1)
    answers, nothing = attention.forward(qkv, None, packing, HEADS, **given, keep=False)
    assert torch.equal(answers, contexts)
    assert not nothing
    return [contexts, attention.backward(grad, saved, packing, HEADS, first_only=False)[0]]


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("size", [8, 24, 32])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 3e-2)])
def test_the_kernel_computes_what_tiles_compute_exactly(
    lengths: tuple[int, ...], rate: float, size: int, dtype: str, tolerance: float
) -> None:
    exact = computed(TILED, lengths, size, getattr(torch, dtype), rate, wide=True)
    for found, wanted in zip(
        computed(kernel(size, dtype), lengths, size, getattr(torch, dtype), rate), exact, strict=True
    ):
        assert float((found - wanted).abs().max()) <= tolerance * float(wanted.abs().max())


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in kinds_here()])
@pytest.mark.parametrize("size", compiled.SHIPPED)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 3e-2)])
def test_what_wheels_bring_computes_what_tiles_compute_exactly(
    kind: Kind, size: int, dtype: str, tolerance: float, tmp_path: Path
) -> None:
    """Each for the kinds of processors that this one is of."""
    library = tmp_path / "attention.so"
    given = compiled.definitions(size, dtype)
    assert not build(compiled.SOURCE, given, find_compiler(), (*kind.options, "-s"), library)
    brought = CompiledAttention(ctypes.CDLL(str(library)), size, getattr(torch, dtype))
    for lengths in (LENGTHS["short"], LENGTHS["long"]):
        exact = computed(TILED, lengths, size, getattr(torch, dtype), 0.3, wide=True)
        for found, wanted in zip(computed(brought, lengths, size, getattr(torch, dtype), 0.3), exact, strict=True):
            assert float((found - wanted).abs().max()) <= tolerance * float(wanted.abs().max())


def test_any_number_of_threads_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    given = LENGTHS["long"], 32, torch.float32, 0.3
    alone = computed(kernel(32), *given)
    monkeypatch.setattr(compiled, "WORTH_A_THREAD", 1)
    for threads in (2, 3, 64):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert all(map(torch.equal, computed(kernel(32), *given), alone))


def test_what_is_no_number_is_not_hidden() -> None:
    packing = Packing.of((5, 9), 9)
    qkv = torch.randn(14, 3 * HEADS * 16)
    qkv[7, 20] = float("nan")  # a query of the second row
    contexts, _ = kernel().forward(qkv, None, packing, HEADS)
    assert contexts[:5].isfinite().all()
    assert contexts[7, 16:32].isnan().all()
    qkv[7, 20], qkv[7, HEADS * 16 + 20] = 0.0, float("inf")  # a key: what every query of the row reads
    contexts, _ = kernel().forward(qkv, None, packing, HEADS)
    assert not contexts[5:, 16:32].isfinite().all()


def test_large_scores_do_not_overflow() -> None:
    packing = Packing.of((7,), 7)
    qkv = 1e3 * torch.randn(7, 3 * HEADS * 16)
    for each in (kernel(), TILED):
        contexts, _ = each.forward(qkv, None, packing, HEADS)
        assert contexts.isfinite().all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_scores_far_below_zero_leave_gradients_finite(dtype: str) -> None:
    """What is computed for keys behind a row's last is above e^88 then; an odd length shares a word with it."""
    torch.manual_seed(0)
    packing, size = Packing.of((7,), 7), 16
    qkv = torch.full((7, 3 * HEADS * size), 8.0)
    qkv[:, HEADS * size : 2 * HEADS * size] = -50.0
    qkv[:, 2 * HEADS * size :] = torch.randn(7, HEADS * size)
    found = []
    for each in (kernel(size, dtype), TILED):
        given = qkv.to(getattr(torch, dtype), copy=True)  # its memory is written over
        contexts, saved = each.forward(given, None, packing, HEADS)
        gradient, _ = each.backward(torch.ones_like(contexts), saved, packing, HEADS, first_only=False)
        found.append(gradient.float())
    assert found[0].isfinite().all()
    assert float((found[0] - found[1]).abs().max()) <= 3e-2 * float(found[1].abs().max())


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("size", [24, 32])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_scratch_memory_is_as_large_as_said_and_read_after_it_is_written(
    lengths: tuple[int, ...], size: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, empty, given = kernel(size, dtype), torch.empty, []

    def guarded(*shape: int, **options: object) -> Tensor:
        if len(shape) != 1 or options != {"dtype": torch.float32}:
            return empty(*shape, **options)
        given.append(torch.full((shape[0] + 64,), float("nan")))
        given[-1][shape[0] :] = 7.0
        return given[-1]

    monkeypatch.setattr(torch, "empty", guarded)
    results = computed(found, lengths, size, getattr(torch, dtype), 0.3)
    monkeypatch.undo()
    assert all(each.isfinite().all() for each in results)
    assert len(given) >= 2
    assert all((each[-64:] == 7.0).all() for each in given)


@pytest.mark.parametrize(("dtype", "first_only"), [(torch.float64, False), (torch.float32, True)])
def test_other_precisions_and_first_tokens_alone_are_computed_in_tiles(dtype: torch.dtype, first_only: bool) -> None:
    packing = Packing.of((5, 9), 9)
    qkv = torch.randn(14, (2 if first_only else 3) * HEADS * 16, dtype=dtype)
    first = torch.randn(2, HEADS * 16, dtype=dtype) if first_only else None
    grad = torch.randn(2 if first_only else 14, HEADS * 16, dtype=dtype)
    found = []
    for each in (kernel(), TILED):
        contexts, saved = each.forward(qkv, first, packing, HEADS)
        assert not isinstance(saved, SavedAttention)
        gradients = each.backward(grad, saved, packing, HEADS, first_only=first_only)
        found.append([contexts, *(gradient for gradient in gradients if gradient is not None)])
    assert all(map(torch.equal, *found))


@pytest.mark.parametrize("family", ["bert", "distilbert"])
@pytest.mark.parametrize("method", ["lora", "dora"])
def test_a_model_answers_and_learns_by_it_as_without(method: str, family: str, still: Callable[[str], Path]) -> None:
    """LoRA by the fused layer, another method by the layers' own modules."""
    plain, fast = (attached(still(family), method, plan) for plan in (Plan(), COMPILED_TOO))
    assert COMPILED in fast.plan.accelerations
    assert fast.packed_encoder is not None
    assert isinstance(fast.packed_encoder.attention, CompiledAttention)
    assert_alike(learnt(fast), learnt(plain), 1e-4)
    expected = plain.logits(ROWS)
    assert np.abs(fast.logits(ROWS) - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


def test_dropout_is_that_of_tiles(still: Callable[[str], Path]) -> None:
    """The same masks are drawn: whether there is a compiler decides only how numbers are rounded."""
    folder = still("bert")
    found = []
    for plan in (EVERYTHING, COMPILED_TOO):
        classifier = attached(folder, "lora", plan)
        assert classifier.packed_encoder is not None
        for layer in classifier.packed_encoder._modules.layers:
            object.__setattr__(layer, "attn_dropout", 0.3)
        found.append(learnt(classifier))
    assert_alike(found[1], found[0], 1e-4)


def without_kernel(still: Callable[[str], Path]) -> str:
    """Why the model goes without it; it answers by tiles."""
    classifier = attached(still("bert"), "lora", COMPILED_TOO)
    assert classifier.packed_encoder is not None
    assert classifier.packed_encoder.attention is TILED
    assert set(reasons(classifier)) == {COMPILED}
    with pytest.raises(ModelError, match=f"{COMPILED} does not fit"):
        attached(still("bert"), "lora", replace(COMPILED_TOO, requested=frozenset({COMPILED})))
    return reasons(classifier)[COMPILED]


def test_without_a_compiler_tiles_are_used_and_said(
    still: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise NotBuiltError("there is no C compiler")

    monkeypatch.setattr(compiled, "load_library", fails)
    assert without_kernel(still) == "there is no C compiler"


def test_a_kernel_that_is_slower_is_not_used(still: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "kept_ratio", lambda *_: 0.8)
    assert without_kernel(still) == "measured 0.80x as fast as torch's kernels in float32"


def test_a_kernel_that_computes_something_else_is_not_used(
    still: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "attention.c"
    right = compiled.SOURCE.read_text()
    wrong.write_text(right.replace("all(5.0000001201e-1f)", "all(4.9e-1f)"))
    assert wrong.read_text() != right
    monkeypatch.setattr(compiled, "SOURCE", wrong)
    assert without_kernel(still) == "the compiled kernel gave other numbers than torch"


def test_heads_of_no_whole_number_of_vectors_have_no_kernel() -> None:
    assert compiled_attention(12, "float32") == "a head of 12 numbers is no multiple of 8"
