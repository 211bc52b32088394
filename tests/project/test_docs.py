"""What the pages say is so: commands parse, examples compile, options and files exist."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import liftune
from liftune.cli.main import app
from liftune.metrics.registry import METRICS
from liftune.models.methods.registry import find_method, parse_options
from liftune.reports.base import SECTIONS
from liftune.spec import OPTIONS, RunSpec

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "liftune"
README = ROOT / "README.md"
DESIGN = ROOT / "docs" / "design.md"
TUNING = ROOT / "docs" / "guide" / "tuning.md"
GUIDE = sorted((ROOT / "docs" / "guide").glob("*.md"))
#: Pages whose Python is run by a reader as it stands.
LESSONS = sorted(page for name in ("tutorials", "coming-from") for page in (ROOT / "docs" / name).glob("*.md"))
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: Whose links are looked at: pages that are nowhere made by a program.
LINKED = [*PAGES, ROOT / "SECURITY.md", ROOT / "benchmarks" / "README.md", *sorted((PACKAGE / "data").rglob("*.md"))]
COMMANDS = typer.main.get_command(app)

#: No reader of the field knows what these mean here.
PRIVATE_WORDS = (
    *("climb", "climbs", "shelf", "pupil", "rung", "rungs", "headstart", "doubts", "standing"),
    *("mend", "mended", "carve", "carved", "nought", "commonest"),
)

#: A reader's own files, named in examples, and a run's.
EXAMPLES = {
    "liftune.json",
    "bundle.json",
    "parity.json",
    "record.json",
    "spec.json",
    "tokenizer_config.json",
    "constraints.txt",
}


def blocks(page: Path, language: str) -> list[str]:
    """Fenced code of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands() -> Iterator[str]:
    """Every `$ liftune ...` line that a page shows, without its first word."""
    for page in PAGES:
        for block in blocks(page, "console"):
            for line in block.splitlines():
                if found := re.match(r"\$ (?:\S+/)?liftune (.+)", line):
                    yield found[1]


def tables() -> dict[str, list[str]]:
    """The guide's option table: subject -> options."""
    section = TUNING.read_text(encoding="utf-8").split("## Options of `liftune tune`")[1].split("\n## ")[0]
    return {
        subject: re.findall(r"`--([a-z-]+)`", cells)
        for subject, cells in re.findall(r"^\| (\w+) \| (.+) \|$", section, re.M)
    }


def known_options() -> set[str]:
    return {option for command in COMMANDS.commands.values() for each in command.params for option in each.opts}


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_a_command_that_a_page_shows_is_understood(line):
    """Its options exist, its values pass the checks that come before any work."""
    name, *arguments = shlex.split(line, comments=True)
    assert name in COMMANDS.commands
    context = COMMANDS.commands[name].make_context(name, arguments)
    given = {key: value for key, value in context.params.items() if key in OPTIONS and value not in (None, False, [])}
    spec = RunSpec.of(**given) if name == "tune" else RunSpec()
    parse_options(find_method(spec.method.name), spec.method.options)


def test_pages_show_every_command():
    shown = {line.split()[0] for line in commands()}
    named = "".join(page.read_text(encoding="utf-8") for page in (README, *GUIDE))
    assert [name for name in COMMANDS.commands if name not in shown and f"`liftune {name}" not in named] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_option_that_a_page_names_exists(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    named = {option for code in re.findall(r"`([^`\n]+)`", text) for option in re.findall(r"(?<!\S)--[a-z-]+", code)}
    foreign = {"--strict", "--help"}  # mypy's, and what click adds by itself
    assert named - foreign - known_options() == set()


def test_the_option_table_is_complete():
    """An option that is added is listed; one that is taken away is not."""
    listed = [option for options in tables().values() for option in options]
    tune = {
        option.removeprefix("--") for each in COMMANDS.commands["tune"].params for option in each.opts if "--" in option
    }
    assert sorted(listed) == sorted(tune)


@pytest.mark.parametrize("page", [README, ROOT / "CONTRIBUTING.md", *GUIDE, *LESSONS], ids=lambda page: page.name)
def test_python_examples_compile(page):
    assert blocks(page, "python") or page in (*GUIDE, *LESSONS)
    for block in blocks(page, "python"):
        ast.parse(block)


@pytest.mark.parametrize("page", [README, *GUIDE, *LESSONS], ids=lambda page: page.name)
def test_python_examples_call_what_there_is(page):
    """Names exist, and keyword arguments are those of the signature."""
    for block in blocks(page, "python"):
        for call in (node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            if name.startswith("liftune."):
                signature = inspect.signature(getattr(liftune, name.removeprefix("liftune.")))
                signature.bind(*call.args, **{str(each.arg): each.value for each in call.keywords})


def test_python_takes_every_option_of_the_command_line():
    assert set(OPTIONS) <= set(inspect.signature(liftune.tune).parameters)


def without_code(text: str) -> str:
    """A page without its fenced code and code spans, in which brackets are no links and `#` no heading."""
    return re.sub(r"`[^`\n]+`", "`code`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


@functools.cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them; the site makes the same (tools/site_hooks.py)."""
    found: dict[str, int] = {}
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#{1,6} (.+?)(?: \{.*\})?$", text, re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return frozenset(slug if not i else f"{slug}-{i}" for slug, times in found.items() for i in range(times + 1))


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page):
    """Each file exists, and has the heading that a link names after `#`."""
    lost = []
    for link in re.findall(r"\]\((?![a-z]+:)([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (heading and target.suffix == ".md" and heading not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|md|toml|json|txt|yaml))`", text)
    grounds = (ROOT, PACKAGE, page.parent)
    lost = [name for name in named if not any((ground / name).exists() for ground in grounds)]
    assert set(lost) - EXAMPLES - {"rows.json", "config.json", "explained.json"} == set()


def test_the_design_names_every_package_and_module():
    """A row of the table for each package and each module at the top; no row for what is not there."""
    section = DESIGN.read_text(encoding="utf-8").split("## Packages")[1].split("\n## ")[0]
    named = {name for row in re.findall(r"^\| (`.+?) \|", section, re.M) for name in re.findall(r"`([\w./]+)`", row)}
    packages = {f"{path.parent.relative_to(PACKAGE)}/" for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}
    assert sorted((packages | modules) - named) == []
    assert sorted(name for name in named if not (PACKAGE / name).exists()) == []


def test_the_layers_in_the_design_are_those_that_are_checked():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    checked = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    section = DESIGN.read_text(encoding="utf-8").split("## Layers")[1].split("\n## ")[0]
    drawn = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    assert drawn == [layer.replace("liftune.", "").replace(" | ", ", ") for layer in checked]


def test_the_readme_is_short():
    """A page that is read to its end: the rest is the guide's."""
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    assert len(text.split()) <= 1600


#: What was written of earlier versions names things as they were called then.
OF_TODAY = [page for page in PAGES if page.parent.name != "adr" and page.name not in ("log.md", "CHANGELOG.md")]


@pytest.mark.parametrize("page", OF_TODAY, ids=lambda page: page.name)
def test_pages_use_the_words_of_the_field(page):
    """Words that readers stumbled over, and what the field says instead: CONTRIBUTING.md, Style."""
    words = re.findall(rf"\b(?:{'|'.join(PRIVATE_WORDS)})\b", page.read_text(encoding="utf-8"), re.IGNORECASE)
    assert words == []


@pytest.mark.parametrize("module", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_use_the_words_of_the_field(module):
    text = module.read_text(encoding="utf-8")
    words = re.findall(rf"\b(?:{'|'.join(PRIVATE_WORDS)})\b|climb_|_rungs|pupils_of|start_head", text, re.IGNORECASE)
    assert words == []


@pytest.mark.parametrize("module", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_that_a_module_names_exist(module):
    """Beside it, or by a path from its package, the one above, or the top: "intervals (statistics/intervals.py)"."""
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    named = re.findall(r"(?<![\w./-])((?:\w+/)*\w+\.py)\b", docstring)
    grounds = [parent for parent in module.parents if parent.is_relative_to(PACKAGE)]
    assert [name for name in named if not any((ground / name).exists() for ground in grounds)] == []


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = project["dependencies"] + [each for extra in project["optional-dependencies"].values() for each in extra]
    names = {re.split(r"[\[<>=~!;]", each)[0].strip() for each in asked} - {"liftune"}
    told = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert [name for name in sorted(names) if not re.search(rf"\b{re.escape(name)}\b", told)] == []


def test_the_changelog_speaks_of_this_version():
    assert f"## [{liftune.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_decision_has_a_number_of_its_own():
    numbers = [path.name[:4] for path in sorted((ROOT / "docs" / "adr").glob("*.md"))]
    assert numbers == [f"{i:04d}" for i in range(1, len(numbers) + 1)]
    for path in (ROOT / "docs" / "adr").glob("*.md"):
        assert path.read_text(encoding="utf-8").startswith(f"# {int(path.name[:4])}. ")


def test_readme_keeps_the_place_of_the_demo():
    text = README.read_text(encoding="utf-8")
    assert text.count("<!-- demo:begin -->") == text.count("<!-- demo:end -->") == 1


def test_pages_name_the_entry_point_groups_of_plugins():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for registry in (METRICS, SECTIONS):
        assert f"`liftune.{registry.kind}s`" in text
