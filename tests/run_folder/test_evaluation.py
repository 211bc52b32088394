"""From disk, a contender comes with all that it was scored by: thresholds, groups, labels that it never had."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_runs import made_run

from liftune.errors import ArtifactError
from liftune.evaluation.evaluate import scores
from liftune.records.calibration import Decisions
from liftune.run_folder import RunFolder
from liftune.seals import with_seal
from liftune.tasks import TaskKind
from liftune.workflows.compare import compare_runs
from liftune.workflows.report import read_run

THRESHOLDS = (0.25, 0.25, 0.25)


@pytest.fixture
def multi(tmp_path: Path) -> RunFolder:
    """A multi-label run whose tuned model predicts a label from 0.25 on, always rightly and never above one half."""
    folder = made_run(tmp_path / "run", TaskKind.MULTI_LABEL)
    targets = folder.evaluation("tuned").targets
    logits = np.where(targets == 1, -0.5, -3.0).astype(np.float32)
    folder.save_logits("tuned", test=logits, validation=logits[:4])
    decided = {"decisions": Decisions(kind="shared", thresholds=THRESHOLDS, reason="it helps")}
    record = folder.record()
    contenders = tuple(each.model_copy(update=decided) if each.name == "tuned" else each for each in record.contenders)
    folder.save_record(record.model_copy(update={"contenders": contenders}))
    return folder


def in_groups(folder: RunFolder, size: int) -> None:
    """Rewrite the test rows as rows of so many a group."""
    path = folder.path / "rows" / "test.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines = (json.dumps({**row, "group": f"g{i // size}"}) + "\n" for i, row in enumerate(rows))
    path.write_text("".join(lines), encoding="utf-8")
    folder.save_record(folder.record())  # with the seals of these files


def test_an_evaluation_from_disk_has_the_thresholds_and_groups_that_the_run_was_scored_by(multi: RunFolder) -> None:
    in_groups(multi, 4)
    tuned, base = multi.evaluation("tuned"), multi.evaluation("base", name="before")
    assert (tuned.thresholds, base.thresholds, base.name) == (THRESHOLDS, None, "before")
    assert tuned.groups is not None
    assert len(set(tuned.groups)) == 30
    assert (tuned.max_length, multi.evaluation("majority").max_length) == (128, None)
    assert scores([tuned])["micro_f1"].value == 1.0


def test_the_report_decides_labels_as_the_ladder_does(multi: RunFolder) -> None:
    """At one half it would predict none: F1 0.0 in the label table under a ladder that says 1.0."""
    details = read_run(multi)[1]
    assert [each.f1.value for each in details.classes["tuned"]] == [1.0, 1.0, 1.0]
    assert details.coverage["tuned"][-1].score.value == 1.0
    assert all(each.scores["tuned"].value == 1.0 for each in details.lengths)
    assert not details.flips.broken
    assert all(each.after == each.target for each in details.flips.fixed)


def test_the_reports_intervals_resample_whole_groups(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    by_row = read_run(folder)[1].classes["tuned"][0].recall
    in_groups(folder, 30)
    by_group = read_run(folder)[1].classes["tuned"][0].recall
    assert by_group.value == by_row.value
    assert (by_group.low, by_group.high) != (by_row.low, by_row.high)


def test_what_does_not_belong_together_is_named(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    folder.save_logits("lora", test=folder.logits("tuned"), validation=folder.logits("tuned", "validation"))
    with pytest.raises(ArtifactError, match=r"lora.npz is no file of this run"):
        folder.evaluation("lora")
    folder.save_record(folder.record())  # with the seals of these files
    with pytest.raises(ArtifactError, match="no contender 'lora'"):
        folder.evaluation("lora")
    folder.save_logits("tuned", test=folder.logits("tuned")[:7], validation=folder.logits("tuned", "validation"))
    folder.save_record(folder.record())
    with pytest.raises(ArtifactError, match=r"logits of shape \(7, 3\)"):
        folder.evaluation("tuned")
    record = folder.record()
    folder.save_record(record.model_copy(update={"labels": ("anger", "joy", "fear")}))
    with pytest.raises(ArtifactError, match="'love'"):
        folder.evaluation("base")


@pytest.mark.parametrize("kind", TaskKind)
@pytest.mark.parametrize("target", [{"joy": 1}, None, [["joy"]], [1], True, float("nan")])
def test_a_target_of_another_kind_is_damage(kind: TaskKind, target: object, tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run", kind)
    first, *rest = [json.loads(line) for line in folder.read("rows/test.jsonl").splitlines()]
    lines = "".join(json.dumps(each) + "\n" for each in ({**first, "target": target}, *rest))
    (folder.path / "rows" / "test.jsonl").write_text(lines, encoding="utf-8")
    folder.save_record(folder.record())
    with pytest.raises(ArtifactError, match="holds a target that is"):
        folder.evaluation("tuned")


@pytest.mark.parametrize("name", ["id", "text", "group"])
def test_a_row_whose_text_is_none_is_damage(name: str, tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run", TaskKind.SINGLE_LABEL)
    first, *rest = [json.loads(line) for line in folder.read("rows/test.jsonl").splitlines()]
    lines = "".join(json.dumps(each) + "\n" for each in ({**first, name: {"a": 1}}, *rest))
    (folder.path / "rows" / "test.jsonl").write_text(lines, encoding="utf-8")
    folder.save_record(folder.record())
    with pytest.raises(ArtifactError, match=f"the {name} of a row"):
        folder.split("test")


def test_a_row_that_is_no_object_is_damage(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run", TaskKind.SINGLE_LABEL)
    (folder.path / "rows" / "test.jsonl").write_text('["a"]\n', encoding="utf-8")
    folder.save_record(folder.record())
    with pytest.raises(ArtifactError, match="a row is"):
        folder.split("test")


@pytest.mark.parametrize("taken", ["metrics", "compared", "contender", "strongest", "metric"])
def test_a_record_that_lacks_a_score_is_damage(taken: str, tmp_path: Path) -> None:
    """Not a KeyError of whoever shows it: report, compare and predict read it by one door."""
    folder = made_run(tmp_path / "run", TaskKind.SINGLE_LABEL)
    values = json.loads((folder.path / "record.json").read_text(encoding="utf-8"))
    if taken == "metrics":
        del values["contenders"][-1]["metrics"][values["metric"]]
    elif taken == "compared":
        values["comparisons"][0]["metric"] = "pearson"
    elif taken == "contender":
        values["comparisons"][0]["a"] = "nobody"
    else:
        values[taken] = {"strongest": "nobody", "metric": ""}[taken]
    (folder.path / "record.json").write_text(json.dumps(with_seal(values)), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"record\.json is damaged"):
        folder.record()


def test_runs_with_other_scores_are_compared_in_those_that_both_have(tmp_path: Path) -> None:
    folders = [made_run(tmp_path / name, TaskKind.SINGLE_LABEL) for name in ("a", "b")]
    before = folders[0].record()
    values = json.loads((folders[0].path / "record.json").read_text(encoding="utf-8"))
    for each in values["contenders"]:
        for scored in (each, *(each["seeds"] or ())):
            scored["metrics"]["a-plugins"] = scored["metrics"][before.metric]
    (folders[0].path / "record.json").write_text(json.dumps(with_seal(values)), encoding="utf-8")
    record = compare_runs(str(tmp_path / "a"), str(tmp_path / "b"))
    assert [set(each.metrics) for each in record.contenders] == [set(before.contenders[0].metrics)] * 2
