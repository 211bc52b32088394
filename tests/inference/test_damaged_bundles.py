"""Bundles whose files say what cannot be, though their hashes fit: somebody may have made them so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from v0_1 import lay_out

from liftune.errors import ArtifactError
from liftune.inference.onnx_bundle import Bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return lay_out(tmp_path) / "bundle"


def changed(path: Path, change: Callable[[Any], object]) -> Path:
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def multiplied(values: Any) -> None:
    """A template that writes the text four hundred times, after the step that cuts it: five texts took 22 GB."""
    values["post_processor"]["single"] *= 400


CARDS: dict[str, tuple[dict[str, Any], str]] = {
    "a number for a truth": ({"splits_specials": 9}, "splits_specials"),
    "one ending": ({"endings": [0]}, "endings"),
    "no number": ({"pad": None}, "pad"),
    "a name that is none": ({"x": 1}, "x"),
    "an id that is none": ({"pad": 2**64}, "pad is"),
    "a negative id": ({"unknown": -1}, "unknown is"),
    "length": ({"max_length": 0}, "max_length"),
}


@pytest.mark.parametrize("kind", CARDS)
def test_rules_that_cannot_be_are_damage(kind: str, bundle: Path) -> None:
    values, named = CARDS[kind]
    changed(bundle / "bundle.json", lambda card: card["tokens"].update(values))
    with pytest.raises(ArtifactError, match=rf"bundle\.json is damaged: .*{named}"):
        Bundle.open(bundle)


def test_a_model_without_token_ids_is_damage(bundle: Path) -> None:
    changed(bundle / "bundle.json", lambda card: card.update(inputs=["k"]))
    with pytest.raises(ArtifactError, match="without input_ids"):
        Bundle.open(bundle)


def test_a_tokenizer_that_multiplies_texts_is_refused_before_it_fills_the_memory(bundle: Path) -> None:
    broken = changed(bundle / "tokenizer.json", multiplied)
    sha256 = hashlib.sha256(broken.read_bytes()).hexdigest()
    changed(bundle / "bundle.json", lambda card: card["files"].update({"tokenizer.json": sha256}))
    with pytest.raises(ArtifactError, match="the tokenizer is damaged: it makes 2,000 tokens of 'a b'"):
        Bundle.open(bundle)


def test_a_tokenizer_that_pads_is_none_that_multiplies(bundle: Path) -> None:
    """As minilm's does, to 128 tokens."""
    padding = {"strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": None}
    padding |= {"pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    padded = changed(bundle / "tokenizer.json", lambda values: values.update(padding=padding))
    sha256 = hashlib.sha256(padded.read_bytes()).hexdigest()
    changed(bundle / "bundle.json", lambda card: card["files"].update({"tokenizer.json": sha256}))
    assert len(Bundle.open(bundle).predict(["word"])) == 1


def test_a_row_of_more_tokens_than_the_model_takes_is_refused(bundle: Path) -> None:
    broken = changed(bundle / "tokenizer.json", lambda values: values["post_processor"].update(single=SEVERAL))
    sha256 = hashlib.sha256(broken.read_bytes()).hexdigest()
    changed(bundle / "bundle.json", lambda card: card["files"].update({"tokenizer.json": sha256}))
    with pytest.raises(ArtifactError, match="tokens of a row, 64 at most"):
        Bundle.open(bundle).predict(["word " * 200])


SEVERAL = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, *[{"Sequence": {"id": "A", "type_id": 0}}] * 3]
