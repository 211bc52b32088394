"""The learning curve: laws are found again, ranges hold what comes, the next step is named only where it is clear."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_splits import SPLITS
from tiny_models import save_tiny

from liftune.evaluation.statistics.power_law import fit, outlook
from liftune.metrics.registry import METRICS
from liftune.records.base import Interval
from liftune.records.learning_curve import Curve, CurveOutlook
from liftune.records.run import TuneRecord
from liftune.reports.document import sections
from liftune.reports.sections.learning_curve import curve_sentences
from liftune.spec import RunSpec
from liftune.workflows.learning_curve import curve_of, learnt, look_ahead, nested, next_step
from liftune.workflows.tune import tune

SIZES = (100, 200, 400, 800, 1_600)


def law(scale: float, exponent: float, floor: float, sizes: tuple[int, ...] = SIZES) -> np.ndarray:
    return scale * np.asarray(sizes, dtype=float) ** -exponent + floor


@pytest.mark.parametrize(("scale", "exponent", "floor"), [(2.0, 0.4, 0.0), (1.5, 0.25, 0.0), (5.0, 0.6, 0.08)])
def test_a_law_without_noise_is_found_again(scale: float, exponent: float, floor: float) -> None:
    found = fit(np.array(SIZES, float), law(scale, exponent, floor)[None])
    assert found.exponent[0] == pytest.approx(exponent, rel=0.15)
    for rows in SIZES:
        assert found.at(rows)[0] == pytest.approx(law(scale, exponent, floor, (rows,))[0], rel=0.02)
    assert found.at(3_200)[0] == pytest.approx(law(scale, exponent, floor, (3_200,))[0], rel=0.05)


def test_an_error_that_does_not_fall_is_a_flat_law() -> None:
    found = fit(np.array(SIZES, float), np.array([[0.2, 0.22, 0.21, 0.23, 0.24]]))
    assert found.exponent[0] == 0.0
    assert found.at(10_000)[0] == pytest.approx(0.22, abs=0.01)


def test_without_a_floor_the_fit_is_a_straight_line_of_logarithms() -> None:
    found = fit(np.array(SIZES, float), law(2.0, 0.4, 0.1)[None], with_floor=False)
    slope, _ = np.polyfit(np.log(SIZES), np.log(law(2.0, 0.4, 0.1)), 1)
    assert found.floor[0] == 0.0
    assert found.exponent[0] == pytest.approx(-slope)


def scored(errors: np.ndarray, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors as so many scored rows would show them, and their resamples."""
    rng = np.random.default_rng(seed)
    wrong = rng.random((rows, 1)) < errors  # the same rows are hard at every size
    weights = rng.multinomial(rows, np.full(rows, 1 / rows), size=300)
    return wrong.mean(axis=0), weights @ wrong / rows


def test_the_range_holds_the_true_error_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(60):
        scale, exponent, floor = 2.0, 0.35, 0.05 * (seed % 3)
        errors, resampled = scored(law(scale, exponent, floor), 400, seed)
        found = outlook(SIZES, errors, resampled, rows=3_200)
        assert found is not None
        held += found.error.low <= law(scale, exponent, floor, (3_200,))[0] <= found.error.high
    assert held >= 54  # 95 % of 60 is 57


def test_too_few_sizes_and_no_errors_have_no_outlook() -> None:
    assert outlook(SIZES[:3], law(1, 0.3, 0, SIZES[:3]), np.ones((5, 3)), rows=800) is None
    assert outlook(SIZES, np.array([0.2, 0.1, 0.1, 0.0, 0.0]), np.zeros((5, 5)), rows=3_200) is None


def saved(value: float, low: float, high: float) -> CurveOutlook:
    return CurveOutlook(
        contender="tuned", rows=3_200, scale=1, exponent=0.3, floor=0,
        error=Interval(value=0.1, low=0.05, high=0.2), saved=Interval(value=value, low=low, high=high),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outlook_", "step"),
    [
        (saved(0.2, 0.1, 0.3), "data"),
        (saved(0.2, 0.01, 0.3), "undecided"),
        (saved(0.02, 0.0, 0.08), "base"),
        (saved(0.05, 0.0, 0.2), "undecided"),
        (None, "undecided"),
    ],
)
def test_the_next_step_is_named_only_where_the_range_is_clear(outlook_: CurveOutlook | None, step: str) -> None:
    assert next_step(outlook_) == step


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            "data",
            "More data is the next step: twice the examples would remove 10% to 30% of the tuned",
        ),
        (
            "base",
            "A bigger base model, or one closer to the task, is the next step: twice the examples would remove "
            "10% to 30%",
        ),
        ("undecided", "More data or a bigger base model: this curve cannot tell; twice the examples"),
    ],
)
def test_the_next_step_is_said_in_words_with_its_range(step: str, said: str) -> None:
    found = curve_sentences(Curve(metric="accuracy", points=(), outlooks=(saved(0.2, 0.1, 0.3),), next_step=step))
    assert said in found[-1]
    assert "with 3,200 train examples the predicted error is 0.100 [0.050, 0.200]" in found[1]


@pytest.mark.parametrize("exponent", [0.0, 0.001, -0.001, 0.3])
def test_the_law_has_one_sign(exponent: float) -> None:
    outlook_ = saved(0.2, 0.1, 0.3).model_copy(update={"exponent": exponent})
    said = curve_sentences(Curve(metric="accuracy", points=(), outlooks=(outlook_,), next_step="data"))[1]
    assert ("n^-0.30 +" if exponent == 0.3 else "n^0.00 +") in said


def answering(share: float) -> np.ndarray:
    """Right on the first share of validation's rows, in an order that mixes the labels."""
    order = np.random.default_rng(3).permutation(200)
    answers = np.arange(200) % 2
    answers[order[int(200 * share) :]] ^= 1
    return np.eye(2, dtype=np.float32)[answers] * 3


def test_a_curve_that_falls_by_a_law_asks_for_data_and_a_flat_one_for_a_base() -> None:
    sizes = (25, 50, 100, 200)
    falling = {rows: answering(1 - error) for rows, error in zip(sizes, (0.4, 0.3, 0.22, 0.165), strict=True)}
    flat = {rows: answering(0.7) for rows in sizes}
    assert curve_of({"tuned": falling}, SPLITS, "accuracy", guess=answering(0.5)).next_step == "data"
    found = curve_of({"tuned": flat}, SPLITS, "accuracy", guess=answering(0.5))
    assert found.next_step == "base"
    assert "bigger" in curve_sentences(found)[-1]
    assert [(point.rows, point.score.value) for point in found.points] == [(rows, 0.7) for rows in sizes]


def test_sizes_that_only_guess_are_no_part_of_the_law() -> None:
    """A curve that has just begun to fall looks flat from its start: it would be called the base's fault."""
    begun = {
        rows: answering(share) for rows, share in zip((12, 25, 50, 100, 200), (0.5, 0.5, 0.52, 0.62, 0.75), strict=True)
    }
    found = curve_of({"tuned": begun}, SPLITS, "accuracy", guess=answering(0.5))
    assert len(found.points) == 5
    assert found.outlooks == ()
    assert found.next_step == "undecided"
    assert "cannot tell whether" in curve_sentences(found)[-1]
    scores = [
        (10, Interval(value=0.6, low=0.55)),
        (20, Interval(value=0.5, low=0.4)),
        (40, Interval(value=0.7, low=0.6)),
    ]
    assert learnt(scores, 0.5, METRICS["accuracy"]) == [40]
    assert learnt(scores, None, METRICS["accuracy"]) == [10, 20, 40]


def test_rows_of_a_group_are_not_evidence_of_their_own_for_a_curve() -> None:
    """The ranges of what more rows would bring are those of the groups, and of copies those of the texts."""
    sizes = (25, 50, 100, 200)
    of_group = np.repeat(np.random.default_rng(0).permutation(20), 10)
    targets = np.arange(200) % 2
    right = [of_group < 20 * share for share in (0.6, 0.7, 0.8, 0.85)]
    logits = [np.eye(2, dtype=np.float32)[np.where(each, targets, 1 - targets)] * 3 for each in right]
    validation = SPLITS.validation
    groups = tuple(f"g{each}" for each in of_group)
    texts = tuple(f"text {each}" for each in of_group)
    ranges = []
    for split in (validation, replace(validation, groups=groups), replace(validation, rows=texts)):
        ahead = look_ahead(METRICS["accuracy"], logits, sizes, replace(SPLITS, validation=split))
        assert ahead is not None
        assert ahead.error.low is not None
        assert ahead.error.high is not None
        ranges.append(ahead.error.high - ahead.error.low)
    assert min(ranges[1:]) > 1.8 * ranges[0]


def test_parts_are_nested_stratified_and_the_same_each_time() -> None:
    parts = list(nested(SPLITS, seed=0))
    assert [len(part.train) for part in parts] == [25, 50, 100]  # a sixteenth, 13 rows, is too few
    for smaller, larger in pairwise(parts):
        assert set(smaller.train) < set(larger.train)
        assert set(smaller.validation) < set(larger.validation)
    for part in parts:
        labels = [part.splits.train.targets.count(label) for label in "ab"]
        assert abs(labels[0] - labels[1]) <= 1
        assert part.splits.test is SPLITS.test
    assert parts == list(nested(SPLITS, seed=0))
    assert [part.train for part in parts] != [part.train for part in nested(SPLITS, seed=1)]


def test_a_run_with_a_curve_keeps_it_and_shows_it(emotions: Path, tmp_path: Path) -> None:
    model = str(save_tiny("distilbert", tmp_path / "model"))
    record = tune(RunSpec.of(data=str(emotions), model=model, out=str(tmp_path / "run"), epochs=1, curve=True))
    assert isinstance(record.curve, Curve)
    assert {point.contender for point in record.curve.points} == {"tfidf", "probe", "tuned"}
    assert sorted({point.rows for point in record.curve.points}) == [24, 48]
    assert [(each.contender, each.least, each.most) for each in record.curve.break_even] == [("base", 24, 48)]
    whole = next(point for point in record.curve.points if (point.contender, point.rows) == ("tuned", 48))
    tuned = next(each for each in record.contenders if each.name == "tuned")
    assert whole.score.value == tuned.validation["accuracy"], "the last point is the ladder's rung, on validation"
    section = next(each for each in sections(record) if each.title == "Learning curve")
    assert section.tables[0].rows[0][0] == "24"
    assert "cannot tell whether" in section.sentences[-1], "two sizes are too few"
    assert TuneRecord.model_validate_json(record.model_dump_json(by_alias=True)) == record


def test_a_process_that_died_while_the_base_of_a_curve_was_read_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every other model that reads rows: the next one reads in smaller passes."""
    from types import SimpleNamespace

    from liftune.workflows import learning_curve
    from liftune.workflows.memo import Memo

    noted = []
    context: Any = SimpleNamespace(
        spec=SimpleNamespace(train=SimpleNamespace(seeds=(0,))),
        splits=SimpleNamespace(train=None, validation=None),
        plan=None,
        memo=Memo(Path("kept")),
        events=None,
        crew=SimpleNamespace(make=lambda recipe: "base"),
    )
    monkeypatch.setattr(learning_curve, "replace", lambda context, **new: SimpleNamespace(**{**vars(context), **new}))
    monkeypatch.setattr(learning_curve, "recipe_for", lambda *_: None)
    monkeypatch.setattr(learning_curve, "read_part", lambda *_: (None, {}))
    monkeypatch.setattr(learning_curve, "note_passes", lambda memo, model, events: noted.append((memo.folder, model)))
    assert set(learning_curve._Frozen(context).features) == {"train", "validation"}
    assert noted == [(Path("kept") / "curve base", "base")]
