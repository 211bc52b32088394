"""What the package imports, pyproject.toml declares; and constraints.txt has a version of each."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from liftune.errors import EXTRAS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    """The distributions of requirement lines, without liftune's own extras."""
    return {normal(re.split(r"[\[<>=!~; ]", line)[0]) for line in requirements} - {"liftune"}


CORE = names(PROJECT["dependencies"])
OPTIONAL = {extra: names(lines) for extra, lines in PROJECT["optional-dependencies"].items()}
#: Extras of people who work on liftune: nothing that the package imports may be in these alone.
WORK = {"dev", "bench", "docs"}


def imported() -> dict[str, set[str]]:
    """Top-level module -> the files that import it, at their top or inside a function."""
    files: dict[str, set[str]] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                modules = [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            for module in {each.partition(".")[0] for each in modules}:
                files.setdefault(module, set()).add(str(path.relative_to(ROOT)))
    return {module: where for module, where in files.items() if module not in {*sys.stdlib_module_names, "liftune"}}


IMPORTED = imported()
DISTRIBUTIONS = {module: {normal(each) for each in given} for module, given in packages_distributions().items()}


@pytest.mark.parametrize("module", IMPORTED)
def test_every_module_that_is_imported_is_declared(module: str) -> None:
    """A package that comes with another one today may not tomorrow."""
    declared = CORE.union(*(given for extra, given in OPTIONAL.items() if extra not in WORK))
    assert DISTRIBUTIONS.get(module, {normal(module)}) & declared, f"imported by {sorted(IMPORTED[module])}"


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_hint_for_a_missing_module_names_the_extra_that_brings_it(extra: str) -> None:
    brought = {module: DISTRIBUTIONS.get(module, {normal(module)}) for module in EXTRAS[extra]}
    assert {module for module, given in brought.items() if not given & OPTIONAL[extra]} == set()


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_module_of_an_extra_that_is_imported_is_looked_for(extra: str) -> None:
    """`need` would else let an import fail in the middle of things."""
    named = {module for each in EXTRAS.values() for module in each}
    assert {module for module in IMPORTED if DISTRIBUTIONS.get(module, set()) & OPTIONAL[extra]} <= named


#: Extras whose pins clash with the others', and which have constraints of their own.
TRACKERS = ("mlflow", "tensorboard", "trackio")


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-trackers.txt"])
def test_constraints_have_a_version_of_everything_that_is_declared(file: str) -> None:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    pinned = [normal(line.partition("==")[0]) for line in lines if line and not line.startswith("#")]
    own = {extra for extra in OPTIONAL if (extra in TRACKERS) == (file != "constraints.txt")}
    own |= {"demo", "tune", "report"} if file != "constraints.txt" else set()
    assert CORE.union(*(OPTIONAL[extra] for extra in own)) - set(pinned) == set()
    assert len(pinned) == len(set(pinned))
