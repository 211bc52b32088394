"""Choose an option of LoRA by scikit-learn's grid search.

    python examples/sklearn_grid.py

Cross-validation chooses on train; the rows that judge are not in it. Each candidate is a run of its own, in a temporary
folder.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pandas as pd
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV

import liftune
from liftune.sklearn import LiftuneClassifier


def main() -> None:
    """Search two ranks of LoRA with two folds, and score the chosen one on other rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=300, help="train rows of the search")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        liftune.inspect("sample:emotions", out=folder)  # the sample as files
        train = pd.read_json(Path(folder) / "train.jsonl", lines=True).sample(asked.rows, random_state=0)
        test = pd.read_json(Path(folder) / "test.jsonl", lines=True)

    search = GridSearchCV(
        LiftuneClassifier(model=asked.model, epochs=asked.epochs, few="off", quiet=True),
        {"set": [{"rank": 4}, {"rank": 16}]},
        cv=2,
    )
    search.fit(train["text"].tolist(), train["label"].tolist())
    for options, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True):
        print(options, round(score, 3))
    print("chosen", search.best_params_)
    print("accuracy on other rows", round(accuracy_score(test["label"], search.predict(test["text"].tolist())), 3))


if __name__ == "__main__":
    main()
