"""What is saved in place of data is told apart; compressed files are read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import pyarrow
import pytest

from liftune.data.readers.formats import open_stream, read_bytes, read_file
from liftune.errors import DataError, SpecError
from liftune.inference.writers import check_out

TABLE = b"text,label\n" + b"".join(b"row %d,%s\n" % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(999))


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, TABLE)
    return file.getvalue()


PACKED = {
    ".gz": gzip.compress(TABLE),
    ".bz2": bz2.compress(TABLE),
    ".xz": lzma.compress(TABLE),
    ".zip": zipped("inside/x.csv", "__MACOSX/inside/._x.csv"),
    ".zst": pyarrow.compress(TABLE, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("ending", PACKED)
def test_compressed_files_are_read_at_once_and_in_a_stream(ending, tmp_path):
    path = tmp_path / f"x.csv{ending}"
    path.write_bytes(PACKED[ending])
    assert read_file(path).rows == open_stream(path).rows == 999
    with pytest.raises(DataError, match=r"damaged|not"):
        read_bytes(PACKED[ending][: len(PACKED[ending]) // 2], path.name, path.name)
    with pytest.raises(DataError) as caught:
        read_bytes(TABLE, path.name, path.name)
    assert f"take {ending} off its name" in (caught.value.hint or "")
    if ending == ".zip":  # the others are written too: packed blocks that follow each other are one file
        with pytest.raises(SpecError, match=f"cannot write {ending}"):
            check_out(str(tmp_path / f"out.csv{ending}"))


def test_a_zip_of_several_files_is_refused_with_their_names():
    with pytest.raises(DataError) as caught:
        read_bytes(zipped("train.csv", "test.csv"), "x.csv.zip", "x.csv.zip")
    assert "train.csv, test.csv" in caught.value.message
    assert read_bytes(zipped("train.csv"), "x.zip", "x.zip").rows == 999


STAND_INS = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n": "Git LFS pointer",
    b"\n<!DOCTYPE html>\n<html><head><title>Sign in\n - Hub</title></head></html>": "titled 'Sign in - Hub'",
    b"<HTML>\n<body>404</body></HTML>": "web page",
    b'<?xml version="1.0"?><rows/>': "XML",
    b"404: Not Found": "server's answer",
    b"Entry not found\n": "server's answer",
    b"../.git/annex/objects/a/b/c": "git-annex",
}


@pytest.mark.parametrize("data", STAND_INS)
@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.jsonl", "x.json", "x.parquet", "x.csv.gz"])
def test_what_stands_in_for_a_file_is_named(data, name):
    with pytest.raises(DataError) as caught:
        read_bytes(gzip.compress(data) if name.endswith(".gz") else data, name, name)
    assert STAND_INS[data] in caught.value.message
    assert caught.value.hint
