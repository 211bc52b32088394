"""An encoder that learned from pairs of rows, with a linear model on its states: a contender like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killing import differences, files_of
from tiny_models import save_tiny

import liftune
from liftune.errors import SpecError
from liftune.events import ContenderScored, Listener, Note
from liftune.records.run import TuneRecord
from liftune.reports.sections.headline import headline
from liftune.run_folder import RunFolder
from liftune.training import contrast
from liftune.workflows import contrastive, few, few_wanted

TEXTS = ["a fine day", "so much rain", "what was that"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture(autouse=True, scope="module")
def few_visits() -> Any:
    """So few rows that the start is taken and nothing is tuned after it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(few_wanted, "MOST_ROWS_A_LABEL", 64)
        patched.setattr(few_wanted, "UNTRIED_ROWS", 1_000)
        patched.setattr(few_wanted, "LEAST_VALIDATION", 1_000)
        patched.setattr(contrast, "VISITS", (1, 2))
        yield


@pytest.fixture(scope="module")
def run(model: str, kept_emotions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("contrastive") / "run"
    liftune.tune(str(kept_emotions), model=model, out=out, lr=1e-2)
    return out


def names(record: TuneRecord) -> list[str]:
    return [each.name for each in record.contenders]


def test_it_is_scored_kept_and_compared(run: Path) -> None:
    record = RunFolder(run).record()
    assert names(record) == ["majority", "tfidf", "base", "probe", "contrastive", "tuned"]
    found = next(each for each in record.contenders if each.name == "contrastive")
    assert found.saved_bytes
    assert found.seconds.train
    tuned = next(each for each in record.contenders if each.name == "tuned")
    width = 32
    assert tuned.trainable_parameters > found.trainable_parameters > 3 * width
    assert "contrastive" in {each.a for each in record.comparisons}


def test_that_it_is_better_is_no_reason_not_to_tune(run: Path) -> None:
    """The headline says what tuning was worth, whatever another head of the same start scores."""
    record = RunFolder(run).record()
    worse = {"verdict": "worse", "gain": -0.4, "undecided_because": None}
    better = {"verdict": "better", "gain": 0.4, "undecided_because": None}
    comparisons = [each.model_copy(update=worse if each.a == "contrastive" else better) for each in record.comparisons]
    said = headline(record.model_copy(update={"comparisons": tuple(comparisons)}))
    assert "helped" in said[0] or "better than guessing" in said[0]
    assert not any("contrastive" in each for each in said)


@pytest.mark.parametrize("precision", [None, "float32"])
def test_it_predicts_as_it_was_scored(run: Path, precision: str | None) -> None:
    """The same logits from disk as on the run's test rows, merged or not."""
    folder = RunFolder(run)
    kept = liftune.load(run, use="contrastive", precision=precision)
    rows = folder.split("test").rows
    np.testing.assert_allclose(kept.logits(rows), folder.logits("contrastive"), atol=1e-4, rtol=0)
    assert not np.allclose(folder.logits("contrastive"), folder.logits("probe"))


def test_its_folder_is_a_model_by_itself(run: Path, tmp_path: Path) -> None:
    """And a damaged one is refused."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in RunFolder(run).contender("contrastive").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    whole = liftune.load(run, use="contrastive").predict(TEXTS)
    assert [each.label for each in liftune.load(copy).predict(TEXTS)] == [each.label for each in whole]
    weights = copy / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(liftune.LiftuneError, match="adapter_model"):
        liftune.load(copy).predict(TEXTS)


def test_with_base_shows_the_model_as_it_is(run: Path) -> None:
    ours = liftune.load(run, use="contrastive", with_base=True).predict(TEXTS)
    base = liftune.load(run, use="tuned", with_base=True).predict(TEXTS)
    for mine, theirs in zip(ours, base, strict=True):
        assert mine.base is not None
        assert theirs.base is not None
        assert mine.base.probabilities == pytest.approx(theirs.base.probabilities, abs=1e-5)


class Notes(Listener):
    """What is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_note(self, event: Note) -> None:
        self.lines.append(event.text)


class Interrupt(Listener):
    """Ends the run once the contender is scored, as Ctrl-C would."""

    def on_contender(self, event: ContenderScored) -> None:
        if event.contender.name == "contrastive":
            raise KeyboardInterrupt


def test_a_run_that_was_stopped_after_it_ends_as_an_undisturbed_one(
    run: Path, model: str, kept_emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is computed again."""
    options: dict[str, Any] = {"model": model, "lr": 1e-2, "out": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt):
        liftune.tune(str(kept_emotions), listeners=[Interrupt()], **options)
    monkeypatch.setattr(few, "contrast", None)
    monkeypatch.setattr(contrastive, "fit_linear_probe", None)
    liftune.tune(str(kept_emotions), **options)
    assert differences(files_of(run), files_of(tmp_path / "run")) == []


def test_the_best_seed_on_validation_is_kept(model: str, kept_emotions: Path, tmp_path: Path) -> None:
    record = liftune.tune(str(kept_emotions), model=model, out=tmp_path / "run", lr=1e-2, seeds="0,1")
    found = next(each for each in record.contenders if each.name == "contrastive")
    assert [each.seed for each in found.seeds] == [0, 1]
    folder = RunFolder(tmp_path / "run")
    kept = liftune.load(tmp_path / "run", use="contrastive").logits(folder.split("test").rows)
    np.testing.assert_allclose(kept, folder.logits("contrastive"), atol=1e-4, rtol=0)


def test_of_seeds_of_which_one_cannot_start_there_is_none(
    model: str, kept_emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of an earlier seed is left, which no table shows."""
    begin = few._started

    def fails(context: Any, classifier: Any, seed: int, found: Any) -> Any:
        return "memory ran short" if seed == 1 else begin(context, classifier, seed, found)

    monkeypatch.setattr(few, "_started", fails)
    record = liftune.tune(str(kept_emotions), model=model, out=tmp_path / "run", lr=1e-2, seeds="0,1")
    assert "contrastive" not in names(record)
    assert "contrastive" not in RunFolder(tmp_path / "run").saved_contenders


def test_of_folds_it_is_scored_out_of_fold_and_kept_on_all_rows(
    model: str, kept_emotions: Path, tmp_path: Path
) -> None:
    record = liftune.tune(str(kept_emotions), model=model, out=tmp_path / "run", lr=1e-2, folds=2)
    assert "contrastive" in names(record)
    assert next(each for each in record.contenders if each.name == "contrastive").saved_bytes
    assert liftune.load(tmp_path / "run", use="contrastive").predict(TEXTS)


def test_where_only_some_folds_start_it_is_not_scored_and_said(
    model: str, kept_emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fold decides by its own train rows; a score of some of the folds would be of other rows than the others'."""
    ask, said = few.wanted, Notes()

    def wanted(context: Any, method: Any) -> Any:
        found = ask(context, method)
        first = context.folds is not None and context.splits is context.folds.parts[0]
        return found.model_copy(update={"taken": False}) if first and found else found

    monkeypatch.setattr(few, "wanted", wanted)
    options: dict[str, Any] = {"model": model, "lr": 1e-2, "folds": 2, "out": tmp_path / "run"}
    record = liftune.tune(str(kept_emotions), listeners=[said], **options)
    assert "contrastive" not in names(record)
    assert "contrastive" not in RunFolder(tmp_path / "run").saved_contenders
    assert any("contrastive was fitted in 1 of 2 folds: it is not scored" in each for each in said.lines)


def test_without_a_start_there_is_none(model: str, kept_emotions: Path, tmp_path: Path) -> None:
    record = liftune.tune(str(kept_emotions), model=model, out=tmp_path / "run", epochs=1, few="off")
    assert "contrastive" not in names(record)


def test_a_graph_of_a_model_that_reads_token_types_answers_as_the_run(kept_emotions: Path, tmp_path: Path) -> None:
    bert = save_tiny("bert", tmp_path / "bert")
    liftune.tune(str(kept_emotions), model=bert, out=tmp_path / "run", lr=1e-2)
    liftune.export(tmp_path / "run", tmp_path / "onnx", use="contrastive", format="onnx")
    folder = RunFolder(tmp_path / "run")
    found = liftune.load(tmp_path / "onnx").logits(folder.split("test").rows)
    np.testing.assert_allclose(found, folder.logits("contrastive"), atol=1e-3, rtol=0)


def test_it_is_exported_as_a_graph_and_refused_as_a_model_of_its_family(run: Path, tmp_path: Path) -> None:
    """What the hint of the refusal says is done."""
    folder = RunFolder(run)
    with pytest.raises(SpecError, match="cannot be exported in this format") as caught:
        liftune.export(run, tmp_path / "merged", use="contrastive", format="merged")
    assert 'format="onnx"' in (caught.value.hint or "")
    liftune.export(run, tmp_path / "onnx", use="contrastive", format="onnx")
    found = liftune.load(tmp_path / "onnx").logits(folder.split("test").rows)
    np.testing.assert_allclose(found, folder.logits("contrastive"), atol=1e-3, rtol=0)
    assert "tuned on pairs of rows" in (tmp_path / "onnx" / "README.md").read_text(encoding="utf-8")
