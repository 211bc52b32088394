"""A model that needs no training here: which way it answers, and that each way is what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import save_tiny, tiny_config
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from liftune.errors import ModelError, SpecError
from liftune.hardware.plan import Plan
from liftune.models.zero_shot import GOES_ON, hypothesis, load_zero_shot
from liftune.models.zero_shot_ways import WAYS, check_model

TEXTS = ["sunny day at the sea", "slam the door", "x"]
WORDS = ["joy", "deep anger", "the writer is afraid."]
NLI = ("CONTRADICTION", "NEUTRAL", "ENTAILMENT")


@pytest.mark.parametrize("given", ["foo:minilm", "similarty:minilm"])
def test_a_way_that_is_none_is_refused_with_those_there_are(given: str) -> None:
    with pytest.raises(SpecError, match="unknown way") as error:
        check_model(given)
    assert all(way in str(error.value.hint) for way in WAYS)
    assert ("did you mean similarity" in error.value.message) == given.startswith("sim")


def decoder(family: str, folder: Path) -> Path:
    """A tiny language model with its head."""
    save_tiny(family, folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(tiny_config(family)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    root = tmp_path_factory.mktemp("models")
    made = {
        "nli": save_tiny("bert", root / "nli", head=NLI),
        "two": save_tiny("roberta", root / "two", head=("entailment", "not_entailment")),
        "encoder": save_tiny("bert", root / "encoder"),
        "sentiment": save_tiny("distilbert", root / "sentiment", head=("neg", "pos")),
        "gpt2": decoder("gpt2", root / "gpt2"),
        "llama": decoder("llama", root / "llama"),
    }
    return lambda name: str(made[name])


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("nli", "entailment"),
        ("two", "entailment"),
        ("encoder", "similarity"),
        ("sentiment", "similarity"),
        ("gpt2", "likelihood"),
        ("llama", "likelihood"),
    ],
)
def test_the_kind_of_model_decides_the_way(name: str, way: str, models: Callable[[str], str]) -> None:
    found = load_zero_shot(models(name), WORDS, Plan())
    assert found.way == way
    logits = found.logits([*TEXTS, ("one", "of a pair")])
    assert logits.shape == (4, 3)
    assert np.isfinite(logits).all()
    assert found.logits([]).shape == (0, 3)


def test_the_way_may_be_chosen(models: Callable[[str], str]) -> None:
    for name in ("nli", "llama"):
        given = load_zero_shot(models(name), WORDS, Plan())
        assert given.others == ("similarity",)
        other = load_zero_shot(f"similarity:{models(name)}", WORDS, Plan())
        assert (other.way, other.others) == ("similarity", (given.way,))


@pytest.mark.parametrize(
    ("way", "name"), [("entailment", "sentiment"), ("entailment", "encoder"), ("likelihood", "t5")]
)
def test_a_way_that_a_model_cannot_take_is_refused_with_one_that_it_can(
    way: str, name: str, models: Callable[[str], str], tmp_path: Path
) -> None:
    model = str(save_tiny("t5", tmp_path / "t5")) if name == "t5" else models(name)
    with pytest.raises(ModelError) as error:
        load_zero_shot(f"{way}:{model}", WORDS, Plan())
    assert f"similarity:{model}" in str(error.value.hint)
    load_zero_shot(f"similarity:{model}", WORDS, Plan())


def test_entailment_is_the_log_odds_of_that_label(models: Callable[[str], str]) -> None:
    folder = models("nli")
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    wanted = np.zeros((3, 3))
    for i, text in enumerate(TEXTS):
        for j, words in enumerate(WORDS):
            with torch.no_grad():
                logits = model(**tokenizer(text, hypothesis(words), return_tensors="pt")).logits[0]
            wanted[i, j] = logits[2] - torch.logsumexp(logits[:2], 0)
    np.testing.assert_allclose(load_zero_shot(folder, WORDS, Plan()).logits(TEXTS), wanted, atol=1e-4)
    assert hypothesis(WORDS[2]) == WORDS[2], "a sentence is asked as it is"


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_likelihood_is_the_mean_log_probability_of_the_words(name: str, models: Callable[[str], str]) -> None:
    """All descriptions after a text in one batch, beside each by itself."""
    folder = models(name)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    wanted = np.zeros((3, 3))
    for i, text in enumerate(TEXTS):
        start = tokenizer(text)["input_ids"] + tokenizer(GOES_ON, add_special_tokens=False)["input_ids"]
        for j, words in enumerate(WORDS):
            tokens = tokenizer(f" {words}", add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([[*start, *tokens]])).logits[0].log_softmax(-1)
            each = [logits[len(start) + k - 1, token].item() for k, token in enumerate(tokens)]
            wanted[i, j] = np.mean(each)
    np.testing.assert_allclose(load_zero_shot(folder, WORDS, Plan()).logits(TEXTS), wanted, atol=1e-4)


def test_a_long_text_leaves_room_for_the_words(models: Callable[[str], str]) -> None:
    for name in ("nli", "encoder", "gpt2"):
        assert np.isfinite(load_zero_shot(models(name), WORDS, Plan()).logits(["word " * 500])).all()


def test_similarity_is_the_cosine_with_the_descriptions(models: Callable[[str], str]) -> None:
    found = load_zero_shot(models("encoder"), WORDS, Plan())
    np.testing.assert_allclose(np.diag(found.logits(WORDS)), 20.0, rtol=1e-5)
