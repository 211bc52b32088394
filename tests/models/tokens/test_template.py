"""A tokenizer that adds far more than special tokens is refused; one that pads by itself, as minilm's does, is not."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from liftune.data.token_rules import check_template


@pytest.mark.parametrize("options", [{"length": 512}, {"pad_to_multiple_of": 256}, {"length": 128, "pad_id": 1}])
def test_padding_is_no_template(options: dict[str, int]) -> None:
    backend = Tokenizer(models.WordLevel({"a": 0, "b": 1, "[PAD]": 2}, unk_token="a"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.enable_padding(**options)
    before = backend.padding
    check_template(backend)
    assert backend.padding == before
