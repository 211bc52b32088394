"""`tune --answers`: answers from elsewhere in the record, the report and the folder; what is wrong with them ends a run
before it begins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.errors import LiftuneError, SpecError
from liftune.records.run import TuneRecord
from liftune.run_folder import RunFolder

WORDS = {"<b>joy</b>": ("sunny", "laugh"), "anger": ("shout", "slam")}
LABELS = list(WORDS)
FAST: dict[str, Any] = {"epochs": 1, "batch_size": 8, "lr": 1e-2, "quiet": True}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("bert", tmp_path_factory.mktemp("model")))


def rows(part: str, count: int) -> list[dict[str, Any]]:
    return [
        {"text": f"{WORDS[LABELS[i % 2]][i // 2 % 2]} {part} {i}", "label": LABELS[i % 2], "nr": f"{part}-{i}"}
        for i in range(count)
    ]


PARTS = {"train": rows("train", 30), "validation": rows("validation", 30), "test": rows("test", 40)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for part, each in PARTS.items():
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in each), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(data: Path, model: str, tmp_path_factory: pytest.TempPathFactory) -> TuneRecord:
    """GPT is right on all test rows but ten, which it has no answer for; a colleague is right on every third row."""
    folder = tmp_path_factory.mktemp("run")
    gpt = folder / "gpt & <script>.csv"
    gpt.write_text("text,answer\n" + "".join(f"{r['text']},{r['label']}\n" for r in PARTS["test"][:30]), "utf-8")
    every = [row for part in ("test", "validation") for row in PARTS[part]]
    old = [
        {"nr": row["nr"], "label": row["label"] if i % 3 == 0 else LABELS[1 - LABELS.index(row["label"])]}
        | {"prob_<b>joy</b>": 0.7 if (row["label"] == LABELS[0]) == (i % 3 == 0) else 0.3}
        | {"prob_anger": 0.3 if (row["label"] == LABELS[0]) == (i % 3 == 0) else 0.7}
        for i, row in enumerate(every)
    ]
    return liftune.tune(
        data, model=model, label="label", text="text", out=folder / "run",
        answers={"gpt": str(gpt), "a colleague": old}, cost={"gpt": 0.002}, **FAST,
    )  # fmt: skip


def test_answers_are_contenders_like_any_other(run: TuneRecord) -> None:
    names = {each.name: each for each in run.contenders}
    gpt, old = names["gpt"], names["a colleague"]
    assert gpt.metrics["accuracy"].value == 0.75
    assert old.metrics["accuracy"].value == pytest.approx(14 / 40)
    assert gpt.outside is not None
    assert old.outside is not None
    assert (gpt.outside.answered, gpt.outside.chosen_on_validation, gpt.outside.cost_per_row) == (30, False, 0.002)
    assert (old.outside.answered, old.outside.chosen_on_validation, old.outside.probabilities) == (40, True, True)
    assert "a column of the data" in old.outside.way
    assert [each.a for each in run.comparisons][-2:] == ["gpt", "a colleague"]
    assert all(
        each.corrected_p_value is not None and each.contrasts == len(run.comparisons) for each in run.comparisons
    )


def test_the_folder_reads_back_as_it_was_scored(run: TuneRecord) -> None:
    folder = RunFolder.open(run.run)
    for each in run.contenders:
        again = folder.evaluation(each.name)
        for metric in ("accuracy", "log_loss"):
            from liftune.metrics.registry import METRICS

            value = each.metrics[metric].value
            assert again.score(METRICS[metric]) == (None if value is None else pytest.approx(value))
    assert liftune.read(run.run).to_json() == run.to_json()
    assert main(["check", run.run]) == 0


def test_the_report_shows_them_with_their_cost_and_escapes_what_is_from_outside(run: TuneRecord) -> None:
    page = (Path(run.run) / "report.html").read_text(encoding="utf-8")
    assert "<script>.csv" not in page
    assert "gpt &amp; &lt;script&gt;.csv" in page
    assert "<b>joy</b>" not in page
    text = liftune.report(run.run, format="md")
    assert "30 of 40" in text
    assert "(no answer)" in page
    assert "cost per 1,000 rows" in text
    assert "Compared with gpt, the tuned model fixed" in text
    flips = [json.loads(line) for line in (Path(run.run) / "flips.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {"gpt", "a colleague"} <= {each["against"] for each in flips}


def test_what_was_made_elsewhere_predicts_nothing(run: TuneRecord) -> None:
    with pytest.raises(SpecError, match="made elsewhere"):
        liftune.load(run.run, use="gpt")


@pytest.mark.parametrize(
    ("answers", "options", "said"),
    [
        ("text,answer\nno such text,anger\n", [], "no row of gpt is one of the data"),
        ("text,answer\n{text},rage\n", [], "no label here: 'rage'"),
        ("text,answer\n{text},anger\n{text},<b>joy</b>\n", [], "twice, differently"),
        ("text,answer\n{text},anger\n", ["--metric", "log_loss"], "log_loss reads probabilities"),
        ("text,answer\n{text},anger\n", ["--cost", "gtp=1"], "did you mean gpt"),
        (None, [], "answers.csv"),
    ],
)
def test_what_is_wrong_with_a_file_ends_the_run_before_it_begins(
    answers: str | None, options: list[str], said: str, data: Path, model: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path, out = tmp_path / "answers.csv", tmp_path / "run"
    if answers is not None:
        path.write_text(answers.format(text=PARTS["test"][0]["text"]), encoding="utf-8")
    given = ["tune", str(data), "--model", model, "--label", "label", "--text", "text", "--out", str(out), *options]
    assert main([*given, "--answers", f"gpt={path}"]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.slow
def test_every_row_is_a_test_row_with_folds(model: str, tmp_path: Path) -> None:
    every = rows("row", 40)
    answers = [{"text": row["text"], "answer": row["label"]} for row in every]
    record = liftune.tune(
        every, model=model, text="text", label="label", folds=2, answers={"gpt": answers}, out=tmp_path / "run", **FAST
    )
    gpt = record.contenders[-1]
    assert gpt.metrics["accuracy"].value == 1.0
    assert gpt.outside is not None
    assert gpt.outside.answered == 40


def test_a_dry_run_names_what_is_wrong_with_them(data: Path, model: str) -> None:
    found: Any = liftune.tune(
        data, model=model, label="label", answers={"gpt": [{"text": "none", "answer": "x"}]}, dry_run=True, quiet=True
    )
    assert any("gpt" in fault.message for fault in found.faults)


def test_answers_that_are_neither_a_path_nor_a_table_are_refused(data: Path, model: str) -> None:
    with pytest.raises(LiftuneError, match="must be a path or a table"):
        liftune.tune(data, model=model, label="label", answers={"gpt": object()}, quiet=True)


def test_an_unfinished_run_does_not_go_on_with_other_answers(data: Path, model: str, tmp_path: Path) -> None:
    gpt, test = tmp_path / "gpt.csv", PARTS["test"]
    asked: dict[str, Any] = {"model": model, "answers": {"gpt": str(gpt)}, "out": tmp_path / "run", **FAST}

    class Stop(liftune.Listener):
        def on_contender(self, event: Any) -> None:
            raise KeyboardInterrupt

    gpt.write_text("text,answer\n" + "".join(f"{r['text']},{r['label']}\n" for r in test), "utf-8")
    with pytest.raises(KeyboardInterrupt):
        liftune.tune(data, listeners=[Stop()], **asked)
    gpt.write_text("text,answer\n" + "".join(f"{r['text']},anger\n" for r in test), "utf-8")
    with pytest.raises(LiftuneError, match="the answers or descriptions from elsewhere have changed since then"):
        liftune.tune(data, **asked)
