"""What `liftune inspect` sees of a file, for the page.

In: data options.  Out: sections and columns, as JSON.
Not here: inspecting itself (workflows/inspect.py), how a section looks (static/).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from liftune.data.inspect import Inspection
from liftune.display import sections_of
from liftune.errors import DataError, LiftuneError
from liftune.files import write_json
from liftune.json_text import JsonError, parse_json
from liftune.reports.base import Section
from liftune.reports.sections.inspection import labels_section
from liftune.server.errors import RequestError
from liftune.spec import RunSpec
from liftune.ui.children import LIFTUNE, fault_in, named_for_user, output_of
from liftune.ui.incoming import reading_within
from liftune.ui.limits import UiLimits
from liftune.ui.store import Store, Upload
from liftune.ui.wording import note_for_page

#: Of what is kept; another number where the page takes something else.
_FORM = 2


class Inspecting:
    """Inspects files, one at a time; what was found is kept beside the file."""

    def __init__(self, store: Store, limits: UiLimits) -> None:
        self._store, self._limits, self._lock = store, limits, asyncio.Lock()

    async def look(self, options: Mapping[str, Any], upload: Upload | None, model: str) -> dict[str, Any]:
        """What is in the data, under the user's own name of the file.

        Raises:
            RequestError: 422, they cannot be used so: message, where and hint are those of the command.
        """
        names = {self._store.source(upload): upload.name, upload.file: upload.name} if upload else {}
        spec = RunSpec.of(**options, model=model)
        values = spec.model_dump(mode="json", exclude_defaults=True) or {"data": {"source": spec.data.source}}
        key = hashlib.sha256(json.dumps([_FORM, values], sort_keys=True).encode()).hexdigest()[:16]
        kept = self._store.place(upload) / f"inspection-{key}.json" if upload else None
        if kept and kept.is_file():
            found: dict[str, Any] = parse_json(kept.read_bytes())
            return found
        async with self._lock:
            try:
                found = _shown(await self._inspection(values), names)
            except DataError as error:
                raise named_for_user(error, names) from None
        if kept:
            write_json(kept, found)
        return found

    async def _inspection(self, values: Mapping[str, Any]) -> Inspection:
        with tempfile.TemporaryDirectory(prefix="liftune-ui-") as place:
            config = Path(place) / "options.json"
            write_json(config, values)
            command = (*LIFTUNE, "inspect", "--config", str(config), "--json")
            seconds, environment = self._limits.check_seconds, reading_within(self._limits)
            code, out, said = await output_of(command, self._store.folder, seconds, environment)
        if code != 0:
            error = fault_in(said)
            raise DataError(error.message, where=error.where, hint=error.hint)
        try:
            return Inspection.model_validate(parse_json(out))
        except (JsonError, ValueError):
            raise DataError("the inspection cannot be read: it may be too long", hint="send fewer rows") from None


def _shown(inspection: Inspection, names: Mapping[str, str]) -> dict[str, Any]:
    """As the page takes it."""

    def named(text: str) -> str:
        for ours, theirs in names.items():
            text = text.replace(ours, theirs)
        return note_for_page(text)

    columns = inspection.columns
    return {
        "task": inspection.task.value,
        "text": columns.text,
        "text_pair": columns.text_pair,
        "label": columns.label,
        "group": columns.group,
        "rows": inspection.rows.model_dump(),
        "labels": list(inspection.labels),
        "bad_rows": len(inspection.bad_rows),
        "skip_bad_rows": inspection.skip_bad_rows,
        "notes": [named(each) for each in inspection.notes],
        "counts": section_json(labels_section(inspection), named),
        "sections": [section_json(each, named) for each in sections_of(inspection)],
    }


def section_json(section: Section, named: Any = str) -> dict[str, Any]:
    """A section of a report as JSON, without its charts.

    Args:
        named: applied to each text.
    """
    return {
        "title": named(section.title),
        "sentences": _each(section.sentences, named),
        "caveats": _each(section.caveats, named),
        "tables": [
            {
                "caption": named(table.caption),
                "headings": list(table.headings),
                "rows": [_each(row, named) for row in table.rows],
                "right": sorted(table.right),
            }
            for table in section.tables
        ],
    }


def _each(texts: Sequence[str], named: Any) -> list[str]:
    return [named(each) for each in texts]


def refusal_of(error: LiftuneError) -> RequestError:
    """An error of liftune as a response."""
    return error if isinstance(error, RequestError) else named_for_user(error, {})
