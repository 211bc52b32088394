"""A model that is scored on rows that it was tuned on: evaluate says so, and scores the others by themselves."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from settled_records import FAST
from tiny_models import save_tiny

import liftune
from liftune.data.tuned_on import hash_of
from liftune.display import sections_of
from liftune.errors import ArtifactError, LiftuneError
from liftune.records.run import TuneRecord
from liftune.run_folder import RunFolder

WORDS = {"neg": ("shout", "slam", "rage", "glare"), "pos": ("sunny", "laugh", "dance", "smile")}
ROWS = pd.DataFrame(
    [
        {"text": f"{WORDS[label][i % 4]} and {WORDS[label][i // 4 % 4]} number {i}", "label": label}
        for i in range(200)
        for label in WORDS
    ]
)
NEW = pd.DataFrame(
    [{"text": f"a new {WORDS[label][i % 4]} with {i}", "label": label} for i in range(20) for label in WORDS]
)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> TuneRecord:
    folder = tmp_path_factory.mktemp("seen")
    model = str(save_tiny("distilbert", folder / "model"))
    return liftune.tune(ROWS, model=model, out=folder / "run", folds="none", **FAST)


def _said(evaluation: Any) -> str:
    return " ".join(sentence for section in sections_of(evaluation) for sentence in section.sentences)


def test_rows_that_the_run_was_tuned_on_are_counted(record: TuneRecord, capsys: pytest.CaptureFixture[str]) -> None:
    found = liftune.evaluate(ROWS, model=record.run)
    train, validation, test = record.rows.train, record.rows.validation, record.rows.test
    assert (len(found.audit.leaked_ids), len(found.audit.validation_leaked_ids)) == (train, validation)
    note = f"of the 400 test rows, the model was tuned on the texts of {train}, and chosen by those of {validation}"
    assert note in _said(found)
    assert f"the other {test} are scored by themselves" in _said(found)
    clean = found.contenders[0].clean
    tuned = next(each for each in record.contenders if each.name == found.contender)
    assert clean is not None
    assert clean["accuracy"].value == tuned.metrics["accuracy"].value  # its own test rows are those that are left
    assert "no leaks" not in _said(found)


@pytest.mark.parametrize("use", ["tuned", "tfidf", "probe"])
def test_every_contender_was_fitted_on_them(record: TuneRecord, use: str) -> None:
    found = liftune.evaluate(ROWS.head(60), model=record.run, use=use)
    assert found.audit.leaked_test_rows > 0


def test_other_spacing_and_order_is_the_same_text(record: TuneRecord) -> None:
    other = ROWS.assign(text="  " + ROWS["text"].str.replace(" ", "  ")).sample(frac=1, random_state=1)
    assert liftune.evaluate(other, model=record.run).audit.leaked_test_rows == record.rows.train


def test_new_rows_are_not_taken_for_old_ones(record: TuneRecord) -> None:
    found = liftune.evaluate(NEW, model=record.run)
    assert found.audit.leaked_test_rows == 0
    assert found.contenders[0].clean is None
    assert "no leaks, duplicates or conflicts" in _said(found)


def test_repeats_among_the_rows_are_counted_too(record: TuneRecord) -> None:
    twice = pd.concat([NEW, NEW.head(3), NEW.head(1).assign(label="pos")])
    audit = liftune.evaluate(twice, model=record.run).audit
    assert (audit.duplicate_test_rows, audit.conflicting_test_rows) == (4, 3)


def test_a_run_that_kept_no_hashes_says_so(record: TuneRecord, tmp_path: Path) -> None:
    """Runs of an earlier liftune, and an adapter that was copied out of its run."""
    adapter = shutil.copytree(Path(record.run) / "adapter", tmp_path / "adapter")
    found = liftune.evaluate(ROWS, model=adapter)
    assert "whether the model was tuned on any of these rows is not known" in _said(found)
    assert "no leaks" not in _said(found)
    assert "no leaks" not in _said(liftune.evaluate(NEW, model=record.run, use="base"))
    run = shutil.copytree(record.run, tmp_path / "run")
    (run / "rows" / "train.hashes").unlink()
    assert "is not known" in _said(liftune.evaluate(ROWS, model=run))
    (run / "rows" / "train.hashes").write_bytes(b"12345678")
    with pytest.raises(ArtifactError, match=r"train\.hashes"):
        liftune.evaluate(ROWS, model=run)


@pytest.mark.slow
def test_every_row_of_a_cross_validated_run_is_one_that_it_was_tuned_on(record: TuneRecord, tmp_path: Path) -> None:
    few = ROWS.head(60)
    run = liftune.tune(few, model=record.model, out=tmp_path / "run", folds=2, **FAST).run
    found = liftune.evaluate(few, model=run)
    assert found.audit.leaked_test_rows == 60
    assert "no row is left that it has not seen" in _said(found)


def test_texts_are_not_kept(record: TuneRecord) -> None:
    kept = (Path(record.run) / "rows" / "train.hashes").read_bytes()
    assert len(kept) == 8 * record.rows.train
    assert "rows/train.hashes" in RunFolder(Path(record.run)).seals()
    hashes = [kept[i : i + 8] for i in range(0, len(kept), 8)]
    assert hashes == sorted(hashes)
    texts = random.Random(0).sample(ROWS["text"].tolist(), 40)
    assert sum(hash_of(text) in hashes for text in texts) > 20


def test_verbs_that_read_rows_take_quiet(record: TuneRecord, capsys: pytest.CaptureFixture[str]) -> None:
    liftune.evaluate(NEW, model=record.run, quiet=True)
    liftune.inspect(NEW, model=None, quiet=True)
    assert capsys.readouterr().err == ""
    liftune.evaluate(NEW, model=record.run, quiet=False)
    assert "40 test rows" in capsys.readouterr().err
    with pytest.raises(LiftuneError, match=r"unknown argument of check 'quiet'(?!, did)"):
        liftune.check(record.run, quiet=True)  # type: ignore[call-arg]


def test_a_loaded_model_says_what_it_is(record: TuneRecord) -> None:
    shown = repr(liftune.load(record.run))
    assert record.run in shown
    assert "lora on model, single_label, 2 labels: neg, pos" in shown
    assert "tfidf, single_label, 2 labels: neg, pos" in repr(liftune.load(record.run, use="tfidf"))
    assert "probe on model" in repr(liftune.load(record.run, use="probe"))


def test_a_run_from_memory_has_a_plain_name_in_its_card(record: TuneRecord) -> None:
    card = (Path(record.run) / "adapter" / "README.md").read_text(encoding="utf-8")
    assert "(rows in memory)" not in card
    assert "# model-lora\n" in card
