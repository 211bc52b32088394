"""Baselines on disk: the very same logits, from arrays and JSON alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from liftune.baselines.linear_probe import SCALINGS, fit_linear_probe
from liftune.baselines.saved import read_majority, read_probe, read_tfidf, save_baseline
from liftune.baselines.tfidf import majority, tfidf
from liftune.data.splits import Split, Splits
from liftune.records.data import Audit
from liftune.tasks import TaskKind
from liftune.types import Row, Target

TARGETS: dict[TaskKind, tuple[Target, ...]] = {
    TaskKind.SINGLE_LABEL: ("a", "b", "c"),
    TaskKind.MULTI_LABEL: (("a",), ("a", "b"), ("c",)),
    TaskKind.REGRESSION: (0.5, 2.0, -1.25),
}


def made(task: TaskKind, *, pairs: bool = False, rows: int = 30) -> Splits:
    words = ("sun 太 I", "rain; rain", "Früh — snow")

    def split(name: str) -> Split:
        texts = [f"{words[i % 3]} {name} {i}" for i in range(rows)]
        told: list[Row] = [(text, words[i % 2]) for i, text in enumerate(texts)] if pairs else list(texts)
        ids = tuple(f"{name}:{i}" for i in range(rows))
        return Split(ids, tuple(told), tuple(TARGETS[task][i % 3] for i in range(rows)))

    labels = () if task is TaskKind.REGRESSION else ("a", "b", "c")
    return Splits(task, labels, (), split("train"), split("validation"), split("test"), Audit(), False, pairs, "f")


@pytest.mark.parametrize("pairs", [False, True], ids=["texts", "pairs"])
@pytest.mark.parametrize("task", TaskKind)
def test_tfidf_and_majority_answer_as_before(task: TaskKind, pairs: bool, tmp_path: Path) -> None:
    splits = made(task, pairs=pairs)
    rows = splits.test.rows
    words, constant = tfidf(splits), majority(splits)
    again = read_tfidf(save_baseline(words, tmp_path), tmp_path)
    assert np.array_equal(again.logits(rows), words.logits(rows))
    assert again.trainable_parameters == words.trainable_parameters
    assert np.array_equal(read_majority(save_baseline(constant, tmp_path)).logits(rows), constant.logits(rows))
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".json"}


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("task", TaskKind)
def test_a_probe_answers_as_before_under_every_scaling(task: TaskKind, scaling: str, tmp_path: Path) -> None:
    splits = made(task)
    rng = np.random.default_rng(0)
    features = {"mean": rng.normal(size=(30, 6)).astype(np.float32)}
    features["mean"][:, 2] = 1.0  # a constant column, which is left out by an infinite spread
    probe = fit_linear_probe(features, features, splits, scalings=[scaling])  # type: ignore[list-item] # a str
    again = read_probe(save_baseline(probe, tmp_path), tmp_path)
    assert (again.pooling, again.scaling, again.strength) == (probe.pooling, probe.scaling, probe.strength)
    assert np.array_equal(again.logits_of(features), probe.logits_of(features))


def test_weights_of_another_vocabulary_are_noticed(tmp_path: Path) -> None:
    words = tfidf(made(TaskKind.SINGLE_LABEL))
    settings = save_baseline(words, tmp_path)
    (tmp_path / "vocabulary.json").write_text('{"words": ["sun"]}')
    with pytest.raises((ValueError, KeyError)):
        read_tfidf(settings, tmp_path)
