"""Rows that are chosen to be labelled: which, why not others, and what is handed out."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from asked_models import ask
from made_runs import made_run

import liftune
from liftune.cli.main import main
from liftune.errors import DataError, LiftuneError, SpecError
from liftune.labelling.strategies import STRATEGIES, spread
from liftune.records.base import Interval
from liftune.records.learning_curve import Curve, CurveOutlook, CurvePoint
from liftune.tasks import TaskKind

LABELS = ("anger", "joy", "love")
WORDS = ("apple tart", "brown bear", "cold coast", "dusty drum", "eager elk", "foggy fjord", "green gate", "huge hat")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made_run(tmp_path / "run").path


def rows(*shares: float) -> list[dict[str, Any]]:
    return [{"text": f"{share} {WORDS[i % len(WORDS)]} of {i * 37}"} for i, share in enumerate(shares)]


def wrote(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")
    return path


def called(*argv: object, code: int = 0) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main([str(each) for each in argv]) == code, err.getvalue()
    return out.getvalue(), err.getvalue()


def test_margin_takes_the_rows_whose_two_best_labels_are_nearest(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch)
    found = liftune.label(rows(0.9, 0.55, 0.99, 0.45, 0.7), run=run, budget=2, strategy="margin")
    assert sorted(each.row for each in found.picks) == [2, 4]
    assert {each.suggestion for each in found.picks} == {"anger", "joy"}
    assert all(each.probability is not None and 0.5 < each.probability < 0.56 for each in found.picks)


def test_of_several_labels_the_one_nearest_its_threshold_counts(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, TaskKind.MULTI_LABEL)
    found = liftune.label(rows(0.9, 0.6, 0.99, 0.4), run=run, budget=2, strategy="margin")
    assert [(each.row, each.suggestion) for each in found.picks] == [(2, ("anger",)), (4, ())]


@pytest.mark.parametrize("strategy", [each for each in STRATEGIES if STRATEGIES[each].by_margin])
def test_a_regression_has_no_margin_and_is_told_so(strategy: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, TaskKind.REGRESSION)
    found = liftune.label(rows(0.9, 0.6, 0.3, 0.4), run=run, budget=2, strategy=strategy)
    assert any("diversity alone" in note for note in found.notes)
    assert [each.margin for each in found.picks] == [None, None]
    assert all(isinstance(each.suggestion, float) for each in found.picks)


def test_uncertain_rows_that_are_alike_count_once_by_diversity(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten uncertain rows about one thing and one about another: two labels go to both."""
    ask(monkeypatch)
    pool = [{"text": f"0.5 aaaaaa aaaa {'abc'[i % 3]}{i} a"} for i in range(10)] + [{"text": "0.52 zzzzz zzz"}]
    pool += rows(*[0.99] * 8)
    found = liftune.label(pool, run=run, budget=2, strategy="margin-diverse")
    assert 11 in [each.row for each in found.picks]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("task", TaskKind)
def test_every_strategy_fills_the_budget_with_different_rows(
    strategy: str, task: TaskKind, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(monkeypatch, task)
    pool = rows(*np.linspace(0.1, 0.9, 40).round(3))
    once = liftune.label(pool, run=run, budget=12, strategy=strategy)
    again = liftune.label(pool, run=run, budget=12, strategy=strategy)
    assert len({each.row for each in once.picks}) == 12
    assert once.picks == again.picks


def test_of_alike_features_still_so_many_are_spread() -> None:
    assert len(set(spread(np.ones((9, 3)), 4, 0).tolist())) == 4
    assert len(spread(np.zeros((3, 2)), 5, 0)) == 3


def test_a_model_without_features_is_spread_by_words(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, features=False)
    found = liftune.label(rows(*[0.6] * 9), run=run, budget=3, strategy="diverse")
    assert any("by their words" in note for note in found.notes)
    ask(monkeypatch, features=False)
    assert len(liftune.label(["!!", "??", "...", ";;;;"], run=run, budget=2, strategy="diverse").picks) == 2


def test_only_what_is_needed_is_asked_of_the_model(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ask(monkeypatch)
    liftune.label(rows(*[0.6] * 9), run=run, budget=3, strategy="random")
    assert model.asked == [3]


def test_rows_that_the_run_has_seen_are_never_chosen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its train and test rows are one here; spaces make no other text."""
    ask(monkeypatch)
    seen = json.loads((run / "rows/test.jsonl").read_text(encoding="utf-8").splitlines()[50])["text"]
    pool = [{"text": f"  {seen} "}, {"text": "0.6 brand new"}, {"text": "0.6 brand  new"}, {"text": " "}]
    found = liftune.label(pool, run=run, budget=4)
    assert [each.row for each in found.picks] == [2]
    assert found.left_out == {"without a text": 1, "in the run's train rows": 1, "the same text as another": 1}
    with pytest.raises(DataError, match="no row of the pool is left to label: 1 in the run's train rows"):
        liftune.label(pool[:1], run=run)


def test_near_duplicates_count_once_and_those_of_test_rows_never(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that all but repeats a test row would make the next run's score too good."""
    ask(monkeypatch)
    tested = json.loads((run / "rows/test.jsonl").read_text(encoding="utf-8").splitlines()[6])["text"]
    pool = [
        {"text": f"{tested}!x"},
        {"text": "0.6 a quite new sentence here"},
        {"text": "0.6 a quite new Sentence here!"},
    ]
    found = liftune.label(pool, run=run)
    assert [each.row for each in found.picks] == [2]
    assert found.left_out == {"near duplicates of validation or test rows": 1, "near duplicates of another": 1}


def test_labels_in_the_pool_are_not_looked_at_and_that_is_said(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(monkeypatch)
    pool = wrote(tmp_path / "pool.jsonl", [{**row, "label": "joy"} for row in rows(0.5, 0.6, 0.7)])
    out, _ = called("label", pool, "--run", run, "--budget", 2, "--out", tmp_path / "out.csv", "--quiet")
    assert "The column 'label' is not looked at" in " ".join(out.split())


def test_a_budget_larger_than_the_pool_takes_all_and_says_so(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch)
    found = liftune.label(rows(0.5, 0.6, 0.7), run=run, budget=500)
    assert len(found.picks) == 3
    assert any("fewer than 500" in note for note in found.notes)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"budget": 0}, "where: budget"),
        ({"budget": -3}, "where: budget"),
        ({"budget": 1.5}, "budget"),
        ({"strategy": "margn"}, "margin"),
        ({"seed": 2**40}, "where: seed"),
        ({"format": "excel"}, "label-studio"),
        ({"out": "rows.xlsx"}, ".jsonl"),
        ({"out": "rows.json", "format": "csv"}, "does not end as csv does"),
        ({"run": "nowhere"}, "nowhere"),
    ],
)
def test_what_cannot_be_is_refused_before_a_model_is_loaded(options: dict[str, Any], named: str, run: Path) -> None:
    with pytest.raises(LiftuneError) as caught:
        liftune.label(rows(0.5, 0.6), **{"run": run, **options})
    assert named in str(caught.value)
    assert caught.value.hint


def test_a_pool_that_is_none_is_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch)
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    (tmp_path / "header.csv").write_text("text\n", encoding="utf-8")
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    (tmp_path / "blank.jsonl").write_text('{"text": ""}\n{"text": null}\n', encoding="utf-8")
    for name in ("empty.csv", "header.csv", "numbers.csv", "blank.jsonl", "nowhere.csv"):
        _, err = called("label", tmp_path / name, "--run", run, "--out", tmp_path / "out.csv", code=2)
        assert "hint:" in err, name
    assert "--text" in called("label", tmp_path / "numbers.csv", "--run", run, "--out", tmp_path / "o.csv", code=2)[1]
    blank = called("label", tmp_path / "blank.jsonl", "--run", run, "--out", tmp_path / "o.csv", code=2)[1]
    assert "give rows that have one" in blank
    assert "--text" not in blank, "there is no other column"
    assert not (tmp_path / "out.csv").exists()
    for none in ([], {}, ["", " "], [1, 2], "nowhere.csv"):
        with pytest.raises(LiftuneError):
            liftune.label(none, run=run)


@pytest.mark.parametrize("pool", [[{"x": 1}, {"x": 2}], [{"x": "1.5"}, {"x": None}], [{"x": 0.5}]])
def test_a_lone_column_of_numbers_is_no_texts_unless_it_is_named(
    pool: list[dict[str, Any]], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(monkeypatch)
    with pytest.raises(LiftuneError, match="'x' holds numbers") as caught:
        liftune.label(pool, run=run)
    assert 'text="x"' in str(caught.value.hint)
    assert liftune.label(pool, run=run, text="x").picks


def test_a_pool_of_one_text_column_is_none_for_a_model_of_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Following a hint must not lead to another hint, nor one text be read as both."""
    ask(monkeypatch, pairs=True)
    run = made_run(tmp_path / "run", pairs=True).path
    one = [{"text": "0.5 a claim"}, {"text": "0.6 another"}]
    for named in ({}, {"text_pair": "text"}, {"text": "text"}, {"text": "text", "text_pair": "text"}):
        with pytest.raises(LiftuneError, match="the only column is 'text', and the model reads two texts") as caught:
            liftune.label(one, run=run, **named)
        assert 'name both: text="text" text_pair=' in str(caught.value.hint)
    two = [{**each, "other": "its evidence"} for each in one]
    with pytest.raises(LiftuneError, match="'text' is named for both texts") as caught:
        liftune.label(two, run=run, text="text", text_pair="text")
    assert caught.value.hint == 'name two columns: text="text" text_pair=COLUMN'
    with pytest.raises(LiftuneError, match="which column holds the second text") as caught:
        liftune.label(two, run=run)
    assert 'text_pair="other"' in str(caught.value.hint)


def test_margins_that_are_all_equal_are_said(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of majority, which answers every text alike."""
    ask(monkeypatch)
    alike, unlike = (liftune.label(rows(*each), run=run, strategy="margin") for each in ((0.6, 0.6, 0.6), (0.6, 0.7)))
    assert [any("all margins are equal" in note for note in each.notes) for each in (alike, unlike)] == [True, False]


def test_a_suggested_number_has_no_digits_that_nobody_would_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(monkeypatch, task=TaskKind.REGRESSION)
    run = made_run(tmp_path / "run", TaskKind.REGRESSION).path
    found = liftune.label(["0.513020277 one", "0.2 two"], run=run, out=tmp_path / "out.csv")
    assert sorted(each.suggestion for each in found.picks) == [0.2, 0.513]
    assert ",0.513," in (tmp_path / "out.csv").read_text(encoding="utf-8")


def test_a_text_file_is_a_text_a_line(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch)
    (tmp_path / "pool.txt").write_text("0.6 one line\n\n0.7 another, with commas, in it\n", encoding="utf-8")
    found = liftune.label(tmp_path / "pool.txt", run=run)
    assert [each.text for each in found.picks] == ["0.6 one line", "0.7 another, with commas, in it"]
    assert any("each line is a text" in note for note in found.notes)


def test_a_damaged_run_is_named(run: Path, tmp_path: Path) -> None:
    pool = wrote(tmp_path / "pool.jsonl", rows(0.5, 0.6))
    (run / "rows/test.jsonl").write_bytes(b"{}")
    assert "test.jsonl" in called("label", pool, "--run", run, "--out", tmp_path / "a.csv", code=2)[1]


def test_a_folder_of_files_is_one_pool(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch)
    (tmp_path / "pool").mkdir()
    wrote(tmp_path / "pool/monday.jsonl", rows(0.5, 0.9))
    wrote(tmp_path / "pool/friday.jsonl", [{"text": "0.5 something else"}])
    found = liftune.label(tmp_path / "pool", run=run)
    assert {each.row for each in found.picks} == {"monday.jsonl:1", "monday.jsonl:2", "friday.jsonl:1"}


def test_csv_has_ids_texts_suggestions_a_place_for_labels_and_no_formula(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(monkeypatch)
    lines = [{"ID": f"r{i}", "text": text} for i, text in enumerate(("=cmd()", "+ 0.4 b", "- 0.3 c", "@d", "0.6 e"))]
    out = tmp_path / "new" / "out.csv"
    called("label", wrote(tmp_path / "pool.jsonl", lines), "--run", run, "--out", out, "--quiet")
    found = list(csv.DictReader(out.open(encoding="utf-8", newline="")))
    assert list(found[0]) == ["row", "id", "text", "suggestion", "probability", "label"]
    assert {each["text"] for each in found} == {"'=cmd()", "'+ 0.4 b", "'- 0.3 c", "'@d", "0.6 e"}
    assert {each["id"] for each in found} == {"r0", "r1", "r2", "r3", "r4"}
    assert {each["label"] for each in found} == {""}
    assert set(tmp_path.joinpath("new").iterdir()) == {out}


def test_json_lines_hold_values(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, TaskKind.MULTI_LABEL)
    out = tmp_path / "out.jsonl"
    called("label", wrote(tmp_path / "pool.jsonl", rows(0.7)), "--run", run, "--out", out, "--quiet")
    [found] = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert found["suggestion"] == ["anger"]
    assert (found["row"], found["label"]) == (1, None)
    assert found["probability"] == pytest.approx(0.7, abs=1e-3)


@pytest.mark.parametrize(
    ("task", "kind", "value"),
    [
        (TaskKind.SINGLE_LABEL, "choices", {"choices": ["anger"]}),
        (TaskKind.MULTI_LABEL, "choices", {"choices": ["anger"]}),
        (TaskKind.REGRESSION, "number", {"number": pytest.approx(0.7)}),
    ],
)
def test_tasks_of_label_studio_have_a_configuration_that_fits(
    task: TaskKind, kind: str, value: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = ('<b>"a" & b</b>', "joy", "love")
    model = ask(monkeypatch, task, labels)
    pool = wrote(tmp_path / "pool.jsonl", rows(0.7))
    called("label", pool, "--run", run, "--format", "label-studio", "--out", tmp_path / "tasks.json", "--quiet")
    [found] = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    view = ElementTree.parse(tmp_path / "tasks.xml").getroot()
    assert found["data"] == {"row": 1, **rows(0.7)[0]}
    [text] = view.findall("Text")
    assert text.attrib == {"name": "text", "value": "$text"}
    assert [each.get("value") for each in view.iter("Choice")] == list(model.labels)
    [prediction] = found["predictions"]
    [result] = prediction["result"]
    if kind == "choices" and task is not TaskKind.REGRESSION:
        value = {"choices": [labels[0]]}
    assert (result["type"], result["value"]) == (kind, value)
    [control] = [each for each in view if each.tag != "Text"]
    assert (control.get("name"), control.get("toName")) == (result["from_name"], result["to_name"])
    assert ("score" in prediction) is (task is not TaskKind.REGRESSION)


def test_pairs_and_odd_names_of_columns_become_names_that_a_configuration_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run(tmp_path / "run", pairs=True).path
    ask(monkeypatch, pairs=True)
    pool = wrote(tmp_path / "pool.jsonl", [{"the claim": "0.7 it is so", "label": "as seen"}])
    out = tmp_path / "tasks.json"
    called("label", pool, "--run", run, "--text", "the claim", "--text-pair", "label", "--out", out, "--quiet")
    [found] = json.loads(out.read_text(encoding="utf-8"))
    assert found["data"] == {"row": 1, "text": "0.7 it is so", "text_pair": "as seen"}
    view = ElementTree.parse(tmp_path / "tasks.xml").getroot()
    assert [each.get("value") for each in view.findall("Text")] == ["$text", "$text_pair"]


def test_a_file_that_is_there_is_not_replaced_unasked(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(monkeypatch)
    pool, out = wrote(tmp_path / "pool.jsonl", rows(0.7, 0.6)), tmp_path / "a.json"
    (tmp_path / "a.xml").write_text("mine", encoding="utf-8")
    said = called("label", pool, "--run", run, "--out", out, code=2)[1]
    assert f"--out {out} --overwrite" in " ".join(said.split()), "the command of the hint works"
    assert (tmp_path / "a.xml").read_text(encoding="utf-8") == "mine"
    called("label", pool, "--run", run, "--out", out, "--overwrite", "--quiet")
    with pytest.raises(SpecError, match="is what is read"):
        liftune.label(pool, run=run, out=pool, overwrite=True)
    assert pool.read_text(encoding="utf-8").count("\n") == 2


def test_without_a_name_the_rows_go_to_a_file_here(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch)
    monkeypatch.chdir(tmp_path)
    out, _ = called("label", wrote(tmp_path / "pool.jsonl", rows(0.7, 0.6)), "--run", run, "--quiet", "--json")
    assert json.loads(out)["files"] == ["to-label.csv"]
    assert (tmp_path / "to-label.csv").is_file()
    assert liftune.label(rows(0.7), run=run).files == ()


def curve(saved: tuple[float, float, float]) -> Curve:
    points = tuple(
        CurvePoint(contender="tuned", rows=rows, score=Interval(value=1 - 2 * rows**-0.5, low=0.1, high=0.9))
        for rows in (25, 50, 100)
    )
    value, low, high = saved
    ahead = CurveOutlook(
        contender="tuned",
        rows=200,
        scale=2.0,
        exponent=0.5,
        floor=0.0,
        error=Interval(value=0.14),
        saved=Interval(value=value, low=low, high=high),
    )
    return Curve(metric="accuracy", points=points, outlooks=(ahead,), next_step="data")


def test_the_curve_says_what_labels_should_bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = 1 - 0.5**0.5
    run = made_run(tmp_path / "run", curve=curve((share, 0.1, 0.4))).path
    ask(monkeypatch)
    found = liftune.label(rows(*[0.6] * 8), run=run, budget=8).expected
    assert found is not None
    assert found.rows == 108
    assert found.gain.value == pytest.approx(0.2 - 2 * 108**-0.5)
    assert found.gain.low is not None
    assert found.gain.high is not None
    assert found.gain.high == pytest.approx(4 * found.gain.low)
    pool = wrote(tmp_path / "pool.jsonl", rows(0.7, 0.6))
    out, _ = called("label", pool, "--run", run, "--out", tmp_path / "a.csv", "--quiet")
    assert "points of accuracy" in " ".join(out.split())


def test_without_a_curve_it_is_said_how_to_get_one(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch)
    pool = wrote(tmp_path / "pool.jsonl", rows(0.7, 0.6))
    out, _ = called("label", pool, "--run", run, "--out", tmp_path / "a.csv", "--quiet")
    assert "tune with --curve" in " ".join(out.split())
