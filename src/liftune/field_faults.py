"""What a validation of pydantic's found, as a person says it.

In: a ValidationError.  Out: one sentence for each fault.
Not here: the errors that these go into (errors.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from liftune.errors import shown

if TYPE_CHECKING:
    from pydantic import ValidationError

#: Kinds of pydantic's faults -> what must be given, as a person says it.
_WORDS = {
    **dict.fromkeys(("string_type", "string_unicode"), "a text"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("tuple_type", "list_type", "set_type"), "a list"),
    **dict.fromkeys(("dict_type", "model_type"), "a mapping"),
}


def faults(error: ValidationError, named: Callable[[tuple[str, ...]], str] = ".".join) -> list[str]:
    """Every fault of a validation: which field, what is wrong, what was given.

    Args:
        named: what to call the field at a path.
    """
    lines = []
    for fault in error.errors():
        field = named(tuple(str(part) for part in fault["loc"])) or "value"
        message = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        message = _WORDS.get(fault["type"], f"{message[:1].lower()}{message[1:]}")
        if message == "a text" and type(fault["input"]) is int:
            message = f"a text, such as {str(fault['input'])!r}"
        own = fault["type"] in ("missing", "value_error", "extra_forbidden")
        lines.append(f"{field}: {message}" if own else f"{field}: must be {message}, not {shown(fault['input'])}")
    return lines
