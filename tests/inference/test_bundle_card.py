"""A bundle whose card asks for what no tokenizer does is damaged."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from v0_1 import HERE

from liftune.errors import ArtifactError
from liftune.inference.bundle_card import read_bundle_card
from liftune.inference.onnx_bundle import Bundle
from liftune.records.reading import read_record
from liftune.records.training import AdapterCard


@pytest.mark.parametrize("length", [0, -1, 10**30, None, "a", 0.5])
def test_a_length_that_is_no_number_of_tokens_is_damage(length: object, tmp_path: Path) -> None:
    values = json.loads((HERE / "bundle" / "bundle.json").read_text(encoding="utf-8"))
    read_bundle_card(HERE / "bundle")
    values["tokens"]["max_length"] = length
    (tmp_path / "bundle.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ArtifactError, match="max_length"):
        read_bundle_card(tmp_path)


@pytest.mark.parametrize("length", [0, -1, 10**30, None, "a", 0.5])
def test_so_is_it_in_the_card_of_an_adapter(length: object, tmp_path: Path) -> None:
    values = json.loads((HERE / "run" / "adapter" / "liftune.json").read_text(encoding="utf-8"))
    (tmp_path / "liftune.json").write_text(json.dumps({**values, "max_length": length}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="max_length"):
        read_record(tmp_path / "liftune.json", AdapterCard, "adapter")


def test_a_tokenizer_of_another_model_is_named(tmp_path: Path) -> None:
    """Its hash in the card is right: whoever swapped it may have written that too."""
    folder = tmp_path / "bundle"
    shutil.copytree(HERE / "bundle", folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {word: i if word.startswith("[") else i + 10**6 for word, i in vocabulary.items()}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    card = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    card["files"]["tokenizer.json"] = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"tokenizer\.json and model\.onnx do not fit"):
        Bundle.open(folder, threads=1).predict(["sunny dance"])
