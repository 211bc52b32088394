"""The fresh process of the contract tests: reload every saved adapter, in liftune and in plain PEFT, and answer.

In: a manifest (JSON), path by argument.  Out: one .npy of logits beside each adapter for each way of loading it.
Not here: training, assertions (test_contract.py). The plain side uses nothing of liftune: what a user would type.
"""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from liftune.errors import ArtifactError
from liftune.models.adapter_io import open_adapter

SEED = 12345
WEIGHTS = ("adapter_model.safetensors", "model.safetensors")


def main(manifest: Path) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    for pair in json.loads(manifest.read_text(encoding="utf-8")):
        folder = Path(pair["folder"])
        rows = pair["rows"]
        np.save(folder / "liftune.npy", open_adapter(folder / "adapter", seed=SEED).logits(rows))
        np.save(folder / "plain.npy", answer(pair, plain_model(pair, folder / "adapter")))
        for part in ("adapter", "head") if pair["kind"] == "peft" else ("head",):
            mutilated = without(folder / "adapter", part, pair["head_modules"], folder / f"without_{part}")
            # PEFT refuses some of these files; what is left goes into place by hand.
            model = plain_base(pair, mutilated) if part == "adapter" else with_fresh_head(pair, folder / "adapter")
            np.save(folder / f"without_{part}.npy", answer(pair, model))
            (folder / f"without_{part}.refused").write_text(str(refused(mutilated)), encoding="utf-8")


def plain_model(pair: dict[str, Any], adapter: Path) -> Any:
    """The tuned model as plain transformers and PEFT load it."""
    torch.manual_seed(SEED)
    if pair["kind"] == "full":
        return AutoModelForSequenceClassification.from_pretrained(adapter, dtype=torch.float32).eval()
    return PeftModel.from_pretrained(plain_base(pair), adapter).eval()


def plain_base(pair: dict[str, Any], head: Path | None = None) -> Any:
    """The base model, with the head that a folder holds where one is given."""
    torch.manual_seed(SEED)
    base = AutoModelForSequenceClassification.from_pretrained(
        pair["base"], num_labels=pair["labels"], ignore_mismatched_sizes=True, dtype=torch.float32
    )
    base.config.pad_token_id = pair["pad"]
    if head is not None:
        # With every bias, PEFT saves the head's once more under the names of its own wrapper.
        weights = {
            plain_name(name): tensor
            for name, tensor in load_file(head / WEIGHTS[0]).items()
            if ".original_module." not in name and ".modules_to_save." not in name
        }
        assert not base.load_state_dict(weights, strict=False).unexpected_keys
    return base.eval()


def with_fresh_head(pair: dict[str, Any], adapter: Path) -> Any:
    """The tuned model with the head that loading the base makes up: what PEFT alone would reload for T5 or BART."""
    model, fresh = plain_model(pair, adapter), plain_base(pair).state_dict()
    replaced = 0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            original = plain_name(name).replace(".modules_to_save.default", "")
            if original.startswith(tuple(f"{module}." for module in pair["head_modules"])) and original in fresh:
                parameter.copy_(fresh[original])
                replaced += 1
    assert replaced
    return model


def plain_name(name: str) -> str:
    """A weight's name in the model without PEFT."""
    return name.removeprefix("base_model.model.").removeprefix("base_model.")


def answer(pair: dict[str, Any], model: Any) -> NDArray[np.float32]:
    """(N, C) logits, one row at a time and so without padding."""
    tokenizer = AutoTokenizer.from_pretrained(pair["base"])
    answers = []
    for row in pair["rows"]:
        encoded = tokenizer(row, truncation=True, max_length=pair["max_length"], return_tensors="pt")
        with torch.inference_mode():
            answers.append(model(**encoded).logits.numpy())
    return np.concatenate(answers)


def without(adapter: Path, part: str, head_modules: list[str], target: Path) -> Path:
    """A copy of the folder whose weights lack the adapter, or the head."""
    shutil.copytree(adapter, target)
    path = next(target / name for name in WEIGHTS if (target / name).is_file())
    weights = load_file(path)

    def is_head(name: str) -> bool:
        return plain_name(name).startswith(tuple(f"{module}." for module in head_modules))

    kept = {name: tensor for name, tensor in weights.items() if is_head(name) == (part == "adapter")}
    assert len(kept) < len(weights)
    save_file(kept, path, metadata={"format": "pt"})
    return target


def refused(adapter: Path) -> bool:
    """Whether liftune notices that the folder is not whole."""
    try:
        open_adapter(adapter, seed=SEED)
    except ArtifactError:
        return True
    return False


if __name__ == "__main__":
    main(Path(sys.argv[1]))
