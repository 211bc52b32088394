"""What a base model's licence says about handing on what was made of it, by its name alone.

In: the identifier of a licence, as model cards name them.  Out: whether that is allowed, and a sentence.
Not here: where the name is found (models/checkpoint.py), what follows from it (push.py). This is no legal advice.

Identifiers: https://huggingface.co/docs/hub/repositories-licenses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Changed copies may be handed on; the first group without more than naming the source and the licence.
_FREE = re.compile(
    r"apache-2\.0|mit|bsd(-[23]-clause(-clear)?)?|isc|zlib|unlicense|wtfpl|cc0-1\.0|cc-by-[234]\.[05]|afl-3\.0|artistic-2\.0"
    r"|bsl-1\.0|ecl-2\.0|ms-pl|ncsa|odc-by|pddl|postgresql|ofl-1\.1|cdla-permissive-[12]\.0|cc"
)
_SAME = re.compile(
    r"(a|l)?gpl(-[23]\.[01])?|epl-[12]\.0|eupl-1\.[12]|mpl-2\.0|osl-3\.0|cc-by-sa-[34]\.0|cdla-sharing-1\.0|odbl"
)
_USES = re.compile(r"(bigscience-|bigcode-|creativeml-)?(open)?rail(\+\+)?(-[\w.]+)?|bigscience-bloom-rail-1\.0")
_NO_TRADE = re.compile(r"cc-by-nc(-sa)?-[234]\.0")
_NO_CHANGES = re.compile(r"cc-by(-nc)?-nd-[234]\.0")


@dataclass(frozen=True)
class Terms:
    """What a licence says, as far as its name tells."""

    allowed: bool
    """Whether handing on a changed model is allowed; not where nobody can say."""
    said: str


def terms_of(license: str | None) -> Terms:
    """What the base's licence means for a push.

    >>> terms_of("apache-2.0").allowed, terms_of("cc-by-nd-4.0").allowed, terms_of(None).allowed
    (True, False, False)
    """
    if license is None:
        return Terms(False, "the base model's licence is unknown: its card names none")
    name = license.lower()
    if _FREE.fullmatch(name):
        return Terms(True, f"{license}: changed copies may be handed on, with the licence and the source named")
    if _SAME.fullmatch(name):
        return Terms(True, f"{license}: changed copies may be handed on under the same licence")
    if _USES.fullmatch(name):
        return Terms(True, f"{license}: changed copies may be handed on with its restrictions of use")
    if _NO_TRADE.fullmatch(name):
        return Terms(True, f"{license}: changed copies may be handed on, not for commercial use")
    if _NO_CHANGES.fullmatch(name):
        return Terms(False, f"{license} forbids to hand on changed copies of the base model")
    return Terms(False, f"the base model's licence, {license}, has terms of its own")
