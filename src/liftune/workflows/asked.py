"""What an unfinished run or sweep was asked, and what differs from what is asked now.

In: a folder, a RunSpec, rows.  Out: the earlier request; the differences, option by option.
Not here: which folder is taken (claiming.py), what was worked out before (memo.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liftune.errors import ArtifactError, LiftuneError
from liftune.files import read_json_object, write_json
from liftune.json_text import parse_json
from liftune.run_folder import RunFolder
from liftune.seals import check_own_seal, with_seal
from liftune.spec import RunSpec
from liftune.unfinished import Unfinished
from liftune.versions import versions

_HINT = "remove the folder, and run `liftune tune` again"


@dataclass(frozen=True)
class Request:
    """All that the outcome of a run follows from, but for the base model and the machine."""

    spec: RunSpec
    rows: str
    """A fingerprint of every row of every split."""
    versions: dict[str, str]
    outside: str = ""
    """A fingerprint of answers and descriptions from elsewhere; empty where there are none."""

    @classmethod
    def of(cls, spec: RunSpec, rows: str, outside: str = "") -> Request:
        """Today's."""
        return cls(spec, rows, versions(), outside)

    @classmethod
    def read(cls, folder: RunFolder) -> Request | None:
        """That of an unfinished run; None where the folder holds none that can be gone on with."""
        if not folder.unfinished.request.is_file():
            return None
        values = read_json_object(folder.unfinished.request, hint=_HINT)
        values = check_own_seal(values, folder.unfinished.request, hint=_HINT)
        try:
            spec = RunSpec.checked(values["spec"], where=str(folder.unfinished.request))
            known = {str(name): str(each) for name, each in values["versions"].items()}
            return cls(spec, str(values["rows"]), known, str(values.get("outside", "")))
        except (KeyError, TypeError, AttributeError, LiftuneError):
            if values.get("versions") != versions():
                raise ArtifactError(
                    "the run was begun with other versions of packages",
                    where=str(folder.unfinished.request),
                    hint=_HINT,
                ) from None
            raise ArtifactError("request.json is damaged", where=str(folder.unfinished.request), hint=_HINT) from None

    def save(self, unfinished: Unfinished) -> None:
        """For a later process."""
        values = {"spec": parse_json(self.spec.model_dump_json()), "rows": self.rows, "versions": self.versions}
        values |= {"outside": self.outside} if self.outside else {}
        write_json(unfinished.request, with_seal(values))

    @property
    def key(self) -> str:
        """sha256 of all of it."""
        everything = [as_asked(self.spec), self.rows, self.versions, self.outside]
        return hashlib.sha256(json.dumps(everything).encode()).hexdigest()

    def differences(self, now: Request) -> list[str]:
        """What is otherwise now, one line each."""
        lines = differing_options(as_asked(now.spec), as_asked(self.spec))
        if not lines and now.rows != self.rows:  # other options give other rows anyway
            lines.append("the rows have changed since then")
        if not lines and now.outside != self.outside:
            lines.append("the answers or descriptions from elsewhere have changed since then")
        return [*lines, *differing_options(now.versions, self.versions)]


def as_asked(spec: RunSpec) -> dict[str, Any]:
    """A spec as it is compared: without the folder that it lies in."""
    values: dict[str, Any] = parse_json(spec.model_dump_json())
    del values["out"]
    return values


def contradicting(given: RunSpec, before: RunSpec) -> list[str]:
    """Options that were given and are others than before, one line each; those that were not given agree."""
    named = given.model_dump(mode="json", exclude_unset=True)
    out = named.pop("out", None)
    here, there = dict(_flat(named)) if named else {}, dict(_flat(as_asked(before)))
    lines = [_line(key, there.get(key), value) for key, value in here.items() if value != there.get(key)]
    return [*lines, *([f"out: {out} was asked, and --resume names the folder"] if out is not None else [])]


def refuse_others(path: Path, lines: list[str], *, what: str, hint: str) -> None:
    """Refuse to go on with what was asked otherwise.

    Args:
        what: lies in the folder.
        lines: what differs; none is fine.

    Raises:
        ArtifactError: something does.
    """
    if lines:
        raise ArtifactError(
            "\n".join((f"{path} holds {what} that was asked otherwise", *(f"  {line}" for line in lines))),
            where="--out",
            hint=hint,
        )


def differing_options(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """What differs between two specs, an option a line.

    >>> differing_options({"train": {"epochs": 5}}, {"train": {"epochs": 3}})
    ['train.epochs: 3 there, 5 asked']
    """
    here, there = dict(_flat(dict(now))), dict(_flat(dict(before)))
    return [_line(key, there.get(key), here.get(key)) for key in {**there, **here} if here.get(key) != there.get(key)]


def _line(key: str, there: Any, here: Any) -> str:
    return f"{key}: {_shown(there)} there, {_shown(here)} asked"


def _flat(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested objects as dotted keys, named as a user knows them."""
    if not isinstance(values, dict) or not values:
        yield prefix, values
        return
    for name, each in values.items():
        yield from _flat(each, f"{prefix}.{name}" if prefix and prefix != "run" else name)


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else "not given" if value is None else str(value)
