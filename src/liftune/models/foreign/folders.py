"""Which folder holds a model that others saved: the path itself, or one of the checkpoints that a Trainer left in it.

In: a path.  Out: a Foreign; None where there is none.
Not here: what is made of it (card.py); liftune's own folders (inference/locate.py).

Only JSON is read here. `training_args.bin`, `optimizer.pt` and whatever else is pickled are never opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from liftune.errors import ArtifactError, first_of, pasted
from liftune.files import read_json_object
from liftune.records.reading import ADAPTER_CARD
from liftune.wrong_path import is_file_in

ADAPTER_CONFIG, ADAPTER_WEIGHTS, CONFIG = "adapter_config.json", "adapter_model.safetensors", "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PICKLED_ADAPTER = "adapter_model.bin"
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_STATE = "trainer_state.json"
RESTORE = "restore the file, or save the model again"
#: Bytes of a README in which its tags stand.
_HEAD = 4_096
#: Checkpoints that a note names at most.
_SHOWN = 3


@dataclass(frozen=True)
class Foreign:
    """A model that others saved."""

    folder: Path
    whole: bool
    """A fully tuned model; else an adapter."""
    config: Mapping[str, Any]
    """Of config.json, or of adapter_config.json."""
    note: str = ""
    """Which of several checkpoints it is."""


def find_foreign(path: Path) -> Foreign | None:
    """The model that others saved at a path: in the folder itself, else the best of a Trainer's checkpoints in it, by
    its own trainer_state.json, else the last.

    Raises:
        ArtifactError: its config is damaged, or its weights are pickled or not there.
    """
    found = _in(path)
    if found is not None:
        return found
    checkpoints = _checkpoints(path)
    if not checkpoints:
        return None
    taken, why = _best_of(checkpoints)
    found = _in(taken)
    assert found is not None  # that is how they were found
    if len(checkpoints) == 1:
        return replace(found, note=f"{taken} is taken, the only checkpoint of {path}")
    other = next(each for each in reversed(checkpoints) if each != taken)
    names = first_of([each.name for each in checkpoints], _SHOWN)
    return replace(found, note=f"of {names}, {taken} is taken, {why} (for another, give its folder, such as {other})")


def _in(folder: Path) -> Foreign | None:
    if is_file_in(folder, ADAPTER_CONFIG):
        _refuse_own(folder)
        _refuse_pickled(folder, (ADAPTER_WEIGHTS,), (_PICKLED_ADAPTER,), "adapter")
        return Foreign(folder, False, read_json_object(folder / ADAPTER_CONFIG, hint=RESTORE))
    if not is_file_in(folder, CONFIG):
        return None
    config = read_json_object(folder / CONFIG, hint=RESTORE)
    if not classifies(config):
        return None
    _refuse_pickled(folder, WEIGHTS, _PICKLED, "model")
    return Foreign(folder, True, config)


def _refuse_own(folder: Path) -> None:
    """Refuse an adapter of liftune that has lost its card: its thresholds and labels would be lost with it."""
    readme = folder / "README.md"
    if is_file_in(folder, ADAPTER_CARD) or not is_file_in(folder, readme.name):
        return
    with readme.open("rb") as file:
        says_so = b'\ntags: ["liftune"' in file.read(_HEAD)
    if says_so:
        raise ArtifactError(
            f"{ADAPTER_CARD} is missing, which says what liftune's adapter answers",
            where=str(folder),
            hint=f"{RESTORE}; or remove {readme.name} there, and it is opened as a plain PEFT adapter, without its "
            "thresholds and calibration",
        )


def classifies(config: Mapping[str, Any]) -> bool:
    """Whether a config.json says that the weights were saved with a head that classifies rows."""
    named = config.get("architectures")
    own = config.get("auto_map")
    return any(
        str(each).endswith("ForSequenceClassification") for each in (named if isinstance(named, list) else ())
    ) or (isinstance(own, dict) and "AutoModelForSequenceClassification" in own)


def _checkpoints(path: Path) -> list[Path]:
    """The checkpoints that hold a model, by their step."""
    try:
        inner = [each for each in path.iterdir() if each.is_dir()] if path.is_dir() else []
    except OSError:  # not to be read, or too long to be a path: whoever refuses it says so
        return []
    steps = {each: int(match[1]) for each in inner if (match := _CHECKPOINT.fullmatch(each.name))}
    held = [each for each in steps if is_file_in(each, ADAPTER_CONFIG) or is_file_in(each, CONFIG)]
    return [each for each in sorted(held, key=lambda each: steps[each]) if _holds_a_model(each)]


def _holds_a_model(folder: Path) -> bool:
    return is_file_in(folder, ADAPTER_CONFIG) or classifies(read_json_object(folder / CONFIG, hint=RESTORE))


def _best_of(checkpoints: list[Path]) -> tuple[Path, str]:
    """The best, as the Trainer itself says in its newest state; else the last."""
    last = checkpoints[-1]
    if is_file_in(last, _STATE):
        best = read_json_object(last / _STATE, hint=RESTORE).get("best_model_checkpoint")
        name = Path(best).name if isinstance(best, str) else None
        found = next((each for each in checkpoints if each.name == name), None)
        if found is not None:
            return found, f"the best by its {_STATE}"
    return last, "the last"


def _refuse_pickled(folder: Path, wanted: tuple[str, ...], pickled: tuple[str, ...], what: str) -> None:
    """Refuse weights that are not safetensors, with a way to convert them.

    Raises:
        ArtifactError: saying so.
    """
    if any((folder / name).is_file() for name in wanted):
        return
    found = next((name for name in pickled if (folder / name).is_file()), None)
    if found is None:
        raise ArtifactError(f"the {what} has no weights: there is no {wanted[0]}", where=str(folder), hint=RESTORE)
    raise ArtifactError(
        f"the {what} has only pickled weights, {found}, which can run code when they are read",
        where=str(folder),
        hint=f"convert them once, by reading tensors alone: {_conversion(folder, what)}",
    )


def _conversion(folder: Path, what: str) -> str:
    """A line of shell that writes the weights as safetensors; torch reads no objects with weights_only."""
    if what == "adapter":
        return (
            f'cd {pasted(folder)} && python -c "import torch, safetensors.torch as st; st.save_file('
            f"{{k: v.clone().contiguous() for k, v in torch.load('{_PICKLED_ADAPTER}', map_location='cpu', "
            f"weights_only=True).items()}}, '{ADAPTER_WEIGHTS}')\""
        )
    return (
        f'cd {pasted(folder)} && python -c "from transformers import AutoModelForSequenceClassification as A; '
        "A.from_pretrained('.').save_pretrained('.', safe_serialization=True)\""
    )
