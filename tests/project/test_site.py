"""The docs site: every page is in its navigation, every command, option and function in its reference."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import liftune
from liftune.cli.main import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SETTINGS = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
COMMANDS = typer.main.get_command(app).commands


def tool(name: str) -> Any:
    """A module of tools/, which is no package."""
    found = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def leaves(nav: Any) -> Iterator[str]:
    """The pages of a navigation, in order."""
    if isinstance(nav, str):
        yield nav
    else:
        for each in nav.values() if isinstance(nav, dict) else nav:
            yield from leaves(each)


def test_every_page_is_in_the_navigation_once():
    """Folders are filled by tools/site_hooks.py, which makes some pages too."""
    listed = list(leaves(SETTINGS["nav"]))
    folders = [each for each in listed if each.endswith("/")]
    pages = [str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")]
    alone = [page for page in pages if not any(page.startswith(folder) for folder in folders)]
    made = {"contributing.md", "changelog.md", "tutorials/notebooks.md", "reference/parts.md"}
    assert sorted([*alone, *made]) == sorted(each for each in listed if each not in folders)


@pytest.fixture(scope="module")
def command_pages() -> dict[str, str]:
    return tool("make_cli_doc").pages()


def test_every_command_has_a_page(command_pages):
    assert set(command_pages) == {"index.md", *(f"{name}.md" for name in COMMANDS)}
    assert [name for name in COMMANDS if f"]({name}.md)" not in command_pages["index.md"]] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_has_each_of_its_options(name, command_pages):
    shown = re.findall(r"^\| `(-[^` ]+)", command_pages[f"{name}.md"], re.MULTILINE)
    long = {option for each in COMMANDS[name].params for option in each.opts if option.startswith("--")}
    text = command_pages[f"{name}.md"]
    assert [option for option in sorted(long) if f"`{option}`" not in text and f"`{option} " not in text] == []
    assert len(shown) == len(set(shown))


def test_the_reference_has_every_function_once():
    text = (DOCS / "reference" / "verbs.md").read_text(encoding="utf-8")
    functions = [name for name in liftune.__all__ if name[0].islower()]
    assert sorted(re.findall(r"^::: liftune\.(\w+)$", text, re.MULTILINE)) == sorted(functions)


@pytest.mark.slow
def test_the_site_is_built_without_a_network(tmp_path):
    """Strictly: a broken link or anchor, a page outside the navigation, or an address to load from ends it."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, env=offline, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (site / "search" / "search_index.js").is_file()
    page = re.sub(r"<[^>]+>|&\w+;|\s", " ", (site / "reference" / "records.html").read_text(encoding="utf-8"))
    assert re.search(r"TuneRecord +record\.json: one run", page), "a class, and its docstring"
    shutil.rmtree(site)
