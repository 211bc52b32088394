"""Tiny models with Python code of their own; one leaves a trace whenever any of it runs: as a file is imported, as a
model is made.

In: a folder.  Out: a checkpoint that needs `trust_remote_code`, and the file that must not appear.
Not here: assertions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tiny_models import save_tiny

_CODE = """
from pathlib import Path
from transformers import DistilBertConfig, DistilBertForSequenceClassification

Path({trace!r}).write_text("imported")


class MarkedConfig(DistilBertConfig):
    model_type = "marked"


class Marked(DistilBertForSequenceClassification):
    config_class = {config_class}

    def __init__(self, config):
        super().__init__(config)
        Path({trace!r}).write_text("made")
"""


def save_marked(folder: Path, trace: Path, *, known_type: bool = False) -> Path:
    """Write the checkpoint.

    Args:
        trace: the file that the code writes.
        known_type: whether transformers has a class of its own for the model's type, and could do without the code.
    """
    save_tiny("distilbert", folder, head=("anger", "joy"))
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "marked.Marked"}
    if not known_type:
        config["auto_map"]["AutoConfig"] = "marked.MarkedConfig"
        config["model_type"] = "marked"
    (folder / "config.json").write_text(json.dumps(config))
    code = _CODE.format(trace=str(trace), config_class="DistilBertConfig" if known_type else "MarkedConfig")
    (folder / "marked.py").write_text(code)
    return folder


_WITHOUT_BODY = """
from transformers import {parent}


class WithoutBody({parent}):
    base_model_prefix = ""
"""


def save_without_body(folder: Path, labels: Sequence[str], *, family: str = "bert") -> Path:
    """Write a checkpoint whose own code does not say which part of the model is the body."""
    save_tiny(family, folder, head=labels)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "without_body.WithoutBody"}
    (folder / "config.json").write_text(json.dumps(config))
    (parent,) = json.loads((folder / "config.json").read_text())["architectures"]
    (folder / "without_body.py").write_text(_WITHOUT_BODY.format(parent=parent))
    return folder
