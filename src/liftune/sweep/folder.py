"""A sweep's folder: what is where, and whether it may be gone on with.

    SWEEP/spec.json                     what was asked
    SWEEP/rows.json                     fingerprints of the rows, so that a rerun notices other ones
    SWEEP/MODEL/rungs.json              the rungs that are not tuned, written when all are
    SWEEP/MODEL/METHOD-SEED.json        one cell, written when it is done
    SWEEP/MODEL/logits/NAME.npz         answers to the test and validation rows
    SWEEP/sweep.json                    all of it, ranked; written last

In: values.  Out: files, each whole or not at all, and the values again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from liftune.data.audit import fingerprint
from liftune.data.splits import Splits
from liftune.errors import ArtifactError
from liftune.files import atomic_write, check_writable
from liftune.records.base import Record
from liftune.records.sweep import BaselinesRecord, CellRecord, SweepRecord
from liftune.run_folder import RunFolder
from liftune.spec import faults
from liftune.sweep.grid import Cell, SweepSpec

F = TypeVar("F", bound=Record)


class SweepFolder:
    """One sweep on disk."""

    def __init__(self, path: Path, names: Mapping[str, str]) -> None:
        """`names` are the models' folders."""
        self.path, self._names = path, dict(names)

    @classmethod
    def create(cls, spec: SweepSpec) -> SweepFolder:
        """The folder of a new sweep, or of one that was begun with the same spec.

        Raises:
            ArtifactError: the folder holds something else, or a sweep that was asked otherwise; names what differs.
        """
        path = Path(spec.run.out) if spec.run.out else Path("runs") / spec.folder_name()
        if (path / "spec.json").is_file():
            _refuse_others(_asked(spec), _read(path / "spec.json"), path)
            check_writable(path)
        else:
            RunFolder.create(str(path), name="")
        return cls(path, spec.short_names())

    def begin(self, spec: SweepSpec, splits: Splits) -> None:
        """Keep what was asked and the rows' fingerprints; of a sweep that goes on, refuse rows that are other ones.

        Raises:
            ArtifactError: the rows have changed.
        """
        path = self.path / "rows.json"
        now = {name: fingerprint(getattr(splits, name)) for name in ("train", "validation", "test")}
        if not path.is_file():
            _write(path, now)
        elif changed := [name for name, value in _read(path).items() if now.get(name) != value]:
            raise ArtifactError(
                f"the rows of {' and '.join(changed)} have changed since the sweep began",
                where=str(self.path),
                hint="restore the data, or begin a new sweep with another --out",
            )
        _write(self.path / "spec.json", _asked(spec))

    def of_model(self, model: str) -> RunFolder:
        """Where a model's cells and logits lie."""
        return RunFolder(self.path / self._names[model])

    def save_rungs(self, found: BaselinesRecord) -> None:
        """A model's rungs that are not tuned."""
        _write(self.of_model(found.model).path / "rungs.json", found.model_dump(mode="json"))

    def save_cell(self, found: CellRecord) -> None:
        """One cell, whatever became of it."""
        cell = Cell(found.model, found.method, found.seed)
        _write(self._place(cell), found.model_dump(mode="json"))

    def save_record(self, record: SweepRecord) -> None:
        """The end of a sweep."""
        _write(self.path / "sweep.json", record.to_json())

    def rungs(self, model: str) -> BaselinesRecord | None:
        """A model's rungs; None where they are still to be climbed."""
        return _found(BaselinesRecord, self.of_model(model).path / "rungs.json")

    def cell(self, cell: Cell) -> CellRecord | None:
        """What became of a cell; None where it is still to be tuned."""
        return _found(CellRecord, self._place(cell))

    def settled(self, cell: Cell) -> bool:
        """Whether a rerun has nothing to do: the cell is done, or the method does not fit."""
        found = self.cell(cell)
        return found is not None and found.state != "failed"

    def _place(self, cell: Cell) -> Path:
        return self.of_model(cell.model).path / f"{cell.name}.json"


def read_sweep(path: str | Path) -> SweepRecord:
    """A finished sweep.

    Raises:
        ArtifactError: there is none, or sweep.json is damaged.
    """
    file = Path(path) / "sweep.json"
    found = _found(SweepRecord, file)
    if found is None:
        raise ArtifactError(f"{path} holds no finished sweep", where=str(file), hint="run `liftune sweep` to its end")
    return found


def _asked(spec: SweepSpec) -> dict[str, Any]:
    """The spec as it is compared and kept: without the folder that it lies in."""
    values: dict[str, Any] = json.loads(spec.model_dump_json())
    del values["run"]["out"]
    return values


def _refuse_others(asked: dict[str, Any], there: Any, path: Path) -> None:
    if not isinstance(there, dict) or "methods" not in there:
        raise ArtifactError(f"{path} holds no sweep", where="--out", hint="name another folder")
    now, before = _flat(asked), _flat(there)
    differing = [key for key in {**before, **now} if now.get(key) != before.get(key)]
    if differing:
        lines = (f"  {key}: {_shown(before.get(key))} there, {_shown(now.get(key))} asked" for key in differing)
        raise ArtifactError(
            "\n".join((f"{path} holds a sweep that was asked otherwise", *lines)),
            where="--out",
            hint="name another folder, or ask as before to go on",
        )


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested objects as dotted keys, named as a user knows them."""
    if not isinstance(values, dict):
        return {prefix: values}
    if not values:
        return {prefix: {}}
    return {
        key: value
        for name, each in values.items()
        for key, value in _flat(each, f"{prefix}.{name}" if prefix and prefix != "run" else name).items()
    }


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else "not given" if value is None else str(value)


def _write(path: Path, values: Any) -> None:
    with atomic_write(path) as file:
        file.write((json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode())


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _damaged(path, str(error)) from None


def _found(kind: type[F], path: Path) -> F | None:
    if not path.is_file():
        return None
    try:
        return kind.model_validate(_read(path))
    except ValidationError as error:
        raise _damaged(path, "; ".join(faults(error)[:3])) from None


def _damaged(path: Path, reason: str) -> ArtifactError:
    return ArtifactError(
        f"{path.name} is damaged: {reason}", where=str(path), hint="remove it and run `liftune sweep` again"
    )
