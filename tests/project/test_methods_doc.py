"""docs/methods.md says what the registry says."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def maker():
    found = importlib.util.spec_from_file_location("make_methods_doc", ROOT / "tools" / "make_methods_doc.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_page_of_methods_is_current(maker):
    """If this fails: python tools/make_methods_doc.py"""
    written = maker.PAGE.read_text(encoding="utf-8")
    assert maker.without_counts(written) == maker.without_counts(maker.page(lambda method: 0))


@pytest.mark.slow
def test_the_counts_on_the_page_are_current(maker):
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(maker.count_on_minilm)
