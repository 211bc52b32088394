"""Liftune's defaults on many data sets, against what else a user might have run on the same rows.

Per data set: `liftune tune DATA` with nothing but a cap on train rows, which gives tf-idf, probe and tuned; then the
two Trainer scripts of recipes.py on the very same train rows. All answer the same test rows, and liftune's own paired
tests compare them. What is finished is kept in --runs and not run again.
In: arguments.  Out: one table, defaults.json.  Not here: training (recipes.py), tests of significance (liftune).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import show
from benchmarks.contender import in_a_process
from liftune.data.folds import folds_for_fitting
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation, scores
from liftune.evaluation.thresholds import choose_thresholds
from liftune.formatting import interval, p_value
from liftune.metrics.registry import METRICS, is_proportion
from liftune.records.base import Comparison
from liftune.records.run import TuneRecord
from liftune.run_folder import RunFolder
from liftune.tasks import task_of

#: What recipes.py can train, and what the table calls it.
TRAINED = {"lora": "notebook LoRA", "full": "Trainer full"}
#: Baselines of liftune's own ladder that a user could have had without tuning.
UNTUNED = ("tfidf", "probe")


@dataclass(frozen=True)
class ComparedSet:
    """One data set: who scored what, and tuned against each other contender."""

    name: str
    record: TuneRecord
    scores: dict[str, Evaluation]
    against: dict[str, Comparison]

    @property
    def best(self) -> str:
        """The opponent that scores highest on test: chosen after the fact, to tuned's disadvantage."""
        metric = METRICS[self.record.metric]

        def points(name: str) -> float:
            value = self.scores[name].metrics[metric.name].value
            return -np.inf if value is None else metric.sign * value

        return max(self.against, key=points)

    def as_dict(self) -> dict[str, Any]:
        """What defaults.json keeps."""
        metric = self.record.metric
        return {
            "rows": self.record.rows.model_dump(),
            "metric": metric,
            "scores": {name: each.metrics[metric].model_dump() for name, each in self.scores.items()},
            "against": {name: each.model_dump(mode="json") for name, each in self.against.items()},
            "best": self.best,
            "recommended": self.record.recommended,
        }


def called(command: list[str], what: str) -> bool:
    """Run it, its output on stderr, in a process of its own; whether it ended well."""
    show.say(what)
    done = in_a_process([sys.executable, *command], stdout=sys.stderr)
    return done.returncode == 0


def run(arguments: argparse.Namespace, called: Callable[[list[str], str], bool] = called) -> int:
    """Each data set in turn; print, write; 1 if something could not be run."""
    runs = Path(arguments.runs)
    sets = []
    for source in arguments.data:
        folder = runs / name_of(source)
        command = ["-m", "liftune", "tune", source, "--model", arguments.model, "--out", str(folder), *arguments.tune]
        if arguments.train_rows:
            command += ["--train-rows", str(arguments.train_rows)]
        if not (folder / "record.json").exists() and not called(command, f"{folder.name}: liftune tune"):
            return 1
        for recipe in TRAINED:
            answers = answers_of(folder, recipe)
            command = ["-m", "benchmarks.recipes", recipe, str(folder), str(answers), arguments.precision]
            if not answers.exists() and not called(command, f"{folder.name}: {recipe}"):
                return 1
        sets.append(compared(folder))
    print_table(sets, arguments)
    results = {each.name: each.as_dict() for each in sets}
    show.write_json(Path(arguments.out) / "defaults.json", "defaults", vars(arguments), {"sets": results})
    return 0


def name_of(source: str) -> str:
    """A data set's name, as a folder may be called.

    >>> name_of("shared/data/trec6/"), name_of("sample:emotions")
    ('trec6', 'emotions')
    """
    return Path(source.removeprefix("sample:")).name.partition(".")[0]


def answers_of(folder: Path, recipe: str) -> Path:
    """Where a recipe's answers to a run's rows are kept: beside the run, as a run folder is liftune's own."""
    return folder.with_name(f"{folder.name}.{recipe}.npz")


def compared(path: Path) -> ComparedSet:
    """A finished run and the recipes' answers, compared."""
    folder = RunFolder.open(path)
    record = folder.record()
    tuned = folder.evaluation("tuned")
    evaluations = {name: scored(folder.evaluation(name)) for name in ("tuned", *UNTUNED)}
    validation = folder.split("validation")
    targets = task_of(tuned.task).encode(validation.targets, (*tuned.labels, *tuned.unseen))
    folds = folds_for_fitting(validation, tuned.task)
    for recipe, name in TRAINED.items():
        with np.load(answers_of(path, recipe)) as answers:
            if str(answers["fingerprint"]) != record.data_fingerprint:
                raise ValueError(f"{answers_of(path, recipe)} answers other rows: remove it")
            held_out = replace(tuned, ids=validation.ids, logits=answers["validation"], targets=targets)
            chosen = choose_thresholds(replace(held_out, groups=validation.groups), METRICS[record.metric], folds)
            thresholds = chosen.values if chosen else None
            logits = answers["test"].reshape(len(tuned.ids), -1)
            evaluations[name] = scored(replace(tuned, name=name, logits=logits, thresholds=thresholds))
    against = {
        name: compare(each, evaluations["tuned"], record.metric)
        for name, each in evaluations.items()
        if name != "tuned"
    }
    return ComparedSet(path.name, record, evaluations, against)


def scored(evaluation: Evaluation) -> Evaluation:
    """With its metrics."""
    return replace(evaluation, metrics=scores([evaluation]))


def print_table(sets: list[ComparedSet], arguments: argparse.Namespace) -> None:
    """One line a data set."""
    names = ("tuned", *UNTUNED, *TRAINED.values())
    lines, below, above = [], 0, 0
    for each in sets:
        last = each.against[each.best]
        below += last.verdict == "worse"
        above += (last.gain or 0) > 0
        rows = f"{each.record.rows.train:,} / {each.record.rows.test:,}"
        cells = [interval(each.scores[name].metrics[each.record.metric]) for name in names]
        verdict = f"{last.verdict}, {gain(last)}"
        lines.append((each.name, rows, each.record.metric, *cells, each.best, verdict, each.record.recommended or "-"))
    notes = [
        "tuned: liftune's defaults. best: the highest of the other four on test, and then tuned against it.",
        f"tuned is worse than the best on {below} of {len(sets)} sets by the paired test, and above it on {above}.",
    ]
    columns = ("data", "train / test", "metric", *names, "best", "tuned against it", "recommended")
    show.table(f"defaults, at most {arguments.train_rows or 'all'} train rows", columns, lines, notes)


def gain(comparison: Comparison) -> str:
    """The gain with its interval and p-value."""
    if comparison.gain is None:
        return "-"
    points = is_proportion(comparison.metric)
    scale, form = (100, "{:+.1f} [{:+.1f}, {:+.1f}]") if points else (1, "{:+.3f} [{:+.3f}, {:+.3f}]")
    low, high = (np.nan if value is None else value for value in (comparison.low, comparison.high))
    return f"{form.format(*(scale * value for value in (comparison.gain, low, high)))}, {p_value(comparison.p_value)}"
