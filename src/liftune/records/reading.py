"""A record from its file, and a card into one: the one reader of all kinds, which checks their seals.

In: a path, the record's class, what the file holds.  Out: the record, brought up to today's schema.
Not here: how an older schema differs (upgrade.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from liftune.errors import ArtifactError, pasted
from liftune.field_faults import faults
from liftune.files import damaged, disk_errors, read_json_object, write_json
from liftune.records.base import SCHEMA, Record, SealedRecord
from liftune.records.upgrade import Kind, upgrade
from liftune.seals import SEAL, check_own_seal, hash_folder

R = TypeVar("R", bound=Record)

#: The results of a run; what describes a saved model: an adapter or a whole model; any other contender; a bundle.
RUN_RECORD, ADAPTER_CARD, CONTENDER_CARD, BUNDLE_CARD = "record.json", "liftune.json", "contender.json", "bundle.json"
#: The first schema whose files have a seal.
FIRST_SEALED = 4

#: Kind -> what a folder without such a file lacks, and the command that writes one.
_WRITTEN: dict[Kind, tuple[str, str]] = {
    "record": ("finished run", "liftune tune"),
    "adapter": ("adapter of liftune", "liftune tune"),
    "contender": ("saved contender", "liftune tune"),
    "bundle": ("bundle", "liftune export"),
    "sweep": ("finished sweep", "liftune sweep"),
    "baselines": ("baselines", "liftune sweep"),
    "cell": ("such cell", "liftune sweep"),
}


class NewerSchema(ArtifactError):  # noqa: N818 - what the file has; it is not damaged
    """A newer liftune wrote the file."""

    def __init__(self, path: Path, schema: int) -> None:
        super().__init__(
            f"{path.name} was written by a newer liftune: it has schema {schema}, this one reads up to {SCHEMA}",
            where=str(path),
            hint="pip install -U liftune",
        )


def read_record(path: Path, model: type[R], kind: Kind) -> R:
    """A record of this or an earlier schema.

    Args:
        path: its file.
        model: its class.
        kind: what the file holds.

    Raises:
        ArtifactError: the file is missing or damaged, or a newer liftune wrote it.
    """
    what, command = _WRITTEN[kind]
    if not path.is_file():
        raise ArtifactError(
            f"{path.parent} holds no {what}", where=str(path), hint=f"give a folder that `{command}` wrote"
        )
    hint = "remove it" if kind in ("baselines", "cell") else "restore the file"
    hint = f"{hint}{' and' if hint == 'remove it' else ', or'} run `{command}` again"
    values = read_json_object(path, hint=hint)
    schema = values.get("schema", 1)
    if not isinstance(schema, int) or schema < 1:
        raise damaged(path, f"its schema is {schema!r}, not a number from 1", hint=hint)
    if schema > SCHEMA:
        raise NewerSchema(path, schema)
    if SEAL not in values and schema >= FIRST_SEALED:
        again = (
            ""
            if kind in ("baselines", "cell")
            else f"; or seal it as it is: liftune check --seal {pasted(path.parent)}"
        )
        raise damaged(path, "it has no seal", hint=f"{hint}{again}")
    values = check_own_seal(values, path, hint=hint)
    try:
        values = upgrade(values, kind)
        if "schema_version" not in model.model_fields:  # it is the file's, as the class is part of other records too
            del values["schema"]
        return model.model_validate(values)
    except ValidationError as error:
        reason = "; ".join(faults(error)[:3])
    except (AttributeError, KeyError, TypeError) as error:  # an earlier schema's value of another type
        reason = str(error)
    raise damaged(path, reason, hint=hint)


S = TypeVar("S", bound=SealedRecord)


def write_sealed(path: Path, card: S) -> S:
    """Write a card into the folder of what it describes, as the last file there: it seals all others.

    Returns:
        the card as it was written.

    Raises:
        ArtifactError: the disk is full or read-only.
    """
    with disk_errors(path):
        card = card.model_copy(update={"files": hash_folder(path.parent, card=path.name)})
    write_json(path, card.to_json())
    return card
