"""Folders and files that liftune writes, or models are saved in, given in the place of data.

In: a path.  Out: a DataError that says what it is.  Not here: a path given in the place of a model (wrong_path.py).
"""

from __future__ import annotations

import shlex
from pathlib import Path

from liftune.errors import DataError
from liftune.json_text import parse_json
from liftune.records.reading import ADAPTER_CARD, BUNDLE_CARD, CONTENDER_CARD, RUN_RECORD

_SPEC, _SWEEP, _REQUEST = "spec.json", "sweep.json", "checkpoint/request.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json")


def refuse_model(given: str, path: Path) -> None:
    """Refuse a run, a sweep or a saved model, and the record of a run.

    Args:
        given: as the user wrote it.

    Raises:
        DataError: it is one of them.
    """
    folder = path.parent if path.name in (RUN_RECORD, _SPEC, _SWEEP) else path
    if (folder / _SWEEP).is_file():
        raise DataError("this is a sweep, not data", where=given, hint=_hint(folder, None))
    if (folder / _SPEC).is_file() and any((folder / each).is_file() for each in (RUN_RECORD, _REQUEST)):
        whose = "a run" if folder == path else "a file of a run"
        raise DataError(f"this is {whose}, not data", where=given, hint=_hint(folder, folder))
    if any((path / each).is_file() for each in (ADAPTER_CARD, CONTENDER_CARD, BUNDLE_CARD)):
        raise DataError("this is a tuned model, not data", where=given, hint=_hint(path.parent, path))
    if (path / "adapter_config.json").is_file():
        raise DataError("this is a PEFT adapter, not data", where=given, hint=_hint(path.parent, path))
    if (path / "config.json").is_file() and any((path / each).is_file() for each in _WEIGHTS):
        raise DataError("this is a pretrained model, not data", where=given, hint=_hint(path, path))


def _hint(run: Path, model: Path | None) -> str:
    """What to give, and how to score the model on it."""
    source = _source(run)
    data = f"give the data, such as those that it was tuned on: {source}" if source else "give a file of rows"
    if model is None:
        return data
    command = shlex.join(["liftune", "evaluate", source or "DATA", "--model", str(model)])
    return f"{data}; to score it on data: {command}"


def _source(run: Path) -> str | None:
    """The data that a run was tuned on."""
    try:
        source = parse_json((run / _SPEC).read_text(encoding="utf-8"))["data"]["source"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return source if isinstance(source, str) and not source.startswith("(") else None
