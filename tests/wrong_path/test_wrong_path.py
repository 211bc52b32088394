"""Every kind of folder in the place of a model or a run: what it is, and a hint that works when it is followed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from made_runs import made_run
from peft import LoraConfig, get_peft_model
from tiny_adapters import save_tuned
from tiny_models import save_tiny
from transformers import AutoModelForSequenceClassification

import liftune
from liftune.cli.main import main
from liftune.run_folder import RunFolder
from liftune.wrong_folder import Wanted
from liftune.wrong_path import refusal

LABELS = ("label0", "label1", "label2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of every kind."""
    place = tmp_path_factory.mktemp("kinds")
    put(
        place, "runs/one/record.json", "runs/one/spec.json", "runs/one/logits/base.npz", "runs/one/adapter/liftune.json"
    )
    put(place, "runs/one/contenders/probe/contender.json", "runs/two/record.json", "runs/two/adapter/liftune.json")
    put(place, "unfinished/spec.json", "sweep/sweep.json", "sweep/spec.json", "sweep/tiny/lora-0.json")
    put(place, "begun/spec.json", "without/record.json", "without/contenders/probe/contender.json")
    (place / "begun/spec.json").write_text('{"methods": ["lora"]}', encoding="utf-8")
    put(place, "data/train.jsonl", "data/test.jsonl", "saved/dataset_dict.json", "rows.csv", "empty/.gitkeep", "a.txt")
    put(place, "trainer/checkpoint-50/config.json", "trainer/checkpoint-500/config.json", "alone/liftune.json")
    put(place, "bundle/bundle.json", "pretrained/config.json", "peft/adapter_config.json", "models/a/config.json")
    put(place, "petrainer/checkpoint-9/adapter_config.json")
    return place


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}", encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "wanted", "message", "hint"),
    [
        ("runs", "tuned", "runs holds runs: one, two", "give one of them: runs/one"),
        ("runs", "run", "runs holds runs", "runs/one"),
        ("runs/oen", "tuned", "there is no run folder runs/oen, did you mean runs/one?", "liftune export"),
        ("runs/one/logits", "scored", "a part of the run runs/one", "give the run: runs/one"),
        ("runs/one/adapter", "run", "a part of the run runs/one", "give the run: runs/one"),
        ("runs/one/contenders/probe", "run", "a part of the run runs/one", "give the run: runs/one"),
        ("runs/one/record.json", "run", "is a file", "give its folder: runs/one"),
        ("runs/one", "pretrained", "a run, not a pretrained model", "--format merged"),
        ("runs/one", "base", "a run, not a pretrained model", "that the adapter was tuned on"),
        ("without", "tuned", "without its tuned model", "without/contenders/probe"),
        ("unfinished", "tuned", "unfinished run: there is no record.json", "again"),
        ("sweep", "tuned", "sweep is a sweep", "liftune tune DATA --method NAME"),
        ("sweep/tiny", "run", "a part of the sweep sweep", "liftune report sweep"),
        ("begun", "scored", "begun is a sweep", "liftune sweep"),
        ("data", "tuned", "holds data, not a model: test.jsonl, train.jsonl", "liftune predict RUN --in FILE"),
        ("data", "scored", "holds data", "liftune evaluate data --model minilm"),
        ("saved", "run", "holds data", "liftune tune saved"),
        ("rows.csv", "tuned", "is a file of data", "liftune predict RUN --in rows.csv"),
        ("trainer", "scored", "checkpoints of a Trainer: checkpoint-50, checkpoint-500", "trainer/checkpoint-500"),
        ("trainer", "tuned", "checkpoints of a Trainer", "liftune tune DATA --model trainer/checkpoint-500"),
        ("trainer/checkpoint-500", "run", "a pretrained model, not a run", "liftune evaluate DATA --model"),
        ("petrainer", "run", "checkpoints of a Trainer", "liftune evaluate DATA --model petrainer/checkpoint-9"),
        ("peft", "pretrained", "a plain PEFT adapter, not a pretrained model", "--format merged"),
        ("peft", "run", "it holds no test rows and no scores", "liftune evaluate DATA --model peft"),
        ("petrainer/checkpoint-9", "base", "a plain PEFT adapter", "that the adapter was tuned on"),
        ("bundle", "run", "an exported bundle", "liftune evaluate DATA --model bundle"),
        ("alone", "run", "a tuned model by itself", "liftune evaluate DATA --model alone"),
        ("alone", "pretrained", "a tuned model by itself, not a pretrained model", "--format merged"),
        ("models", "pretrained", "models holds models: a", "models/a"),
        ("empty", "tuned", "empty holds no run", "liftune tune"),
        ("empty", "pretrained", "without config.json", "save_pretrained"),
        ("", "run", "the path is empty", "liftune tune"),
        ("x" * 5_000, "tuned", "cannot be read", "liftune tune"),
        ("a\0b", "scored", "", "give a run"),
    ],
)
def test_a_path_is_named_for_what_it_is(
    path: str, wanted: Wanted, message: str, hint: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    said, advised = refusal(path, wanted)
    assert message in said
    assert hint in advised
    assert len(said) < 400
    assert not path or refusal(Path(path), wanted) == (said, advised)


def test_no_kind_is_without_an_answer_for_any_command(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint that names a folder names one that is there."""
    monkeypatch.chdir(place)
    for path in sorted(str(each.relative_to(place)) for each in place.rglob("*")):
        for wanted in get_args(Wanted):
            message, hint = refusal(path, wanted)
            assert message.startswith(path)
            named = re.fullmatch("give (?:one of them|the run|its folder): (.*)", hint)
            assert not named or os.path.isdir(named[1])


@pytest.mark.parametrize("name", ["my runs", "it's", 'a "b"; c', "$HOME"])
def test_a_hint_can_be_pasted_whatever_the_path_is_called(
    name: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every path in it is one word of the shell, and is there."""
    shutil.copytree(place, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    named = 0
    for path in (f"{name}/{each.relative_to(place)}" for each in sorted(place.rglob("*"))):
        for wanted in get_args(Wanted):
            hint = refusal(path, wanted)[1]
            for word in shlex.split(hint) if shlex.quote(f"{name}/")[:-2] in hint else ():
                if name in word and "restore" not in hint:  # which names what is lost
                    named += 1
                    assert os.path.exists(word.rstrip(";,:")), hint
    assert named > 50


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that predicts, the pretrained model under it, and data."""
    real = tmp_path_factory.mktemp("real")
    save_tiny("bert", real / "base")
    made_run(real / "runs" / "one", labels=LABELS)
    save_tuned(real / "base", real / "runs" / "one" / "adapter")
    run = RunFolder.open(real / "runs" / "one")
    run.save_record(run.record())  # it seals the adapter too
    (real / "data").mkdir()
    rows = [json.dumps({"text": f"row {i}", "label": LABELS[i % 3]}) + "\n" for i in range(12)]
    (real / "data" / "test.jsonl").write_text("".join(rows), encoding="utf-8")
    return real


def test_an_adapter_of_peft_is_a_model_to_tune_once_exported_as_the_hint_says(
    real: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is scored as it is now; only what wants a pretrained model needs it merged."""
    monkeypatch.chdir(real)
    names = dict(enumerate(LABELS))
    model = AutoModelForSequenceClassification.from_pretrained("base", num_labels=3, id2label=names)
    get_peft_model(model, LoraConfig(task_type="SEQ_CLS", modules_to_save=["classifier", "pooler"])).save_pretrained(
        "peft"
    )
    assert main(["report", "peft"]) == 0
    assert "liftune evaluate DATA --model peft" in capsys.readouterr().out
    named = ["--label-names", ",".join(LABELS), "-q"]
    assert main(["evaluate", "data", "--model", "peft", *named]) == 0
    assert main(["doctor", "data", "--model", "peft"]) == 2
    assert "liftune export peft --format merged --rows FILE --to DIR" in capsys.readouterr().err
    rows = ["--rows", "data/test.jsonl", "--accept-gap"]
    assert main(["export", "peft", "--format", "merged", "--to", "DIR", *rows, *named]) == 0
    assert liftune.evaluate("data", model="DIR").contenders[0].head == "trained"


FOLLOWED: dict[str, Callable[[str], list[str]]] = {
    "runs": lambda path: ["predict", path, "some text"],
    "./runs/": lambda path: ["evaluate", "data", "--model", path, "-q"],
    "runs/one/adapter": lambda path: ["report", path],
    "runs/one/logits": lambda path: ["compare", "runs/one", path],
    "runs/one/record.json": lambda path: ["predict", path, "some text"],
    "trainer": lambda path: ["evaluate", "data", "--model", path, "-q"],
}


@pytest.mark.parametrize("path", FOLLOWED)
def test_a_hint_that_names_a_folder_works_when_followed(
    path: str, real: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(real)
    shutil.copytree("base", "trainer/checkpoint-7", dirs_exist_ok=True)
    assert main(FOLLOWED[path](path)) == 2
    hint = capsys.readouterr().err.split("hint: ")[1].partition(":")[2].strip()
    assert main(FOLLOWED[path](hint)) == 0


def test_a_run_is_a_model_once_exported_as_the_hint_says(
    real: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(real)
    assert main(["doctor", "data", "--model", "runs/one"]) == 2
    assert "liftune export runs/one --format merged --to DIR" in capsys.readouterr().err
    assert main(["export", "runs/one", "--format", "merged", "--to", "merged", "--accept-gap", "-q"]) == 0
    assert main(["evaluate", "data", "--model", "merged", "-q"]) == 0
