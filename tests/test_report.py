"""The report says what the record holds: a golden text, and no markup that a text could smuggle in."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from liftune.record import (
    Audit,
    Choice,
    Comparison,
    Contender,
    Curve,
    Epoch,
    Integrity,
    Interval,
    RowCounts,
    RunRecord,
    Seconds,
    SeedResult,
    Speed,
    TrainLog,
)
from liftune.report.sections import SECTIONS, sections, sentence
from liftune.report.text import print_sections, to_markdown
from liftune.task import TaskKind

PLAN = (Choice(choice="bfloat16", value="off", reason="measured <faster> | better"),)
GOLDEN = Path(__file__).parent / "golden" / "report.md"


def contender(name: str, value: float, head: str | None = None, **more: object) -> Contender:
    interval = Interval(value=value, low=value - 0.05, high=value + 0.05)
    return Contender.model_validate(
        {
            "name": name,
            "head": head,
            "trainable_parameters": 340_230 if name == "tuned" else 0,
            "seconds": Seconds(train=12.34, evaluate=0.5),
            "metrics": {"accuracy": interval, "log_loss": Interval(value=1.5, note="no spread")},
            "validation": {"accuracy": value},
            **more,
        }
    )


@pytest.fixture
def record() -> RunRecord:
    gain = {"metric": "accuracy", "test": "exact McNemar test at 0.05", "b": "tuned"}
    epoch = Epoch(epoch=1, train_loss=1.25, validation={"accuracy": 0.7}, seconds=12.34, rows_per_second=87.5)
    return RunRecord(
        run="runs/x",
        task=TaskKind.SINGLE_LABEL,
        labels=("joy", "anger"),
        partial=True,
        rows=RowCounts(train=1000, validation=100, test=400),
        audit=Audit(leaked_test_rows=3, unseen_labels={"fear": 2}, notes=("no validation part: carved",)),
        contenders=(
            contender("majority", 0.5),
            contender("base", 0.5, "fresh"),
            contender("probe", 0.7, notes=("mean pooling",)),
            contender("tuned", 0.72, "fresh"),
        ),
        comparisons=(
            Comparison(a="base", gain=0.22, low=0.17, high=0.27, p_value=1e-9, verdict="better", **gain),
            Comparison(
                a="probe", gain=0.02, low=-0.03, high=0.07, p_value=0.4, verdict="undecided", rows_needed=6400, **gain
            ),
        ),
        metric="accuracy",
        strongest="probe",
        data_fingerprint="abc",
        max_length=512,
        model="minilm",
        method="lora",
        plan=PLAN,
        speed=Speed(
            rows_per_second=87.5,
            tokens_per_second=1925.0,
            gemm_fraction=0.617,
            gemm_rate=731e9,
            peak_mib=1234.5,
            plan=PLAN,
        ),
        logs=(
            TrainLog(
                seed=0,
                learning_rate=1e-3,
                batch_size=16,
                steps=63,
                best_epoch=1,
                epochs=(epoch,),
                seconds=12.34,
                stopped="all epochs ran",
            ),
        ),
        integrity=Integrity(rows=64, largest_gap=1e-7, tolerance=1e-5),
        versions={"liftune": "0.1.0"},
    )


def test_the_markdown_is_the_golden_one(record: RunRecord) -> None:
    """To renew after a meant change: write `to_markdown(record)` to tests/golden/report.md and read the difference."""
    assert to_markdown(record) == GOLDEN.read_text(encoding="utf-8")


def test_every_section_has_a_say_in_the_whole_report(record: RunRecord) -> None:
    again = [each.model_copy(update={"clean": each.metrics}) for each in record.contenders]
    curve = Curve(metric="accuracy", points=(), next_step="undecided")
    full = record.model_copy(update={"notes": ("a note",), "contenders": tuple(again), "curve": curve})
    assert len(sections(full)) == len(SECTIONS)


def test_a_fresh_base_is_never_called_the_models_skill(record: RunRecord) -> None:
    said = sentence(record.comparisons[0], "fresh", record)
    assert "chance by construction" in said
    assert "chance" not in sentence(record.comparisons[0], "trained", record)


def test_an_undecided_verdict_names_the_rows_that_would_decide(record: RunRecord) -> None:
    said = sentence(record.comparisons[1], None, record)
    assert "undecided" in said
    assert "6,400 test rows" in said
    assert "probe (the strongest other rung)" in said


def test_a_number_without_an_interval_says_why(record: RunRecord) -> None:
    assert "majority, log_loss: no spread" in to_markdown(record)


def test_a_speed_without_a_share_says_why(record: RunRecord) -> None:
    assert record.speed is not None
    unknown = {"gemm_fraction": None, "gemm_rate": None, "peak_mib": None, "note": "its layers share their weights"}
    found = record.model_copy(update={"speed": record.speed.model_copy(update=unknown)})
    assert "matrix rate is not known: its layers share their weights" in to_markdown(found)
    assert "Peak memory of the whole run is not told" in to_markdown(found)


def test_the_plan_is_listed_once_with_and_without_a_speed(record: RunRecord) -> None:
    """A model that was only scored has a plan and no speed."""
    for found in (record, record.model_copy(update={"speed": None})):
        assert to_markdown(found).count("| choice | value | reason |") == 1
    assert "## Hardware plan" in to_markdown(record.model_copy(update={"speed": None}))


def test_seeds_are_listed_one_by_one(record: RunRecord) -> None:
    each = tuple(SeedResult(seed=seed, metrics=record.contenders[0].metrics, seconds=Seconds()) for seed in (0, 1))
    several = record.model_copy(update={"contenders": (*record.contenders[:3], contender("tuned", 0.7, seeds=each))})
    assert "means over seeds" in to_markdown(several)
    assert "unknown" in to_markdown(record)


def test_the_ladder_fits_a_terminal_of_eighty_columns(record: RunRecord) -> None:
    console = Console(width=80, record=True, highlight=False)
    print_sections(sections(record), console)
    text = console.export_text()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "[0.670, 0.770]" in text  # whole, not folded


def test_markup_in_what_is_printed_stays_text(record: RunRecord) -> None:
    loud = record.model_copy(update={"notes": ("[red]not markup[/red] <script>",)})
    console = Console(width=100, record=True)
    print_sections(sections(loud), console)
    assert "[red]not markup[/red]" in console.export_text()
    assert "<script>" not in to_markdown(loud)
