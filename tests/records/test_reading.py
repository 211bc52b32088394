"""Every kind of record is read by one reader, and refused alike."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from made_runs import made_run

from liftune.errors import ArtifactError
from liftune.inference.bundle_card import BundleCard, read_bundle_card
from liftune.models.adapter_io import read_card
from liftune.records.base import SCHEMA, Interval, Record, RowCounts, SealedRecord
from liftune.records.data import Audit
from liftune.records.reading import read_record
from liftune.records.sweep import BaselinesRecord, CellRecord, LeaderboardRow, SweepRecord
from liftune.records.training import AdapterCard
from liftune.run_folder import RunFolder
from liftune.seals import with_seal
from liftune.spec import RunSpec
from liftune.sweeps.folder import SweepFolder
from liftune.sweeps.grid import SweepSpec
from liftune.tasks import TaskKind

ADAPTER = AdapterCard(
    liftune="0.1.0", task=TaskKind.SINGLE_LABEL, labels=("a", "b"), method="lora", base="minilm", base_sha256="f",
    family="bert", head="fresh", max_length=64, pad_token_id=0,
)  # fmt: skip
BUNDLE = BundleCard(
    liftune="0.1.0", format="onnx", task=TaskKind.SINGLE_LABEL, labels=("a", "b"), pairs=False, method="lora",
    base="minilm", base_sha256="f", family="bert", inputs=("input_ids",), files={},
    tokens={
        "max_length": 64, "pad": 0, "unknown": 1, "eos": None, "endings": [1, 1], "separator": "", "reads_types": False
    },
)  # fmt: skip
BASELINES = BaselinesRecord(model="minilm", labels=("a", "b"), max_length=64, plan=(), contenders=())
CELL = CellRecord(model="minilm", method="lora", seed=0, state="failed", reason="why not")
SWEEP = SweepRecord(
    sweep="s", task=TaskKind.SINGLE_LABEL, labels=("a", "b"), partial=False,
    rows=RowCounts(train=3, validation=2, test=1),
    audit=Audit(), metric="accuracy", data_fingerprint="f", baselines=(BASELINES,), cells=(CELL,),
    leaderboard=(LeaderboardRow(model="m", contender="c", tuned=True, rank=1, score=Interval(value=0.5), seeds=1),),
)  # fmt: skip


def sweep_folder(folder: Path) -> SweepFolder:
    return SweepFolder.create(SweepSpec.of(RunSpec.of(out=str(folder)), "lora"))


@dataclass(frozen=True)
class Stored:
    """One kind of record: where it lies, how it gets there, how it is read, what fixes a damaged one."""

    file: str
    write: Callable[[Path], Record]
    read: Callable[[Path], Record | None]
    fix: str


def written(record: Record, file: str, save: Callable[[Path], None] | None = None) -> Callable[[Path], Record]:
    def write(folder: Path) -> Record:
        if save is None:
            assert isinstance(record, SealedRecord)
            (folder / file).write_text(json.dumps(record.to_json()))
        else:
            save(folder)
        return record

    return write


STORED = {
    "record": Stored(
        "record.json",
        lambda folder: made_run(folder).record(),
        lambda folder: RunFolder(folder).record(),
        "liftune tune",
    ),
    "adapter": Stored("liftune.json", written(ADAPTER, "liftune.json"), read_card, "liftune tune"),
    "bundle": Stored("bundle.json", written(BUNDLE, "bundle.json"), read_bundle_card, "liftune export"),
    "sweep": Stored(
        "sweep.json",
        written(SWEEP, "", lambda folder: sweep_folder(folder).save_record(SWEEP)),
        lambda folder: read_record(folder / "sweep.json", SweepRecord, "sweep"),
        "liftune sweep",
    ),
    "baselines": Stored(
        "minilm/baselines.json",
        written(BASELINES, "", lambda folder: sweep_folder(folder).save_baselines(BASELINES)),
        lambda folder: read_record(folder / "minilm" / "baselines.json", BaselinesRecord, "baselines"),
        "remove it",
    ),
    "cell": Stored(
        "minilm/lora-0.json",
        written(CELL, "", lambda folder: sweep_folder(folder).save_cell(CELL)),
        lambda folder: read_record(folder / "minilm" / "lora-0.json", CellRecord, "cell"),
        "remove it",
    ),
}
KINDS = pytest.mark.parametrize("stored", STORED.values(), ids=STORED)


def change(path: Path, *, seal: bool = True, **values: Any) -> None:
    """As a liftune would have written it, with its seal; or as a fault would have changed it."""
    changed = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps(with_seal(changed) if seal else changed))


@KINDS
def test_a_record_is_read_as_it_was_written_and_names_its_schema(stored: Stored, tmp_path: Path) -> None:
    record = stored.write(tmp_path)
    assert stored.read(tmp_path) == record
    assert next(iter(json.loads((tmp_path / stored.file).read_text()).items())) == ("schema", SCHEMA)


@KINDS
def test_a_record_of_a_newer_liftune_is_refused(stored: Stored, tmp_path: Path) -> None:
    """Even where it has fields that this liftune cannot know: the schema is looked at first."""
    stored.write(tmp_path)
    change(tmp_path / stored.file, schema=SCHEMA + 1, unheard_of=True)
    with pytest.raises(
        ArtifactError, match=f"newer liftune: it has schema {SCHEMA + 1}, this one reads up to {SCHEMA}"
    ) as error:
        stored.read(tmp_path)
    assert error.value.where == str(tmp_path / stored.file)
    assert error.value.hint == "pip install -U liftune"


@KINDS
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is damaged"),
        (lambda path: path.write_bytes(b"\xff"), "is damaged"),
        (lambda path: path.write_text("[]"), "holds a list, not an object"),
        (lambda path: path.write_text("{}"), "field required"),
        (lambda path: change(path, files={"a": "b"}, seal=False), "its seal differs"),
        (lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "seal": 5})), "its seal differs"),
        (lambda path: path.write_text(re.sub(r',\s*"seal": *"\w+"', "", path.read_text())), "it has no seal"),
        (lambda path: change(path, schema="two"), "its schema is 'two'"),
        (lambda path: change(path, schema=0), "its schema is 0"),
        (lambda path: change(path, unheard_of=True), "unheard_of: extra inputs are not permitted"),
    ],
    ids=[
        "cut short",
        "bytes",
        "a list",
        "empty",
        "another file",
        "a number as seal",
        "no seal",
        "schema of words",
        "schema too low",
        "unknown field",
    ],
)
def test_a_damaged_record_is_refused(
    stored: Stored, damage: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    stored.write(tmp_path)
    damage(tmp_path / stored.file)
    with pytest.raises(ArtifactError, match="is damaged") as error:
        stored.read(tmp_path)
    assert says in error.value.message
    assert error.value.where == str(tmp_path / stored.file)
    assert stored.fix in (error.value.hint or "")


@KINDS
def test_a_record_that_is_missing_is_named(stored: Stored, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no") as error:
        stored.read(tmp_path)
    assert error.value.where == str(tmp_path / stored.file)
    assert (error.value.hint or "").startswith("give a folder that `liftune ")
