"""Whether an encoder can start from pairs of rows, and whether there are so few rows a label that it is tried.

In: rows, a method.  Out: a reason why not; a yes or no.
Not here: the start (few.py). Nothing imports torch.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from liftune.data.splits import Splits
from liftune.errors import SpecError
from liftune.models.methods.registry import Method, virtual_tokens
from liftune.spec import RunSpec
from liftune.tasks import task_of

#: Train rows a label, on average, up to which `--few auto` tries it.
MOST_ROWS_A_LABEL = 64
#: Train rows up to which the start is taken without a trial: of 128 rows a trial tells gains of 8 points or more from
#: chance (two standard errors), and it takes twice as long as the start.
UNTRIED_ROWS = 128
#: Validation rows from which it can be seen whether tuning goes on to improve the start: a standard error is then 5
#: points at most.
LEAST_VALIDATION = 100


def unfit(splits: Splits, method: Method, options: Any) -> str:
    """Why a start from pairs cannot be had; empty where it can."""
    if not task_of(splits.task).has_confidence:
        return "a start from pairs of rows needs rows with one label each"
    if method.kind != "peft" or virtual_tokens(options):
        return f"method {method.name} has no adapter in the encoder that pairs of rows could train"
    counts = Counter(splits.train.targets or splits.test.targets)
    if len(counts) < 2 or max(counts.values()) < 2:
        return "no label has two train rows, so that there are no pairs"
    return ""


def check_few(spec: RunSpec, splits: Splits, method: Method, options: Any) -> bool:
    """Refuse `--few on` where it cannot be had; True where nothing is wrong.

    Raises:
        SpecError: says why.
    """
    if spec.train.few != "on":
        return True
    reason = unfit(splits, method, options)
    if spec.method.start:
        reason = "--start goes on from a tuned adapter, and pairs of rows are a start of their own"
    if reason:
        raise SpecError(reason, where="--few on", hint="leave it out, or give --few off")
    return True


def is_tried(spec: RunSpec, splits: Splits, method: Method, options: Any) -> bool:
    """Whether `--few auto` tries it on these train rows, or takes it without a trial (`is_untried`)."""
    auto = spec.train.few == "auto" and not spec.method.start
    few_rows = len(splits.train) <= MOST_ROWS_A_LABEL * max(1, len(splits.labels))
    return auto and few_rows and not unfit(splits, method, options)


def may_start(spec: RunSpec, splits: Splits, method: Method, options: Any) -> bool:
    """Whether the encoder may start from pairs of rows: that was asked for, is tried, or taken without a trial."""
    return spec.train.few == "on" or is_tried(spec, splits, method, options)


def is_untried(splits: Splits) -> bool:
    """Whether there are so few train rows that a trial could hardly tell, and the start is taken without one."""
    return len(splits.train) <= UNTRIED_ROWS


def keeps_start(spec: RunSpec, splits: Splits) -> bool:
    """Whether nothing is tuned after a start from pairs and a fitted head: --epochs always tunes."""
    return not spec.train.epochs and spec.train.head == "fitted" and len(splits.validation) < LEAST_VALIDATION


def skips_tuning(spec: RunSpec, splits: Splits, method: Method, options: Any) -> bool:
    """Whether the start and its fitted head are kept as they are, which is settled before anything is computed."""
    started = spec.train.few == "on" or (is_tried(spec, splits, method, options) and is_untried(splits))
    return started and keeps_start(spec, splits)
