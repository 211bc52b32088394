"""What is kept of a folder of predictions: what it is of, and what of it is done.

    OUT/.liftune/predictions.json     the model and the options: all that its files depend on besides their rows
    OUT/.liftune/done/NAME.json       of each file: what it was made of, and what was written
    OUT/.liftune/work                 files that are not complete

In: values.  Out: JSON, and the same again; a damaged note counts as none.
Not here: where they lie (place.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any

from liftune.errors import ArtifactError, SpecError
from liftune.json_text import parse_json

#: Hidden, so that whoever reads the folder as data passes it over.
KEPT = ".liftune"
BEGUN = f"{KEPT}/predictions.json"
DONE, WORK = f"{KEPT}/done", f"{KEPT}/work"


@dataclass(frozen=True)
class Note:
    """Of a file whose predictions are complete."""

    name: str
    read: str
    """The stamp of the input."""
    sha256: str
    """Of the input."""
    rows: int
    errors: int
    """Rows without a prediction."""
    labels: dict[str, int]
    """Label -> rows that were given it."""
    seconds: float
    written: str
    """The stamp of the output."""
    out_sha256: str

    def to_text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str | bytes) -> Note | None:
        """From JSON; None where it is not whole."""
        try:
            values = parse_json(text)
            note = cls(**{each.name: values[each.name] for each in fields(cls)})
            sound = isinstance(note.name, str) and all(isinstance(each, int) for each in (note.rows, note.errors))
            return note if sound and isinstance(note.labels, dict) else None
        except (ValueError, KeyError, TypeError):
            return None


def key(name: str) -> str:
    """A file name for what is kept of a shard: short, whatever its name, with the endings that say its format.

    >>> key("a/b.csv.gz")
    '4426c71f904d6f09.csv.gz'
    """
    endings = "".join(PurePosixPath(name).suffixes[-2:])
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16] + endings[-40:]


@dataclass(frozen=True)
class Begun:
    """What a folder of predictions is of."""

    settings: dict[str, Any]
    """All that its files depend on besides their rows, as JSON."""
    source: str
    """The folder that is read."""
    model: Mapping[str, str] = field(default_factory=dict)
    """Names of the model for a message, `contender` and `path`; the settings have its digest. Of old folders none."""

    def to_text(self) -> str:
        """As JSON."""
        values = {"in": self.source, "model": dict(self.model), "settings": self.settings}
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    def gone_on_with(self, text: str | bytes, name: str) -> Begun:
        """What a folder says of itself, if it may be gone on with by these settings.

        Args:
            name: of the folder.

        Raises:
            SpecError: it is of another model or other options.
            ArtifactError: what it says is damaged.
        """
        try:
            values = parse_json(text)
            model = {str(name): str(each) for name, each in dict(values.get("model", {})).items()}
            before = Begun(dict(values["settings"]), str(values["in"]), model)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ArtifactError(
                f"{BEGUN} is damaged, which says what the predictions are of",
                where=name,
                hint="name another folder with --out, or remove this one",
            ) from None
        others = self._differences(before)
        if others:
            was, now = (each.model.get("contender") for each in (before, self))
            by = f" (--use {was})" if was is not None and was != now else ""
            raise SpecError(
                f"{name} holds predictions that were begun otherwise: {'; '.join(others)}",
                where="--out",
                hint=f"name another folder with --out; or go on with this one by the model and options of then{by}",
            )
        return before

    def _differences(self, before: Begun) -> list[str]:
        """What is otherwise now, the model by its names."""
        others = differences(before.settings, parse_json(json.dumps(self.settings)))
        if before.settings.get("model") == self.settings.get("model"):
            return others
        return [self._other_model(before), *(each for each in others if not each.startswith("model ("))]

    def _other_model(self, before: Begun) -> str:
        pairs = {name: (before.model.get(name), self.model.get(name)) for name in ("contender", "path")}
        was, now = pairs["contender"]
        if was is not None and was != now:
            return f"{was} then, {now} now"
        was, now = pairs["path"]
        if was is not None and was != now:
            return f"the model (then {was}, now {now})"
        if was is not None:
            return f"the model {now}, which has changed since"
        return "the model, which was another one or has changed since"


def differences(begun: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Which settings are not those that a folder was begun with, in words."""
    names = dict.fromkeys([*begun, *settings])
    return [
        f"{name} (now {_shown(settings.get(name))}, then {_shown(begun.get(name))})"
        for name in names
        if begun.get(name) != settings.get(name)
    ]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if value is not None else "none"
    return text if len(text) <= 50 else f"{text[:47]}..."
