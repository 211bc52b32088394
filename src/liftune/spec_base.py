"""What all specs have in common: frozen values, checked together, whose faults are said at once.

In: values.  Out: a spec of them, or one SpecError.
Not here: the options of a run (spec.py), what a typed value means (option_values.py).
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from liftune.errors import SpecError, shown
from liftune.field_faults import faults
from liftune.option_values import NOT_UNICODE, check_texts


class Spec(BaseModel):
    """Base of every spec: frozen, and strict about names."""

    # Built when first checked, so that `--help` does not wait for it; for docstrings: spec_text.description_of.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _texts(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse bytes, which pydantic would decode, and texts that no file can hold."""
        if isinstance(value, bytes | bytearray):
            raise ValueError(f"must be a text, not {shown(value)}")
        kind = cls.model_fields[info.field_name or ""].annotation
        if not (isinstance(kind, type) and issubclass(kind, Spec)):  # which checks its own fields
            check_texts(value)
        return value

    def completed(self, **values: Any) -> Self:
        """With values that follow from others: they do not count as given (`model_fields_set`)."""
        copy = self.model_copy(update=values)
        copy.model_fields_set.difference_update(values)
        return copy

    @classmethod
    def checked(cls, values: dict[str, Any], *, where: str | None = None) -> Self:
        """A spec of these values.

        Raises:
            SpecError: lists every fault.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            said = "\n".join(faults(error, cls.named))
            hint = (
                "give a value of the type and range named above" if "must be" in said else "correct what is named above"
            )
            hint = _RENAME if NOT_UNICODE in said else hint
            raise SpecError(said, where=where, hint=hint) from None

    @classmethod
    def named(cls, path: tuple[str, ...]) -> str:
        """The field at a path, as messages call it."""
        return ".".join(path)


#: Where a name of a file is given, its bytes are what is wrong.
_RENAME = "if it names a file, rename the file so that its name is UTF-8, such as `mv OLD new-name.csv`"
