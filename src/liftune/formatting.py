"""How numbers and names are written, wherever a person reads them.

In: a value, and where its unit depends on it the metric.  Out: text.
Not here: sentences (report/), the numbers themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING

from liftune.addresses import is_address

if TYPE_CHECKING:
    from liftune.records.base import Interval

#: What a terminal obeys instead of showing it: control characters but tab and line end, and what turns the direction of
#: writing, by which a text can look like another one.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""The text as a terminal may be given it: what it would obey is shown as in the quoted values of messages, which
    are Python's own `repr`.

    >>> print(visible("\x1b[31mred\u202e"), repr("\x1b[31mred\u202e"))
    \x1b[31mred\u202e '\x1b[31mred\u202e'
    """
    return _OBEYED.sub(lambda found: repr(found[0])[1:-1], text)


def visible_json(text: str) -> str:
    r"""JSON as a terminal may be given it: the same JSON.

    >>> print(visible_json('"\x9b31mred"'))
    "\u009b31mred"
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def number(value: float | None, digits: int = 4) -> str:
    """A value, or a dash where it is undefined."""
    return "-" if value is None else f"{value:.{digits}f}"


def count(parameters: int) -> str:
    """A number of parameters in three digits.

    >>> count(340_230), count(2_310), count(6)
    ('340k', '2.31k', '6')
    """
    for amount, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if parameters >= amount:
            return f"{parameters / amount:.3g}{unit}"
    return str(parameters)


def size(in_bytes: int | None) -> str:
    """Bytes in three digits, or a dash.

    >>> size(1_371_232), size(1_043_000), size(None)
    ('1.31 MiB', '0.995 MiB', '-')
    """
    if in_bytes is None:
        return "-"
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if in_bytes >= 1000 * unit / 1024:  # three digits do not hold 1,018 KiB
            return f"{in_bytes / unit:.3g} {name}"
    return f"{in_bytes} B"


def p_value(value: float) -> str:
    """As precise as such a number can be taken.

    >>> p_value(0.04321), p_value(1e-30), p_value(0.05), p_value(0.0502)
    ('p = 0.043', 'p < 0.0001', 'p = 0.05', 'p = 0.0502')
    """
    return "p < 0.0001" if value < 1e-4 else f"p = {level_digits(value)}"


#: What p-values are held against: one that is not equal to it must not read as if it were.
_LEVEL = 0.05


def level_digits(value: float) -> str:
    """A p-value in two digits, or as many as tell it from the level.

    >>> level_digits(0.0502), level_digits(0.04999), level_digits(0.5)
    ('0.0502', '0.04999', '0.5')
    """
    texts = (f"{value:.{digits}g}" for digits in range(2, 18))
    return next((text for text in texts if (float(text) == _LEVEL) == (value == _LEVEL)), repr(value))


def interval(score: Interval) -> str:
    """Value and interval; shares as shares.

    >>> from liftune.records.base import Interval
    >>> interval(Interval(value=0.5481, low=0.499, high=0.596)), interval(Interval(value=None))
    ('0.548 [0.499, 0.596]', 'undefined')
    """
    if score.value is None:
        return "undefined"
    if score.low is None or score.high is None:
        return f"{score.value:.3f}"
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"


def target(value: str | tuple[str, ...] | float) -> str:
    """A label, labels or a number, as a sentence has them.

    >>> target(("a", "b")), target(()), target(3.0)
    ('a, b', '-', '3')
    """
    if isinstance(value, tuple):
        return ", ".join(value) or "-"
    return value if isinstance(value, str) else f"{value:g}"


def unbracketed(scores: Iterable[Interval]) -> tuple[str, ...]:
    """A sentence on values without an interval, where there are any."""
    if any(each.value is not None and each.low is None for each in scores):
        return ("Numbers without brackets have no confidence interval: they do not vary between resamples.",)
    return ()


def gain(
    metric: str, value: float | None, low: float | None = None, high: float | None = None, *, signed: bool = True
) -> str:
    """A difference of a metric, with its interval where there is one; of a proportion in points.

    >>> gain("accuracy", 0.02, -0.03, 0.07), gain("accuracy", 0.068, signed=False), gain("rmse", None)
    ('+2.0 points of accuracy [-3.0, +7.0]', '6.8 points of accuracy', '- of rmse')
    """
    from liftune.metrics.registry import is_proportion  # brings numpy, which `liftune list` does not need

    points, sign = is_proportion(metric), "+" if signed else ""

    def shown(amount: float | None) -> str:
        return "-" if amount is None else f"{amount * 100:{sign}.1f}" if points else f"{amount:{sign}.3f}"

    text = f"{shown(value)}{' points' if points else ''} of {metric}"
    return text if low is None or high is None else f"{text} [{shown(low)}, {shown(high)}]"


def seconds(value: float | None) -> str:
    """Seconds, or a dash."""
    return "-" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def duration(value: float) -> str:
    """A time as a person says it.

    >>> duration(0.4), duration(41), duration(95), duration(7_900)
    ('1 s', '41 s', '2 min', '2 h 12 min')
    """
    whole = max(1, round(value))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if not hours else f"{hours} h {rest} min" if rest else f"{hours} h"


def clipped(text: str, most: int) -> str:
    """At most so many characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def plain_name(name: str) -> str:
    """A hub id as it is; of a path on a disk or an address only the last part, which says nothing of its owner.

    >>> plain_name("~/someone/reviews.csv"), plain_name("stanfordnlp/imdb")
    ('reviews.csv', 'stanfordnlp/imdb')
    >>> plain_name("s3://someone/reviews/"), plain_name("https://host/reviews.csv?...")
    ('reviews', 'reviews.csv')
    """
    if is_address(name):
        return PurePath(name.partition("?")[0]).name
    return PurePath(name).name if PurePath(name).is_absolute() or name.startswith(("~", ".")) else name
