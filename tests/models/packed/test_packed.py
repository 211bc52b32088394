"""The fast path answers and learns as plain PEFT does, whatever the model, the method and the rows' lengths.

Parity is held in float64 on the models themselves, and in float32 and bfloat16 through `attach`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_models import FAMILIES, save_tiny
from tiny_tuning import attach as plain_attach
from tiny_tuning import tiny_classifier
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModelForSequenceClassification

from liftune.data import load_data
from liftune.errors import ModelError
from liftune.hardware.plan import Plan
from liftune.models.adapter_io import save_adapter
from liftune.models.attach import attach, restore_full_precision
from liftune.models.backbone import Backbone, load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS, parse_options
from liftune.models.packed import dropout
from liftune.models.packed import encoder as encoder_module
from liftune.models.packed.dropout import draw_mask
from liftune.models.packed.encoder import PackedEncoder
from liftune.models.packed.fused_weights import unsupported_reason
from liftune.models.packed.install import PACKED
from liftune.models.packed.layouts import EncoderModules, find_encoder
from liftune.models.packed.packing import SHORT, STEP, Packing
from liftune.models.packed.unfused_layer import PackedAttention
from liftune.records.base import Choice
from liftune.spec import DataSpec, ModelSpec, TrainSpec
from liftune.tasks import TaskKind
from liftune.training.loop import train
from liftune.training.schedule import Schedule

FAMILIES_PACKED = ("bert", "distilbert", "electra", "roberta")
COUSINS = ("camembert", "xlm-roberta")
#: What is plain LoRA, or leaves the layers as they are, while it is trained.
FUSED = {"lora", "lorafa", "loraplus", "rslora", "probe", "prompt", "p_tuning"}
GRID = [(method, family) for method in METHODS for family in FAMILIES_PACKED if family in METHODS[method].families]
EVERYTHING = Plan(
    accelerations=frozenset(PACKED), choices=tuple(Choice(choice=name, value="on", reason="wanted") for name in PACKED)
)
BATCHES = {
    "equal": (5, 5, 5),
    "mixed": (3, 9, 4, 12, 4),
    "one row": (7,),
    "one token": (1,),
    "one token beside others": (1, 1, 6),
    "long": (70, 70),
    "long, equal after rounding": (66, 70, 96),
    "short beside long": (5, 70, SHORT, SHORT + 1, 127, 3),
}
LABELS = ("anger", "joy", "love")
ROWS = [
    "I could not stop smiling all the way home.",
    "Hold me.",
    "The letter lay on the table for three days before anyone of us found the courage to open it and read it out.",
    "Who on earth parked across my drive again?",
]
TARGETS = torch.tensor([1, 2, 0, 0])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# Models as they are, in float64.


def adapted(family: str, targets: dict[str, Sequence[str]], *, method: str = "lora") -> tuple[Any, EncoderModules]:
    """A tiny model under PEFT in float64, no part of whose adapter is zero, and its encoder."""
    plain = tiny_classifier(family).double()
    layout = "distilbert" if family == "distilbert" else "bert"
    model = plain_attach(METHODS[method], plain, {"target_modules": targets[layout]}).double().eval()
    stir(model)
    encoder = find_encoder(plain)
    assert isinstance(encoder, EncoderModules)
    return model, encoder


def stir(model: nn.Module, size: float = 0.1) -> None:
    """Move everything that is trained, so that nothing of it is zero."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += size * torch.randn(parameter.shape, generator=generator).to(parameter.dtype)


def tokens(lengths: Sequence[int]) -> dict[str, Tensor]:
    """Right-padded rows of these lengths; 1 is RoBERTa's padding, which decides its positions."""
    ids = torch.randint(10, 200, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(3))
    mask = (torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": ids.masked_fill(mask == 0, 1), "attention_mask": mask}


def answers_and_gradients(model: nn.Module, forward: Callable[[], Tensor], *, seed: int = 0) -> dict[str, Tensor]:
    """Logits, and the gradient of every trained parameter; zeros where it has none."""
    model.zero_grad()
    torch.manual_seed(seed)
    logits = forward()
    F.cross_entropy(logits, torch.arange(len(logits)) % 3).backward()
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    gradients = {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in trained}
    assert gradients
    return {"logits": logits.detach(), **gradients}


def called(model: Any, lengths: Sequence[int], *, seed: int = 0) -> dict[str, Tensor]:
    return answers_and_gradients(model, lambda: model(**tokens(lengths)).logits, seed=seed)


def assert_alike(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    """Each tensor by its own largest number, or where that is next to nothing by a thousandth of the largest of all."""
    assert found.keys() == expected.keys()
    largest = max(float(each.abs().max()) for each in expected.values())
    for name, wanted in expected.items():
        gap = float((found[name] - wanted).abs().max())
        assert gap <= tolerance * max(float(wanted.abs().max()), 1e-3 * largest), (name, gap)


def installed(encoder: EncoderModules, *, fused: bool, first_only: bool = False, pooled: bool = False) -> PackedEncoder:
    packed = PackedEncoder(encoder, fused=fused, first_only=first_only, pooled=pooled)
    packed.install()
    return packed


TARGET_MODULES = {
    "all": {"bert": ["all-linear"], "distilbert": ["all-linear"]},
    "q, k, v": {"bert": ["query", "key", "value"], "distilbert": ["q_lin", "k_lin", "v_lin"]},
    "q and v": {"bert": ["query", "value"], "distilbert": ["q_lin", "v_lin"]},
    "k and up": {"bert": ["key", "intermediate.dense"], "distilbert": ["k_lin", "lin1"]},
}
CASES = [
    *((family, targets, "lora") for family in FAMILIES_PACKED for targets in TARGET_MODULES),
    *((family, "all", "lora") for family in COUSINS),
    ("bert", "q and v", "rslora"),
]


@pytest.mark.parametrize(("family", "targets", "method"), CASES)
def test_packed_rows_give_the_logits_and_gradients_of_plain_peft(family: str, targets: str, method: str) -> None:
    model, encoder = adapted(family, TARGET_MODULES[targets], method=method)
    assert not any(map(unsupported_reason, encoder.layers))
    expected = {name: called(model, lengths) for name, lengths in BATCHES.items()}
    for fused in (False, True):
        for first_only in (False, True):
            packed = installed(encoder, fused=fused, first_only=first_only)
            for name, lengths in BATCHES.items():
                assert_alike(called(model, lengths), expected[name], 1e-9)
            packed.remove()
    assert_alike(called(model, BATCHES["mixed"]), expected["mixed"], 0.0)


@functools.cache
def _bert() -> tuple[Any, EncoderModules]:
    return adapted("bert", TARGET_MODULES["all"])


@pytest.mark.parametrize("rounded", [False, True])
@given(lengths=st.lists(st.integers(1, 127), min_size=1, max_size=12), fused=st.booleans(), first_only=st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_lengths_give_the_logits_and_gradients_of_plain_peft(
    lengths: list[int], fused: bool, first_only: bool, rounded: bool
) -> None:
    model, encoder = _bert()
    expected = called(model, lengths)
    packed = installed(encoder, fused=fused, first_only=first_only)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(encoder_module, "_makes_kernels", lambda weights: rounded)
        try:
            assert_alike(called(model, lengths), expected, 1e-9)
        finally:
            packed.remove()


def test_few_numbers_of_tokens_are_met_where_a_kernel_is_made_for_each(still: Callable[[str], Path]) -> None:
    """oneDNN keeps every kernel: of passes of any length that came to gigabytes."""
    seen: set[int] = set()
    classifier = attached(still("bert"), "lora", Plan(dtype="bfloat16", accelerations=frozenset(PACKED)))
    pack = Packing.of

    def watched(*args: Any, **options: Any) -> Packing:
        packing = pack(*args, **options)
        seen.add(len(packing.positions) + packing.spare)
        return packing

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(encoder_module.Packing, "of", watched)
        for words in range(1, 40):
            classifier.logits([" ".join(["word"] * words)])
    assert all(each % STEP == 0 for each in seen)
    assert len(seen) <= 39 // 3


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=40), room=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_groups_hold_every_token_once_and_padding_comes_back_as_zeros(lengths: list[int], room: int) -> None:
    packing = Packing.of(lengths, max(lengths) + room)
    rounded = Packing.of(lengths, max(lengths) + room, round_up=True)
    assert (sum(lengths) + rounded.spare) % STEP == 0
    assert [token for group in packing.groups for token in range(group.tokens.start, group.tokens.stop)] == list(
        range(sum(lengths))
    )
    assert tuple(length for group in packing.groups for length in group.lengths) == tuple(lengths)
    packed = torch.arange(1.0, sum(lengths) + 1)[:, None]
    padded = packing.pad(packed)
    read = torch.arange(padded.shape[1])[None, :] < torch.tensor(lengths)[:, None]
    assert torch.equal(padded[..., 0] != 0, read)
    assert torch.equal(packing.pack(padded), packed)
    made_up = rounded.pack(padded)
    assert torch.equal(made_up[: len(packed)], packed)
    assert set(made_up[len(packed) :].flatten().tolist()) <= {float(packed[-1])}
    assert torch.equal(rounded.pad(made_up), padded)
    assert torch.equal(packed[packing.first_tokens], padded[:, 0])
    for group in packing.groups:
        assert group.width >= max(group.lengths)
        assert torch.equal(group.unpad(group.pad_zeros(packed)), packed[group.tokens])


# Dropout.


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("family", FAMILIES_PACKED)
def test_fused_layers_drop_what_their_modules_drop(family: str, pooled: bool) -> None:
    """The same seed draws the same masks, so that autograd through the modules checks the backward by hand."""
    for first_only in (False, True):
        found = []
        for fused in (False, True):
            model, encoder = adapted(family, TARGET_MODULES["all"])
            installed(encoder, fused=fused, first_only=first_only, pooled=pooled)
            model.train()
            found.append(called(model, BATCHES["short beside long"], seed=5))
        assert_alike(found[1], found[0], 1e-9)
        model.eval()
        assert not torch.allclose(called(model, BATCHES["short beside long"])["logits"], found[1]["logits"])


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("family", FAMILIES_PACKED)
def test_dropout_falls_where_the_model_has_it(family: str, pooled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every dropout is made to take the same columns, in the model's own modules and in the masks that replace them."""

    def columns(count: int) -> Tensor:
        return (torch.arange(count) % 3 > 0).double() * 1.5

    def drop(self: nn.Dropout, states: Tensor) -> Tensor:
        return states * columns(states.shape[-1]) if self.training and self.p else states

    def mask(self: PackedEncoder, rate: float, rows: int, count: int, dtype: torch.dtype) -> Tensor:
        return columns(count).expand(rows, count)

    monkeypatch.setattr(nn.Dropout, "forward", drop)
    monkeypatch.setattr(PackedEncoder, "_mask", mask)
    model, _ = adapted(family, TARGET_MODULES["all"])
    for name, module in model.named_modules():  # the attention weights' own are drawn without a module
        if isinstance(module, nn.Dropout) and name.endswith(("self.dropout", "attention.dropout")):
            module.p = 0.0
    encoder = find_encoder(model.base_model.model)
    assert isinstance(encoder, EncoderModules)
    still = called(model, BATCHES["mixed"])
    model.train()
    expected = called(model, BATCHES["mixed"])
    assert not torch.allclose(expected["logits"], still["logits"])
    for fused in (False, True):
        packed = installed(encoder, fused=fused, first_only=True, pooled=pooled)
        assert_alike(called(model, BATCHES["mixed"]), expected, 1e-9)
        packed.remove()


@pytest.mark.parametrize("first_only", [False, True])
def test_attention_with_dropout_has_the_gradient_of_what_it_computes(first_only: bool) -> None:
    packing, heads, size, width = Packing.of([3, 2, 3], 3), 2, 8, 3
    torch.manual_seed(0)
    given = torch.randn(8, 3 * size, dtype=torch.float64)
    cared = torch.randn(3 if first_only else 8, size, dtype=torch.float64)

    def by_hand(projected: Tensor) -> Tensor:
        torch.manual_seed(1)
        padded = packing.pad(projected).view(3, width, 3, heads, size // heads).permute(2, 0, 3, 1, 4)
        query, key, value = padded.reshape(3, 3 * heads, width, -1)
        query = query[:, :1] if first_only else query
        scores = query @ key.transpose(1, 2) / (size // heads) ** 0.5
        scores = scores.masked_fill(
            (torch.arange(3 * heads) // heads == 1)[:, None, None] & (torch.arange(3) == 2), -1e9
        )
        kept = draw_mask(0.3, scores.shape[0] * scores.shape[1], scores.shape[2], scores.dtype).view_as(scores)
        context = (scores.softmax(-1) * kept @ value).view(3, heads, -1, size // heads).transpose(1, 2)
        return context.reshape(3, size) if first_only else packing.pack(context.reshape(3, width, size))

    def packed(projected: Tensor) -> Any:
        torch.manual_seed(1)
        first = projected[packing.first_tokens, :size] if first_only else None
        sides = projected[:, size:] if first_only else projected
        return PackedAttention.apply(sides, first, packing, heads, partial(draw_mask, 0.3))

    found = []
    for attention in (packed, by_hand):
        projected = given.clone().requires_grad_()
        output = attention(projected)
        output.backward(cared)
        assert projected.grad is not None
        found.append((output.detach(), projected.grad))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-12)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-12)


def test_masks_have_their_rate_and_scale_and_differ() -> None:
    torch.manual_seed(0)
    pool = dropout.MaskPool(0.2, torch.float32)
    first, second = pool.mask(400, 500), pool.mask(400, 500)
    for mask in (first, second, dropout.draw_mask(0.2, 400, 500, torch.float32)):
        assert sorted(set(mask.flatten().tolist())) == [0.0, 1.25]
        assert abs(float((mask == 0).float().mean()) - 0.2) < 0.01
    assert not torch.equal(first, second)


def test_a_pool_serves_masks_larger_than_itself_and_is_drawn_anew_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropout, "POOL_SIZE", 64)
    monkeypatch.setattr(dropout, "MAX_USES", 3)
    pool = dropout.MaskPool(0.5, torch.bfloat16)
    assert pool.mask(4, 4).shape == (4, 4)
    large = pool.mask(40, 50)
    assert large.shape == (40, 50)
    assert large.dtype == torch.bfloat16
    assert set(large.flatten().tolist()) == {0.0, 2.0}
    drawn = {pool.mask(40, 50).untyped_storage().data_ptr() for _ in range(3)}
    assert len(drawn) == 2


def test_the_embeddings_dropout_is_taken_over_only_where_the_layers_read_it_and_given_back() -> None:
    for family, at_rest in (("bert", 0.0), ("distilbert", 0.0), ("electra", 0.1)):
        plain = tiny_classifier(family)
        encoder = find_encoder(plain)
        assert isinstance(encoder, EncoderModules)
        found = encoder.body.get_submodule("embeddings.dropout")
        packed = installed(encoder, fused=False, pooled=True)
        assert found.p == at_rest  # ELECTRA projects its embeddings after their dropout
        packed.remove()
        packed.remove()
        assert found.p == 0.1


# Through attach.


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a family's tiny checkpoint without dropout."""

    def no_dropout(config: Any) -> None:
        for name in list(vars(config)):
            if "dropout" in name and isinstance(getattr(config, name), float):
                setattr(config, name, 0.0)

    return functools.cache(lambda family: save_tiny(family, tmp_path_factory.mktemp(family), change=no_dropout))


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of BERT's tiny checkpoint, dropout as it is."""
    return save_tiny("bert", tmp_path_factory.mktemp("lively"))


def backbone_of(folder: Path, plan: Plan = EVERYTHING) -> Backbone:
    return load_backbone(ModelSpec(name=str(folder)), task=TaskKind.SINGLE_LABEL, labels=LABELS, seed=0, plan=plan)


def attached(folder: Path, method: str | None, plan: Plan = EVERYTHING, **options: Any) -> Classifier:
    """A classifier, everything that it trains moved the same way every time."""
    chosen = METHODS[method] if method else None
    parsed = parse_options(chosen, options) if chosen else None
    classifier = attach(backbone_of(folder, plan), chosen, parsed, plan=plan, seed=0, total_steps=10)
    stir(classifier.model, 0.03)
    return classifier


def learnt(classifier: Classifier, *, seed: int = 0) -> dict[str, Tensor]:
    """Logits and gradients in training."""
    batch = classifier.collate(classifier.encode(ROWS))
    classifier.model.train()
    found = answers_and_gradients(classifier.model, lambda: classifier.forward(batch), seed=seed)
    classifier.model.eval()
    return found


def reasons(classifier: Classifier) -> dict[str, str]:
    return {choice.choice: choice.reason for choice in classifier.plan.choices if choice.value == "off"}


@pytest.mark.parametrize(("method", "family"), GRID)
def test_every_method_answers_and_learns_without_padding_as_with_it(
    method: str, family: str, still: Callable[[str], Path]
) -> None:
    plain, packed = (attached(still(family), method, plan) for plan in (Plan(), EVERYTHING))
    if method == "prefix":
        assert not packed.plan.accelerations
        assert packed.packed_encoder is None
        assert set(reasons(packed).values()) == {"prefix tuning adds keys and values that belong to no token"}
    else:
        assert packed.packed_encoder is not None
        assert packed.packed_encoder.first_only
        assert set(PACKED) - packed.plan.accelerations == set(reasons(packed))
        assert set(reasons(packed)) == (set() if method in FUSED else {"fused-lora"})
    assert_alike(learnt(packed), learnt(plain), 1e-4)
    expected = plain.logits(ROWS)
    assert np.abs(packed.logits(ROWS) - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


#: Drawn at random its wavelets are so large that rounding alone, without any acceleration, turns the tiny head about.
ROUNDED_AWAY = {("waveft", "distilbert")}


@pytest.mark.parametrize(
    ("method", "family"),
    [pair for pair in GRID if pair[1] in ("bert", "distilbert") and pair not in ROUNDED_AWAY],
)
def test_every_method_learns_in_bfloat16(method: str, family: str, still: Callable[[str], Path]) -> None:
    """What is held in bfloat16 and what in float32 must meet, forward and back."""
    exact = attached(still(family), method, Plan())
    packed = attached(still(family), method, Plan(dtype="bfloat16", accelerations=frozenset(PACKED)))
    assert alignment(learnt(packed), learnt(exact)) > 0.9  # some rectified state always falls to the other side


def alignment(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """Cosine between all numbers of the one and the other."""
    one, other = (torch.cat([each.flatten() for each in numbers.values()]) for numbers in (found, expected))
    return float(F.cosine_similarity(one, other, dim=0))


@pytest.mark.parametrize("role", ["query", "key"])
def test_a_layer_may_answer_in_another_precision_than_its_neighbours(role: str, still: Callable[[str], Path]) -> None:
    exact = attached(still("bert"), "lora", Plan())
    packed = attached(still("bert"), "lora", Plan(dtype="bfloat16", accelerations=frozenset({"packing", "last-layer"})))
    for name, module in packed.backbone.model.named_modules():
        if name.endswith(f"self.{role}"):
            module.register_forward_hook(lambda module, inputs, output: output.float())
    assert alignment(learnt(packed), learnt(exact)) > 0.99


@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"bias": "all"}, {"bias": "lora_only"}])
def test_lora_with_more_than_a_and_b_runs_by_its_modules(options: Any, still: Callable[[str], Path]) -> None:
    plain, packed = (attached(still("bert"), "lora", plan, **options) for plan in (Plan(), EVERYTHING))
    assert set(reasons(packed)) == {"fused-lora"}
    assert np.abs(packed.logits(ROWS) - plain.logits(ROWS)).max() <= 1e-5
    if "bias" in options:
        assert_alike(learnt(packed), learnt(plain), 1e-4)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in FAMILIES_PACKED])
def test_models_of_another_kind_keep_their_own_encoder_and_say_why(family: str, still: Callable[[str], Path]) -> None:
    plain, packed = (attached(still(family), "lora", plan) for plan in (Plan(), EVERYTHING))
    assert packed.packed_encoder is None
    assert not packed.plan.accelerations
    assert set(reasons(packed)) == set(PACKED)
    assert all(reasons(packed).values())
    assert reasons(attached(still(family), None)) == reasons(packed)
    assert np.array_equal(packed.logits(ROWS), plain.logits(ROWS))


def test_what_only_long_rows_or_a_decoder_would_show_is_refused_by_the_config() -> None:
    plain = tiny_classifier("bert")
    for name, value in (
        ("position_embedding_type", "relative_key"),
        ("attention_type", "block_sparse"),
        ("is_decoder", True),
    ):
        setattr(plain.config, name, value)
        assert isinstance(find_encoder(plain), str)
        delattr(plain.config, name)


def test_another_activation_runs_by_the_modules(tmp_path: Path) -> None:
    folder = save_tiny("bert", tmp_path, change=lambda config: setattr(config, "hidden_act", "gelu_new"))
    plain, packed = (attached(folder, "lora", plan) for plan in (Plan(), EVERYTHING))
    assert reasons(packed) == {"fused-lora": "its activation is not the exact GELU"}
    assert reasons(attached(folder, None)) == reasons(packed)
    assert np.abs(packed.logits(ROWS) - plain.logits(ROWS)).max() <= 1e-5


def test_a_head_that_reads_every_state_gets_every_state(
    still: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the head reads the first state alone is tried, not known."""
    own = transformers.BertModel.forward

    def two_pooled(self: Any, *args: Any, **kwargs: Any) -> Any:
        output = own(self, *args, **kwargs)
        output.pooler_output = self.pooler(output.last_hidden_state[:, :2].sum(1, keepdim=True))
        return output

    monkeypatch.setattr(transformers.BertModel, "forward", two_pooled)
    packed = attached(still("bert"), "lora")
    assert packed.packed_encoder is not None
    assert not packed.packed_encoder.first_only
    assert reasons(packed) == {"last-layer": "the head reads more than each row's first state"}


@pytest.mark.parametrize(
    ("family", "method", "asked", "reason"),
    [
        ("gpt2", "lora", PACKED, "packing does not fit"),
        ("bert", "prefix", ["packing"], "prefix tuning adds keys"),
        ("bert", "ia3", PACKED, "fused-lora does not fit: the method is not plain LoRA"),
        ("bert", "lora", ["fused-lora"], "needs packing"),
    ],
)
def test_what_was_asked_for_and_does_not_fit_is_an_error(
    family: str, method: str, asked: Sequence[str], reason: str, still: Callable[[str], Path]
) -> None:
    names = frozenset(asked)
    backbone = backbone_of(still(family))
    with pytest.raises(ModelError, match=reason):
        attach(backbone, METHODS[method], plan=Plan(accelerations=names, requested=names), total_steps=10)
    assert not any("forward" in vars(module) for module in backbone.model.modules())


def test_packing_alone_leaves_dropout_and_the_last_layer_as_they_are(lively: Path) -> None:
    classifier = attached(lively, "lora", Plan(accelerations=frozenset({"packing"})))
    assert classifier.packed_encoder is not None
    assert not classifier.packed_encoder.first_only
    assert classifier.plan.accelerations == {"packing"}
    assert classifier.backbone.model.get_submodule("bert.embeddings.dropout").p == 0.1


@pytest.mark.parametrize("on", [PACKED, ("packing",), ("packing", "fused-lora")])
def test_a_seed_decides_a_training_step_with_dropout(on: Sequence[str], lively: Path) -> None:
    plan = Plan(accelerations=frozenset(on))
    first, again, other = (learnt(attached(lively, "lora", plan), seed=seed) for seed in (1, 1, 2))
    assert_alike(again, first, 0.0)
    assert not torch.equal(first["logits"], other["logits"])


@pytest.mark.parametrize("family", FAMILIES_PACKED)
def test_features_of_the_base_are_those_of_its_own_encoder(family: str, still: Callable[[str], Path]) -> None:
    packed = attach(backbone_of(still(family)), None, plan=EVERYTHING)
    assert packed.packed_encoder is not None
    assert packed.packed_encoder.first_only
    answers, features = packed.read(ROWS)
    expected, wanted = attach(backbone_of(still(family)), None, plan=Plan()).read(ROWS)
    assert np.abs(answers - expected).max() <= 1e-5
    assert features.keys() == wanted.keys()
    for name, values in wanted.items():
        assert np.abs(features[name] - values).max() <= 1e-5 * np.abs(values).max(), name
    assert np.abs(packed.logits(ROWS) - expected).max() <= 1e-5


def test_a_model_may_be_attached_to_again(still: Callable[[str], Path]) -> None:
    backbone = backbone_of(still("bert"))
    base = attach(backbone, None, plan=EVERYTHING).logits(ROWS)
    tuned = attach(backbone, METHODS["lora"], plan=EVERYTHING)  # B is zero
    assert np.abs(tuned.logits(ROWS) - base).max() <= 1e-5
    plain = attach(backbone_of(still("bert")), None, plan=EVERYTHING).backbone
    assert np.array_equal(
        attach(plain, None, plan=Plan()).logits(ROWS), attached(still("bert"), None, Plan()).logits(ROWS)
    )


def test_disabling_the_adapter_gives_the_base_back(still: Callable[[str], Path]) -> None:
    base = attach(backbone_of(still("bert")), None, plan=Plan()).logits(ROWS)
    tuned = attached(still("bert"), "lora")
    changed = tuned.logits(ROWS)
    assert isinstance(tuned.model, PeftModel)
    with tuned.model.disable_adapter():
        assert np.abs(tuned.logits(ROWS) - base).max() <= 1e-5
    assert np.array_equal(tuned.logits(ROWS), changed)
    assert np.abs(changed - base).max() > 1e-2


def test_a_merged_adapter_answers_as_one_beside_its_weights(still: Callable[[str], Path]) -> None:
    tuned = attached(still("bert"), "lora")
    apart = tuned.logits(ROWS)
    assert isinstance(tuned.model, PeftModel)
    tuned.model.merge_adapter()
    assert np.abs(tuned.logits(ROWS) - apart).max() <= 1e-5
    tuned.model.unmerge_adapter()
    assert np.abs(tuned.logits(ROWS) - apart).max() <= 1e-5


# Precision.


@pytest.mark.parametrize("family", FAMILIES_PACKED)
def test_in_bfloat16_fused_modular_and_plain_answers_agree(family: str, still: Callable[[str], Path]) -> None:
    exact, plain, modular, fused = (
        attached(still(family), "lora", Plan(dtype=dtype, accelerations=frozenset(on))).logits(ROWS)
        for dtype, on in (("float32", ()), ("bfloat16", ()), ("bfloat16", ("packing",)), ("bfloat16", PACKED))
    )
    for found in (plain, modular, fused):
        assert np.abs(found - exact).max() <= 0.04 * np.abs(exact).max()


@pytest.mark.parametrize("family", FAMILIES_PACKED)
def test_after_training_in_bfloat16_the_exact_weights_answer(family: str, still: Callable[[str], Path]) -> None:
    plan = Plan(dtype="bfloat16", inference_dtype="float32", accelerations=frozenset(PACKED))
    tuned = attached(still(family), "lora", plan)
    optimizer = torch.optim.AdamW([p for _, p in tuned.trainable()], lr=1e-2)
    for step in range(3):
        learnt(tuned, seed=step)
        optimizer.step()
    rounded = tuned.logits(ROWS)
    restore_full_precision(tuned, backbone_of(still(family)))
    plain = attached(still(family), "lora", Plan())
    plain.restore(tuned.snapshot())
    exact = plain.logits(ROWS)
    assert np.abs(tuned.logits(ROWS) - exact).max() <= 1e-5 * max(1.0, np.abs(exact).max())
    assert np.abs(rounded - exact).max() > 1e-4


def test_weights_that_are_replaced_or_written_over_are_seen_whatever_memory_they_land_in() -> None:
    model, encoder = adapted("bert", TARGET_MODULES["all"])
    packed = installed(encoder, fused=True)
    names = [name for name, _ in model.named_parameters() if name.endswith("base_layer.weight")]
    for turn in range(12):
        for name in names:
            weight = model.get_parameter(name)
            fresh = weight.detach() + 0.01 * torch.randn_like(weight)
            if turn % 2:
                weight.data = fresh
            else:
                weight.data.copy_(fresh)
            del fresh
        found = called(model, BATCHES["mixed"])
        packed.remove()
        assert_alike(found, called(model, BATCHES["mixed"]), 1e-9)
        packed.install()


def test_weights_that_are_written_to_in_bfloat16_are_put_in_order_again(still: Callable[[str], Path]) -> None:
    answers = []
    for on in (("packing",), PACKED):
        tuned = attached(still("bert"), "lora", Plan(dtype="bfloat16", accelerations=frozenset(on)))
        before = tuned.logits(ROWS)
        with torch.no_grad():
            for name, weight in tuned.model.named_parameters():
                if name.endswith("base_layer.weight"):
                    weight.mul_(1.5)
        answers.append(tuned.logits(ROWS))
        assert np.abs(answers[-1] - before).max() > 0.2 * np.abs(before).max()
    assert np.abs(answers[1] - answers[0]).max() <= 0.04 * np.abs(answers[0]).max()


# Against plain PEFT, end to end.


def trained_by_hand(folder: Path, batches: list[tuple[list[str], Tensor]], start: dict[str, Tensor], lr: float) -> Any:
    """Plain transformers and PEFT: LoRA of rank 8 on every linear layer, AdamW, gradients clipped at 1."""
    base = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    targets = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense", "pooler.dense"]
    heads = ["classifier"]
    model: Any = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules=targets, modules_to_save=heads))
    model.load_state_dict(start, strict=False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=lr)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 0, len(batches))
    model.train()
    for texts, targets_of in batches:
        encoded = tokenizer(texts, padding=True, return_tensors="pt")
        F.cross_entropy(model(**encoded).logits, targets_of).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("on", [(), PACKED])
def test_training_takes_the_steps_of_a_plain_peft_loop(
    on: Sequence[str], emotions: Path, tmp_path: Path, still: Callable[[str], Path]
) -> None:
    """Without accelerations, and with all of them, the same rows move every parameter to the same place."""

    def no_dropout(config: Any) -> None:
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0

    folder = save_tiny("bert", tmp_path / "model", head=("anger", "joy"), change=no_dropout)
    splits = load_data(DataSpec(source=str(emotions)))
    plan = Plan(accelerations=frozenset(on))
    backbone = load_backbone(ModelSpec(name=str(folder)), task=splits.task, labels=splits.labels, seed=0, plan=plan)
    assert backbone.head == "trained"
    classifier = attach(backbone, METHODS["lora"], plan=plan, seed=0, total_steps=3)
    start = classifier.snapshot()
    spec = TrainSpec(epochs=1, batch_size=16, warmup_fraction=0.0)
    schedule = Schedule.of(spec, rows=len(splits.train), learning_rate=1e-3)
    log = train(classifier, splits, spec, schedule, metric="log_loss", seed=4)
    assert log.best_epoch == 1, "else it is the start that was kept"
    order = np.random.default_rng(4).permutation(len(splits.train)).reshape(3, 16)
    targets = torch.as_tensor(splits.encoded(splits.train)).long()
    batches = [([splits.train.rows[i] for i in step], targets[step]) for step in order]
    expected = trained_by_hand(folder, batches, start, 1e-3)  # type: ignore[arg-type]
    assert expected.keys() == start.keys()
    moved = 0.0
    for name, parameter in classifier.trainable():
        assert float((parameter.detach() - expected[name]).abs().max()) <= 1e-5, name
        moved = max(moved, float((parameter.detach() - start[name]).abs().max()))
    assert moved > 1e-3


@pytest.mark.parametrize("family", FAMILIES_PACKED)
def test_plain_peft_reads_what_was_saved(family: str, still: Callable[[str], Path], tmp_path: Path) -> None:
    tuned = attached(still(family), "lora")
    save_adapter(tuned, tmp_path / "adapter")
    base = AutoModelForSequenceClassification.from_pretrained(still(family), num_labels=3, dtype=torch.float32)
    plain = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    with torch.inference_mode():
        answers = plain(**tuned.collate(tuned.encode(ROWS))).logits.numpy()
    assert np.abs(tuned.logits(ROWS) - answers).max() <= 1e-5


def test_a_whole_model_can_be_saved_after_its_weights_were_laid_side_by_side(
    still: Callable[[str], Path], tmp_path: Path
) -> None:
    base = attach(backbone_of(still("bert")), None, plan=EVERYTHING)
    base.backbone.model.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    for name, values in base.backbone.model.state_dict().items():
        assert torch.equal(values, again.state_dict()[name]), name
