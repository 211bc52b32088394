"""A folder predicted by a cluster is the folder that this process writes, also where a node is lost."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from folders_of_rows import csv_of, options, outputs, predicted, rows_of
from ray_nodes import two_nodes
from v0_1 import lay_out

from liftune.bulk.place import place_of
from liftune.bulk.shards import Shard
from liftune.errors import MissingExtra, SpecError


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(tmp_path_factory.mktemp("model")) / "bundle"


def folder_of(place: Path, files: int, rows: int) -> Path:
    (place / "in").mkdir()
    for number in range(files):
        (place / "in" / f"{number:02}.csv").write_text(csv_of(rows_of(rows + number)))
    return place / "in"


def test_a_cluster_is_named_rightly_and_ray_is_there(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder_of(tmp_path, 1, 2)
    with pytest.raises(SpecError, match="no address of a Ray cluster"):
        options(bundle, source, tmp_path / "out", cluster="http://head").check()
    with pytest.raises(SpecError, match="--cluster is for a folder"):
        options(bundle, source / "00.csv", tmp_path / "out.csv", cluster="auto").check()
    monkeypatch.setattr("liftune.errors.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="ray is not installed"):
        options(bundle, source, tmp_path / "out", cluster="auto").check()


def test_processes_of_a_cluster_do_not_write_to_one_file(tmp_path: Path) -> None:
    """One of a machine that is lost to the cluster may still be writing."""
    shard = Shard("a.csv.gz", "a.csv.gz", "")
    with place_of(str(tmp_path), apart=True).work(shard) as one, place_of(str(tmp_path)).work(shard) as other:
        assert one != other
        assert one.parent == other.parent
        assert one.name.endswith(other.name)


@pytest.mark.slow
def test_a_lost_node_costs_its_file_another_try(bundle: Path, tmp_path: Path) -> None:
    source = folder_of(tmp_path, 16, 3_000)
    predicted(bundle, source, tmp_path / "here")
    out = tmp_path / "out"
    with two_nodes() as nodes:
        lost = threading.Event()

        def lose() -> None:
            while len(list(out.glob("*.csv"))) < 3:
                time.sleep(0.01)
            nodes.lose_one()
            lost.set()

        killer = threading.Thread(target=lose)
        killer.start()
        record, lines = predicted(bundle, source, out, cluster=nodes.address)
        killer.join()
    assert lost.is_set()
    assert (record.files, record.failed) == (16, {})
    assert sum("; it is tried again" in line for line in lines) == 1, lines
    assert outputs(out) == outputs(tmp_path / "here")
    assert not (out / ".liftune" / "work").exists()
