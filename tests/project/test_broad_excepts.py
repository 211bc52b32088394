"""Whoever catches every error says why: what is caught by chance is a defect that nobody hears of."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"

#: Comments that speak to tools.
_FOR_TOOLS = re.compile(r"#\s*(noqa|type: ignore)[^#]*")


def all_of(kind: ast.expr | None) -> bool:
    """Whether such an `except` catches defects too."""
    if isinstance(kind, ast.Tuple):
        return any(all_of(each) for each in kind.elts)
    return kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"})


def narrowed(handler: ast.ExceptHandler) -> bool:
    """Whether its first statement raises all but errors of memory, which have no class of their own."""
    first = handler.body[0]
    if not (isinstance(first, ast.If) and isinstance(first.body[0], ast.Raise)):
        return False
    parts = first.test.values if isinstance(first.test, ast.BoolOp) else [first.test]
    any_of = not isinstance(first.test, ast.BoolOp) or isinstance(first.test.op, ast.Or)
    return any_of and f"not lacks_memory({handler.name})" in map(ast.unparse, parts)


def unexplained(code: str) -> Iterator[int]:
    """The lines that catch everything, without a comment on them or the line above."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    said = {each.start[0] for each in tokens if each.type == tokenize.COMMENT and _FOR_TOOLS.sub("", each.string)}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ExceptHandler):
            caught = all_of(node.type) and not narrowed(node)
        else:
            caught = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress")
            caught = caught and any(all_of(each) for each in node.args)
        if caught and not said & {node.lineno, node.lineno - 1}:
            yield node.lineno


def test_every_broad_except_says_why() -> None:
    """And where the error is said, unless it is raised again."""
    where = [
        f"{path.relative_to(SOURCE)}:{line}"
        for path in sorted(SOURCE.rglob("*.py"))
        for line in unexplained(path.read_text(encoding="utf-8"))
    ]
    assert not where, f"catch the classes that can come here, or say why all are caught: {', '.join(where)}"


@pytest.mark.parametrize(
    ("handler", "fine"),
    [
        ("except Exception:\n    pass", False),
        ("except:\n    raise", False),
        ("except BaseException as error:  # noqa: BLE001\n    pass", False),
        ("except (ValueError, Exception):\n    pass", False),
        ("except Exception:  # a plug-in may raise anything; logged\n    pass", True),
        ("# A plug-in may raise anything; logged.\nexcept Exception:\n    pass", True),
        ("except ValueError:\n    pass", True),
        ("except Exception as error:\n    if not lacks_memory(error):\n        raise", True),
        ("except Exception as error:\n    if asked or not lacks_memory(error):\n        raise", True),
        ("except Exception as error:\n    if asked and not lacks_memory(error):\n        raise", False),
        ("except Exception as error:\n    if lacks_memory(error):\n        raise", False),
        ("finally:\n    with contextlib.suppress(Exception):\n        close()", False),
        ("finally:\n    with suppress(OSError):\n        close()", True),
    ],
)
def test_what_counts_as_a_reason(handler: str, fine: bool) -> None:
    assert (not list(unexplained(f"try:\n    work()\n{handler}\n"))) == fine
