"""Pages: objects of which each holds a list of rows, as services answer them, one a line or in a list.

In: JSON objects.  Out: the rows of all of them, or None where each object is a row itself.
Not here: what a single object holds (json_shapes.py), columns that hold objects (nested.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from liftune.data.column_names import LABELS
from liftune.data.readers.json_rows import found_in, names_a_text

#: Keys under which services put the rows of a page, and those that they put beside it.
_WRAPPERS = """
data items results records rows hits entries value values documents docs objects elements list tickets reviews comments
posts issues conversations feedback responses answers submissions surveys tweets articles
"""
_BESIDE = """
meta metadata links link page pages paging pagination total total_count totalcount count next previous prev first last
cursor next_cursor nextpagetoken next_page previous_page offset limit per_page size has_more hasmore status success ok
code request_id took timed_out kind etag object url self included errors error jsonapi version generated_at timestamp
_links _meta _shards @odata.context @odata.nextlink
"""
WRAPPERS, BESIDE = frozenset(_WRAPPERS.split()), frozenset(_BESIDE.split())
#: What says that a list is a chat, and its object a row.
_OF_CHATS = ({"role", "content"}, {"from", "value"})


def page_key(values: Sequence[Any]) -> str | None:
    """The key under which each object holds rows; None where the objects are rows."""
    pages = [each for each in values if isinstance(each, dict)]
    if not pages or len(pages) < len(values):
        return None
    found = {key: None for each in pages for key in found_in(each)}
    keys = [key for key in found if all(_is_page(each, key) for each in pages)]
    keys = [key for key in keys if key.casefold() in WRAPPERS] or keys
    return keys[0] if len(keys) == 1 else None


def _is_page(value: Mapping[str, Any], key: str) -> bool:
    """Whether an object is a page of the rows under a key, which the last page may hold none of."""
    held = value.get(key)
    beside = {name: each for name, each in value.items() if name != key}
    if not isinstance(held, list | dict) or names_a_text(_plain(beside)):
        return False
    if any(name.casefold() in LABELS for name in beside):
        return False
    items = held if isinstance(held, list) else []
    if not all(isinstance(each, dict) and not any(chat <= set(each) for chat in _OF_CHATS) for each in items):
        return False
    of_service = all(name.casefold() in BESIDE for name in beside)
    wrapped = key.casefold() in WRAPPERS
    if isinstance(held, dict):
        return of_service and wrapped
    texts = all(names_a_text(each) and len(each) > 1 for each in items)
    return (of_service and bool(beside or wrapped) and (wrapped or texts)) or (wrapped and texts)


def _plain(beside: Mapping[str, Any]) -> dict[str, Any]:
    """Without what services put there, in which a title or a message is no row's."""
    return {name: each for name, each in beside.items() if name.casefold() not in BESIDE}


def beside_rows(page: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What a page says of all its rows: a product's id, a survey's name."""
    return {
        name: each
        for name, each in _plain(page).items()
        if name != key and each is not None and not isinstance(each, list | dict)
    }
