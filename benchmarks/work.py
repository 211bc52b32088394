"""What a contender is to do, and what it measured: plain values that cross a process border as JSON.

In: options of a mode.  Out: Work and Result.  Not here: doing it (the contenders), starting it (contender.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Work:
    """One contender's task: the first `rows` rows of DATA/train.jsonl, so many times."""

    contender: str
    data: str
    """Folder with train.jsonl, validation.jsonl and test.jsonl: a text and a label a line."""
    model: str
    """Local folder or hub id."""
    max_length: int
    """Tokens kept of each row."""
    rows: int
    epochs: int = 1
    batch_size: int = 16
    """Rows of one optimizer step, however many forward passes it takes."""
    learning_rate: float = 1e-3
    rank: int = 8
    alpha: int = 16
    seed: int = 0
    warmup_steps: int = 2
    """Optimizer steps on the first rows by a model that is thrown away, before the clock starts."""
    score: Literal["", "validation", "test"] = ""
    """Which part to answer once training has ended."""
    config: str = ""
    """Of stock: ATTENTION:ROWSxACCUMULATION:WEIGHTS, such as sdpa:16x1:float32."""
    accelerations: str | None = None
    """Of ours: as `liftune tune --accelerations`; None takes liftune's default."""
    goal: float | None = None
    """Of ours: tune by liftune's own defaults until this validation accuracy is reached."""
    ladder: bool = False
    """Of ours, with a goal: the whole command, baselines included."""
    python: str | None = None
    """Interpreter to run it with, for what cannot be installed beside liftune."""

    def read(self, part: Part) -> list[dict[str, str]]:
        """The rows of a part, whole."""
        with (Path(self.data) / f"{part}.jsonl").open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def labels(self) -> list[str]:
        """Every label of train, sorted: index i is output i."""
        return sorted({row["label"] for row in self.read("train")})

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Work:
        """The inverse of `to_json`."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Result:
    """What one run of a contender measured. Counts are of the timed epochs, without the warm-up."""

    name: str
    rows: int = 0
    """Rows visited: train rows times epochs."""
    steps: int = 0
    tokens: int = 0
    """Without padding."""
    token_sum: int = 0
    """Of the ids of those tokens: two contenders that read the same rows have the same."""
    train_seconds: float = 0.0
    """Wall time of the epochs alone: no loading, no tokenising, no validation."""
    lora_parameters: int = 0
    trainable_parameters: int = 0
    seconds: float = 0.0
    """Wall time of the whole process, imports, loading and warm-up included."""
    peak_mib: float = 0.0
    """Largest resident memory of the whole process."""
    peak_device_mib: float | None = None
    """Largest memory that torch held on an accelerator."""
    threads: int = 0
    accuracy: float | None = None
    correct: tuple[int, ...] = ()
    """1 or 0 for each row of the part that was scored, in the order of its file."""
    curve: tuple[tuple[float, float], ...] = ()
    """(seconds since the start, validation accuracy) of each evaluation, where there was a goal."""
    config: str = ""
    plan: tuple[str, ...] = ()
    """Ours: what was chosen for this machine, `choice: value`."""
    gemm_fraction: float | None = None
    """Ours: share of the machine's own matrix-product rate, where liftune says so."""
    notes: tuple[str, ...] = ()
    missing: str = ""
    """Why there is no number: not installed, or what went wrong."""

    @property
    def rows_per_second(self) -> float:
        """Of optimisation only."""
        return self.rows / self.train_seconds if self.train_seconds else 0.0

    @property
    def tokens_per_second(self) -> float:
        """Of optimisation only, padding not counted."""
        return self.tokens / self.train_seconds if self.train_seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Fields and rates."""
        rates = {"rows_per_second": self.rows_per_second, "tokens_per_second": self.tokens_per_second}
        return {**asdict(self), **rates}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Result:
        """The inverse of `as_dict`, also after a trip through JSON."""
        known = {name: value for name, value in values.items() if name in cls.__dataclass_fields__}
        lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        lists["curve"] = tuple((float(at), float(value)) for at, value in known.get("curve", ()))
        return cls(**{**known, **lists})
