"""`liftune explain`, `predict --explain` and their Python: every contender and bundle, one wording, no markup."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.errors import LiftuneError

TEXT = "a sunny laugh and no rage"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, kept_emotions: Path) -> Path:
    place = tmp_path_factory.mktemp("explained")
    base = save_tiny("distilbert", place / "base")
    liftune.tune(kept_emotions, model=base, epochs=1, near_duplicates="none", out=place / "run", quiet=True)
    return place / "run"


def called(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    assert main(list(argv)) == code
    told = capsys.readouterr()
    return told.out if code == 0 else told.err


@pytest.mark.parametrize("use", ["tuned", "tfidf", "probe", "base", "majority"])
def test_every_contender_is_explained(run: Path, use: str) -> None:
    (found,) = liftune.explain(TEXT, model=run, use=use, quiet=True)
    assert found.explanation is not None
    (answer,) = found.explanation.answers
    assert len(answer.effects) == 6
    predictor = liftune.load(run, use=use)
    (plain, other) = predictor.predict([TEXT, "a laugh and no rage"])
    assert plain.label == answer.label == found.label
    assert answer.effects[1].change == pytest.approx(
        plain.probabilities[answer.label] - other.probabilities[answer.label], abs=1e-5
    )


def test_a_bundle_is_explained_as_its_run(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    liftune.export(run, tmp_path / "bundle", use="tuned", quiet=True, accept_gap=True)
    (one,) = liftune.explain(TEXT, model=tmp_path / "bundle")
    (other,) = liftune.explain(TEXT, model=run, use="tuned", quiet=True)
    effects = [[each.change for each in found.explanation.answers[0].effects] for found in (one, other)]
    assert effects[0] == pytest.approx(effects[1], abs=1e-3)


def test_the_command_shows_the_strongest_words_and_json_all(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = called(capsys, "explain", str(run), TEXT, "--use", "tfidf", "--top", "2")
    assert TEXT in out
    assert "The 2 strongest of 6 words" in out
    assert "One word at a time is left out" in out
    assert "\x1b" not in out
    found = json.loads(called(capsys, "explain", str(run), TEXT, "--use", "tfidf", "--json"))
    assert [part["text"] for part in found["explanation"]["answers"][0]["parts"]] == TEXT.split()
    label = found["label"]
    other = "joy" if label == "anger" else "anger"
    asked = json.loads(called(capsys, "explain", str(run), TEXT, "--use", "tfidf", "--json", "--for", other))
    assert asked["explanation"]["answers"][0]["label"] == other
    signs = [[part["change"] for part in each["explanation"]["answers"][0]["parts"]] for each in (found, asked)]
    assert signs[0] == pytest.approx([-each for each in signs[1]], abs=1e-9), "of two labels"


def test_a_text_cannot_write_to_the_terminal(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = called(capsys, "explain", str(run), "\x1b[31mred [bold]x[/bold]", "--use", "tfidf")
    assert "\x1b" not in out
    assert "[bold]x[/bold]" in out


def test_texts_of_no_word_are_explained_too(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = called(capsys, "explain", str(run), "", "one", "--use", "tuned")
    assert "There is no word to leave out." in out
    assert "one" in out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ((), "give a text to explain"),
        ((TEXT, "--for", "joi"), "did you mean joy"),
        ((TEXT, "--by", "letter"), "unknown part 'letter'"),
        ((TEXT, "--pair", "b"), "tuned on single texts"),
        ((TEXT, "--top", "0"), "top"),
    ],
)
def test_what_cannot_be_explained_ends_in_a_message(
    run: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], says: str
) -> None:
    assert says in called(capsys, "explain", str(run), *argv, "--use", "tfidf", code=2)


def test_predictions_of_a_file_have_their_explanations(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("text,explanation\nsunny laugh,mine\n,\nrage,yours\n", encoding="utf-8")
    called(capsys, "predict", str(run), "--in", str(source), "--out", str(out), "--explain", "--use", "tfidf")
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert rows[0]["explanation"] == "mine"
    assert [part["text"] for part in rows[0]["predicted_explanation"]["answers"][0]["parts"]] == ["sunny", "laugh"]
    assert "error" in rows[1]
    shown = called(capsys, "predict", str(run), TEXT, "--explain", "--use", "tfidf")
    assert "without it" in shown
    lines = called(capsys, "predict", str(run), TEXT, "--explain", "--use", "tfidf", "--json")
    assert json.loads(lines)["explanation"]["unit"] == "word"


@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_a_file_of_cells_holds_no_explanations(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    argv = ("predict", str(run), TEXT, "--explain", "--out", str(tmp_path / out))
    told = called(capsys, *argv, code=2)
    assert ".jsonl" in told
    folder = tmp_path / "folder"
    folder.mkdir()
    told = called(capsys, "predict", str(run), "--in", str(folder), "--out", str(tmp_path / "to"), "--explain", code=2)
    assert "--explain" in told


def test_python_explains_texts_and_says_so_of_tables(run: Path) -> None:
    model = liftune.load(run, use="tfidf")
    one, two = liftune.predict(["sunny", "rage"], model=model, explain=True)
    assert one.explanation is not None
    assert two.explanation is not None
    with pytest.raises(LiftuneError, match="do not hold explanations") as caught:
        liftune.predict([{"text": "sunny"}], model=model, explain=True)
    assert "liftune.explain" in str(caught.value.hint)
    with pytest.raises(LiftuneError, match="takes texts"):
        liftune.explain({"text": "sunny"}, model=model)
    assert [each.label for each in liftune.explain(iter(["sunny", "rage"]), model=model)] == [one.label, two.label]
