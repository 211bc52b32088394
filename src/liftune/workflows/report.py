"""A run folder as a report: read, rendered in a format, written.

In: a RunFolder, or a path.  Out: text in a format; report.html, flips.jsonl and the adapter's README.md.
Not here: the sections (report/), error analysis (evaluation/error_analysis.py), the folder's own files (run_folder.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from liftune.errors import EXTRAS, ArtifactError, MissingExtra, SpecError, nearest, need, pasted
from liftune.evaluation.error_analysis import details, set_against
from liftune.events import Events
from liftune.files import atomic_write, write_text
from liftune.records.details import Details
from liftune.records.reading import ADAPTER_CARD, RUN_RECORD, read_record
from liftune.records.run import TuneRecord
from liftune.records.sweep import SweepRecord
from liftune.records.training import AdapterCard
from liftune.reports.document import Reported
from liftune.reports.model_card import to_card
from liftune.reports.render.html import to_html
from liftune.reports.render.text import to_markdown
from liftune.reports.run_readme import to_readme
from liftune.reports.sections.predictions import MOST_FLIPS
from liftune.run_folder import RunFolder, card_of
from liftune.spec_text import command_line
from liftune.workflows.check import described
from liftune.workflows.explained_flips import explain_flips, kept_explanations
from liftune.wrong_path import is_file_in

PAGE, FLIPS, CARD, SWEEP_RECORD = "report.html", "flips.jsonl", "README.md", "sweep.json"


def to_json(record: Reported, details: Details | None = None) -> str:
    """The record as it is on disk, and beside it what the rows say."""
    values = record.to_json()
    if details is not None:
        values["details"] = details.to_json(most_flips=MOST_FLIPS)
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


#: Format -> how a report is rendered in it; a file's extension names its format.
FORMATS: dict[str, Callable[[Reported, Details | None], str]] = {"html": to_html, "md": to_markdown, "json": to_json}
_ENDINGS = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md", ".json": "json"}


def format_of(name: str | None, out: str | None) -> str | None:
    """The requested format, by name or by the file's extension; None where neither was given.

    Raises:
        SpecError: there is no such format, or the ending names none.
    """
    if name is not None:
        if name not in FORMATS:
            raise SpecError(
                f"no format {name!r}{nearest(name, FORMATS)}",
                where="--format",
                hint=f"choose one of: {', '.join(FORMATS)}",
            )
        return name
    if out is None:
        return None
    ending = Path(out).suffix.lower()
    if ending not in _ENDINGS:
        raise SpecError(
            f"{out}: {ending or 'a file without ending'} names no format",
            where="--out",
            hint=f"end it in one of {', '.join(_ENDINGS)}, or give --format",
        )
    return _ENDINGS[ending]


def read_run(folder: RunFolder, *, look: bool = True) -> tuple[TuneRecord, Details]:
    """The record, with the folder where it is now, and what the folder's rows and logits say beyond it.

    Args:
        look: hold the saved contenders against their seals: those that are damaged are named, and not recommended.

    Raises:
        ArtifactError: a file of the folder is missing or damaged; it says which.
    """
    record = folder.record().model_copy(update={"run": str(folder.path)})
    if not any(each.name == "tuned" for each in record.contenders):
        raise ArtifactError(
            "the record has no tuned contender", where=str(folder.path), hint="give a run of `liftune tune`"
        )
    wanted = {"base", "tuned", set_against(record)[0], *(each.a for each in record.comparisons)}
    evaluations = {each.name: folder.evaluation(each.name) for each in record.contenders if each.name in wanted}
    spec = folder.spec()
    spec = spec.model_copy(update={"out": record.run}) if spec.out else spec
    found = details(record, command_line(spec), folder.split("test"), evaluations)
    damage = damaged_contenders(folder, record) if look else {}
    contenders = tuple(each.model_copy(update={"damaged": damage.get(each.name)}) for each in record.contenders)
    more = {"damaged": damage, "explained": kept_explanations(folder)}
    return record.model_copy(update={"contenders": contenders}), found.model_copy(update=more)


def read_report(path: str, *, where: str = "RUN") -> tuple[Reported, Details | None]:
    """What is reported of a path: a run; a model by itself, here or on the hub; a sweep.

    Raises:
        ArtifactError: it leads to neither, or a file is missing or damaged.
    """
    if is_file_in(path, RUN_RECORD):
        return read_run(RunFolder.open(path, where=where))
    if is_file_in(path, SWEEP_RECORD):
        return read_record(Path(path) / SWEEP_RECORD, SweepRecord, "sweep").model_copy(update={"sweep": path}), None
    from liftune.workflows.saved_report import saved_record  # it looks at models, which a run's report does not

    return saved_record(path, where=where), None


def write_report_of(path: str, form: str, out: str | None, *, where: str = "RUN") -> Path:
    """The same in a file.

    Raises:
        ArtifactError: as `read_report`, or the report cannot be written.
        SpecError: a model by itself, and no file is named: its folder is not the report's to be written in.
    """
    if is_file_in(path, RUN_RECORD):
        return write_report(RunFolder.open(path, where=where), form, out)
    record, details = read_report(path, where=where)
    if out is None:
        raise SpecError(
            f"{path} is no run, in whose folder a report lies",
            where="--format",
            hint=f"name the file: --out report.{form}",
        )
    write_text(Path(out), FORMATS[form](record, details))
    return Path(out)


def damaged_contenders(folder: RunFolder, record: TuneRecord) -> dict[str, str]:
    """Contender -> the first fault of its files; of a whole run nothing."""
    found = {}
    for each in record.contenders:
        card = Path(card_of(each.name))
        if each.saved_bytes is None and card.as_posix() not in record.files:
            continue  # it was never kept, or nobody can say
        states = described(folder.path / card.parent, card.name)
        fault = next((state for state in states if state.state == "damaged"), None)
        try:
            folder.check_card(each.name)
        except ArtifactError as error:
            found[each.name] = error.message
        if fault is not None:
            found[each.name] = fault.reason
    return found


def write_report(
    folder: RunFolder, form: str, out: str | None = None, *, look: bool = True, explain: bool = False
) -> Path:
    """A report in a file; with the page all flips go to flips.jsonl of the run folder.

    Args:
        out: None takes report.html (or .md, .json) in the run folder.
        explain: look for the words that mattered in a few flips, with the models of the run.

    Raises:
        ArtifactError: a file of the run is missing or damaged, or the report cannot be written.
        MissingExtra: what the page is drawn with is not installed.
    """
    if form == "html":
        need(*EXTRAS["report"])
    path = Path(out) if out else (folder.path / PAGE).with_suffix(f".{form}")
    record, details = read_run(folder, look=look)
    if explain:
        details = details.model_copy(update={"explained": explain_flips(folder, record, details.flips)})
    text = FORMATS[form](record, details)
    if form == "html" and (out is None or not (folder.path / FLIPS).is_file()):
        write_flips(folder, details)
    write_text(path, text)
    return path


def write_flips(folder: RunFolder, details: Details) -> None:
    """Every flip, uncut, one object a line, the fixed ones first."""
    with atomic_write(folder.path / FLIPS) as file:
        for flips in (details.flips, *details.other_flips):
            for kind, each in (("fixed", flips.fixed), ("broken", flips.broken)):
                for flip in each:
                    values = {"flip": kind, "against": flips.against, **flip.model_dump(exclude_none=True)}
                    file.write((json.dumps(values, ensure_ascii=False) + "\n").encode())


def publish(folder: RunFolder, record: TuneRecord) -> Path:
    """What a finished run leaves to be read: its README, the adapter's card, and the page, whose place is returned.

    Raises:
        MissingExtra: what the page is drawn with is not installed; the card is then written all the same.
    """
    card = folder.adapter / ADAPTER_CARD
    adapter = read_record(card, AdapterCard, "adapter") if card.is_file() else None
    write_text(folder.adapter / CARD, to_card(record, adapter))
    write_text(folder.path / CARD, to_readme(record))
    return write_report(folder, "html", look=False, explain=True)


def publish_or_say(folder: RunFolder, record: TuneRecord, events: Events) -> None:
    """The same; the run is whole without the page."""
    try:
        events.note(f"report: {publish(folder, record)}")
    except MissingExtra as error:
        events.note(
            f"no report.html: {error.message}; {error.hint}, then liftune report {pasted(record.run)} --format html"
        )
    except (ArtifactError, OSError) as error:  # the record is on the disk already: nothing of the run is missing
        reason = f"{error.where}: {error.message}" if isinstance(error, ArtifactError) else str(error)
        events.note(
            f"the run is whole, but for what can be made again ({reason}): "
            f"free some space, then liftune report {pasted(record.run)} --format html"
        )
