"""What the tutorials and the pages for those who come from something else tell a reader to do works, in order."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from lessons import follow
from tiny_models import save_tiny

SAMPLE = Path(__file__).parents[2] / "src" / "liftune" / "data" / "sample" / "emotions"
pytestmark = pytest.mark.slow


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tiny random model, in whose place real ones stand; the test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return str(save_tiny("distilbert", tmp_path / "tiny"))


def rows(part: str, most: int) -> pd.DataFrame:
    """So many of each label, of the sample that comes with liftune."""
    return pd.read_json(SAMPLE / f"{part}.jsonl", lines=True).groupby("label").head(most)


def small(model: str) -> list[str]:
    return ["--model", model, "--epochs", "1"]


def test_a_first_run_and_its_use_from_python_and_without_torch(model: str) -> None:
    sample = {"src/liftune/data/sample/emotions/": f"{SAMPLE}/"}
    new = pd.DataFrame({"text": ["At last!", "Who did that?"]})
    found = follow(
        "tutorials/first-run.md",
        replaced=sample,
        tune=[*small(model), "--train-rows", "150"],
        before={"--in new.csv": lambda: new.to_csv("new.csv", index=False)},
    )
    assert "text column: text; label column: label; not read: id" in found["liftune inspect emotions.csv"]
    assert pd.read_csv("answers.csv")["text"].tolist() == new["text"].tolist()
    in_python = {
        "liftune.tune(table,": f"liftune.tune(table, model={model!r}, epochs=1, train_rows=150, overwrite=True,",
        "LiftuneClassifier(": f"LiftuneClassifier(model={model!r}, ",
    }
    printed = "".join(follow("tutorials/python.md", replaced=in_python, tune=[]).values())
    assert "tuned" in printed
    assert "predicted_label" in printed
    exported = follow("tutorials/serving.md", replaced={}, tune=[], left_out=("liftune serve",))
    assert Path("bundle", "bundle.json").is_file()
    assert any("written: bundle" in each for each in exported.values())


def test_few_labels_then_more(model: str) -> None:
    def label() -> None:
        known = rows("train", 1000).set_index("text")["label"]
        batch = pd.read_csv("batch.csv")
        batch.assign(label=batch["text"].map(known)).to_csv("batch.csv", index=False)

    follow(
        "tutorials/few-labels.md",
        replaced={"src/liftune/data/sample/emotions/": f"{SAMPLE}/"},
        tune=small(model),
        before={"label --import": label},
    )
    assert len(pd.read_csv("batch.csv")) == 48
    few, more = (json.loads(Path(f"runs/{name}/record.json").read_text(encoding="utf-8")) for name in ("few", "more"))
    assert more["rows"]["train"] == few["rows"]["train"] + 48


def test_from_autotrain_and_setfit(model: str) -> None:
    Path("data").mkdir()
    columns = {"text": "review", "label": "stars"}
    rows("train", 20).rename(columns=columns).to_csv("data/train.csv", index=False)
    rows("validation", 5).rename(columns=columns).to_csv("data/valid.csv", index=False)
    rows("train", 12).to_csv("few.csv", index=False)
    test = rows("test", 5)
    test.to_csv("test.csv", index=False)
    test[["text"]].assign(answer="joy").to_csv("setfit.csv", index=False)
    bert = "google-bert/bert-base-uncased"
    follow(
        "coming-from/autotrain-setfit.md",
        replaced={bert: model},
        tune=[*small(model)[2:], "--folds", "none"],
        left_out=("from setfit import",),
    )


def test_from_a_managed_service(model: str) -> None:
    def message(text: str, label: str) -> dict[str, object]:
        said = [("system", "Name the emotion."), ("user", text), ("assistant", label)]
        return {"messages": [{"role": role, "content": content} for role, content in said]}

    def answer() -> None:
        """As the output file of a batch has it: every second answer is right."""
        asked = [
            json.loads(line) for line in Path("runs/first/rows/test.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        said = [each["target"] if i % 2 else " joy\n" for i, each in enumerate(asked)]
        lines = [
            {"custom_id": row["id"], "response": {"body": {"choices": [{"message": {"content": label}}]}}}
            for row, label in zip(asked, said, strict=True)
        ]
        Path("output.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    examples = [message(each.text, each.label) for each in rows("train", 40).itertuples()]
    Path("finetune.jsonl").write_text("".join(json.dumps(each) + "\n" for each in examples), encoding="utf-8")
    pd.DataFrame({"text": ["At last!"]}).to_csv("texts.csv", index=False)
    found = follow(
        "coming-from/managed-services.md",
        replaced={},
        tune=small(model),
        before={"output.jsonl": answer},
        left_out=("liftune serve",),
    )
    assert (
        "text column: text; label column: label; not read: messages.system" in found["liftune inspect finetune.jsonl"]
    )
    record = json.loads(Path("runs/compared/record.json").read_text(encoding="utf-8"))
    assert "old" in [each["name"] for each in record["contenders"]]
    assert Path("bundle", "bundle.json").is_file()


def test_from_trainer(model: str) -> None:
    rows("train", 20).to_csv("emotions.csv", index=False)
    rows("test", 5).to_csv("test.csv", index=False)
    labels = ["anger", "fear", "joy", "love", "sadness", "surprise"]
    trained(model, labels)
    found = follow(
        "coming-from/trainer.md",
        replaced={"distilbert/distilbert-base-uncased": model},
        tune=small(model)[2:],
        left_out=("liftune serve",),
    )
    assert any(text.split()[0] in labels for step, text in found.items() if "predict out/checkpoint-500" in step)


def trained(model: str, labels: list[str]) -> None:
    """The folder `out` as a Trainer leaves it."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

    tokenizer = AutoTokenizer.from_pretrained(model)
    table = pd.read_csv("emotions.csv")
    examples = [
        {**tokenizer(each.text, truncation=True, max_length=32), "labels": labels.index(each.label)}
        for each in table.itertuples()
    ]
    arguments = TrainingArguments("out", max_steps=500, save_steps=500, report_to=[], disable_tqdm=True, use_cpu=True)
    classifier = AutoModelForSequenceClassification.from_pretrained(model, id2label=dict(enumerate(labels)))
    Trainer(classifier, arguments, train_dataset=examples, processing_class=tokenizer).train()
