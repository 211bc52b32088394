"""`liftune check`: a sweep's files against their seals, and seals for those that have none; any other path too.

In: a path.  Out: a CheckRecord; with seals, changed records.
Not here: runs, models and bundles (workflows/check.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from liftune.errors import ArtifactError, LiftuneError
from liftune.files import read_json_object
from liftune.models.hub import find_on_hub
from liftune.records.check import CheckRecord, FileState
from liftune.records.reading import read_record
from liftune.records.sweep import SweepRecord
from liftune.seals import files_in, is_sealed
from liftune.sweeps.folder import RESTORE, check_object, model_records, save_sweep, seal_model
from liftune.workflows.check import against_card, check_path, each_once, refuse_damaged, state_of

#: Objects of a sweep that seal themselves.
_ASKED = ("spec.json", "rows.json")


def check(path: str | Path, *, seal: bool = False) -> CheckRecord:
    """The state of every file of a run, one of its models, an adapter, a bundle or a sweep.

    Args:
        path: a folder, or `ORG/NAME[@REVISION]` on the hub, whose files are downloaded.
        seal: give seals to what has none, if nothing is wrong that can be seen.

    Raises:
        ArtifactError: the path is none of these; or it is to be sealed and is damaged, or lies on the hub.
    """
    found = find_on_hub(path)
    if found.fault is not None:
        raise found.fault
    if found.folder is not None:
        return _on_hub(str(path), found.folder, seal=seal)
    path = Path(path)
    if not ((path / "sweep.json").is_file() or (path / "rows.json").is_file()):
        return check_path(path, seal=seal)
    record = _look(path)
    if not seal:
        return record
    refuse_damaged(record)
    if record.sealed:
        return record.model_copy(update={"notes": (*record.notes, "it has seals already: nothing was changed")})
    for folder in _models(path):
        seal_model(folder)
    if (path / "sweep.json").is_file():
        save_sweep(path, read_record(path / "sweep.json", SweepRecord, "sweep"))
    return _look(path).model_copy(update={"notes": ("sealed as it was found",)})


def _on_hub(name: str, folder: Path, *, seal: bool) -> CheckRecord:
    """The files of a tuned model on the hub, as they were downloaded."""
    if seal:
        raise ArtifactError(
            f"{name} is on the hub, and what lies there is changed by its owner alone",
            where="--seal",
            hint=f"seal the run here, and push it: liftune push RUN {name.partition('@')[0]}",
        )
    record = check_path(folder)
    note = f"on the hub; looked at as it was downloaded: {folder}. What no model is read from was not fetched"
    return record.model_copy(update={"path": name, "notes": (*record.notes, note)})


def _models(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.is_dir() and any(each.glob("*.json")))


def _look(path: Path) -> CheckRecord:
    notes = () if (path / "sweep.json").is_file() else ("the sweep has not ended: it has no sweep.json",)
    return CheckRecord(path=str(path), kind="sweep", files=each_once(_states(path)), notes=notes)


def _states(path: Path) -> Iterator[FileState]:
    for name in _ASKED:
        if (path / name).is_file():
            yield _own(path, name)
    if (path / "sweep.json").is_file():
        try:
            record = read_record(path / "sweep.json", SweepRecord, "sweep")
            yield FileState(name="sweep.json", state="whole" if is_sealed(path / "sweep.json") else "unsealed")
            yield from against_card(path, "sweep.json", record.files)
        except LiftuneError as error:
            yield state_of("sweep.json", error)
    for folder in _models(path):
        yield from _model(folder)


def _own(path: Path, name: str) -> FileState:
    try:
        check_object(path / name)
    except LiftuneError as error:
        return state_of(name, error)
    sealed = "seal" in read_json_object(path / name, hint=RESTORE)
    return FileState(name=name, state="whole" if sealed else "unsealed")


def _model(folder: Path) -> Iterator[FileState]:
    """A model's records, the files that they seal, and those that none does."""
    prefix, known, unreadable = f"{folder.name}/", set(), ""
    for name, read in model_records(folder):
        known.add(name)
        try:
            record = read()
        except LiftuneError as error:
            yield state_of(prefix + name, error)
            unreadable = f"{name}, which may seal it, cannot be read"
            continue
        yield FileState(name=prefix + name, state="whole" if is_sealed(folder / name) else "unsealed")
        known |= set(record.files)
        yield from against_card(folder, name, record.files, prefix=prefix)
    for each in files_in(folder):
        if each not in known:
            yield FileState(name=prefix + each, state="not checked" if unreadable else "unsealed", reason=unreadable)
