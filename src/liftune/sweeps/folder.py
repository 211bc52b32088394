"""A sweep's folder: what is where, and whether a rerun may continue it.

    SWEEP/spec.json                     what was asked
    SWEEP/rows.json                     fingerprints of the rows, so that a rerun notices other ones
    SWEEP/MODEL/baselines.json          the contenders that are not tuned, written when all are done
    SWEEP/MODEL/METHOD-SEED.json        one cell, written when it is done
    SWEEP/MODEL/METHOD-tN-SEED.json     the same of proposal N of a search, on validation alone
    SWEEP/search.db                     of a search: Optuna's study, in SQLite
    SWEEP/MODEL/logits/NAME.npz         logits of the test and validation rows
    SWEEP/sweep.json                    all of it, ranked; written last

In: values.  Out: files, each whole or not at all, and the values again.
Not here: one model's logits (run_folder.py), how a record is read (records/reading.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from liftune.data.audit import fingerprint
from liftune.data.splits import Splits
from liftune.errors import ArtifactError
from liftune.files import check_writable, damaged, read_json_object, write_json
from liftune.json_text import parse_json
from liftune.records.base import SCHEMA
from liftune.records.reading import read_record
from liftune.records.sweep import BaselinesRecord, CellRecord, SweepRecord
from liftune.records.upgrade import earlier_name, upgrade
from liftune.run_folder import RunFolder
from liftune.seals import check_own_seal, hash_matching, with_seal
from liftune.sweeps.grid import Cell, SweepSpec
from liftune.workflows.asked import differing_options, refuse_others

#: What to do about a file of the sweep that is damaged.
RESTORE = "remove it and run `liftune sweep` again"


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
            now, before = _asked(spec), _asked_before(path)
            hint = "name another folder, or ask as before to go on"
            if (there := _trials(before)) and (asked := _trials(now)):
                if asked > there:
                    before["search"]["trials"] = asked  # more of the same: those that are there count
                elif asked < there:
                    hint = (
                        f"{there} trials are there or were asked for: give --search {there} or more, or another --out"
                    )
            refuse_others(path, differing_options(now, before), what="a sweep", hint=hint)
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
            write_json(path, with_seal(now))
        elif not (before := check_object(path)).keys() >= now.keys():
            raise damaged(path, "it does not say which rows the sweep began with", hint=RESTORE)
        elif changed := [name for name, value in now.items() if before[name] != value]:
            raise ArtifactError(
                f"the rows of {' and '.join(changed)} have changed since the sweep began",
                where=str(path),
                hint="restore the data, or begin a new sweep with another --out",
            )
        asked, told = _asked(spec), self.path / "spec.json"
        if told.is_file() and _trials(_asked_before(self.path)) != _trials(asked):
            (self.path / "sweep.json").unlink(missing_ok=True)  # of a search that goes on; it is written again
        write_json(told, with_seal(asked))

    def of_model(self, model: str) -> RunFolder:
        """Where a model's cells and logits lie, the latter sealed by the records beside them."""
        return model_folder(self.path / self._names[model])

    def save_baselines(self, record: BaselinesRecord) -> None:
        """A model's contenders that are not tuned."""
        _write(self._baselines(record.model), record)

    def save_cell(self, record: CellRecord) -> None:
        """One cell, whatever became of it."""
        _write(self.of_model(record.model).path / f"{record.name}.json", record)

    def save_record(self, record: SweepRecord) -> SweepRecord:
        """The end of a sweep: the record as it was written."""
        return save_sweep(self.path, record)

    def baselines(self, model: str) -> BaselinesRecord | None:
        """A model's contenders that are not tuned; None where they are still to be computed."""
        return _read_baselines(self._baselines(model))

    def cell(self, cell: Cell) -> CellRecord | None:
        """What became of a cell; None where it is still to be tuned."""
        path = self._cell(cell)
        return _read_cell(path) if path.is_file() else None

    def settled(self, cell: Cell) -> bool:
        """Whether a rerun has nothing to do: the cell is done, or the method does not fit."""
        record = self.cell(cell)
        return record is not None and record.state != "failed" and record.options == cell.options

    def _baselines(self, model: str) -> Path:
        return self.of_model(model).path / "baselines.json"

    def _cell(self, cell: Cell) -> Path:
        return self.of_model(cell.model).path / f"{cell.name}.json"


def model_folder(path: Path) -> RunFolder:
    """A model's part of a sweep, whose records seal the other files."""

    known: dict[tuple[str, int, int], dict[str, str]] = {}

    def seals() -> dict[str, tuple[str, str]]:
        found: dict[str, tuple[str, str]] = {}
        for name, read in model_records(path):
            stat = (path / name).stat()
            key = (name, stat.st_mtime_ns, stat.st_size)  # there are as many records as cells, and as many questions
            if key not in known:
                known[key] = read().files
            found |= {file: (sha256, name) for file, sha256 in known[key].items()}
        return found

    return RunFolder(path, seals=seals)


def model_records(path: Path) -> Iterator[tuple[str, Callable[[], BaselinesRecord | CellRecord]]]:
    """A model's records by their file names, each with what reads it."""
    baselines = path / "baselines.json"
    baselines = baselines if baselines.is_file() else earlier_name(baselines)
    if baselines.is_file():
        yield baselines.name, partial(read_record, baselines, BaselinesRecord, "baselines")
    for each in sorted(path.glob("*-*.json")):
        yield each.name, partial(_read_cell, each)


def seal_model(path: Path) -> None:
    """Write a model's records again, with seals."""
    for name, read in list(model_records(path)):
        record = read()
        _write(path / ("baselines.json" if isinstance(record, BaselinesRecord) else name), record)
        if earlier_name(path / "baselines.json").name == name != "baselines.json":
            (path / name).unlink()


def save_sweep(path: Path, record: SweepRecord) -> SweepRecord:
    """sweep.json, and the files of what was asked, with their seals.

    Returns:
        the record as it was written.
    """
    for name in ("spec.json", "rows.json"):
        if (path / name).is_file():
            write_json(path / name, with_seal(check_object(path / name)))
    # Each is sealed by itself: what has been damaged since was not read, and would be sealed as it is now.
    files = hash_matching(path, "spec.json", "rows.json", "*/baselines.json", "*/*-*.json")
    record = record.model_copy(update={"files": files})
    write_json(path / "sweep.json", record.to_json())
    return record


def _read_cell(path: Path) -> CellRecord:
    record = read_record(path, CellRecord, "cell")
    if path.stem != record.name:
        raise damaged(path, f"it is the record of {record.method} under seed {record.seed}", hint=RESTORE)
    return record


def _read_baselines(path: Path) -> BaselinesRecord | None:
    path = path if path.is_file() else earlier_name(path)
    return read_record(path, BaselinesRecord, "baselines") if path.is_file() else None


def _asked(spec: SweepSpec) -> dict[str, Any]:
    """The spec as it is compared and kept: without the folder that it lies in, and folds, which a sweep has none of."""
    values: dict[str, Any] = parse_json(spec.model_dump_json())
    del values["run"]["out"], values["run"]["evaluation"]["folds"]
    return values


def _trials(asked: Mapping[str, Any]) -> int | None:
    """Of a search, how many; None where there is none."""
    search = asked.get("search")
    return None if search is None else int(search["trials"])


def _asked_before(path: Path) -> dict[str, Any]:
    """What the sweep in a folder was asked, with today's names; an option that came later had its default."""
    values = check_object(path / "spec.json")
    if "methods" not in values:
        what = f"{path} holds no sweep: spec.json has no methods"
        raise ArtifactError(what, where="--out", hint="name another folder")
    return _asked(SweepSpec.checked(upgrade(values, "sweep-spec"), where=str(path / "spec.json")))


def check_object(path: Path) -> dict[str, Any]:
    """An object that has no schema, held against its seal.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    return check_own_seal(read_json_object(path, hint=RESTORE), path, hint=RESTORE)


def _write(path: Path, record: BaselinesRecord | CellRecord) -> None:
    """A record that is part of another one too, with the schema that the file needs, and seals of what it is about."""
    if isinstance(record, CellRecord):
        sealed = [f"logits/{record.name}.npz"]
    else:
        sealed = [*(f"logits/{each.name}.npz" for each in record.contenders), "teacher.*"]
    record = record.model_copy(update={"files": hash_matching(path.parent, *sealed)})
    write_json(path, with_seal({"schema": SCHEMA, **record.model_dump(mode="json")}))
