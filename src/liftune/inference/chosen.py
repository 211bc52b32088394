"""Which contender of a run its commands use: predict, serve, export, evaluate and `liftune.load` ask here.

In: a run's folder, and a name where one was asked for.  Out: a Chosen: the contender, its folder, what to say of it.
Not here: which contender is recommended (evaluation/ladder.py), loading it (opening.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from liftune.errors import SpecError, nearest
from liftune.formatting import number
from liftune.records.run import TuneRecord
from liftune.run_folder import RunFolder

#: Names that a user may give besides those of contenders.
RECOMMENDED = "recommended"


@dataclass(frozen=True)
class Chosen:
    """The contender to use."""

    name: str
    folder: Path
    note: str = ""
    """To be said each time; empty where the tuned model is used, as anyone would expect."""


def choose_contender(run: Path, use: str | None = None) -> Chosen:
    """The contender that was asked for; else the tuned one, but where the verdict says that it is worse than the one
    that the run recommends.

    Args:
        use: a contender's name, or `recommended`; None was not asked.

    Raises:
        SpecError: the run has no such contender on disk; the message lists those that it has.
        ArtifactError: record.json is damaged.
    """
    folder = RunFolder(run)
    saved = folder.saved_contenders
    if use is not None and use != RECOMMENDED:
        if use not in saved:
            _refuse_outside(use, saved, folder)
            raise _not_saved(use, saved, run)
        return Chosen(use, folder.contender(use), "" if use == "tuned" else f"using {use}, as asked")
    record = folder.record() if (run / "record.json").is_file() and (use or len(saved) > 1) else None
    if use is None:
        name = record.default_contender if record else "tuned"
        if record is None or name == "tuned" or name not in saved:
            return Chosen("tuned", folder.adapter)
        return Chosen(name, folder.contender(name), f"using {name}: {_worse(record, name)}; --use tuned takes tuned")
    wanted = record.recommended if record else None
    if wanted is None:
        raise SpecError(f"{run} recommends no contender", where="--use", hint=_known(saved))
    if wanted not in saved:
        _refuse_outside(wanted, saved, folder)
        raise _not_saved(wanted, saved, run)
    return Chosen(wanted, folder.contender(wanted), f"using {wanted}, which the run recommends")


def _worse(record: TuneRecord, name: str) -> str:
    """Why the tuned model is not used, with both scores."""
    scores = {each.name: each.metrics[record.metric].value for each in record.contenders}
    ours, theirs = (number(scores[each], 3) for each in ("tuned", name))
    return f"on the test rows the tuned model is worse ({record.metric} {ours} against {theirs})"


def _refuse_outside(name: str, saved: tuple[str, ...], folder: RunFolder) -> None:
    """Refuse a contender whose answers were made elsewhere, or that the run did not fit.

    Raises:
        SpecError: it is one.
    """
    record = folder.record() if folder.has_record else None
    about = next((each.outside for each in record.contenders if each.name == name), None) if record else None
    if about is not None:
        made = (
            "its answers were made elsewhere" if about.kind == "answers" else "it is a model that was not trained here"
        )
        raise SpecError(f"{name} predicts nothing here: {made}", where="--use", hint=_known(saved))


def _not_saved(name: str, saved: tuple[str, ...], run: Path) -> SpecError:
    known = (*saved, RECOMMENDED)
    if saved == ("tuned",):
        return SpecError(
            f"{run} holds the tuned model alone, not {name}",
            where="--use",
            hint="leave --use out, or tune again: this liftune saves every contender of a run",
        )
    return SpecError(f"{run} has no contender {name!r}{nearest(name, known)}", where="--use", hint=_known(saved))


def _known(saved: tuple[str, ...]) -> str:
    return f"choose one of: {', '.join((*saved, RECOMMENDED))}"
