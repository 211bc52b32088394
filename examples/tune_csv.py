"""Tune on a CSV, say whether it helped, and answer a text.

    python examples/tune_csv.py                          # sample data, the model that comes with liftune
    python examples/tune_csv.py reviews.csv --model distilbert/distilbert-base-uncased

The file needs a column of texts and one of labels; liftune finds them, or says which options name them.
"""

from __future__ import annotations

import argparse

import liftune


def main() -> None:
    """Read the options, tune, print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default="sample:emotions")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--out", default="runs/tune-csv")
    asked = parser.parse_args()
    try:
        record = liftune.tune(asked.data, model=asked.model, epochs=asked.epochs, out=asked.out, overwrite=True)
    except liftune.LiftuneError as error:  # what is wrong, where, and what to do
        raise SystemExit(str(error)) from None
    for contender in record.contenders:
        score = contender.metrics[record.metric]
        print(f"{contender.name:10} {record.metric} {score.value:.3f}")
    print("use", record.recommended)
    for answer in liftune.load(record.run).predict(["I never thought they would come all this way"]):
        print(answer.label, answer.probabilities)


if __name__ == "__main__":
    main()
