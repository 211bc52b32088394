"""What earlier versions of liftune wrote, brought up to today's schema: one step a schema, one function a kind.

In: a JSON object as it was written.  Out: the object as today's liftune would write it.
Not here: reading files (reading.py), today's fields (the other files of this package).

To change the schema: raise SCHEMA in base.py, and add a dict of functions for the step to STEPS.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeAlias

from liftune.records.base import SCHEMA

#: What an object is: a file (record.json, liftune.json of an adapter, contender.json, bundle.json, sweep.json, two of
#: each model in a sweep), the output of `evaluate` or `compare`, or a spec, which has no schema written in it.
Kind = Literal[
    "record",
    "evaluation",
    "comparison",
    "adapter",
    "contender",
    "bundle",
    "sweep",
    "baselines",
    "cell",
    "spec",
    "sweep-spec",
]
Values: TypeAlias = dict[str, Any]


def upgrade(values: Values, kind: Kind = "record") -> Values:
    """An object of any schema up to today's, as today's; one of today's stays as it is.

    Args:
        values: as read from the file; it is not changed. One without a schema counts as of the first.

    Raises:
        AttributeError, KeyError, TypeError: a value has another type than that schema gives it.
    """
    spec = kind in ("spec", "sweep-spec")
    for step in STEPS[0 if spec else values.get("schema", 1) - 1 :]:
        if kind in step:
            values = step[kind](values)
    return values if spec else {"schema": SCHEMA, **{key: value for key, value in values.items() if key != "schema"}}


#: Schema 1 had one class for what tune, evaluate and compare report; these keys were always empty for the others, or of
#: another run.
_OF_TUNE_ALONE = ("strongest", "recommended", "method_comparisons", "speed", "logs", "integrity", "curve")
_OF_VERDICTS_ALONE = ("comparisons", "folds", "data", "base_model", "base_license", "method", "suspects", "shift")


def earlier_name(path: Path) -> Path:
    """Where the first schema kept a file; the same path where its name has not changed."""
    return path.with_name(_names()["files"].get(path.name, path.name))


@cache
def _names() -> dict[str, dict[str, str]]:
    """Names of schema 1 and what became of them."""
    return tomllib.loads(files("liftune.records").joinpath("schema_1.toml").read_text(encoding="utf-8"))


def _renamed(values: Values, table: str) -> Values:
    names = _names()[table]
    return {names.get(key, key): value for key, value in values.items()}


def _plan(values: Values) -> Values:
    """An object with a plan: its choices by today's names of accelerations."""
    names = _names()["accelerations"]
    choices = [{**each, "choice": names.get(each["choice"], each["choice"])} for each in values.get("plan", ())]
    return {**values, "plan": choices} if "plan" in values else values


def _record(values: Values) -> Values:
    values = _plan(values)
    if values.get("speed"):
        values = {**values, "speed": _plan(values["speed"])}
    if values.get("details"):  # `liftune report --format json`
        details = values["details"]
        values = {**values, "details": {**details, "flips": _renamed(details["flips"], "flips")}}
    return values


def _comparison(values: Values) -> Values:
    return {key: value for key, value in _plan(values).items() if key not in _OF_TUNE_ALONE}


def _evaluation(values: Values) -> Values:
    return {key: value for key, value in _comparison(values).items() if key not in _OF_VERDICTS_ALONE}


def _sweep(values: Values) -> Values:
    values = _renamed(values, "sweep")
    return {**values, "baselines": [_plan(each) for each in values.get("baselines", ())]}


def _spec(values: Values) -> Values:
    train = values.get("train")
    if not isinstance(train, dict) or not isinstance(train.get("accelerations"), list):
        return values
    names = _names()["accelerations"]
    accelerations = [names.get(each, each) if isinstance(each, str) else each for each in train["accelerations"]]
    return {**values, "train": {**train, "accelerations": accelerations}}


def _sweep_spec(values: Values) -> Values:
    return {**values, "run": _spec(values["run"])} if isinstance(values.get("run"), dict) else values


def _ranked_by_score(values: Values) -> Values:
    """Schema 2 gave one rank to all that were not told from the best of those left, so that of two rows a lower score
    could have the better rank. Its first rank says who was not told from the best; the order is now that of scores."""
    before = values.get("leaderboard", ())
    scores = [each["score"]["value"] for each in before if each["score"]["value"] is not None]
    falling = bool(scores) and scores[0] == max(scores)  # the best was always first

    def place(row: Values) -> float:
        value = row["score"]["value"]
        return math.inf if value is None else -value if falling else value

    rows = sorted(before, key=place)
    places = [place(row) for row in rows]
    ranked = [
        {
            **row,
            "rank": places.index(place(row)) + 1,
            "letters": "",
            "as_best": row["rank"] == 1 and place(row) < math.inf,
        }
        for row in rows
    ]
    values = _to_schema_3(values)
    return {**values, "leaderboard": ranked} if "leaderboard" in values else values


def _adjusted(values: Values) -> Values:
    """The two tests of a shift, which schema 2 did not correct for being two, after Holm."""
    shift = values.get("shift")
    if not shift or shift.get("target_p_value") is None:
        return values
    texts, targets = shift["p_value"], shift["target_p_value"]
    least = min(1.0, 2.0 * min(texts, targets))
    after = {"adjusted_p_value": max(least, texts), "adjusted_target_p_value": max(least, targets)}
    return {**values, "shift": {**shift, **after}}


def _calibration_errors(values: Any) -> Any:
    """Schema 2 called the debiased root of a mean square `ece`, and what others call ECE `plain_ece`."""
    if isinstance(values, list):
        return [_calibration_errors(each) for each in values]
    if not isinstance(values, dict):
        return values
    renamed = {"ece": "rms_calibration_error", "plain_ece": "expected_calibration_error"}
    names = renamed if renamed.keys() <= values.keys() else {}
    return {names.get(key, key): _calibration_errors(value) for key, value in values.items()}


def _to_schema_3(values: Values) -> Values:
    """What all records have in common."""
    renamed: Values = _calibration_errors(values)
    return _adjusted(renamed)


#: The n-th step brings schema n to schema n + 1; a kind that a step does not change is not in it.
STEPS: tuple[dict[Kind, Callable[[Values], Values]], ...] = (
    {
        "record": _record,
        "evaluation": _evaluation,
        "comparison": _comparison,
        "sweep": _sweep,
        "baselines": _plan,
        "spec": _spec,
        "sweep-spec": _sweep_spec,
    },
    # Schema 3: right on every row. New fields have defaults; what was renamed or must be worked out stands here.
    {
        "record": _to_schema_3,
        "evaluation": _to_schema_3,
        "comparison": _to_schema_3,
        "sweep": _ranked_by_score,
        "baselines": _to_schema_3,
    },
    # Schema 4: nothing lost, nobody let in. New fields have defaults; what has no seal is said to be unsealed.
    {},
    # Schema 5: long texts, few labels, answers from elsewhere. New fields have defaults: what was done before.
    {},
)
