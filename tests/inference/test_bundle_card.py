"""A bundle whose card asks for what no tokenizer does is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from v0_1 import HERE

from liftune.errors import ArtifactError
from liftune.inference.onnx_bundle import read_bundle_card


@pytest.mark.parametrize("length", [0, -1, 10**30, None, "a", 0.5])
def test_a_length_that_is_no_number_of_tokens_is_damage(length: object, tmp_path: Path) -> None:
    values = json.loads((HERE / "bundle" / "bundle.json").read_text(encoding="utf-8"))
    read_bundle_card(HERE / "bundle")
    values["tokens"]["max_length"] = length
    (tmp_path / "bundle.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ArtifactError, match="max_length"):
        read_bundle_card(tmp_path)
