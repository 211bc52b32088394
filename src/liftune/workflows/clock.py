"""When a run began and how long it has taken, over all processes that carried it out.

In: what an earlier process kept, and when it last kept something.  Out: the first start; seconds so far.
Not here: seconds of a contender, which its own outcome keeps (memo_forms.py).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from liftune.workflows.memo import Memo, Outcome

_NAME = "clock"


@dataclass(frozen=True)
class Clock:
    """Of a run; times are seconds since 1970."""

    first: float
    """When its first process began."""
    before: float
    """Seconds of earlier processes, each until it last kept something: what it did after that is done again."""
    began: float
    """When this process began."""

    @classmethod
    def going_on(cls, memo: Memo, last_written: float | None, began: float) -> Clock:
        """The clock of a run that a process begins or goes on with; kept for a later one.

        Args:
            last_written: when an earlier process last kept something.
        """
        kept = memo.get(_NAME)
        clock = cls(began, 0.0, began)
        if kept is not None:
            first, before, earlier = (float(kept.values[name]) for name in ("first", "before", "began"))
            clock = cls(first, before + max(0.0, (last_written or earlier) - earlier), began)
        memo.put(_NAME, Outcome({"first": clock.first, "before": clock.before, "began": clock.began}))
        return clock

    def seconds(self) -> float:
        """Of all processes until now."""
        return self.before + time.time() - self.began
