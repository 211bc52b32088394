"""`compare OLD NEW --max-harm`: a new model that may be worse is stopped by an exit code, in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from made_runs import made_run
from tiny_adapters import save_tuned
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.data.audit import fingerprint
from liftune.data.splits import Split, Splits
from liftune.errors import DataError, SpecError
from liftune.evaluation.evaluate import Evaluation, scores
from liftune.records.base import RowCounts, Seconds
from liftune.records.data import Audit
from liftune.records.run import Contender, TuneRecord
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec
from liftune.tasks import TaskKind, task_of

LABELS = ("label0", "label1", "label2")


def run_of(
    path: Path,
    texts: list[str],
    targets: list[str],
    answers: list[str],
    labels: tuple[str, ...],
    *,
    train: list[str] | None = None,
    task: TaskKind = TaskKind.SINGLE_LABEL,
    max_length: int = 128,
    prefix: str | None = None,
) -> RunFolder:
    """A run whose tuned model gives these answers on these test rows."""
    rows = Split(tuple(f"{prefix or path.name}:{i}" for i in range(len(texts))), tuple(texts), tuple(targets))
    learnt = Split(tuple(f"t{i}" for i in range(len(train or "x"))), tuple(train or "x"), ("a",) * len(train or "x"))
    unseen = tuple(sorted(set(targets) - set(labels)))
    audit = Audit(unseen_labels={each: targets.count(each) for each in unseen})
    splits = Splits(task, labels, unseen, learnt, rows.take([0]), rows, audit, False, False, fingerprint(rows))
    folder = RunFolder(path)
    folder.save_inputs(RunSpec.of(data="rows.csv", out=str(path)), splits)
    logits = 4.0 * np.eye(len(labels), dtype=np.float32)[[labels.index(each) for each in answers]]
    folder.save_logits("tuned", test=logits, validation=logits[:1])
    found = Evaluation(
        "tuned", task, labels, unseen, rows.ids, logits, task_of(task).encode(targets, (*labels, *unseen)), "f"
    )
    tuned = Contender(name="tuned", head=None, trainable_parameters=1, seconds=Seconds(), metrics=scores([found]))
    record = TuneRecord(
        run=str(path), task=task, labels=labels, partial=False,
        rows=RowCounts(train=len(learnt), validation=1, test=len(rows)), audit=audit, contenders=(tuned,),
        comparisons=(), metric="accuracy", data_fingerprint=fingerprint(rows), max_length=max_length,
    )  # fmt: skip
    folder.save_record(record)
    (path / "adapter").mkdir(exist_ok=True)
    return folder


TEXTS = [f"text number {i}" for i in range(900)]
TRUTH = ["ab"[i % 2] for i in range(900)]


def with_errors(places: range, labels: str = "ab") -> list[str]:
    return [labels[1 - labels.index(each)] if i in places else each for i, each in enumerate(TRUTH)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for path, wrong in (("old", range(90)), ("good", range(80)), ("bad", range(40, 160))):
        run_of(Path(path), TEXTS, TRUTH, with_errors(wrong), ("a", "b"), prefix="test")
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_a_harmful_model_ends_in_exit_code_1_and_says_why(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old", "good", "--max-harm", "1"]) == 0
    said = shown(capsys)
    assert "Harm of more than 1.0 points of accuracy is ruled out: the interval reaches +0." in said
    assert main(["compare", "old", "bad", "--max-harm", "1"]) == 1
    said = shown(capsys)
    assert "Harm of more than 1.0 points of accuracy cannot be ruled out: the interval reaches -" in said
    assert "bad has wrong 70 of 900 rows that old has right" in said
    assert "and right 40 that old has wrong" in said
    assert main(["compare", "old", "bad"]) == 0


def test_python_has_it_as_a_property(here: Path) -> None:
    assert liftune.compare("old", "good", max_harm=1).harmless is True
    bad = liftune.compare("old", "bad", max_harm=1)
    assert bad.harmless is False
    assert bad.harm is not None
    assert bad.harm.lost == 70
    assert liftune.compare("old", "bad").harmless is None
    assert type(bad).model_validate(bad.to_json()).harm == bad.harm


def test_json_has_it_and_the_reason_is_on_stderr(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old", "bad", "--max-harm", "1", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["harm"]["ruled_out"] is False
    assert "cannot be ruled out" in err


@pytest.mark.parametrize(
    ("given", "hint"),
    [("0", "above 0"), ("-1", "above 0"), ("nan", "above 0"), ("0.01", "--max-harm 1"), ("100", "1 or 2")],
)
def test_a_harm_that_says_nothing_is_refused(
    given: str, hint: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "old", "bad", f"--max-harm={given}"]) == 2
    err = capsys.readouterr().err
    assert "--max-harm" in err
    assert hint in err
    assert "--margin" not in err


def test_a_new_label_and_new_rows_leave_the_old_rows_to_decide(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels in another order, 100 rows of a label that is new, and 60 old rows that are now taken for it."""
    texts = [f"new {i}" for i in range(100)] + TEXTS[::-1]
    truth = ["c"] * 100 + TRUTH[::-1]
    answers = ["c"] * 100 + with_errors(range(90))[::-1]
    run_of(Path("wider"), texts, truth, answers, ("c", "b", "a"))
    assert main(["compare", "old", "wider", "--max-harm", "1"]) == 0
    said = shown(capsys)
    assert "judged on the 900 test rows of old" in said
    assert "its 100 other test rows are left out" in said
    assert "only wider has the label 'c'" in said
    answers[100:160] = ["c"] * 60
    run_of(Path("taken"), texts, truth, answers, ("c", "b", "a"))
    record = liftune.compare("old", "taken", max_harm=1)
    assert record.harmless is False
    assert record.harm is not None
    assert record.harm.lost == 60
    assert record.rows.test == 900
    assert record.labels == ("a", "b", "c")


def test_rows_that_old_had_wrong_for_want_of_a_label_are_won(here: Path) -> None:
    texts, truth = TEXTS[:300], TRUTH[:200] + ["c"] * 100
    run_of(Path("narrow"), texts, truth, TRUTH[:300], ("a", "b"))
    run_of(Path("broad"), texts, truth, truth, ("a", "b", "c"))
    record = liftune.compare("narrow", "broad", max_harm=5)
    assert record.harm is not None
    assert (record.harm.lost, record.harm.won, record.harmless) == (0, 100, True)


def test_a_label_that_new_lacks_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_of(Path("less"), TEXTS, TRUTH, ["a"] * 900, ("a",))
    assert main(["compare", "old", "less", "--max-harm", "1"]) == 1
    assert "less lacks the label 'b': it has all rows of it wrong" in shown(capsys)


def test_runs_that_share_no_label_or_task_are_refused(here: Path) -> None:
    run_of(Path("other"), TEXTS, ["x"] * 900, ["x"] * 900, ("x", "y"))
    with pytest.raises(DataError, match="share no label"):
        liftune.compare("old", "other", max_harm=1)
    made_run(Path("multi"), TaskKind.MULTI_LABEL)
    with pytest.raises(DataError, match="task"):
        liftune.compare("old", "multi", max_harm=1)
    with pytest.raises(SpecError, match="unknown metric"):
        liftune.compare("old", "good", max_harm=1, metric="acuracy")


def test_different_truncation_is_said_not_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_of(Path("longer"), TEXTS, TRUTH, with_errors(range(80)), ("a", "b"), max_length=256)
    assert main(["compare", "old", "longer", "--max-harm", "1"]) == 0
    assert "old reads 128 tokens of a row, longer 256" in shown(capsys)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of the same base and labels, with adapters, and other test rows."""
    place = tmp_path_factory.mktemp("tuned")
    base = save_tiny("distilbert", place / "base")
    made_run(place / "one", labels=LABELS, rows=60)
    made_run(place / "two", labels=LABELS, rows=60, texts=("wholly other words", "and others", "still"))
    for each in ("one", "two"):
        save_tuned(base, place / each / "adapter")
        folder = RunFolder.open(place / each)
        folder.save_record(folder.record())
    return place


def test_a_new_run_of_other_test_rows_is_scored_on_those_of_the_old_one(
    tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows that it was tuned on, or chosen by, do not count."""
    shutil.copytree(tuned, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    from liftune.data.tuned_on import hashes_of

    folder = RunFolder.open("two")
    rows = RunFolder.open("one").split("test").rows
    (tmp_path / "two" / "rows" / "train.hashes").write_bytes(hashes_of(rows[10:20]))
    folder.save_record(folder.record())
    assert main(["compare", "one", "two", "--max-harm", "1"]) == 1
    said = shown(capsys)
    assert "are not all test rows of two: it was scored on them now" in said
    assert "two was tuned on, or chosen by, 10 of these 60 rows: they are left out" in said
    record = liftune.compare("one", "two", max_harm=1)
    assert record.comparisons[0].rows == 50
    assert main(["compare", "one", "two"]) == 2  # as before: what is compared by chance is refused


def test_a_model_by_itself_is_judged_too(
    tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tuned, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    shutil.copytree("two/adapter", "alone")
    assert main(["compare", "one", "alone", "--max-harm", "1"]) == 1
    assert "whether alone was tuned on any of these rows is not known" in shown(capsys)
    assert main(["compare", "alone", "one", "--max-harm", "1"]) in (0, 1)
    assert main(["compare", "alone", "alone", "--max-harm", "1"]) == 2


@pytest.mark.parametrize("again", ["run", "../here/run"])
def test_a_run_against_itself_is_refused(again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would rule out all harm, whatever the gate was meant for."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    made_run(Path("run"))
    with pytest.raises(SpecError, match="are the same run"):
        liftune.compare("run", again, max_harm=1)
    assert main(["compare", "run", again, "--max-harm", "1"]) == 2
