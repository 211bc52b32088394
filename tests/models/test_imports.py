"""Imports inside `liftune.models` go one way, those for type checking and those inside functions included."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import liftune.models

ROOT = Path(liftune.models.__path__[0])
PREFIX = "liftune.models"


def part_of(module: str) -> str | None:
    """Name of the file or subpackage of `models` that a module belongs to; None for modules elsewhere."""
    names = module.split(".")
    return names[2] if names[:2] == PREFIX.split(".") and len(names) > 2 else None


def imported_parts(path: Path) -> set[str]:
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        parts |= {part for module in modules if (part := part_of(module)) is not None}
    return parts


def imports_in_models() -> dict[str, set[str]]:
    """Each file or subpackage of `models`, and those that it imports."""
    graph: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        place = path.relative_to(ROOT)
        if place.name == "__init__.py" and len(place.parts) == 1:
            continue
        part = place.parts[0].removesuffix(".py")
        graph.setdefault(part, set()).update(imported_parts(path) - {part})
    return graph


def test_no_file_or_subpackage_of_models_imports_what_imports_it() -> None:
    """import-linter's one layers contract ends at `liftune.models`; a cycle below it would go unseen."""
    graph = imports_in_models()
    assert {"packed", "multi_lora", "classifier", "attach", "families"} <= graph.keys()
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


def test_packed_knows_models_by_their_modules_alone() -> None:
    """The packed encoder fits any transformers model, with or without a Classifier around it."""
    assert imports_in_models()["packed"] == {"families", "methods"}
