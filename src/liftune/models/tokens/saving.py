"""A tokenizer in a folder, beside the model that it belongs to.

In: a tokenizer, a folder.  Out: its files, the same whatever was read with it before, and on whatever machine.
Not here: tokenizer.json of a bundle (exports/bundle.py).
"""

from __future__ import annotations

import json
from pathlib import Path

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from liftune.json_text import parse_json

_CONFIG = "tokenizer_config.json"
#: How the tokenizer was found, which says nothing of where its copy is.
_OF_LOADING = ("is_local", "local_files_only", "name_or_path", "_commit_hash")


def is_data(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether its files are all of it: not where it is code that came with a model."""
    return not type(tokenizer).__module__.startswith("transformers_modules")


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write what `AutoTokenizer` reads.

    The limit and padding of its last call are left out: every call sets its own.

    Raises:
        OSError: the disk is full or read-only.
    """
    if isinstance(tokenizer, PreTrainedTokenizerFast):
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(folder)
    path = folder / _CONFIG
    values = parse_json(path.read_text(encoding="utf-8"))
    kept = {name: each for name, each in values.items() if name not in _OF_LOADING}
    kept |= {"padding_side": tokenizer.padding_side, "truncation_side": tokenizer.truncation_side}
    path.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
