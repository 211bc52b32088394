"""What `make site` adds to mkdocs.yml: generated pages, folders in the navigation, links that leave docs/.

In: the events of MkDocs, in the order of a build.  Out: pages of the command line, of decisions, of parts of records,
CHANGELOG and CONTRIBUTING; a build that fails where a page would load anything from elsewhere.
Not here: what the pages say (make_cli_doc.py, docs/), links of the repository's pages (tests/project/test_docs.py).
"""

from __future__ import annotations

import ast
import posixpath
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from pymdownx.slugs import slugify

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import make_cli_doc  # noqa: E402 - its folder is no package

#: Files beside docs/ that are pages of the site too.
BESIDE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "notebooks/README.md": "tutorials/notebooks.md",
}
COMMANDS, DECISIONS, PARTS = "reference/commands/", "adr/", "reference/parts.md"
ICON = ROOT / "src" / "liftune" / "reports" / "render" / "icon.svg"
RECORDS = ROOT / "src" / "liftune" / "records"
#: Modules of liftune.records without a record, and what records inherit: their fields are shown in those.
NOT_RECORDS, BASES = ("reading", "upgrade"), ("Record", "StoredRecord", "SealedRecord", "RunRecord", "VerdictRecord")
#: Of mkdocstrings, for classes that are mostly fields: each on one line, also those whose name says all.
FIELDS = "heading_level: 3, separate_signature: false, show_if_no_docstring: true"
#: What a browser would fetch by itself.
_LOADS = re.compile(
    r"""<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=["']?(?:https?:)?//[^\s"'>]+""", re.IGNORECASE
)
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def on_config(config: Any) -> Any:
    """Slugs as GitHub makes them, so that an anchor is right in both; folders of the navigation, page by page."""
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    folders = {
        COMMANDS: [f"{COMMANDS}{name}" for name in make_cli_doc.pages()],
        DECISIONS: [f"{DECISIONS}index.md", *(f"{DECISIONS}{path.name}" for path in _decisions())],
    }
    config.nav = _spelt_out(config.nav, folders)
    return config


def _spelt_out(nav: Any, folders: dict[str, list[str]]) -> Any:
    if isinstance(nav, list):
        return [_spelt_out(each, folders) for each in nav]
    if isinstance(nav, dict):
        return {name: _spelt_out(each, folders) for name, each in nav.items()}
    return folders.get(nav, nav)


def on_files(files: Files, config: Any) -> Files:
    """The generated pages beside those of docs/."""
    pages = {f"{COMMANDS}{name}": text for name, text in make_cli_doc.pages().items()}
    pages |= {page: (ROOT / name).read_text(encoding="utf-8") for name, page in BESIDE.items()}
    pages |= {f"{DECISIONS}index.md": _list_of_decisions(), PARTS: _parts_of_records()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    files.append(File.generated(config, config.theme["favicon"], abs_src_path=str(ICON)))
    return files


def _decisions() -> list[Path]:
    return sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


def _list_of_decisions() -> str:
    rows = []
    for path in _decisions():
        number, _, title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").partition(". ")
        rows.append(f"| {number} | [{title}]({path.name}) |")
    head = ["# Decisions", "", "What was decided, why, and what follows from it.", "", "| | decision |", "|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def _parts_of_records() -> str:
    """Every class of liftune.records that docs/reference/records.md does not show, by module."""
    shown = (ROOT / "docs" / "reference" / "records.md").read_text(encoding="utf-8")
    lines = ["# Parts of records", "", "What stands in the fields of [records](records.md), by subject."]
    for path in sorted(RECORDS.glob("*.py")):
        parsed = ast.parse(path.read_text(encoding="utf-8"))
        parts = [each.name for each in parsed.body if isinstance(each, ast.ClassDef) and each.name not in BASES]
        parts = [name for name in parts if f"records.{path.stem}.{name}\n" not in shown]
        if parts and path.stem not in NOT_RECORDS:
            lines += ["", f"## {path.stem.replace('_', ' ').capitalize()}", ""]
            lines += [f"::: liftune.records.{path.stem}.{name}\n    options: {{{FIELDS}}}\n" for name in parts]
    return "\n".join(lines) + "\n"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links as they are in the repository become links of the site, or of the repository's own pages."""
    here = page.file.src_uri
    beside = {page: name for name, page in BESIDE.items()}
    source = beside.get(here, f"docs/{here}")

    def link(found: re.Match[str]) -> str:
        path, anchor, fragment = found[2].partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return found[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        inside = BESIDE.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if inside == "adr":
            inside = f"{DECISIONS}index.md"
        if inside is None and (ROOT / target).exists():
            return f"{found[1]}{_repository()}/{target}{anchor}{fragment}{found[3]}"
        to = posixpath.relpath(inside, posixpath.dirname(here)) if inside else path
        return f"{found[1]}{to}{anchor}{fragment}{found[3]}"

    parts, at = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_LINK.sub(link, markdown[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, _LINK.sub(link, markdown[at:])])


def _repository() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"{project['urls']['Documentation'].partition('#')[0]}/blob/main"


def on_post_build(config: Any) -> None:
    """Refuse a site that needs a network.

    Raises:
        PluginError: a page loads a script, a style, a font or a picture from elsewhere.
    """
    site = Path(config.site_dir)
    loads = {
        f"{path.relative_to(site)}: {found[0]}"
        for path in sorted(site.rglob("*.html"))
        for found in _LOADS.finditer(path.read_text(encoding="utf-8"))
        if 'rel="canonical"' not in found[0]
    }
    if loads:
        raise PluginError("pages load from elsewhere:\n  " + "\n  ".join(sorted(loads)[:10]))
