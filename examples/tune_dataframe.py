"""Tune on a data frame, and get another data frame back with its predictions.

    python examples/tune_dataframe.py

The frame may come from a database or a notebook. Here it is read from the rows that come with liftune.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pandas as pd

import liftune


def main() -> None:
    """Tune on a frame, score another one, label a third."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--out", default="runs/tune-dataframe")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        liftune.inspect("sample:emotions", out=folder)  # the sample as files
        table = pd.read_json(Path(folder) / "train.jsonl", lines=True).sample(500, random_state=0)
        held_out = pd.read_json(Path(folder) / "test.jsonl", lines=True)

    record = liftune.tune(
        table,
        text="text",
        label="label",
        test=held_out,
        model=asked.model,
        epochs=asked.epochs,
        out=asked.out,
        overwrite=True,
    )
    print(record.to_frame()[["contender", "accuracy", "accuracy.low", "accuracy.high"]].round(3).to_string(index=False))

    new = held_out[["text"]].head(5)
    answered = liftune.predict(new, model=record.run, quiet=True)  # the same index, with columns for the predictions
    print(answered[["text", "label"]].to_string(index=False))


if __name__ == "__main__":
    main()
