"""The fastest stock configuration here, found by a short search: an honest opponent.

In: Work, and a way to run it.  Out: a configuration, and every run that led to it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from benchmarks.work import Result, Work

#: What a script's author sets without thinking of the machine.
USUAL = "sdpa:16x1:float32"
#: Everything that is tried: attention, rows x accumulation, precision of the weights.
GRID = tuple(
    ":".join(each) for each in itertools.product(("sdpa", "eager"), ("16x1", "8x2", "4x4"), ("float32", "bfloat16"))
)
FINALISTS = 3


def search(work: Work, launch: Callable[[Work], Result], grid: Sequence[str] = GRID) -> tuple[str, list[Result]]:
    """Try each once and the fastest three twice more, in turn; the highest median of rows a second wins.

    Args:
        grid: configurations; of no more than three each is tried once.

    Raises:
        RuntimeError: none could be run.
    """
    tried = [launch(replace(work, config=config)) for config in grid]
    ran = [result for result in tried if not result.missing]
    if not ran:
        raise RuntimeError(f"no stock configuration could be run: {tried[0].missing}")
    finalists = [each.config for each in sorted(ran, key=lambda each: -each.rows_per_second)[:FINALISTS]]
    more = 2 if len(grid) > FINALISTS else 0
    again = [launch(replace(work, config=config)) for _ in range(more) for config in finalists]
    rates = {
        config: median(each.rows_per_second for each in (*ran, *again) if each.config == config and not each.missing)
        for config in finalists
    }
    return max(rates, key=lambda config: rates[config]), [*tried, *again]
