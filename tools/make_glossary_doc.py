"""Write docs/guide/glossary.md from the terms of the reports: python tools/make_glossary_doc.py

In: TERMS of liftune.reports.glossary.  Out: the page.
Not here: any meaning of its own. With --check nothing is written, and the exit code is 1 if the page is not current.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from liftune.reports.glossary import TERMS

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "glossary.md"
INTRO = """# Glossary

Made by `python tools/make_glossary_doc.py` from `src/liftune/reports/glossary.py`, whose lines the report shows behind
each "?"; do not edit.

Words as liftune uses them, in its output and in these pages.

| term | meaning |
|---|---|
"""


def page() -> str:
    """The whole page, by the alphabet."""
    rows = (
        f"| {each.name} | {each.meaning}{f'; see {each.see}' if each.see else ''} |"
        for each in sorted(TERMS, key=lambda term: term.name.casefold())
    )
    return INTRO + "\n".join(rows) + "\n"


def main() -> int:
    """Write the page, or say whether it is current."""
    parser = argparse.ArgumentParser(description="Write docs/guide/glossary.md from the terms of the reports.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the page is not current")
    if parser.parse_args().check:
        current = PAGE.read_text(encoding="utf-8") == page()
        print("docs/guide/glossary.md is current" if current else "docs/guide/glossary.md is not current: make docs")
        return 0 if current else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
