"""What the notebooks hold: valid, without outputs, and nothing that liftune does not have."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

import liftune
from liftune.command_options import options_of
from notebooks import NOTEBOOKS, ROOT, read, settings_of, with_settings

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_of(notebook: Any) -> list[ast.Module]:
    return [ast.parse(cell.source) for cell in notebook.cells if cell.cell_type == "code"]


def calls(notebook: Any) -> list[tuple[str, ast.Call]]:
    """Of functions of liftune: name, call."""
    found = [node for tree in code_of(notebook) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [(ast.unparse(call.func), call) for call in found if isinstance(call.func, ast.Attribute | ast.Name)]
    return [(name.removeprefix("liftune."), call) for name, call in named if re.fullmatch(r"liftune\.\w+", name)]


def test_there_are_the_notebooks_that_the_readme_lists() -> None:
    listed = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert len(NOTEBOOKS) >= 5
    assert [path.name for path in NOTEBOOKS if f"({path.name})" not in listed] == []


@each_notebook
def test_a_notebook_is_valid_and_has_one_cell_of_settings(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert settings_of(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert "parameters" in code[0].metadata.tags, "settings come first: they are what a reader changes"
    with pytest.raises(ValueError, match="no setting is called"):
        with_settings(notebook, NOT_A_SETTING=1)


@each_notebook
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    """Outputs would be of one machine, with its paths; readers make their own."""
    for cell in read(path).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert str(ROOT) not in path.read_text(encoding="utf-8")
    assert "/home/" not in path.read_text(encoding="utf-8")


@each_notebook
def test_a_notebook_calls_what_liftune_has(path: Path) -> None:
    """Functions exist, and arguments are those of the signature, or options that it takes."""
    called = calls(read(path))
    assert called
    for name, call in called:
        assert name in liftune.__all__
        signature = inspect.signature(getattr(liftune, name))
        named = {str(each.arg): each.value for each in call.keywords if each.arg is not None}
        if any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values()):
            assert set(named) - set(signature.parameters) <= set(options_of(name))
        signature.bind(*call.args, **named)


@each_notebook
def test_a_notebook_uses_public_names_alone(path: Path) -> None:
    for tree in code_of(read(path)):
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "liftune":
                assert node.module == "liftune.sklearn"
                assert all(hasattr(importlib.import_module(node.module), each.name) for each in node.names)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "liftune":
                assert node.attr in liftune.__all__


@each_notebook
def test_text_stands_between_short_cells(path: Path) -> None:
    """A reader learns from the text: no cell of code follows another without any, and none fills a screen."""
    cells = read(path).cells
    for cell in cells:
        assert cell.cell_type == "markdown" or len(cell.source.splitlines()) <= 35
    kinds = [cell.cell_type for cell in cells]
    assert kinds.count("markdown") * 2 >= kinds.count("code")
    assert "code code code" not in " ".join(kinds)
