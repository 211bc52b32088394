"""The base model of an adapter that others saved: where it is, and what its JSON files say.

In: adapter_config.json, what the user says.  Out: a Checkpoint; its config.json.
Not here: loading it (backbone.py); bases of liftune's own adapters, known by their weights' hash (moved_bases.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from liftune.errors import ModelError
from liftune.files import read_json_object
from liftune.models.checkpoint import Checkpoint, find_file, locate
from liftune.models.foreign.folders import CONFIG, RESTORE, WEIGHTS, Foreign
from liftune.models.foreign.said import Said

_HINT = "say where it is now: --base PATH"


def base_of(foreign: Foreign, said: Said) -> Checkpoint:
    """The base: where the user says, else where the adapter says.

    Raises:
        ModelError: it is not there.
    """
    recorded = foreign.config.get("base_model_name_or_path")
    named = recorded if isinstance(recorded, str) else ""
    moved = _moved(named, said)
    if moved is not None:
        return locate(moved, option="--base")
    if not named and (foreign.folder / CONFIG).is_file() and any((foreign.folder / each).is_file() for each in WEIGHTS):
        return locate(str(foreign.folder))
    if not named:
        raise ModelError("the adapter does not say what its base model is", where=str(foreign.folder), hint=_HINT)
    revision = foreign.config.get("revision")
    pinned = f"{named}@{revision}" if isinstance(revision, str) and revision and not Path(named).is_dir() else named
    try:
        return locate(pinned)
    except ModelError as error:
        if len(said.bases) == 1:
            return locate(said.bases[0], option="--base")
        raise ModelError(
            f"the base model of the adapter is not at hand: {error.message}", where=named, hint=_HINT
        ) from None


def _moved(named: str, said: Said) -> str | None:
    """Of the bases that the user names, the one of this adapter."""
    if said.sole and said.bases:
        return said.bases[0]
    last = Path(named).name
    return next((each for each in said.bases if last and Path(each).name == last), None)


def json_of(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    """A JSON file of a pretrained model, fetched from the hub where it is there; empty where there is none."""
    path = find_file(checkpoint, name, fetch=True)
    return read_json_object(path, hint=RESTORE) if path is not None else {}
