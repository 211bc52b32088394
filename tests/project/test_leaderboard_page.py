"""docs/leaderboard.md is made from results alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from liftune.models.methods.registry import METHODS
from liftune.records.base import Interval, RowCounts
from liftune.records.data import Audit
from liftune.records.sweep import BaselinesRecord, CellRecord, LeaderboardRow, SweepRecord
from liftune.tasks import TaskKind

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def maker() -> Any:
    found = importlib.util.spec_from_file_location("make_leaderboard", ROOT / "tools" / "make_leaderboard.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def row(contender: str, score: float, rank: int, **more: Any) -> LeaderboardRow:
    interval = Interval(value=score, low=score - 0.1, high=score + 0.1)
    return LeaderboardRow(model="minilm", contender=contender, tuned=True, rank=rank, score=interval, seeds=3, **more)


def sweep_of(data: str, *rows: LeaderboardRow, lacking: str = "") -> tuple[SweepRecord, dict[str, Any]]:
    record = SweepRecord(
        sweep="s", data=data, task=TaskKind.SINGLE_LABEL, labels=("a", "b"), partial=True, audit=Audit(),
        rows=RowCounts(train=256, validation=200, test=400), metric="accuracy", data_fingerprint="f",
        baselines=(BaselinesRecord(model="minilm", labels=("a", "b"), max_length=48, plan=(), contenders=()),),
        cells=(CellRecord(model="minilm", method="prefix", seed=0, state="unfit", reason="does not fit"),),
        leaderboard=rows, versions={"peft": "0.21"},
    )  # fmt: skip
    asked = {
        "run": {
            "train": {"seeds": [0, 1, 2], "epochs": 4, "batch_size": 8, "lr": None},
            "data": {"train_rows": 256, "test_rows": 400},
            "model": {"max_length": 48},
        },
        "methods": [name for name in METHODS if name != lacking],
        "models": ["/somewhere/minilm"],
    }
    return record, asked


def test_the_page_holds_every_set_and_the_means_over_those_that_all_have(maker: Any) -> None:
    costs = {"train_seconds": 4.0, "adapter_bytes": 1_400_000}
    first = sweep_of("/data/emotion", row("lora", 0.6, 1, **costs), row("ia3", 0.5, 2), row("x", 0.4, 3))
    second = sweep_of("/data/trec6", row("ia3", 0.9, 1), row("lora", 0.8, 1, **costs), lacking="hra")
    text = maker.page([first, second], "One thread.")
    assert "| `lora` | 0.700 | 1.0 | 0.600 (1) | 0.800 (1) | 4.0 | - | 0 | 1.34 MiB |" in text
    assert text.index("| `lora` | 0.7") < len(text)
    assert "| `x` |" not in text, "a mean over fewer sets would not be compared fairly"
    assert "## emotion" in text
    assert "## trec6" in text
    assert "One thread." in text
    assert "| all but hra | `liftune sweep trec6 --methods NAME,... --models minilm " in text
    assert "liftune sweep emotion --methods all --models minilm --seeds 0,1,2 --epochs 4 --batch-size 8" in text
    assert "/data" not in text
    assert "/somewhere" not in text
    assert "| minilm | prefix | 0 | unfit | does not fit |" in text
