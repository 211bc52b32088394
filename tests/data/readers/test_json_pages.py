"""Pages of an API, one a line or in a list, are read as the rows of all of them; rows that hold lists stay rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from liftune.data.load import load
from liftune.data.readers.formats import open_stream, read_bytes
from liftune.spec import DataSpec

ITEMS = [{"text": f"The meal number {i} was late", "label": "ab"[i % 2]} for i in range(60)]


def in_pages(key: str, items: list[Any], **beside: Any) -> list[dict[str, Any]]:
    starts = range(0, len(items), 20)
    return [{**beside, "page": n, key: items[start : start + 20]} for n, start in enumerate(starts)]


RESOURCES = [
    {"type": "ticket", "id": str(i), "attributes": {"description": each["text"], "priority": each["label"]}}
    for i, each in enumerate(ITEMS)
]
HITS = [{"took": 3, "hits": {"total": 60, "hits": [{"_source": row} for row in ITEMS[n::2]]}} for n in (0, 1)]
PAGES = {
    "JSON:API": (in_pages("data", RESOURCES, meta={"total": 60}, links={"next": "/2"}), "attributes.priority"),
    "results": (in_pages("results", ITEMS, next=None, count=60), "label"),
    "hits": (
        [{"took": 3, "hits": {"total": 60, "hits": [{"_source": row} for row in ITEMS[n::2]]}} for n in (0, 1)],
        "label",
    ),
    "wrapped alone": ([{"items": ITEMS[:30]}, {"items": ITEMS[30:]}], "label"),
    "an empty last page": ([*in_pages("data", ITEMS), {"page": 9, "data": []}], "label"),
    "reviews of each product": ([{"product": f"p{n}", "reviews": ITEMS[n::3]} for n in range(3)], "label"),
}


@pytest.mark.parametrize("shape", ["lines", "a list", "one after the other"])
@pytest.mark.parametrize("case", PAGES)
def test_pages_are_read_as_the_rows_of_all(case, shape, tmp_path: Path):
    pages, label = PAGES[case]
    texts = {
        "lines": ("x.jsonl", "".join(json.dumps(page) + "\n" for page in pages)),
        "a list": ("x.json", json.dumps(pages)),
        "one after the other": ("x.json", "\n".join(json.dumps(page, indent=1) for page in pages)),
    }
    name, text = texts[shape]
    (tmp_path / name).write_text(text)
    loaded = load(DataSpec(source=str(tmp_path / name), label=label), skip_bad_rows=False)
    assert len(loaded.examples["train"].split) == 60
    assert loaded.splits.labels == ("a", "b")
    assert any(f"{len(pages)} pages" in note for note in loaded.splits.audit.notes)
    assert open_stream(tmp_path / name).rows == 60


def test_what_is_said_of_a_page_is_a_column_of_its_rows():
    pages, _ = PAGES["reviews of each product"]
    table = read_bytes("".join(json.dumps(page) + "\n" for page in pages).encode(), "x.jsonl", "x.jsonl")
    assert table.read("product")[:20] == ["p0"] * 20


ROWS = {
    "a chat": {"id": 1, "messages": [{"role": "user", "content": "Hello"}, {"role": "bot", "content": "Yes"}]},
    "spans": {"text": "Ann is here", "entities": [{"text": "Ann", "label": "PER"}]},
    "a label": {"label": "a", "comments": [{"text": "one", "by": "x"}, {"text": "two", "by": "y"}]},
    "answers": {"data": {"text": "Ann"}, "annotations": [{"result": [{"value": {"choices": ["a"]}}]}]},
    "fields": {"fields": {"text": "Ann"}, "responses": [{"value": "a", "user": "x"}]},
    "tags": {"title": "Late", "tags": [{"name": "a", "id": 1}]},
}


@pytest.mark.parametrize("case", ROWS)
def test_rows_that_hold_lists_are_rows(case):
    data = "".join(json.dumps(ROWS[case]) + "\n" for _ in range(5)).encode()
    assert read_bytes(data, "x.jsonl", "x.jsonl").rows == 5
