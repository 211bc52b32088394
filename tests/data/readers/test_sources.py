"""Folders, samples, hub sets and names that are none of these."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from liftune.data import SOURCES, load_data
from liftune.data.readers import network
from liftune.data.split_roles import assign_roles
from liftune.errors import DataError, MissingExtra
from liftune.spec import DataSpec


def jsonl(n: int, start: int = 0) -> str:
    return "".join(json.dumps({"text": f"t{start + i}", "label": "ab"[i % 2]}) + "\n" for i in range(n))


def csv_text(n: int, start: int = 0) -> str:
    return "text,label\n" + "".join(f"t{start + i},{'ab'[i % 2]}\n" for i in range(n))


def counts(source: object, **options: object) -> tuple[int, int, int]:
    found = load_data(DataSpec(source=str(source), **options)).counts
    return found.train, found.validation, found.test


def test_a_folder_is_read_by_its_files_names_in_any_kind(tmp_path):
    (tmp_path / "train.jsonl.gz").write_bytes(gzip.compress(jsonl(60).encode()))
    (tmp_path / "dev.csv").write_text(csv_text(20, 100))
    (tmp_path / "test.tsv").write_text(csv_text(10, 200).replace(",", "\t"))
    (tmp_path / "SOURCE.md").write_text("# where from")
    (tmp_path / ".train.csv.swp.csv").write_text("junk")
    assert counts(tmp_path) == (60, 20, 10)


def test_words_in_a_name_tell_the_part_and_other_files_are_not_read(tmp_path):
    (tmp_path / "emotion_train.jsonl").write_text(jsonl(60))
    (tmp_path / "emotion-Test-v2.jsonl").write_text(jsonl(10, 100))
    (tmp_path / "unsupervised.jsonl").write_text("never read")
    (tmp_path / "latest.jsonl").write_text("never read either")
    assert counts(tmp_path) == (54, 6, 10)


def test_shards_are_joined_in_order(tmp_path):
    inside = tmp_path / "data"
    inside.mkdir()
    for i in range(3):
        (inside / f"train-0000{i}-of-00003.jsonl").write_text(jsonl(20, 20 * i))
    (inside / "test-00000-of-00001.jsonl").write_text(jsonl(10, 100))
    splits = load_data(DataSpec(source=str(tmp_path)))
    every = dict(zip(splits.train.ids + splits.validation.ids, splits.train.rows + splits.validation.rows, strict=True))
    assert every["train:41"] == "t41"
    assert splits.counts.test == 10


def test_shards_of_different_columns_are_refused(tmp_path):
    (tmp_path / "train-00000-of-00002.jsonl").write_text(jsonl(20))
    (tmp_path / "train-00001-of-00002.jsonl").write_text('{"text": "a", "tag": "b"}\n')
    with pytest.raises(DataError, match="different columns"):
        load_data(DataSpec(source=str(tmp_path)))


def test_a_folder_of_one_file_is_that_file(tmp_path):
    (tmp_path / "reviews.csv").write_text(csv_text(100))
    assert counts(tmp_path) == (80, 10, 10)


def test_a_bad_row_of_a_second_shard_is_placed(tmp_path):
    (tmp_path / "train-00000-of-00002.jsonl").write_text(jsonl(20))
    (tmp_path / "train-00001-of-00002.jsonl").write_text(jsonl(3) + "oops\n")
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path)))
    assert "line 4 is not JSON" in caught.value.message
    assert "train-00001-of-00002.jsonl, row 4" in (caught.value.where or "")


def test_two_files_for_one_part_must_be_told_apart(tmp_path):
    (tmp_path / "train.csv").write_text(csv_text(40))
    (tmp_path / "train.jsonl").write_text(jsonl(60))
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path)))
    assert "--split train=train.csv" in (caught.value.hint or "")
    assert counts(tmp_path, split={"train": "train.jsonl"}) == (48, 6, 6)


@pytest.mark.parametrize(
    ("split", "chosen"),
    [
        ({}, {"train": "train", "validation": "dev", "test": "test"}),
        ({"test": "dev"}, {"train": "train", "test": "dev"}),
        ({"train": "extra", "val": "train"}, {"train": "extra", "validation": "train", "test": "test"}),
        ({"validation": "", "test": "test.jsonl"}, {"train": "train", "test": "test"}),
    ],
)
def test_split_names_the_parts_outright(split, chosen):
    parts = dict.fromkeys(("train", "dev", "test", "extra"), lambda: None)
    assert assign_roles(parts, DataSpec(source="x", split=split)) == chosen


@pytest.mark.parametrize(
    ("split", "what"),
    [
        ({"train": "trian"}, "did you mean train?"),
        ({"tset": "test"}, "unknown part 'tset'"),
        ({"train": ""}, "no part"),
    ],
)
def test_a_wrong_split_is_refused_with_the_nearest(split, what):
    parts = dict.fromkeys(("train", "test"), lambda: None)
    with pytest.raises(DataError) as caught:
        assign_roles(parts, DataSpec(source="x", split=split))
    assert what in caught.value.message


def test_a_folder_without_data_files_is_refused(tmp_path):
    (tmp_path / "README.md").write_text("hello")
    with pytest.raises(DataError, match="no data files"):
        load_data(DataSpec(source=str(tmp_path)))


def test_a_test_part_of_other_columns_can_be_left_out(tmp_path):
    (tmp_path / "train.csv").write_text(csv_text(100))
    (tmp_path / "test.csv").write_text("id,label\n1,a\n")
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path)))
    assert "--split test=" in (caught.value.hint or "")
    assert counts(tmp_path, split={"test": ""}) == (80, 10, 10)


def test_a_test_part_whose_labels_are_withheld_counts_as_absent(tmp_path):
    (tmp_path / "train.csv").write_text(csv_text(100))
    (tmp_path / "test.csv").write_text("text,label\na,-1\nb,-1\n")
    splits = load_data(DataSpec(source=str(tmp_path)))
    assert splits.counts.test == 10
    assert any("counted as absent" in note for note in splits.audit.notes)


@pytest.mark.parametrize(
    "source", ["nowhere.csv", "./nowhere", "../nowhere/", "/no/where/at/all", "~/no-such", "a/b/c"]
)
def test_what_looks_like_a_path_is_a_missing_file_and_never_asked_of_the_hub(source, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match="no such file or folder"):
        load_data(DataSpec(source=source))


def test_the_sample_loads_and_a_wrong_name_is_told_the_right_one():
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source="sample:emotion"))
    if "sample:emotions" not in (caught.value.hint or ""):
        pytest.skip("the sample is not there yet")
    splits = load_data(DataSpec(source="sample:emotions"))
    assert splits.labels == ("anger", "fear", "joy", "love", "sadness", "surprise")
    assert splits.audit.leaked_test_rows == 0


def test_listing_sources_imports_no_reader():
    code = "import sys, liftune.data; list(liftune.data.SOURCES); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "datasets", "pyarrow", "tokenizers", "sklearn", "scipy", "pandas"} & set(loaded)


def test_every_source_has_a_name_and_a_summary():
    assert {"csv", "tsv", "jsonl", "parquet", "folder", "hub", "sample"} <= set(SOURCES)
    assert all(entry.summary.endswith(".") for entry in SOURCES.entries())


class TestHub:
    """A stand-in for the hub: `datasets.load_dataset` answers from memory."""

    @pytest.fixture
    def asked(self, monkeypatch):
        """What load_dataset was asked for; its answer is set by `answer`."""
        self.datasets = pytest.importorskip("datasets")
        calls: list[tuple[object, ...]] = []

        def load_dataset(id_, config=None, *, revision=None):
            calls.append((id_, config, revision))
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.datasets.DatasetDict(self.answer)

        monkeypatch.setattr(self.datasets, "load_dataset", load_dataset)
        monkeypatch.setattr(network, "_reachable", lambda endpoint: True)
        return calls

    def part(self, n, labels, start=0):
        features = self.datasets.Features(
            {"sentence": self.datasets.Value("string"), "label": self.datasets.ClassLabel(names=["neg", "pos"])}
        )
        return self.datasets.Dataset.from_dict(
            {"sentence": [f"t{start + i}" for i in range(n)], "label": [labels[i % len(labels)] for i in range(n)]},
            features,
        )

    def test_class_numbers_become_their_names_and_withheld_tests_are_absent(self, asked):
        self.answer = None
        self.answer = {
            "train": self.part(100, [0, 1]),
            "validation": self.part(20, [0, 1], 500),
            "test": self.part(20, [-1], 900),
        }
        splits = load_data(DataSpec(source="nyu-mll/glue:sst2@main"))
        assert asked == [("nyu-mll/glue", "sst2", "main")]
        assert splits.labels == ("neg", "pos")
        assert splits.test.ids[:2] == ("validation:0", "validation:1")
        assert splits.counts.validation == 10

    def test_a_single_minus_one_is_a_row_without_a_label(self, asked):
        self.answer = {"train": self.part(100, [0, 1, 1, 1, -1])}
        with pytest.raises(DataError) as caught:
            load_data(DataSpec(source="someone/set"))
        assert "someone/set, split train, row 5: no label" in caught.value.message

    def test_lists_of_class_numbers_are_multi_label(self, asked):
        names = self.datasets.ClassLabel(names=["x", "y", "z"])
        features = self.datasets.Features(
            {"text": self.datasets.Value("string"), "labels": self.datasets.Sequence(names)}
        )
        rows = {"text": [f"t{i}" for i in range(50)], "labels": [[i % 3, 2] for i in range(50)]}
        self.answer = {"train": self.datasets.Dataset.from_dict(rows, features)}
        splits = load_data(DataSpec(source="someone/multi"))
        assert splits.labels == ("x", "y", "z")
        assert {("x", "z"), ("y", "z"), ("z",)} == set(splits.train.targets)

    def test_split_names_a_hub_split(self, asked):
        self.answer = {"train": self.part(50, [0, 1]), "train_full": self.part(100, [0, 1])}
        assert counts("someone/set", split={"train": "train_full"}) == (80, 10, 10)
        with pytest.raises(DataError, match="train, train_full"):
            load_data(DataSpec(source="someone/set", split={"train": "nothing-like-it"}))

    def test_a_local_folder_wins_over_a_hub_name(self, asked, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("imdb").mkdir()
        Path("imdb/train.csv").write_text(csv_text(100))
        assert counts("imdb") == (80, 10, 10)
        assert asked == []

    @pytest.mark.parametrize(
        ("error", "what", "hint"),
        [
            (ConnectionError("Couldn't reach 'a/b' on the Hub (X)"), "the hub cannot be reached", "network"),
            (
                FileNotFoundError("Dataset 'a/b' doesn't exist on the Hub or cannot be accessed."),
                "no hub data set",
                "OWNER/NAME",
            ),
            (FileNotFoundError("Dataset 'a/b' is a gated dataset on the Hub."), "gated", "hf auth login"),
            (
                ValueError("Config name is missing.\nPlease pick one among: ['cola', 'sst2']"),
                "'cola', 'sst2'",
                "a/b:CONFIG",
            ),
            (ValueError("BuilderConfig 'x' not found. Available: ['cola']"), "'x' not found", "'cola'"),
            (RuntimeError("Dataset scripts are no longer supported, but found b.py"), "script", "convert/parquet"),
            (FileNotFoundError("Revision 'z' doesn't exist for dataset 'a/b' on the Hub."), "Revision 'z'", "a/b"),
            (ValueError("something else\nentirely"), "something else", "datasets"),
        ],
    )
    def test_what_the_hub_refuses_is_said_with_its_mend(self, asked, error, what, hint):
        self.answer = error
        with pytest.raises(DataError) as caught:
            load_data(DataSpec(source="a/b"))
        assert what in caught.value.message
        assert hint in (caught.value.hint or "")
        assert caught.value.where == "a/b"

    def test_without_a_network_the_cache_is_looked_in_at_once(self, asked, monkeypatch):
        from huggingface_hub import constants

        seen: list[bool] = []
        load_dataset = self.datasets.load_dataset
        self.answer = ConnectionError("offline")
        monkeypatch.setattr(network, "_reachable", lambda endpoint: False)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(
            self.datasets,
            "load_dataset",
            lambda *a, **k: (seen.append(constants.HF_HUB_OFFLINE), load_dataset(*a, **k)),
        )
        with pytest.raises(DataError):
            load_data(DataSpec(source="a/b"))
        assert seen == [True]
        assert constants.HF_HUB_OFFLINE is False

    def test_without_the_extra_the_mend_is_the_pip_line(self, monkeypatch):
        import importlib.util

        find_spec = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "datasets" else find_spec(name))
        with pytest.raises(MissingExtra) as caught:
            load_data(DataSpec(source="a/b"))
        assert caught.value.hint == "pip install 'liftune[tune]'"
