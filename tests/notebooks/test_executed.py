"""Every notebook runs to its end on tiny random models and a few rows, and shows what its text promises."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_models import save_tiny

from liftune.hardware.measure import MachineFacts
from notebooks import NOTEBOOKS, execute, execute_here, printed, read, settings_of, shown, with_settings

EMOTIONS = {
    "joy": ("sunny", "laugh", "dance"),
    "anger": ("shout", "slam", "rage"),
    "fear": ("dark", "shiver", "hide"),
    "love": ("kiss", "darling", "tender"),
    "sadness": ("weep", "alone", "grey"),
    "surprise": ("sudden", "gasp", "whoa"),
}
OPINIONS = {"neg": ("dull", "awful", "boring"), "pos": ("great", "moving", "superb")}


def folder_of(words: dict[str, tuple[str, ...]], folder: Path, *, train: int, test: int) -> str:
    """Rows that words alone decide, as JSON lines. With over 64 train rows a label no start from pairs is tried."""
    folder.mkdir(parents=True)
    for part, count in (("train", train), ("validation", test), ("test", test)):
        rows = [
            {"text": f"{part} {i} {words[label][i % 3]} and {words[label][(i + 1) % 3]} it was", "label": label}
            for i in range(count)
            for label in words
        ]
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def emotions(tmp_path_factory: pytest.TempPathFactory) -> str:
    return folder_of(EMOTIONS, tmp_path_factory.mktemp("rows") / "emotions", train=66, test=8)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that need not be measured, which takes seconds; in a cache that no other test reads."""
    facts = MachineFacts(("cpu",), "made", 1, bfloat16_speedup=0.5, eager_speedup={"float32": 0.8, "bfloat16": 0.5})
    monkeypatch.setattr("liftune.hardware.measure.measure", lambda: facts)
    monkeypatch.setenv("LIFTUNE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def opinions(tmp_path_factory: pytest.TempPathFactory) -> str:
    return folder_of(OPINIONS, tmp_path_factory.mktemp("rows") / "opinions", train=66, test=16)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Without a head, as distilbert-base-uncased is published."""
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("models") / "distilbert"))


def run(name: str, folder: Path, by: Callable[[Any, Path], Any] = execute, **settings: Any) -> Any:
    """The notebook, executed; nothing on stderr that looks like trouble."""
    (path,) = [each for each in NOTEBOOKS if each.stem == name]
    done = by(with_settings(read(path), **settings), folder)
    assert not re.search(r"Warning|Traceback|LOAD REPORT", printed(done, "stderr"))
    return done


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("by", [execute_here, pytest.param(execute, marks=pytest.mark.slow)])
def test_emotions_by_lora_on_three_layers(by: Callable[[Any, Path], Any], tmp_path: Path) -> None:
    """Quickly in this process, which has imported torch already; as the others in a kernel of its own."""
    two = {label: EMOTIONS[label] for label in ("joy", "anger")}
    rows = folder_of(two, tmp_path / "rows", train=66 if by is execute else 16, test=8)
    base = save_tiny("distilbert", tmp_path / "sst2", head=("NEGATIVE", "POSITIVE"))
    settings = {"DATA": rows, "MODEL": str(base), "TRAIN_ROWS": None, "TEST_ROWS": None}
    done = run("emotion-lora", tmp_path, by, EPOCHS=2, **settings)
    out = printed(done, "stdout")
    assert re.search(r"^(NEGATIVE|POSITIVE) +\d+%", out, re.M)
    assert "no label of the data is one of" in out
    assert re.search(r"trained parameters: [\d,]+ of [\d,]+ \(\d+\.\d\d%\)", out)
    assert "base -> tuned" in out
    assert len(re.findall(r"\(before: \w+", out)) == 3
    assert len(shown(done, "image/png")) == 3
    assert (tmp_path / "runs" / "emotion-lora" / "adapter" / "adapter_config.json").is_file()


@pytest.mark.slow
def test_film_reviews_with_full_fine_tuning_beside(opinions: str, model: str, tmp_path: Path) -> None:
    done = run("imdb-lora", tmp_path, DATA=opinions, MODEL=model, EPOCHS=2, TRAIN_ROWS=None, TEST_ROWS=None)
    record = json.loads((tmp_path / "runs" / "imdb-lora" / "record.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in record["contenders"]][-2:] == ["tuned", "full"]
    assert all(each in shown(done, "text/html")[-1] for each in ("seconds.train", "trained %", "full"))
    assert "use:" in printed(done, "stdout")
    assert len(shown(done, "image/png")) == 2


@pytest.mark.slow
def test_methods_on_gpt2(emotions: str, tmp_path: Path) -> None:
    gpt2 = str(save_tiny("gpt2", tmp_path / "gpt2"))
    done = run("methods-gpt2", tmp_path, DATA=emotions, MODEL=gpt2, EPOCHS=2, TRAIN_ROWS=None, TEST_ROWS=None)
    (path,) = [each for each in NOTEBOOKS if each.stem == "methods-gpt2"]
    ranked = next(each for each in shown(done, "text/html") if "Leaderboard" in each)
    assert all(f">{method}</td>" in ranked for method in settings_of(read(path))["METHODS"])
    assert "validation would choose" in printed(done, "stdout")
    assert len(shown(done, "image/png")) == 1


@pytest.mark.slow
def test_a_messy_csv(model: str, tmp_path: Path) -> None:
    done = run("messy-csv", tmp_path, MODEL=model, EPOCHS=2)
    found, answered = [each for each in shown(done, "text/html") if "Inspection" in each][:2]
    for said in (
        "read as cp1252",
        "What happened?",
        "not read: Timestamp",
        "kept apart: &#x27;anger&#x27;",
        "18 labels",
    ):
        assert said in found
    assert "spellings merged" in answered
    assert "6 labels" in answered
    assert "hint:" in printed(done, "stdout")
    with (tmp_path / "runs" / "messy-csv" / "feelings.csv").open(encoding="cp1252", newline="") as file:
        assert len(list(csv.reader(file))) == 634


@pytest.mark.slow
def test_many_classifiers_from_one_base(emotions: str, opinions: str, model: str, tmp_path: Path) -> None:
    data = {"mood": emotions, "opinion": opinions}
    done = run("many-classifiers", tmp_path, DATA=data, MODEL=model, EPOCHS=2, TRAIN_ROWS=None, TEST_ROWS=None)
    out = printed(done, "stdout")
    assert "ready: http://127.0.0.1:" in out
    assert "40 requests" in out
    assert re.findall(r"^(\w+) same$", out, re.M) == ["mood", "opinion"]
