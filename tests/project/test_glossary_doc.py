"""docs/guide/glossary.md says what the report says behind each "?"."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_glossary_page_is_current():
    """If this fails: make docs."""
    found = importlib.util.spec_from_file_location("make_glossary_doc", ROOT / "tools" / "make_glossary_doc.py")
    maker = importlib.util.module_from_spec(found)
    found.loader.exec_module(maker)
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page()
