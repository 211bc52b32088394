"""Was it worth tuning, beside a GPT, a rule or the old system? Their answers are contenders on the same rows.

    python examples/answers_from_elsewhere.py

Here a rule of ten words is the old system. Its answers are a table with the texts and a label for each; those of a
GPT would come from a file: answers={"gpt": "gpt.csv"}, and cost={"gpt": 0.002} says what a row costs.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pandas as pd

import liftune

RULE = {
    "joy": ("glad", "laughed", "finally"),
    "anger": ("again", "nobody", "refused"),
    "fear": ("dark", "heard"),
    "sadness": ("empty", "miss"),
}


def old_system(text: str) -> str:
    """The label of the first word that it knows; else love."""
    words = set(text.lower().split())
    return next((label for label, known in RULE.items() if words & set(known)), "love")


def main() -> None:
    """Tune, with the rule's answers beside."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--out", default="runs/answers-from-elsewhere")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        liftune.inspect("sample:emotions", out=folder)  # the sample as files
        test = pd.read_json(Path(folder) / "test.jsonl", lines=True)
    answers = pd.DataFrame({"text": test["text"], "label": test["text"].map(old_system)})
    record = liftune.tune(
        "sample:emotions",
        model=asked.model,
        epochs=asked.epochs,
        answers={"old_system": answers},
        out=asked.out,
        overwrite=True,
    )
    for comparison in record.comparisons:
        gain = f"{100 * comparison.gain:+.1f} points" if comparison.gain is not None else "undefined"
        print(f"{comparison.a} -> {comparison.b}: {comparison.verdict}, {gain}")


if __name__ == "__main__":
    main()
