"""Old train rows that are replayed beside the new ones of a run with --start.

In: what --replay says, the run that is started from.  Out: a Replay: rows, or none, and what is said of them.
Not here: how many of them are taken (data/continued.py), reading that run's data again (starting_rows.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from liftune.addresses import Address
from liftune.data.continued import Continued
from liftune.data.load import load
from liftune.data.readers.memory import tables_of
from liftune.data.splits import Split, Splits
from liftune.errors import LIKELY, DataError, LiftuneError, SpecError, nearest, pasted
from liftune.files import expanded
from liftune.option_values import Held
from liftune.run_folder import RunFolder
from liftune.spec import IN_MEMORY, RunSpec

AUTO, ALL, NONE = "auto", "all", "none"
_NO_MORE = "none with --replay none"


@dataclass(frozen=True)
class Replay:
    """Old train rows, or none, and what is to be said of them."""

    rows: Split | None
    said: str


def rows_of_run(asked: str, run: RunFolder, again: Callable[[], Splits | None]) -> Replay:
    """The train rows of a run.

    Args:
        again: reads its data; None where the rows are not what they were.

    Raises:
        DataError: all of them were asked for, and none is at hand.
    """
    hint, source = "to replay old rows: --replay FILE", run.spec().data.source
    if run.record().folds:  # every row is kept, as a test row
        return Replay(run.split("test"), f"as {run.path} keeps all rows of a cross-validated run; {_NO_MORE}")
    if source == IN_MEMORY:
        return nothing(asked, "no old rows are at hand, as they were in memory", hint)
    if isinstance(source, Address):
        hint = f"to bring them again: --replay {pasted(source)}"
        return nothing(asked, f"no old rows are at hand: they came from {source}", hint)
    try:
        splits = again()
    except LiftuneError as error:
        why = error.message.splitlines()[0]
        return nothing(asked, f"no old rows are at hand: {source} cannot be read again: {why}", hint)
    if splits is None:
        return nothing(asked, f"no old rows are at hand: {source} has other rows than it had then", hint)
    return Replay(splits.train, f"read again from {source}; {_NO_MORE}")


def nothing(asked: str, why: str, hint: str) -> Replay:
    """Nothing to replay.

    Raises:
        DataError: all of them were asked for.
    """
    if asked == ALL:
        raise DataError(why, where="--replay all", hint=hint)
    return Replay(None, f"{why}; {hint}")


def given_rows(asked: str, spec: RunSpec) -> Replay:
    """No rows, or those of another source, in the columns of the new one."""
    if asked == NONE:
        return Replay(None, "no old rows are replayed, as asked")
    whole: dict[str, Any] = {
        "source": asked,
        "validation": None,
        "test": None,
        "train_rows": None,
        "test_rows": None,
        "split": {},
    }
    data = spec.data.model_copy(update=whole)
    if asked == IN_MEMORY and not isinstance(asked, Held):
        raise SpecError(
            "the old rows were in memory, and are not kept", where="--replay", hint="give them again, or a file"
        )
    try:
        tables = tables_of(asked.rows) if isinstance(asked, Held) else None
        rows = load(data, tables, skip_bad_rows=spec.data.skip_bad_rows, in_one=True).splits.train
    except LiftuneError as error:
        if isinstance(asked, Held):
            raise type(error)(error.message, where="--replay", hint=error.hint) from None
        if isinstance(asked, Address) or expanded(asked).exists():
            raise
        known = (AUTO, ALL, NONE)
        message = f"{error.message}{nearest(asked, known, least=LIKELY)}"
        hint = f"give {', '.join(known)}, or a file of old rows"
        raise type(error)(message, where=f"--replay {pasted(asked)}", hint=hint) from None
    return Replay(rows, f"read from {asked}")


def of_replay(found: Continued, notes: list[str], *, every: bool) -> list[str]:
    """The notes, the first with how many rows were replayed."""
    if found.replayed_of is None:
        return notes
    more = ""
    if found.replayed < found.replayed_of:
        more = "; the others are among the new rows, or held back" if every else "; all of them with --replay all"
    return [f"{found.replayed:,} of {found.replayed_of:,} old train rows are replayed, {notes[0]}{more}", *notes[1:]]
