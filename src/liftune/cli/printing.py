"""What commands print on stdout: JSON, records, report sections, predictions.

In: what a command worked out.  Out: text on stdout.
Not here: the commands (main.py), how a section looks (reports/render/text.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from liftune.formatting import visible, visible_json

if TYPE_CHECKING:
    from liftune.exports.parity import Parity
    from liftune.inference.prediction import Prediction
    from liftune.records.base import StoredRecord
    from liftune.reports.base import Section


def say(text: str, *, end: str = "\n", error: bool = False, as_json: bool = False) -> None:
    """The one way to standard output and error by which what users and files hold cannot command a terminal."""
    print(visible_json(text) if as_json else visible(text), end=end, file=sys.stderr if error else sys.stdout)


def print_json(value: Any) -> None:
    """One JSON value, indented."""
    say(json.dumps(value, ensure_ascii=False, indent=2), as_json=True)


def print_sections(sections: Iterable[Section]) -> None:
    """Sections as text, as wide as the terminal."""
    from rich.console import Console

    from liftune.reports.render.text import print_sections as print_text

    print_text(sections, Console(highlight=False))


def print_record(record: StoredRecord, *, as_json: bool) -> None:
    """The whole record as JSON, or the sections that show it."""
    if as_json:
        print_json(record.to_json())
    else:
        from liftune.display import sections_of

        print_sections(sections_of(record))


def print_predictions(predictions: Iterable[Prediction], *, as_json: bool) -> None:
    """One JSON object a line, or one line of text for each prediction."""
    for prediction in predictions:
        text = json.dumps(prediction.to_json(), ensure_ascii=False) if as_json else prediction.line()
        say(text, as_json=as_json)


def print_parity(parity: Parity, to: str, *, as_json: bool) -> None:
    """How an export compares with its run, and where it was written."""
    if as_json:
        print_json(parity.model_dump(mode="json"))
    else:
        accepted = (f"  accepted: {each}" for each in parity.excesses)
        say("\n".join((*parity.lines(), *accepted, f"written: {to}")))


def print_or_json(value: Any, sections: Iterable[Section], *, as_json: bool) -> None:
    """A value as JSON, or the sections that show it."""
    if as_json:
        print_json(value)
    else:
        print_sections(sections)
