"""How to use what came out of the run: the last lines of `liftune tune`.

In: a TuneRecord.  Out: one Section.
Not here: which contender is recommended and why (claims.py).
"""

from __future__ import annotations

from pathlib import Path

from liftune.errors import pasted
from liftune.records.run import TuneRecord
from liftune.reports.base import SECTIONS, Section, damage_of


@SECTIONS.entry("use", summary="The command that predicts with the recommended model.")
def use(record: TuneRecord) -> Section | None:
    """The recommended contender's command; where another is used without being asked for, that is said."""
    if not record.logs:
        return None
    default, recommended = record.default_contender, record.recommended
    damage = {each.name: each.damaged for each in record.contenders if each.damaged}
    if recommended is None:
        said = ["Nothing is recommended; this is the tuned model."]
    elif recommended in damage:
        said = [f"{recommended} was recommended, and cannot be used: its files are damaged."]
    elif any(each.name == recommended and each.outside for each in record.contenders):
        here = (record.recommendation.here if record.recommendation else None) or "tuned"
        said = [f"Recommended: {recommended}, which is made elsewhere. Of what this run holds: {here}."]
        recommended = here
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
        refused = ", and are refused" if default in damage else ""
        said.append(
            f"predict, serve, export and evaluate use {default} for this run, as the verdict says that the tuned model "
            f"is worse{refused}; --use tuned takes that."
        )
    if record.folds:
        said.append("What is kept was fitted on all examples.")
    if damage:
        said.append(
            f"{damage_of(record)} Restore the files from a copy, or tune again; `liftune check "
            f"{pasted(record.run)}` looks at every file."
        )
    place = Path(record.run)
    said.append(f"Report: {place / 'report.html'}; adapter: {place / 'adapter'}.")
    chosen = next((name for name in (recommended, "tuned") if name is not None and is_kept(record, name)), None)
    if chosen is None:
        said.append("No model can be used before that.")
    return Section("Use", tuple(said), commands=() if chosen is None else (predict_command(record, chosen),))


def is_kept(record: TuneRecord, name: str) -> bool:
    """Whether a contender is on disk, and whole as far as anybody knows: of runs of liftune 0.1 the tuned one alone."""
    found = next((each for each in record.contenders if each.name == name), None)
    if found is None or found.damaged:
        return found is None and name == "tuned"
    return name == "tuned" or found.saved_bytes is not None


def predict_command(record: TuneRecord, name: str, run: str | None = None) -> str:
    """The command that predicts with a contender.

    Args:
        run: the folder; None takes the record's own.
    """
    option = "" if name == record.default_contender else f" --use {name}"
    pair = ' --pair "another"' if record.pairs else ""
    return f'liftune predict {pasted(run or record.run)}{option} "some text"{pair}'
