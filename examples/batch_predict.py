"""Label a folder of files by several processes, and go on after a stop.

    python examples/batch_predict.py RUN texts/ answers/ --jobs 2
    python examples/batch_predict.py runs/tune-csv       # makes three small files of texts first

Run it again: files that are done are not predicted again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import liftune


def write_texts(folder: Path) -> None:
    """Three small files, where there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(3):
        numbers = range(number * 5, number * 5 + 5)
        rows = [{"id": i, "text": f"They came back for the dog, all {i} of them."} for i in numbers]
        (folder / f"part-{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    """Predict a folder, and say what came of each file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="a run's folder, as `liftune tune --out` made it")
    parser.add_argument("texts", nargs="?")
    parser.add_argument("answers", nargs="?", default="runs/batch-answers")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    texts = asked.texts
    if texts is None:
        texts = "runs/batch-texts"
        write_texts(Path(texts))
    print(liftune.predict(texts, model=asked.run, out=asked.answers, jobs=asked.jobs))


if __name__ == "__main__":
    main()
