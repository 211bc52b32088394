"""How to use what came out of the run: the last lines of `liftune tune`.

In: a TuneRecord.  Out: one Section.
Not here: which contender is recommended and why (claims.py).
"""

from __future__ import annotations

import shlex

from liftune.records.run import TuneRecord
from liftune.report.base import SECTIONS, Section


@SECTIONS.entry("use", summary="The command that predicts with the recommended model.")
def use(record: TuneRecord) -> Section | None:
    """The recommended contender's command; where another is used without being asked for, that is said."""
    if not record.logs:
        return None
    default, recommended = record.default_contender, record.recommended
    if recommended is None:
        said = ["Nothing is recommended; this is the tuned model."]
    elif not is_kept(record, recommended):
        said = [f"Recommended: {recommended}, which this run did not keep; tune again to have it. Kept: tuned."]
    elif recommended == default:
        said = [f"Recommended: {recommended}."]
    else:
        said = [
            f"Recommended: {recommended}. Without --use, all commands take the tuned model, as test does not rule "
            "it out."
        ]
    if default != "tuned":
        said.append(
            f"predict, serve, export and evaluate use {default} for this run, as the verdict says that the tuned model "
            "is worse; --use tuned takes that."
        )
    if record.folds:
        said.append("What is kept was fitted on all examples.")
    chosen = recommended if recommended is not None and is_kept(record, recommended) else "tuned"
    return Section("Use", tuple(said), commands=(predict_command(record, chosen),))


def is_kept(record: TuneRecord, name: str) -> bool:
    """Whether a contender is on disk: of runs of liftune 0.1 the tuned one alone."""
    return name == "tuned" or any(each.name == name and each.saved_bytes is not None for each in record.contenders)


def predict_command(record: TuneRecord, name: str, run: str | None = None) -> str:
    """The command that predicts with a contender.

    Args:
        run: the folder; None takes the record's own.
    """
    option = "" if name == record.default_contender else f" --use {name}"
    pair = ' --pair "another"' if record.pairs else ""
    return f'liftune predict {shlex.quote(run or record.run)}{option} "some text"{pair}'
