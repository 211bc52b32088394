"""A whole round with a real model: tune, choose, fill in, read back, tune again, compare."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.data.tuned_on import hash_of
from liftune.errors import DataError
from liftune.records.labelling import ImportRecord, LabelRecord
from liftune.run_folder import RunFolder

WORDS = {"joy": ("sunny", "laugh", "dance", "smile"), "anger": ("shout", "slam", "rage", "glare")}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows in one file, from which parts are split off, a run on it, and a pool that holds some of its rows."""
    place = tmp_path_factory.mktemp("round")
    rows = [(f"{word} {i} {WORDS[label][i % 3]}", label) for i in range(40) for label, (word, *_) in WORDS.items()]
    with (place / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("Message", "Mood"), *rows])
    pool = [{"Message": text} for text, _ in rows[:10]]
    pool += [{"Message": f"{'abcdefgh'[i]} whole new {'xyzuvwpq'[i]} thing"} for i in range(8)]
    (place / "pool.jsonl").write_text("".join(json.dumps(each) + "\n" for each in pool), encoding="utf-8")
    save_tiny("distilbert", place / "model")
    liftune.tune(
        place / "rows.csv",
        text="Message",
        label="Mood",
        model=place / "model",
        epochs=1,
        max_length=32,
        folds="none",
        out=place / "run",
        quiet=True,
    )
    return place


def test_a_round_keeps_the_test_rows_and_is_compared(
    ground: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, batch = ground / "run", tmp_path / "batch.csv"
    found = liftune.label(ground / "pool.jsonl", run=run, budget=4, out=batch, quiet=True)
    assert isinstance(found, LabelRecord)
    assert len(found.picks) == 4
    assert all("whole new" in str(each.text) for each in found.picks)
    assert sum(found.left_out.values()) == 10
    assert not any("by their words" in note for note in found.notes)
    text = batch.read_text(encoding="utf-8").replace(",\n", ",joy\n").replace(",\r\n", ",joy\r\n")
    batch.write_text(text, encoding="utf-8")
    more = tmp_path / "more"
    assert main(["label", "--import", str(batch), "--run", str(run), "--out", str(more), "--json"]) == 0
    record = ImportRecord.model_validate(json.loads(capsys.readouterr().out))
    old = RunFolder.open(run)
    assert (record.rows, record.old_rows) == (4, old.record().rows.train)
    train = [json.loads(line) for line in (more / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(train) == record.old_rows + 4
    assert all(set(each) == {"Message", "label"} for each in train)
    words = shlex.split(record.next_command.replace(f"{run}-more", str(tmp_path / "new")))
    assert main([*words[1:], "--quiet"]) == 0
    new = RunFolder.open(tmp_path / "new")
    assert list(map(hash_of, new.split("test").rows)) == list(map(hash_of, old.split("test").rows))
    capsys.readouterr()
    assert main(["compare", str(run), str(tmp_path / "new")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "4 more train rows than run" in said


def test_data_that_have_changed_are_refused(ground: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(ground, tmp_path / "there")
    data, run = tmp_path / "there" / "rows.csv", tmp_path / "there" / "run"
    (tmp_path / "in.json").write_text('[{"Message": "a new one", "label": "joy"}]', encoding="utf-8")
    spec = json.loads((run / "spec.json").read_text(encoding="utf-8"))
    assert spec["data"]["source"] == str(ground / "rows.csv")
    rows = (ground / "rows.csv").read_text(encoding="utf-8")
    try:
        (ground / "rows.csv").write_text(rows.replace("sunny 3 ", "sunny 333 "), encoding="utf-8")
        with pytest.raises(DataError, match="no longer holds the rows"):
            liftune.label(filled_in=tmp_path / "in.json", run=run, out=tmp_path / "more")
        (ground / "rows.csv").unlink()
        with pytest.raises(DataError, match="cannot be read again") as caught:
            liftune.label(filled_in=tmp_path / "in.json", run=run, out=tmp_path / "more")
        assert ".jsonl" in str(caught.value.hint)
    finally:
        (ground / "rows.csv").write_text(rows, encoding="utf-8")
    assert not (tmp_path / "more").exists()
    assert data.exists()


@pytest.mark.parametrize("use", ["tfidf", "probe"])
def test_other_contenders_are_asked_too(use: str, ground: Path) -> None:
    found = liftune.label(ground / "pool.jsonl", run=ground / "run", budget=2, use=use, quiet=True)
    assert isinstance(found, LabelRecord)
    assert len(found.picks) == 2
    assert any("by their words" in note for note in found.notes) is (use == "tfidf")
