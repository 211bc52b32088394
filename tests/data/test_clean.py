"""Cleaned data: what misleads is left out with its reason, test stays whole, and tune reads what is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from liftune.data import load_data
from liftune.errors import DataError, SpecError
from liftune.spec import DataSpec
from liftune.workflows.inspect import inspect_data

LONG = "one two three four five six seven eight nine"


def lines(path: Path, rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def read(path: str | Path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def plain(n: int, start: int = 0, **more):
    return [{"text": f"text {start + i} {'sun' if i % 2 else 'rain'}", "label": "ab"[i % 2], **more} for i in range(n)]


@pytest.fixture
def faulty(tmp_path) -> str:
    """Train: 40 good rows, then one fault of each kind; validation; test."""
    folder = tmp_path / "d"
    folder.mkdir()
    train = plain(40, note="n")
    train += [
        {"text": "", "label": "a"},  # 40: bad
        {"text": "text 0 rain", "label": "a"},  # 41: repeats
        {"text": "leaks", "label": "a"},  # 42: in test
        {"text": "leaks too", "label": "a"},  # 43: in validation
        {"text": "torn", "label": "a"},  # 44 and 45: conflict
        {"text": "torn", "label": "b"},
        {"text": LONG, "label": "a"},  # 46 and 47: near
        {"text": LONG + "!", "label": "a"},
        {"text": LONG + "?", "label": "b"},  # 48: near, but of another label
        {"text": "leaks nearly as one two three four five", "label": "a"},  # 49
    ]
    lines(folder / "train.jsonl", train)
    lines(
        folder / "validation.jsonl", [*plain(10, 100), {"text": "leaks too", "label": "a"}, {"text": "v", "label": "b"}]
    )
    test = [*plain(10, 200), {"text": "leaks", "label": "a"}, {"text": "v", "label": "b"}, {"text": "v", "label": "b"}]
    lines(folder / "test.jsonl", [*test, {"text": "Leaks nearly: as one two three four five", "label": "a"}])
    return str(folder)


def test_a_folder_is_written_that_tune_reads_and_test_stays_whole(faulty, tmp_path):
    found = inspect_data(DataSpec(source=faulty), out=str(tmp_path / "clean"))
    assert found.cleaned is not None
    assert found.cleaned.kept == {"train": 44, "validation": 11, "test": 14}
    assert found.cleaned.dropped == {
        "train": {
            "no text in column 'text'": 1,
            "repeats a train row": 1,
            "also in test": 1,
            "also in validation": 1,
            "its text has more than one target": 2,
        },
        "validation": {"also in test": 1},
    }
    dropped = {(each["split"], each["row"]): each for each in read(found.cleaned.files["dropped"])}
    assert [row for split, row in dropped if split == "train"] == [41, 42, 43, 44, 45, 46]
    assert dropped["train", 42]["like"] == "train:0"
    assert dropped["train", 43] | {"reason": ""} == {
        "split": "train", "row": 43, "reason": "", "like": "test:10", "text": "leaks", "target": "a",
    }  # fmt: skip
    audit = load_data(DataSpec(source=str(tmp_path / "clean"))).audit
    assert (audit.leaked_test_rows, audit.leaked_validation_rows, audit.duplicate_train_rows) == (0, 0, 0)
    assert (audit.conflicting_rows, audit.skipped_rows) == (0, 0)
    assert read(tmp_path / "clean" / "train.jsonl")[0] == {"text": "text 0 rain", "label": "a", "note": "n"}


def test_one_file_holds_all_parts_and_tune_reads_them_back(faulty, tmp_path):
    inspect_data(DataSpec(source=faulty), out=str(tmp_path / "clean.jsonl"))
    splits = load_data(DataSpec(source=str(tmp_path / "clean.jsonl")))
    assert (splits.counts.train, splits.counts.validation, splits.counts.test) == (44, 11, 14)
    original = load_data(DataSpec(source=faulty, skip_bad_rows=True))
    assert (splits.test.rows, splits.test.targets) == (original.test.rows, original.test.targets)
    assert (tmp_path / "clean.dropped.jsonl").is_file()


def test_near_rows_go_only_when_asked_and_only_beside_one_of_their_label(faulty, tmp_path):
    found = inspect_data(DataSpec(source=faulty), out=str(tmp_path / "clean"), drop=["near"])
    assert found.cleaned is not None
    assert found.cleaned.dropped["train"]["resembles a row of test"] == 1
    assert found.cleaned.dropped["train"]["resembles a train row of the same target"] == 1
    kept = [row["text"] for row in read(tmp_path / "clean" / "train.jsonl")]
    assert LONG in kept
    assert LONG + "!" not in kept
    assert LONG + "?" in kept


def test_suspects_go_only_when_asked(tmp_path):
    rows = [{"text": f"{'sun shine' if i % 2 else 'rain cloud'} {i % 9}x{i}", "label": "ab"[i % 2]} for i in range(200)]
    rows[10]["label"] = "b"
    source = lines(tmp_path / "x.jsonl", rows)
    kept = inspect_data(DataSpec(source=source), out=str(tmp_path / "a.jsonl"))
    gone = inspect_data(DataSpec(source=source), out=str(tmp_path / "b.jsonl"), drop=["suspects"])
    assert kept.suspects is not None
    assert [each.id for each in kept.suspects.top] == ["rows:10"]
    assert len(read(tmp_path / "a.jsonl")) == 200
    assert gone.cleaned is not None
    assert gone.cleaned.dropped["train"] == {"its label is likely wrong": 1}
    assert rows[10]["text"] not in {row["text"] for row in read(tmp_path / "b.jsonl")}
    assert "split" not in read(tmp_path / "b.jsonl")[0]  # one part needs no name


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([{"text": f"t{i}", "tags": ["x"] if i % 2 else ["x", "y"]} for i in range(40)], "tags"),
        ([{"sentence1": f"t{i}", "sentence2": f"u{i}", "score": i / 8} for i in range(40)], "score"),
        ([{"text": f"t{i}", "label": i % 3} for i in range(40)], "label"),
    ],
)
def test_every_task_comes_back_as_it_was(tmp_path, rows, columns):
    before = load_data(DataSpec(source=lines(tmp_path / "x.jsonl", rows)))
    inspect_data(DataSpec(source=str(tmp_path / "x.jsonl")), out=str(tmp_path / "y.jsonl"))
    after = load_data(DataSpec(source=str(tmp_path / "y.jsonl")))
    assert (after.task, after.labels, after.pairs) == (before.task, before.labels, before.pairs)
    assert (after.train.rows, after.train.targets) == (before.train.rows, before.train.targets)


def test_a_column_named_split_that_speaks_of_other_things_is_left_alone_when_asked(tmp_path):
    """Not in silence: the other rows could be the user's test rows."""
    rows = [row | {"split": "banana" if i % 3 else "train"} for i, row in enumerate(plain(60))]
    source = lines(tmp_path / "x.jsonl", rows)
    with pytest.raises(DataError, match="'banana' in column 'split' is not the name of a part, and 39 more such rows"):
        load_data(DataSpec(source=source))
    counts = load_data(DataSpec(source=source, split_column="none")).counts
    assert (counts.train, counts.validation, counts.test) == (48, 6, 6)


@pytest.mark.parametrize(
    ("out", "drop", "says"),
    [
        ("x.csv", (), "neither a folder nor a .jsonl file"),
        ("x.jsonl", (), "is the input itself"),
        ("full", (), "not an empty folder"),
        ("new", ("nar",), "did you mean near"),
        (None, ("near",), "there is no --out"),
    ],
)
def test_what_cannot_be_met_is_refused_before_anything_is_written(tmp_path, out, drop, says):
    source = lines(tmp_path / "x.jsonl", plain(60))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(SpecError, match=says):
        inspect_data(DataSpec(source=source), out=out and str(tmp_path / out), drop=drop)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_near_rows_cannot_be_dropped_where_none_are_looked_for(tmp_path):
    source = lines(tmp_path / "x.jsonl", plain(60))
    with pytest.raises(SpecError, match="none are looked for"):
        inspect_data(DataSpec(source=source, near_duplicates=0.0), out=str(tmp_path / "new"), drop=["near"])


def test_texts_that_share_no_word_are_inspected_without_doubts(tmp_path):
    """The vocabulary of many texts holds what two of them share: here that is nothing."""
    rows = [{"text": f"x{i}", "label": "ab"[i % 2]} for i in range(1500)]
    found = inspect_data(DataSpec(source=lines(tmp_path / "x.jsonl", rows)))
    assert found.suspects is None
    assert any("were not looked for: tf-idf finds no words" in note for note in found.notes)


def test_the_command_writes_and_says_what_it_left_out_without_torch(faulty, tmp_path):
    program = (
        "import sys; from liftune.cli.main import main; code = main(sys.argv[1:]); "
        "print(sorted({'torch', 'transformers', 'peft'} & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    out = str(tmp_path / "clean")
    argv = ["inspect", faulty, "--out", out, "--drop", "near,suspects"]
    done = subprocess.run([sys.executable, "-c", program, *argv], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "Cleaned data" in done.stdout
    assert "its text has more than one target" in done.stdout
    assert sorted(path.name for path in Path(out).iterdir()) == [
        "dropped.jsonl",
        "test.jsonl",
        "train.jsonl",
        "validation.jsonl",
    ]
