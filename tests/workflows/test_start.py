"""`tune --start`: a run goes on from another one's adapter; old rows stay what they were, new labels are added."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.data.continued import Continued
from liftune.data.readers.sources import find_parts
from liftune.data.tuned_on import hash_of
from liftune.errors import ArtifactError, DataError, LiftuneError, ModelError, SpecError
from liftune.records.run import TuneRecord
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec
from liftune.workflows.request import check_request
from liftune.workflows.starting import with_start
from liftune.workflows.starting_rows import rows_to_go_on

WORDS = {
    "joy": ("sunny", "laugh", "dance", "smile"),
    "anger": ("shout", "slam", "rage", "glare"),
    "fear": ("dark", "shiver", "hide", "scream"),
}
FAST = {"epochs": 2, "batch_size": 8, "lr": 1e-2, "teacher_share": 0, "near_duplicates": "none", "folds": "none"}
QUICK = [f"--{name.replace('_', '-')}={value}" for name, value in FAST.items()]


def rows_of(labels: tuple[str, ...], many: int, *, first: int = 0) -> list[tuple[str, str]]:
    return [
        (f"{label} {i} {WORDS[label][i % 4]} {WORDS[label][(i + 1) % 4]}", label)
        for i in range(first, first + many)
        for label in labels
    ]


def written(path: Path, rows: list[tuple[str, str]]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return str(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, old rows and new ones, and a run on the old ones."""
    place = tmp_path_factory.mktemp("start")
    base = save_tiny("distilbert", place / "base")
    written(place / "old.csv", rows_of(("joy", "anger"), 60))
    written(place / "new.csv", rows_of(("fear",), 60) + rows_of(("joy",), 20, first=100))
    liftune.tune(place / "old.csv", model=base, out=place / "old", quiet=True, set={"rank": 4}, **FAST)
    return place


@pytest.fixture(scope="module")
def ran(made: Path) -> TuneRecord:
    """Tuned further on the new rows."""
    return liftune.tune(made / "new.csv", start=made / "old", out=made / "ran", quiet=True, **FAST)


def test_new_labels_are_added_and_old_test_rows_stay(made: Path, ran: TuneRecord) -> None:
    old, new = RunFolder.open(made / "old"), RunFolder.open(made / "ran")
    assert ran.labels == ("anger", "fear", "joy")
    assert new.split("test").rows[:12] == old.split("test").rows
    assert new.split("validation").rows[:12] == old.split("validation").rows
    assert [each.name for each in ran.contenders] == ["majority", "tfidf", "base", "probe", "start", "tuned"]
    assert ("start", "tuned") in [(each.a, each.b) for each in ran.comparisons]
    tuned = set(map(hash_of, new.split("test").rows))
    known = new.tuned_on()
    assert not tuned & known.train
    assert known.train >= old.tuned_on().train, "the model has seen them in its first run"
    assert ran.method == "lora"
    assert ran.model == str(made / "base")


def test_what_it_started_from_is_recorded_and_shown(made: Path, ran: TuneRecord) -> None:
    start = ran.start
    assert start is not None
    assert start.folder == str(made / "old")
    assert start.method == "lora"
    assert start.labels == ("anger", "joy")
    assert start.added == ("fear",)
    assert start.replayed == start.replayed_of == 96
    assert [each.name for each in start.parts] == ["old", "new"]
    assert start.parts[0].rows == 12
    assert {each.label for each in start.old_labels} == {"anger", "joy"}
    page = liftune.report(made / "ran")
    assert "Tuned further" in page
    assert "96 of 96 old train rows are replayed" in " ".join(page.split())
    assert "new labels: 'fear'" in page.replace("New", "new")
    card = (made / "ran" / "adapter" / "README.md").read_text(encoding="utf-8")
    assert "tuned further" in card
    assert liftune.read(made / "ran").start == start


def test_the_started_model_is_a_contender_that_answers_as_before(made: Path, ran: TuneRecord) -> None:
    texts = [text for text, _ in rows_of(("joy", "anger"), 5, first=300)]
    before = liftune.load(made / "old").predict(texts)
    again = liftune.load(made / "ran", use="start").predict(texts)
    assert [each.label for each in again] == [each.label for each in before]
    logits = RunFolder.open(made / "ran").logits("start")
    assert logits.shape[1] == 3
    assert (logits[:, 1] < logits[:, [0, 2]].min(axis=1) - 50).all(), "it never answers with a label that it lacks"
    assert np.isfinite(logits).all()


def test_both_can_be_compared_for_harm(made: Path, ran: TuneRecord) -> None:
    record = liftune.compare(made / "old", made / "ran", max_harm=50)
    assert record.rows.test == 12
    assert record.harm is not None


@pytest.mark.parametrize("replay", [pytest.param("none", marks=pytest.mark.slow), "file"])
def test_old_rows_are_replayed_as_asked(made: Path, replay: str, tmp_path: Path) -> None:
    given = written(tmp_path / "more.csv", rows_of(("anger",), 9, first=500)) if replay == "file" else "none"
    record = liftune.tune(made / "new.csv", start=made / "old", replay=given, out=tmp_path / "run", quiet=True, **FAST)
    assert record.start is not None
    assert record.start.replayed == (9 if replay == "file" else 0)
    assert record.labels == ("anger", "fear", "joy")
    assert record.start.parts, "the old test rows are there all the same"


def test_old_rows_may_be_a_table_in_memory(made: Path) -> None:
    rows = [{"text": text, "label": label} for text, label in rows_of(("anger",), 9, first=500)]
    found = begun(made, str(made / "new.csv"), replay=rows)
    assert found.replayed == 9
    with pytest.raises(DataError, match=r"column") as error:
        begun(made, str(made / "new.csv"), replay=[{"a": 1, "b": 2}])
    assert error.value.where == "--replay"
    with pytest.raises(SpecError, match="not kept"):
        begun(made, str(made / "new.csv"), replay="(rows in memory)")


def test_other_words_than_those_of_the_option_are_no_rows_to_replay(made: Path) -> None:
    with pytest.raises(LiftuneError) as error:
        begun(made, str(made / "new.csv"), replay="sometimes")
    assert error.value.where == "--replay sometimes"
    assert error.value.hint == "give auto, all, none, or a file of old rows"


def test_rows_of_another_task_are_not_only_bad_rows(made: Path, tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"text {i} here", "label": ["joy", "anger"][: 1 + i % 2]}) for i in range(40)]
    (tmp_path / "several.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError) as error:
        begun(made, str(tmp_path / "several.jsonl"))
    assert "a model of another task is tuned anew, without --start" in str(error.value.hint)


def test_rows_of_one_label_and_an_adapter_by_itself(made: Path, tmp_path: Path) -> None:
    """No old row is at hand: that forgetting cannot be measured is said."""
    shutil.copytree(made / "old" / "adapter", tmp_path / "alone")
    only = written(tmp_path / "fear.csv", rows_of(("fear",), 40))
    record = liftune.tune(only, start=tmp_path / "alone", out=tmp_path / "run", quiet=True, **FAST)
    assert record.start is not None
    assert record.start.parts == ()
    assert "what is forgotten cannot be measured" in " ".join(record.start.notes)
    assert "is not measured" in liftune.report(tmp_path / "run")


@pytest.mark.slow
def test_old_rows_that_have_changed_are_not_replayed(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "moved")
    run = RunFolder.open(tmp_path / "moved" / "old")
    spec = run.spec()
    changed = written(tmp_path / "old.csv", rows_of(("joy", "anger"), 59))
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"source": changed})})
    (run.path / "spec.json").write_text(spec.model_dump_json(), encoding="utf-8")
    run.save_record(run.record())
    record = liftune.tune(made / "new.csv", start=run.path, out=tmp_path / "run", quiet=True, dry_run=True, **FAST)
    assert "has other rows than it had then" in " ".join(record.notes)


def begun(made: Path, rows: str, **asked: object) -> Continued:
    """The rows that a run would have, without it."""
    return begun_of(made / "old", rows, **asked)


def begun_of(start: Path, rows: str, **asked: object) -> Continued:
    spec = RunSpec.of(data=rows, start=str(start), **{**FAST, **asked})
    return rows_to_go_on(with_start(spec)).rows


def test_new_rows_that_were_seen_before_are_no_test_rows(made: Path, tmp_path: Path) -> None:
    """Old test rows among the new ones are left out, and old train rows never become test rows."""
    old = RunFolder.open(made / "old")
    everything = rows_of(("joy", "anger"), 60) + rows_of(("fear",), 60)
    found = begun(made, written(tmp_path / "all.csv", everything))
    old_test, seen = set(map(hash_of, old.split("test").rows)), old.tuned_on()
    splits = found.splits
    rest = [hash_of(row) for row in splits.test.rows[12:]]
    assert rest
    assert not set(rest) & (seen.train | seen.validation | old_test)
    assert not set(map(hash_of, splits.train.rows)) & (old_test | seen.validation)
    assert not set(map(hash_of, splits.validation.rows)) & seen.train
    assert "12 new rows are left out" in " ".join(found.notes)
    assert splits.audit.leaked_test_rows == 0


def test_a_column_of_slices_that_the_old_run_did_not_keep_is_read_again(made: Path, tmp_path: Path) -> None:
    """Most test rows are old ones: without their values, the slices would say nothing."""
    base, langs = made / "base", ("en", "de", "fr")

    def sliced(path: Path, rows: list[tuple[str, str]]) -> str:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "label", "lang"), *((*row, langs[len(row[0]) % 3]) for row in rows)])
        return str(path)

    source = sliced(tmp_path / "old.csv", rows_of(("joy", "anger"), 60))
    liftune.tune(source, model=base, out=tmp_path / "old", quiet=True, set={"rank": 4}, **{**FAST, "epochs": 1})
    new = sliced(tmp_path / "new.csv", rows_of(("fear", "joy"), 60, first=200))
    found = begun(tmp_path, new, slices="lang")
    test = found.splits.test
    assert list(test.kept[0].values) == [langs[len(text) % 3] for text in test.rows]
    assert found.old_test > 0
    assert "of old rows, 'lang' is read again from" in " ".join(found.notes)
    sliced(tmp_path / "old.csv", rows_of(("joy", "anger"), 61))
    changed = begun(tmp_path, new, slices="lang")
    assert set(changed.splits.test.kept[0].values[: changed.old_test]) == {None}
    assert "are in no slice" in " ".join(changed.notes)


@pytest.fixture(scope="module")
def with_ids(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on rows with a column of ids and one of languages."""
    place = tmp_path_factory.mktemp("ids")
    rows = [(*row, f"e{i}", ("en", "de")[i % 2]) for i, row in enumerate(rows_of(("joy", "anger"), 60))]
    with (place / "old.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label", "id", "lang"), *rows])
    liftune.tune(place / "old.csv", model=made / "base", out=place / "old", quiet=True, **{**FAST, "epochs": 1})
    return place


def reads_of(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each source is read from here on."""
    counts: Counter[str] = Counter()

    def find(source: str, *options: object) -> object:
        counts[Path(source).name] += 1
        return find_parts(source, *options)  # type: ignore[arg-type]

    monkeypatch.setattr("liftune.data.split_roles.find_parts", find)
    return counts


def test_old_and_new_rows_are_read_once(with_ids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the replay, for a column of slices that was not kept, and for the ids of answers."""
    new = [(*row, f"n{i}", ("en", "de")[i % 2]) for i, row in enumerate(rows_of(("fear",), 60))]
    with (tmp_path / "new.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label", "id", "lang"), *new])
    tested = RunFolder.open(with_ids / "old").split("test")
    own = {text: f"e{i}" for i, (text, _) in enumerate(rows_of(("joy", "anger"), 60))}
    answers = [{"id": own[str(row)], "answer": target} for row, target in zip(tested.rows, tested.targets, strict=True)]
    spec = RunSpec.of(
        data=str(tmp_path / "new.csv"), start=str(with_ids / "old"), out=str(tmp_path / "x"), slices="lang",
        replay="all", answers={"gpt": answers}, **FAST,
    )  # fmt: skip
    counts = reads_of(monkeypatch)
    found = check_request(with_start(spec))
    assert counts == {"old.csv": 1, "new.csv": 1}
    assert found.beginning is not None
    assert found.beginning.rows.replayed == 96
    assert len(found.answers[0].targets) == len(tested)
    langs = found.splits.test.kept[0].values
    assert list(langs[: len(tested)]) == [("en", "de")[int(own[str(row)][1:]) % 2] for row in tested.rows]
    assert (found.beginning.tables, found.beginning.old) == (None, None), "what was read is not held while it trains"


def test_slices_of_a_run_that_went_on_itself_are_read_again(
    with_ids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its test rows are those of two sources."""
    rows = {name: rows_of((name,), 60) for name in ("fear", "joy")}
    for name, each in rows.items():
        lines = [(*row, f"{name}{i}", ("fr", "it")[i % 2]) for i, row in enumerate(each)]
        with (tmp_path / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "label", "id", "lang"), *lines])
    liftune.tune(
        tmp_path / "fear.csv", start=with_ids / "old", out=tmp_path / "second", quiet=True, **{**FAST, "epochs": 1}
    )
    counts = reads_of(monkeypatch)
    found = begun_of(tmp_path / "second", str(tmp_path / "joy.csv"), slices="lang")
    assert counts == {"old.csv": 1, "fear.csv": 1, "joy.csv": 1}
    (lang,) = found.splits.test.kept
    old = lang.values[: found.old_test]
    assert {each for each, row in zip(old, found.splits.test.ids, strict=False) if row.startswith("old:old:")} == {
        "en",
        "de",
    }
    assert {each for each, row in zip(old, found.splits.test.ids, strict=False) if not row.startswith("old:old:")} == {
        "fr",
        "it",
    }


@pytest.mark.parametrize("in_memory", [False, True])
def test_all_rows_of_a_cross_validated_run_are_replayed_as_it_keeps_them(
    in_memory: bool, made: Path, tmp_path: Path
) -> None:
    """Its own folder has them, wherever its data are now."""
    rows = rows_of(("joy", "anger"), 20)
    data: object = [{"text": text, "label": label} for text, label in rows]
    data = data if in_memory else written(tmp_path / "cv.csv", rows)
    options = {**FAST, "epochs": 1, "folds": 2}
    liftune.tune(data, model=made / "base", out=tmp_path / "cv", quiet=True, **options)  # type: ignore[arg-type]
    (tmp_path / "cv.csv").unlink(missing_ok=True)
    found = begun_of(tmp_path / "cv", written(tmp_path / "new.csv", rows_of(("fear",), 30)), replay="all")
    assert (found.replayed, found.replayed_of) == (40, 40)
    assert set(found.splits.train.targets) == {"joy", "anger", "fear"}
    notes = " ".join(found.notes)
    assert (
        f"40 of 40 old train rows are replayed, as {tmp_path / 'cv'} keeps all rows of a cross-validated run" in notes
    )
    assert "read again" not in notes
    assert "what is forgotten cannot be measured on them" in notes
    assert begun_of(tmp_path / "cv", str(tmp_path / "new.csv"), replay="none").replayed == 0


@pytest.mark.parametrize("kind", ["old run's", "new run's", "data's"])
def test_answers_are_found_by_ids_of_the_old_rows(kind: str, with_ids: Path, tmp_path: Path) -> None:
    """As they stand in rows/test.jsonl of the old run, and as its data have them."""
    rows = [(*row, f"e{i}") for i, row in enumerate(rows_of(("joy", "anger"), 60))]
    tested = RunFolder.open(with_ids / "old").split("test")
    own = {text: own for text, _, own in rows}
    ids = {"old run's": list(tested.ids), "new run's": [f"old:{each}" for each in tested.ids]}
    names = ids.get(kind) or [own[str(text)] for text in tested.rows]
    written(tmp_path / "new.csv", rows_of(("fear",), 60))
    answers = [{"id": name, "answer": target} for name, target in zip(names, tested.targets, strict=True)]
    spec = RunSpec.of(
        data=str(tmp_path / "new.csv"),
        start=str(with_ids / "old"),
        out=str(tmp_path / "x"),
        answers={"gpt": answers},
        **FAST,
    )
    (found,) = check_request(with_start(spec)).answers
    assert dict(found.targets) == {f"old:{row}": target for row, target in zip(tested.ids, tested.targets, strict=True)}
    assert any("of the run that is started from" in note for note in found.notes) is (kind == "old run's")


def test_old_rows_without_the_column_of_slices_are_blank_there_and_said(made: Path, tmp_path: Path) -> None:
    rows = [(*row, ("en", "de")[i % 2]) for i, row in enumerate(rows_of(("fear", "joy"), 60, first=200))]
    with (tmp_path / "new.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label", "lang"), *rows])
    found = begun(made, str(tmp_path / "new.csv"), slices="lang")
    (lang,) = found.splits.test.kept
    assert set(lang.values[: found.old_test]) == {None}
    assert set(lang.values[found.old_test :]) == {"en", "de"}
    assert "'lang': not kept by the run that is started from" in " ".join(found.notes)


def test_labels_in_another_spelling_are_the_old_ones(made: Path, tmp_path: Path) -> None:
    rows = [(text, label.upper()) for text, label in rows_of(("joy", "fear"), 40, first=200)]
    found = begun(made, written(tmp_path / "upper.csv", rows))
    assert found.splits.labels == ("FEAR", "anger", "joy")
    assert found.added == ("FEAR",)
    assert "'JOY' as 'joy'" in " ".join(found.notes)


def test_as_many_old_rows_as_new_ones_are_replayed_or_2000(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each label among them; all of them where that is asked."""
    monkeypatch.setattr("liftune.data.continued.MOST_REPLAYED", 10)
    few = written(tmp_path / "few.csv", rows_of(("fear",), 30))
    found = begun(made, few)
    assert (found.replayed, found.replayed_of) == (24, 96)
    assert set(found.splits.train.targets) == {"fear", "joy", "anger"}
    assert "all of them with --replay all" in " ".join(found.notes)
    assert begun(made, few, replay="all").replayed == 96


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"method": "dora"}, "  method: lora there, dora asked"),
        ({"set": {"rank": 16}}, "  set rank: 4 there, 16 asked"),
        ({"max_length": 9}, "  max_length: "),
        ({"long": "windows"}, "  long: cut there, windows asked"),
        ({"task": "multi_label"}, "  task: "),
        ({"base_precision": "4bit"}, "  base_precision: "),
        ({"folds": 3}, "cross-validation tunes anew"),
        ({"curve": True}, "learning curve"),
        ({"few": "on"}, "contrastive start"),
    ],
)
def test_options_that_contradict_are_refused(given: dict[str, object], said: str, made: Path, tmp_path: Path) -> None:
    asked = {**FAST, **given}
    with pytest.raises(SpecError) as refused:
        liftune.tune(made / "new.csv", start=made / "old", out=tmp_path / "run", quiet=True, **asked)  # type: ignore[arg-type]
    assert said in str(refused.value)
    assert refused.value.hint
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_same_options_are_no_contradiction(made: Path, tmp_path: Path) -> None:
    found = liftune.tune(
        made / "new.csv", start=made / "old", model=made / "base", method="LoRA", set={"rank": "4"},
        out=tmp_path / "run", quiet=True, dry_run=True, **FAST,
    )  # fmt: skip
    assert found.would_run, found.faults  # type: ignore[attr-defined]


def test_another_base_is_refused_before_anything_is_written(made: Path, tmp_path: Path) -> None:
    other = save_tiny("distilbert", tmp_path / "other", seed=5)
    with pytest.raises(ModelError, match="was tuned on") as refused:
        liftune.tune(made / "new.csv", start=made / "old", model=other, out=tmp_path / "run", quiet=True, **FAST)
    assert "leave model= out" in str(refused.value.hint)
    assert not (tmp_path / "run").exists()


def test_rows_of_another_task_are_refused(made: Path, tmp_path: Path) -> None:
    rows = [{"one": f"a {i}", "two": f"b {i}", "label": "joy" if i % 2 else "anger"} for i in range(50)]
    with pytest.raises(DataError, match="pairs"):
        liftune.tune(rows, text="one", text_pair="two", start=made / "old", out=tmp_path / "run", quiet=True, **FAST)


def test_numbers_are_not_called_labels(made: Path, tmp_path: Path) -> None:
    rows = [{"text": f"a {i}", "text_pair": f"b {i}", "score": i % 7 / 2} for i in range(50)]
    with pytest.raises(DataError, match="the new rows are pairs of texts with numbers, each read as one of 7 labels"):
        liftune.tune(rows, start=made / "old", out=tmp_path / "run", quiet=True, label="score", **FAST)


def test_targets_that_are_none_of_the_model_are_said_to_be_read_as_its_own(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = written(
        tmp_path / "n.csv", [(text, "" if i % 2 else label) for i, (text, label) in enumerate(rows_of(("joy",), 9))]
    )
    assert main(["tune", rows, "--start", str(made / "old"), "--out", str(tmp_path / "run"), *QUICK]) == 2
    assert "a single_label model (--start)" in capsys.readouterr().err


def test_a_started_model_learns_from_labels_alone_unless_asked(made: Path) -> None:
    """The predictions of a baseline would hold back what is better than it from the start."""
    asked = {"data": str(made / "new.csv"), "start": str(made / "old")}
    assert with_start(RunSpec.of(**asked)).train.teacher_share == 0
    assert with_start(RunSpec.of(**asked, teacher_share=0.3)).train.teacher_share == 0.3
    assert with_start(with_start(RunSpec.of(**asked))) == with_start(RunSpec.of(**asked))


def test_rows_are_needed(made: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="new rows are missing"):
        liftune.tune(start=made / "old", out=tmp_path / "run", quiet=True, **FAST)


def test_what_is_no_adapter_is_refused_in_words(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for start, said in (
        (tmp_path / "nothing", "nothing"),
        (made / "old" / "contenders" / "probe", "the contender probe"),
        (made / "base", "pretrained model"),
        (made / "new.csv", "new.csv"),
    ):
        out = str(tmp_path / "run")
        assert main(["tune", str(made / "new.csv"), "--start", str(start), "--out", out, *QUICK]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert "hint" in err
    assert main(["tune", str(made / "new.csv"), "--replay", "none", "--out", str(tmp_path / "run"), *QUICK]) == 2
    assert "there is no --start" in capsys.readouterr().err


@pytest.mark.slow
def test_a_whole_model_is_given_as_a_base_instead(made: Path, tmp_path: Path) -> None:
    """The hint can be followed."""
    whole = liftune.tune(
        made / "old.csv", model=made / "base", method="full", out=tmp_path / "full", quiet=True, **FAST
    )
    with pytest.raises(ArtifactError) as refused:
        liftune.tune(made / "old.csv", start=whole.run, out=tmp_path / "run", quiet=True, **FAST)
    assert f'model="{tmp_path / "full" / "adapter"}"' in str(refused.value.hint)
    found = liftune.tune(
        made / "old.csv", model=tmp_path / "full" / "adapter", out=tmp_path / "run", quiet=True, dry_run=True, **FAST
    )
    assert found.would_run, found.faults  # type: ignore[attr-defined]


def test_no_new_row_is_said(made: Path, tmp_path: Path) -> None:
    old = RunFolder.open(made / "old").split("test")
    tested = [(str(row), str(target)) for row, target in zip(old.rows, old.targets, strict=True)]
    with pytest.raises(LiftuneError, match="no train row is left"):
        liftune.tune(written(tmp_path / "t.csv", tested), start=made / "old", out=tmp_path / "run", quiet=True, **FAST)


@pytest.mark.slow
def test_a_run_goes_on_from_a_run_that_went_on(made: Path, ran: TuneRecord, tmp_path: Path) -> None:
    more = written(tmp_path / "third.csv", rows_of(("fear", "anger"), 30, first=700))
    record = liftune.tune(more, start=ran.run, out=tmp_path / "run", quiet=True, **FAST)
    assert record.start is not None
    assert record.start.added == ()
    assert record.start.replayed, record.start.notes


@pytest.mark.slow
def test_several_seeds_each_begin_at_the_same_adapter(made: Path, tmp_path: Path) -> None:
    record = liftune.tune(
        made / "new.csv", start=made / "old", replay="none", seeds="0,1", out=tmp_path / "run", quiet=True, **FAST
    )
    starts = [log.start for log in record.logs]
    assert len(starts) == 2
    assert all(each is not None for each in starts)


def test_a_stopped_run_goes_on(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from liftune.workflows import tune_stages

    def stop(state: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tune_stages, "save_record", stop)
        with pytest.raises(KeyboardInterrupt):
            liftune.tune(made / "new.csv", start=made / "old", out=tmp_path / "run", quiet=True, **FAST)
    record = liftune.tune(resume=tmp_path / "run", quiet=True)
    assert record.start is not None
    assert record.start.added == ("fear",)


def test_new_labels_of_old_validation_and_test_rows_are_not_lost_in_silence(made: Path, tmp_path: Path) -> None:
    """A correction of a label that the run holds back cannot be tuned on: it is said which label stays."""
    old = RunFolder.open(made / "old")
    held = [*old.split("validation").rows[:3], *old.split("test").rows[:4]]
    rows = rows_of(("fear",), 60) + [(str(text), "fear") for text in held]
    said = " ".join(begun(made, written(tmp_path / "corrected.csv", rows)).notes)
    assert "4 new rows are left out, whose text is among the test rows" in said
    assert "3 new rows are left out, whose text is among the validation rows" in said
    assert "4 of these have another label there, and that one stays" in said
    assert "3 of these have another label there, and that one stays" in said


def test_a_hint_does_not_ask_for_what_was_asked(made: Path, tmp_path: Path) -> None:
    """Old rows that the new ones repeat are not replayed, with --replay all either."""
    old_train = RunFolder.open(made / "old").tuned_on().train
    again = [row for row in rows_of(("joy", "anger"), 60) if hash_of(row[0]) in old_train][:1]
    held = RunFolder.open(made / "old").split("test").rows[:1]
    new = written(tmp_path / "new.csv", rows_of(("fear",), 60) + again + [(str(held[0]), "joy")])
    said = " ".join(begun(made, new, replay="all").notes)
    assert "95 of 96 old train rows are replayed" in said
    assert "the others are among the new rows" in said
    assert "--replay all" not in said
    assert "1 new row is left out, whose text is among the test rows" in said


def test_several_labels_of_the_model_in_a_cell_are_said(made: Path, tmp_path: Path) -> None:
    """By themselves such rows are multi-label; the model that is tuned further gives every text one label."""
    rows = [(text, "joy; anger") for text, _ in rows_of(("joy",), 30)]
    rows += [(text, "fear; or so") for text, _ in rows_of(("fear",), 30)]
    asked = {"data": str(written(tmp_path / "sets.csv", rows)), "start": str(made / "old")}
    notes = rows_to_go_on(with_start(RunSpec.of(**asked))).rows.notes
    assert any("1 new label is labels of" in note and "';' between" in note for note in notes)
    assert any("tune anew without --start" in note for note in notes)
