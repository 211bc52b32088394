"""Python's own literals in a text, and nothing else: no name is looked up, and nothing is called.

In: a text.  Out: its value.
Not here: which texts are looked at so (label_lists.py, readers/json_objects.py).
"""

from __future__ import annotations

import ast
from typing import Any

#: What `ast.literal_eval` raises over a text that is no literal.
_NO_LITERAL = (ValueError, SyntaxError, TypeError, RecursionError)


class NoLiteral(ValueError):  # noqa: N818 - it is no fault
    """The text is no literal."""


def literal(text: str) -> Any:
    """The value of a literal.

    Raises:
        NoLiteral: it is none, or one that is nested too deeply to be read.
        MemoryError: memory is short. Python says the same of deep nesting; that is told apart by a flat text of the
            same length, which takes as much memory.
    """
    for _ in range(2):  # memory that was short for a moment
        try:
            return ast.literal_eval(text)
        except _NO_LITERAL as error:
            raise NoLiteral(str(error)) from None
        except MemoryError:
            continue
    ast.literal_eval(f"[{'1,' * (len(text) // 2)}]")
    raise NoLiteral("it is nested too deeply")
