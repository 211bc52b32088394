"""SetFit on every cell of `few`, as its documentation has it, one after the other in one process.

    python -m benchmarks.few_setfit MODEL OUT.jsonl [DRAWS] [MINUTES] -- FOLDER ... [+FOLDER ...]

A folder with + is also tried with more rows a label. Each cell's line in OUT.jsonl: answers, seconds. A cell that has a
line is not run again, so that it may be stopped and gone on with at any time. liftune need not be installed here.
In: folders.  Out: a JSONL file.  Not here: the comparison (few.py).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.few_rows import Cell, cells


def main(arguments: Sequence[str]) -> int:
    """Run what is not there yet."""
    options, folders = list(arguments[: arguments.index("--")]), list(arguments[arguments.index("--") + 1 :])
    model, out = options[0], Path(options[1])
    draws = [int(each) for each in (options[2] if len(options) > 2 else "1,2,3,4,5").split(",")]
    minutes = float(options[3]) if len(options) > 3 else 15.0
    every = [each.removeprefix("+") for each in folders]
    done = {json.loads(line)["cell"] for line in out.read_text().splitlines()} if out.exists() else set()
    for cell in cells(every, [each[1:] for each in folders if each.startswith("+")], draws):
        if cell.name in done:
            continue
        found = {"cell": cell.name, **fit_and_answer(cell, model, minutes)}
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        print(cell.name, f"{found['right']:.3f}", f"{found['cpu_seconds']:.0f} s", flush=True)
    return 0


def fit_and_answer(cell: Cell, model: str, minutes: float) -> dict[str, Any]:
    """Answers to the test rows, and what they took: seconds of this process's processor time, and of the clock.

    `cpu_seconds` are without imports, which one process does once; `import_cpu_seconds` are theirs.
    """
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        """Ends training after so many minutes of processor time."""

        stopped = False

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            if time.process_time() - cpu > 60 * minutes:
                self.stopped = control.should_training_stop = True
            return control

    imported, (train, test) = _imported(), cell.rows()
    clock, cpu, stop = time.perf_counter(), time.process_time(), Stop()
    labels = sorted({label for _, label in train})
    classifier = SetFitModel.from_pretrained(model, labels=labels)
    settings = TrainingArguments(
        output_dir=f"/tmp/few-setfit-{cell.name}",
        seed=cell.draw,
        save_strategy="no",
        report_to="none",
        show_progress_bar=False,
    )
    rows = Dataset.from_dict({"text": [text for text, _ in train], "label": [label for _, label in train]})
    trainer = Trainer(model=classifier, args=settings, train_dataset=rows, callbacks=[stop])
    trainer.train()
    trained = time.process_time() - cpu
    answers = [str(answer) for answer in classifier.predict([text for text, _ in test], show_progress_bar=False)]
    right = [int(answer == label) for answer, (_, label) in zip(answers, test, strict=True)]
    return {
        "rows": len(train),
        "steps": trainer.st_trainer.state.global_step,
        "stopped": stop.stopped,
        "train_cpu_seconds": trained,
        "import_cpu_seconds": imported,
        "cpu_seconds": time.process_time() - cpu,
        "seconds": time.perf_counter() - clock,
        "right": sum(right) / len(right),
        "correct": right,
    }


@cache
def _imported() -> float:
    """Processor seconds of this process until all was imported, which every cell would need by itself."""
    return time.process_time()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
