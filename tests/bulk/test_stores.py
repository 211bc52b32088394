"""Folders of a store are read and written as those here, a file by one put."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_server import Bucket, bucket
from folders_of_rows import csv_of, outputs, rows_of
from folders_of_rows import predicted as predicted_and_log
from v0_1 import lay_out

from liftune.errors import ArtifactError, DataError, LiftuneError, SpecError
from liftune.records.predictions import FolderRecord

FILES = {"a.csv": csv_of(rows_of(30)), "day=1/b.csv": csv_of(rows_of(8)), "day=1/c.csv": csv_of(rows_of(9))}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(tmp_path_factory.mktemp("model")) / "bundle"


@pytest.fixture
def store() -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch, bucket(patch) as found:
        for name, text in FILES.items():
            found.pipe_file(f"/bucket/in/{name}", text.encode())
        found.pipe_file("/bucket/in/_SUCCESS", b"")
        found.pipe_file("/bucket/in/notes.txt", b"mine")
        yield found


@pytest.fixture
def expected(bundle: Path, tmp_path: Path) -> dict[str, bytes]:
    """The same files predicted here."""
    for name, text in FILES.items():
        path = tmp_path / "here" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    predicted(bundle, str(tmp_path / "here"), str(tmp_path / "there"))
    return outputs(tmp_path / "there")


def predicted(model: Path, source: str, out: str, **more: Any) -> FolderRecord:
    return predicted_and_log(model, source, out, **more)[0]


def held(store: Bucket, folder: str) -> dict[str, bytes]:
    found = store.find(folder)
    return {name.removeprefix(f"{folder}/"): store.cat_file(name) for name in found if "/.liftune/" not in name}


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_prefix_into_a_prefix_and_again(
    scheme: str, bundle: Path, store: Bucket, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    puts: list[str] = []
    kept = Bucket.put_file
    monkeypatch.setattr(
        Bucket, "put_file", lambda self, here, there, **more: (puts.append(there), kept(self, here, there, **more))[1]
    )
    record = predicted(bundle, f"{scheme}://bucket/in/", f"{scheme}://bucket/out")
    assert held(store, "/bucket/out") == expected
    assert sorted(puts) == [f"/bucket/out/{name}" for name in sorted(FILES)]
    assert (record.files, record.rows, record.left_out) == (3, 47, {"notes.txt": "it is no table"})
    store.pipe_file("/bucket/in/a.csv", csv_of(rows_of(31)).encode())
    store.rm_file("/bucket/out/day=1/b.csv")
    record = predicted(bundle, f"{scheme}://bucket/in", f"{scheme}://bucket/out/")
    assert (record.files, record.earlier, record.rows) == (3, 1, 48)
    assert held(store, "/bucket/out")["day=1/b.csv"] == expected["day=1/b.csv"]
    with pytest.raises(SpecError, match="text"):
        predicted(bundle, f"{scheme}://bucket/in", f"{scheme}://bucket/out/", text="id")


def test_from_a_store_to_here_and_back(bundle: Path, store: Bucket, expected: dict[str, bytes], tmp_path: Path) -> None:
    predicted(bundle, "s3://bucket/in/", str(tmp_path / "out"))
    assert outputs(tmp_path / "out") == expected
    predicted(bundle, str(tmp_path / "here"), "s3://bucket/back/")
    assert held(store, "/bucket/back") == expected


def test_a_file_that_cannot_be_brought_is_tried_and_named(
    bundle: Path, store: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []
    kept = Bucket.get_file

    def get_file(self: Bucket, there: str, here: str, **more: Any) -> None:
        tries.append(there)
        if there.endswith("c.csv"):
            raise ConnectionError
        kept(self, there, here, **more)

    monkeypatch.setattr(Bucket, "get_file", get_file)
    record = predicted(bundle, "s3://bucket/in/", "s3://bucket/out/")
    assert sum(each.endswith("c.csv") for each in tries) == 3
    assert (record.files, list(record.failed)) == (2, ["day=1/c.csv"])
    assert record.failed["day=1/c.csv"].startswith("3 times: the connection was cut")


def test_places_in_stores_that_are_refused(bundle: Path, store: Bucket, tmp_path: Path) -> None:
    store.pipe_file("/bucket/mine/x.bin", b"mine")
    for out, kind, match in (
        ("s3://bucket/in/", SpecError, "is the folder that is read"),
        ("s3://bucket/in/answers", SpecError, "lies in the folder"),
        ("s3://bucket/mine/", ArtifactError, "holds other files"),
        ("https://host/out/", ArtifactError, "liftune writes to disks"),
        ("az://box/out/", ArtifactError, "liftune writes to disks"),
    ):
        with pytest.raises(LiftuneError, match=match) as error:
            predicted(bundle, "s3://bucket/in/", out)
        assert isinstance(error.value, kind), out
    with pytest.raises(DataError, match="no file in the folder"):
        predicted(bundle, "s3://bucket/none/", "s3://bucket/out/")
