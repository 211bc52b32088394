"""Whatever is given to a verb of Python, it is taken, or refused by the argument's name: never a traceback."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_runs import made_run

import liftune
from liftune.command_options import options_of
from liftune.errors import LiftuneError
from liftune.evaluation.selective import cutoff_for

VERBS = [name for name in liftune.__all__ if inspect.isfunction(getattr(liftune, name))]
ODD: list[Any] = [None, 5, b"x", object(), [], float("nan")]
NOWHERE = "nowhere.csv"
#: What makes a call that ends before anything is computed.
REQUIRED = {
    "path": "nowhere",
    "data": NOWHERE,
    "run": "nowhere",
    "to": "org/name",
    "a": "nowhere",
    "b": "nowhere",
    "model": "minilm",
    "methods": "lora",
    "models": "nowhere",
}
#: Paths, which may be os.PathLike too.
PATHS = ("path", "data", "run", "a", "b", "model", "base", "out", "picture", "validation", "test", "models")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`init` writes liftune.toml, and refuses to do so where there is one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "liftune.toml").touch()
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "name").touch()


def arguments(verb: str) -> dict[str, str]:
    """Argument -> its annotation, those that are taken by `**options` too."""
    found = inspect.signature(getattr(liftune, verb)).parameters
    annotations = {name: str(each.annotation) for name, each in found.items() if each.kind is not each.VAR_KEYWORD}
    if len(annotations) < len(found):
        tune = inspect.signature(liftune.tune).parameters
        annotations = {name: str(tune[name].annotation) for name in options_of(verb)} | annotations
    return annotations


def cases() -> Iterator[tuple[str, str, Any]]:
    for verb in VERBS:
        for name in arguments(verb):
            own = verb == "tune" or name in inspect.signature(getattr(liftune, verb)).parameters
            for value in ODD if own else ODD[2:3]:  # one code checks the options of all verbs
                yield verb, name, value


def fits(annotation: str, value: Any) -> bool:
    """Whether the signature allows it."""
    if value is None:
        return "None" in annotation
    if isinstance(value, list):
        return "Sequence" in annotation or "Mapping" in annotation or annotation.startswith("Data")  # no rows
    return value == 5 and ("int" in annotation or "float" in annotation)


def call(verb: str, **given: Any) -> None:
    needed = [name for name, each in inspect.signature(getattr(liftune, verb)).parameters.items() if name in REQUIRED]
    getattr(liftune, verb)(**{name: REQUIRED[name] for name in needed} | given)


@pytest.mark.parametrize(
    ("verb", "name", "value"), list(cases()), ids=lambda each: each if isinstance(each, str) else type(each).__name__
)
def test_an_odd_value_is_taken_or_refused_by_name(verb: str, name: str, value: Any) -> None:
    """`load(None)` was a TypeError of pathlib, `min_precision="0.9"` one of a comparison."""
    if name == "data" and value is None and fits(arguments(verb)[name], value):
        return  # the sample, which would be tuned on
    with pytest.raises(LiftuneError) as refused:
        call(verb, **{name: value})
    if not fits(arguments(verb)[name], value):
        said = str(refused.value)
        assert name in said or f"--{name.replace('_', '-')}" in said
        assert refused.value.hint


@pytest.mark.parametrize(
    ("verb", "name"), [(verb, name) for verb in VERBS for name in arguments(verb) if name in PATHS]
)
def test_a_path_may_be_a_pathlib_path(verb: str, name: str) -> None:
    """And is then refused, if at all, in the words of a str."""
    said = []
    for kind in (str, Path):
        with pytest.raises(LiftuneError) as refused:
            call(verb, **{name: kind("some/where.txt")})
        said.append(str(refused.value))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("verb", "given", "said"),
    [
        ("load", {"min_precision": "0.9"}, "min_precision must be a number, not '0.9'"),
        ("load", {"device": 5}, "device must be a text, not 5"),
        ("load", {"with_base": "no"}, "with_base must be True or False, not 'no'"),
        ("tune", {"epochs": "many"}, "epochs: must be a whole number, not 'many'"),
        ("tune", {"listeners": print}, "listeners must be listeners"),
        ("sweep", {"jobs": 0}, "jobs must be a whole number from 1 on, not 0"),
        ("evaluate", {"epochs": 3}, "unknown argument of evaluate 'epochs'"),
        ("inspect", {"lr": 0.1}, "unknown argument of inspect 'lr'"),
        ("report", {"format": "pdf"}, "pdf"),
    ],
)
def test_the_message_says_what_was_given_and_what_is_taken(verb: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(LiftuneError) as refused:
        call(verb, **given)
    assert said in str(refused.value)


def test_a_run_is_reported_from_a_path_of_either_kind(tmp_path: Path) -> None:
    made_run(tmp_path / "run")
    assert liftune.report(tmp_path / "run", format="json") == liftune.report(str(tmp_path / "run"), format="json")


def test_a_precision_that_is_no_number_is_refused_when_predicting_too() -> None:
    for odd in ("0.9", b"x", object(), [], float("nan"), True):
        with pytest.raises(LiftuneError, match="min_precision"):
            cutoff_for((), odd)  # type: ignore[arg-type]
