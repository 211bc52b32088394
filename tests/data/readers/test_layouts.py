"""Folders as others lay them out, Arrow files, and what is no data or another kind of file."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from liftune.data import load_data
from liftune.data.readers.formats import open_stream, read_file
from liftune.errors import DataError
from liftune.spec import DataSpec


def counts(source: object, **options: object) -> tuple[int, int, int]:
    found = load_data(DataSpec(source=str(source), **options)).counts
    return found.train, found.validation, found.test


def notes(source: object, **options: object) -> str:
    return " | ".join(load_data(DataSpec(source=str(source), **options)).audit.notes)


def write_csv(path: Path, count: int, start: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text,label\n" + "".join(f"t{start + i},{'ab'[i % 2]}\n" for i in range(count)))


def write_texts(folder: Path, count: int, start: int = 0, extension: str = ".txt") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (folder / f"{i}_7{extension}").write_text(f"text {start + i} of {folder.name}\n")


def table(count: int, start: int = 0) -> pa.Table:
    return pa.table({"text": [f"t{start + i}" for i in range(count)], "label": ["ab"[i % 2] for i in range(count)]})


def write_stream(path: Path, rows: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=7)


class TestFoldersOfTexts:
    @pytest.mark.parametrize("extension", [".txt", ".TXT", ""])
    def test_a_folder_is_a_label_and_a_file_a_text(self, tmp_path, extension):
        for label, count in (("neg", 50), ("pos", 50)):
            write_texts(tmp_path / label, count, extension=extension)
        assert counts(tmp_path) == (80, 10, 10)
        splits = load_data(DataSpec(source=str(tmp_path)))
        assert splits.labels == ("neg", "pos")
        assert set(splits.test.rows) <= {f"text {i} of {label}" for i in range(50) for label in ("neg", "pos")}

    def test_with_train_and_test_and_texts_without_a_label(self, tmp_path):
        root = tmp_path / "aclImdb_v1" / "aclImdb"
        for part, count in (("train", 30), ("test", 10)):
            for label in ("neg", "pos"):
                write_texts(root / part / label, count, start=count)
            (root / part / f"urls_{part}.txt").write_text("http://example.org")
        write_texts(root / "train" / "unsup", 5)
        (root / "README").write_text("about")
        (root / "imdb.vocab").write_text("the")
        assert counts(tmp_path) == (54, 6, 20)
        said = notes(tmp_path)
        assert "unsup/ (5 texts without a label)" in said
        assert "imdb.vocab" in said
        assert "urls_train.txt" in said
        assert "README" not in said

    def test_labels_may_be_called_train_and_test(self, tmp_path):
        for label in ("car", "plane", "train"):
            write_texts(tmp_path / label, 20)
        assert load_data(DataSpec(source=str(tmp_path))).labels == ("car", "plane", "train")

    def test_a_file_that_cannot_be_used_is_named(self, tmp_path):
        for label in ("neg", "pos"):
            write_texts(tmp_path / label, 20)
        (tmp_path / "neg" / "3_7.txt").write_text("")
        with pytest.raises(DataError) as caught:
            counts(tmp_path)
        assert str(tmp_path / "neg" / "3_7.txt") in str(caught.value)
        assert sum(counts(tmp_path, skip_bad_rows=True)) == 39

    def test_texts_of_before_utf_8_are_read_and_this_is_said(self, tmp_path):
        for label in ("neg", "pos"):
            write_texts(tmp_path / label, 20)
        for i in (3, 4, 5):
            (tmp_path / "neg" / f"{i}_7.txt").write_bytes(f"Das Frühstück war für {i} Gäste".encode("latin-1"))
        assert (
            "Das Frühstück war für 3 Gäste" in load_data(DataSpec(source=str(tmp_path), split_column="none")).train.rows
        )
        assert "3 files: not UTF-8" in notes(tmp_path)
        assert "Das Fr\u00fchst" in str(load_data(DataSpec(source=str(tmp_path), encoding="latin-1")).train.rows)

    def test_texts_of_twenty_newsgroups_have_no_extension_and_other_names(self, tmp_path):
        for part, count in (("20news-bydate-train", 30), ("20news-bydate-test", 10)):
            for label in ("alt.atheism", "sci.space"):
                write_texts(tmp_path / part / label, count, extension="")
        assert counts(tmp_path) == (54, 6, 20)


class TestFoldersOfFiles:
    def test_folders_named_as_parts_hold_files_of_any_name(self, tmp_path):
        write_csv(tmp_path / "train" / "data.csv", 60)
        write_csv(tmp_path / "Validation" / "data.csv", 20, 100)
        write_csv(tmp_path / "test" / "x.csv", 10, 200)
        assert counts(tmp_path) == (60, 20, 10)

    def test_several_files_of_a_part_are_taken_together_and_this_is_said(self, tmp_path):
        write_csv(tmp_path / "train" / "a.csv", 30)
        write_csv(tmp_path / "train" / "b.csv", 30, 30)
        write_csv(tmp_path / "test" / "a.csv", 10, 200)
        assert counts(tmp_path) == (54, 6, 10)
        assert "2 files are taken together: a.csv, b.csv" in notes(tmp_path)

    def test_one_part_in_two_kinds_of_file_is_refused(self, tmp_path):
        write_csv(tmp_path / "train" / "a.csv", 30)
        (tmp_path / "train" / "a.jsonl").write_text('{"text": "a", "label": "b"}\n')
        with pytest.raises(DataError, match="files of several kinds"):
            counts(tmp_path)

    def test_a_folder_in_a_folder_is_looked_through_and_one_of_several_is_asked_for(self, tmp_path):
        write_csv(tmp_path / "v1" / "en" / "train.csv", 60)
        write_csv(tmp_path / "v1" / "en" / "test.csv", 10, 200)
        assert counts(tmp_path) == (54, 6, 10)
        write_csv(tmp_path / "v1" / "de" / "train.csv", 40)
        with pytest.raises(DataError, match="data are in several folders: de, en") as caught:
            counts(tmp_path)
        named = re.search(r"such as (\S+),", caught.value.hint or "")
        assert named
        assert counts(named[1]) == (32, 4, 4)

    def test_junk_is_passed_over_and_other_files_are_named(self, tmp_path):
        write_csv(tmp_path / "TRAIN.CSV", 60)
        write_csv(tmp_path / "Test.Csv", 10, 200)
        for name in ("._TRAIN.CSV", ".DS_Store", "Icon\r", "Thumbs.db", "~$train.xlsx", "_SUCCESS", ".train.csv.crc"):
            (tmp_path / name).write_bytes(b"\0junk")
        write_csv(tmp_path / "__MACOSX" / "train.csv", 5)
        write_csv(tmp_path / "train.csv.bak", 5)
        write_csv(tmp_path / "SMSSpamCollection", 5)
        (tmp_path / "model.pkl").write_bytes(b"\x80\x04")
        assert counts(tmp_path) == (54, 6, 10)
        assert "not read: SMSSpamCollection, model.pkl, train.csv.bak |" in notes(tmp_path)

    def test_shards_of_spark_and_of_the_hub_are_joined_and_missing_ones_said(self, tmp_path):
        for i in range(2):
            write_csv(tmp_path / "a" / f"part-0000{i}-5a2c-c000.csv", 50, 50 * i)
            write_csv(tmp_path / "b" / f"train-0000{i}-of-00003-0123456789abcdef.csv", 50, 50 * i)
        write_csv(tmp_path / "b" / "test-00000-of-00001.csv", 10, 200)
        assert counts(tmp_path / "a") == (80, 10, 10)
        assert counts(tmp_path / "b") == (90, 10, 10)
        assert "train has 2 of the 3 files" in notes(tmp_path / "b")

    def test_shards_may_have_their_columns_in_another_order(self, tmp_path):
        for i in range(2):
            rows = table(50, 50 * i)
            rows = rows.select(rows.column_names[:: 1 - 2 * i])
            pa.parquet.write_table(rows, tmp_path / f"train-0000{i}-of-00002.parquet")
        splits = load_data(DataSpec(source=str(tmp_path)))
        assert splits.labels == ("a", "b")
        assert splits.counts.train == 80

    def test_shards_that_name_their_classes_otherwise_are_refused(self, tmp_path):
        datasets = pytest.importorskip("datasets")
        for i, names in enumerate((["neg", "pos"], ["pos", "neg"])):
            features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=names))
            rows = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features)
            rows.to_parquet(str(tmp_path / f"train-0000{i}-of-00002.parquet"))
        with pytest.raises(DataError, match="different class names for column 'label'"):
            counts(tmp_path)


class TestSavedSets:
    """What `datasets.save_to_disk` wrote."""

    @pytest.fixture
    def saved(self, tmp_path):
        datasets = pytest.importorskip("datasets")
        features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["neg", "pos"]))

        def part(count, start):
            rows = {"text": [f"t{start + i}" for i in range(count)], "label": [i % 2 for i in range(count)]}
            return datasets.Dataset.from_dict(rows, features)

        datasets.DatasetDict(train=part(100, 0), test=part(20, 200)).save_to_disk(str(tmp_path / "dict"))
        part(100, 0).save_to_disk(str(tmp_path / "one"), num_shards=2)
        return tmp_path

    def test_both_kinds_are_read_without_datasets(self, saved, monkeypatch):
        monkeypatch.setitem(sys.modules, "datasets", None)
        assert counts(saved / "dict") == (90, 10, 20)
        assert counts(saved / "one") == (80, 10, 10)
        assert load_data(DataSpec(source=str(saved / "dict"))).labels == ("neg", "pos")
        assert counts(saved / "one", test=str(saved / "dict" / "test")) == (90, 10, 20)

    def test_a_missing_file_is_said(self, saved):
        next((saved / "one").glob("data-00001*")).unlink()
        with pytest.raises(DataError, match="is missing"):
            counts(saved / "one")


class TestArrow:
    @pytest.mark.parametrize("kind", ["stream", "file", "feather", "feather uncompressed"])
    @pytest.mark.parametrize("extension", [".arrow", ".feather"])
    def test_every_kind_is_read_under_every_name(self, tmp_path, kind, extension):
        path, rows = tmp_path / f"x{extension}", table(100)
        if kind == "stream":
            write_stream(path, rows)
        elif kind == "file":
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
                writer.write_table(rows)
        else:
            pa.feather.write_feather(rows, path, compression="uncompressed" if "un" in kind else "lz4")
        assert counts(path) == (80, 10, 10)
        stream = open_stream(path)
        lines = [line.cells for block in stream.blocks(30) for line in block]
        assert (stream.rows, lines[99]) == (100, {"text": "t99", "label": "b"})

    @pytest.mark.parametrize(("data", "what"), [(b"text,label\n", "not an Arrow file"), (b"", "empty")])
    def test_what_is_no_arrow_is_said(self, tmp_path, data, what):
        (tmp_path / "x.arrow").write_bytes(data)
        with pytest.raises(DataError, match=what):
            read_file(tmp_path / "x.arrow")


class TestTypes:
    """Columns of Parquet and Arrow, in every type that may hold a text or a label."""

    def read(self, path: Path, array: pa.Array) -> list[object]:
        rows = pa.table({"text": ["a"] * len(array), "label": array})
        pa.parquet.write_table(rows, path / "x.parquet")
        pa.feather.write_feather(rows, path / "x.feather")
        both = [read_file(path / name).read("label") for name in ("x.parquet", "x.feather")]
        assert both[0] == both[1]
        streamed = [line.cells["label"] for block in open_stream(path / "x.parquet").blocks(9) for line in block]
        assert streamed == both[0]
        return both[0]

    @pytest.mark.parametrize(
        ("array", "cells"),
        [
            (pa.array([Decimal("1"), Decimal("0")]), [1, 0]),
            (pa.array([Decimal("1.50"), Decimal("2.00"), None]), [1.5, 2, None]),
            (pa.array([b"pos", "käse".encode()]), ["pos", "käse"]),
            (pa.array([b"pos"], pa.large_binary()), ["pos"]),
            (pa.array(["a", "b", "a", None]).dictionary_encode(), ["a", "b", "a", None]),
            (pa.array([b"a", b"b"]).dictionary_encode(), ["a", "b"]),
            (pa.array(["a"], pa.large_string()), ["a"]),
            (pa.array([["a", "b"], []]), [["a", "b"], []]),
            (pa.array([[b"a"], None]), [["a"], None]),
            (pa.array([[Decimal("1")]]), [[1]]),
            (pa.array(np.array([0.5, 2], np.float16)), [0.5, 2.0]),
            (pa.array([1, 0], pa.uint8()), [1, 0]),
            (pa.array([True, False]), [True, False]),
            (pa.nulls(2), [None, None]),
        ],
        ids=str,
    )
    def test_cells_become_what_they_mean(self, tmp_path, array, cells):
        assert self.read(tmp_path, array) == cells

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    def test_times_are_no_labels(self, tmp_path, unit):
        rows = {"text": [f"t{i}" for i in range(50)], "label": pa.array(range(50), pa.timestamp(unit))}
        pa.parquet.write_table(pa.table(rows), tmp_path / "x.parquet")
        with pytest.raises(DataError, match="column 'label' holds times, not labels") as caught:
            counts(tmp_path / "x.parquet")
        assert "--label" in (caught.value.hint or "")

    def test_bytes_that_are_no_text_are_a_bad_row(self, tmp_path):
        texts = [f"t{i}".encode() for i in range(50)]
        texts[3] = b"\xff\xfe"
        rows = {"text": texts, "label": ["ab"[i % 2] for i in range(50)]}
        pa.parquet.write_table(pa.table(rows), tmp_path / "x.parquet")
        with pytest.raises(DataError, match="row 4 cannot be used: column 'text' holds bytes"):
            counts(tmp_path / "x.parquet")

    def test_the_index_of_pandas_is_no_column(self, tmp_path):
        rows = table(50).append_column("__index_level_0__", pa.array(range(50)))
        pa.parquet.write_table(rows, tmp_path / "x.parquet")
        assert read_file(tmp_path / "x.parquet").columns == ("text", "label")


class TestOtherKinds:
    """Files that liftune does not read: what they are and a hint that works."""

    def hint(self, path: Path) -> str:
        with pytest.raises(DataError) as caught:
            load_data(DataSpec(source=str(path)))
        return f"{caught.value.message} ~ {caught.value.hint}"

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("x.docx", "a Word document ~ put texts and labels into a spreadsheet"),
            ("x.PDF", "a PDF"),
            ("x.npy", "a numpy array"),
            ("x.pickle", "a Python pickle ~ only if you trust it"),
            ("x.rds", "an R object ~ in R: write.csv(readRDS("),
            ("x.tar.gz", "a tar archive ~ unpack it (mkdir x; tar xf"),
            ("x.tgz", "a tar archive"),
            ("x.zip", "a zip archive ~ unpack it (unzip"),
            ("x.txt", "a text file without columns"),
            ("x.html", "a web page"),
            ("x.zzzz", "unknown kind of file '.zzzz' ~ give one of .csv"),
        ],
    )
    def test_the_kind_is_named_with_how_to_convert_it(self, tmp_path, name, says):
        (tmp_path / name).write_bytes(b"whatever")
        assert says in self.hint(tmp_path / name)

    def test_a_folder_of_them_alone_says_the_same(self, tmp_path):
        (tmp_path / "train.pkl").write_bytes(b"\x80\x04")
        (tmp_path / "test.pkl").write_bytes(b"\x80\x04")
        assert "there are: test.pkl (a Python pickle), train.pkl (a Python pickle)" in self.hint(tmp_path)

    def test_those_in_folders_below_are_named_too(self, tmp_path):
        (tmp_path / "train" / "cat").mkdir(parents=True)
        (tmp_path / "train" / "cat" / "1.png").write_bytes(b"\x89PNG")
        assert "there are: train/cat/1.png (an image)" in self.hint(tmp_path)

    @pytest.mark.parametrize(
        ("text", "extension"),
        [
            ("ham\thello\nspam\tbuy\n", ".tsv"),
            ("text,label\na,b\n", ".csv"),
            ('{"text": "a", "label": "b"}\n', ".jsonl"),
        ],
    )
    def test_a_file_without_an_extension_is_told_its_name(self, tmp_path, text, extension):
        (tmp_path / "Collection").write_text(text)
        assert f"rename it to Collection{extension}" in self.hint(tmp_path / "Collection")
        (tmp_path / "Collection").rename(tmp_path / "train.txt")
        assert f"rename it to train{extension}" in self.hint(tmp_path / "train.txt")
        assert f"rename it to train{extension}" in self.hint(tmp_path)

    def test_prose_is_no_table(self, tmp_path):
        (tmp_path / "x.txt").write_text("Once, long ago, there was a hotel.\nIt had no view.\nThe end, dear reader.\n")
        assert "a text file without columns" in self.hint(tmp_path / "x.txt")

    def test_a_parquet_file_without_an_extension_is_read_after_the_hint(self, tmp_path):
        pa.parquet.write_table(table(100), tmp_path / "part0")
        named = re.search(r"rename it to (\S+)", self.hint(tmp_path / "part0"))
        assert named
        assert counts((tmp_path / "part0").rename(tmp_path / named[1])) == (80, 10, 10)

    def test_the_command_for_a_pickle_works(self, tmp_path, monkeypatch):
        pandas = pytest.importorskip("pandas")
        monkeypatch.chdir(tmp_path)
        pandas.DataFrame({"text": [f"t{i}" for i in range(50)], "label": list("ab" * 25)}).to_pickle("x.pkl")
        command = re.search(r"python (-c .*)$", self.hint(Path("x.pkl")))
        assert command
        subprocess.run([sys.executable, *shlex.split(command[1])], check=True, timeout=120)
        assert counts("x.csv") == (40, 5, 5)

    def test_the_table_of_a_database_is_named(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with sqlite3.connect("x.db") as base:
            base.execute("create table reviews (text, label)")
        base.close()
        assert "sqlite3 -header -csv x.db 'select * from \"reviews\"' > x.csv (its tables: reviews)" in self.hint(
            Path("x.db")
        )


def test_listed_files_about_the_data_are_no_data(tmp_path):
    write_csv(tmp_path / "reviews.csv", 100)
    (tmp_path / "dataset_infos.json").write_text(json.dumps({"default": {}}))
    (tmp_path / "README.md").write_text("# about")
    assert counts(tmp_path) == (80, 10, 10)
