"""`liftune label --import FILE`: labels that people gave, joined to their texts in what `liftune tune` reads.

In: ImportOptions.  Out: an ImportRecord; a file of the new rows, or a folder of the run's rows with them.
Not here: the run's rows (old_rows.py), exports of Label Studio (studio.py), what a label means (given_labels.py),
several people (agreement.py).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from liftune.addresses import Address, addressed, is_address, refuse_as_output
from liftune.claims import claim_file
from liftune.data.column_names import LABELS, TEXTS, known_name
from liftune.data.readers.formats import FORMATS, extension
from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.data.readers.sources import find_parts
from liftune.data.readers.streams import Line, Stream
from liftune.data.targets import is_missing
from liftune.data.tuned_on import TunedOn, hash_of
from liftune.errors import ArtifactError, DataError, LiftuneError, SpecError, amount, first_of, pasted
from liftune.files import atomic_folder, atomic_write, check_writable, expanded, same_file
from liftune.inference.row_texts import Texts
from liftune.inference.safe_cells import unescaped
from liftune.json_text import JsonError, parse_json
from liftune.labelling.agreement import agreed
from liftune.labelling.forms import ADDED, LABEL, PROBABILITY, ROW, SUGGESTION
from liftune.labelling.given_labels import PARTS_KEPT, GivenLabels
from liftune.labelling.old_rows import command, old_rows
from liftune.labelling.pool import read_pool, stream_of_rows
from liftune.labelling.studio import HELD, OWN, Answered, answers_in, is_export
from liftune.records.base import TextColumns
from liftune.records.labelling import ImportRecord
from liftune.records.reading import ADAPTER_CARD, read_record
from liftune.records.training import AdapterCard
from liftune.run_folder import RunFolder
from liftune.tasks import task_of
from liftune.types import Row, Target

#: Places that a message names.
_NAMED = 5
#: Formats that a spreadsheet opens, or makes of what it opened: in all others cells are written as they are.
_OF_SPREADSHEETS = ("csv", "tsv", "sheet")
#: Columns of a file that liftune wrote to be filled in, of which people may take one away.
_OWN = frozenset((ROW, SUGGESTION, PROBABILITY))


@dataclass(frozen=True)
class ImportOptions:
    """The options of `liftune label --import FILE`, by the same names."""

    filled_in: str
    """--import."""
    run: str
    pool: str | None = None
    """What the rows were chosen from; None does not hold them against it."""
    out: str | None = None
    overwrite: bool = False
    new_labels: bool = False
    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    reading: FileOptions = NONE_GIVEN


@dataclass(frozen=True)
class _Given:
    """One row of the file, with all that was said of it."""

    row: Row
    cells: dict[str, Any]
    place: str
    answers: tuple[Answered, ...]


def import_labels(options: ImportOptions) -> ImportRecord:
    """Read the labels, say what is left out, and write the rest.

    Raises:
        LiftuneError: the file cannot be read; it holds labels that the run does not know, or rows that are not in the
            pool; no row has a label; or the run is none, or damaged.
    """
    out = _out(options)
    folder = RunFolder.open(options.run, where="--run")
    record, seen = folder.record(), folder.tuned_on()
    parts = [folder.split(part) for part in ("test", "validation")]
    scored = [row for part in parts for row in part.rows]
    scored_on, pairs = frozenset(map(hash_of, scored)), any(isinstance(row, tuple) for row in scored)
    old = None if out.suffix == ".jsonl" else old_rows(folder)
    given, blank, read_from = _read(options, pairs, _columns_of(folder))
    if options.pool:
        _refuse_unknown_rows(given, options, pairs, _columns_of(folder))
    targets = [each for part in parts for each in part.targets] if old is None else old.labels
    whole = old is not None or record.folds is not None
    labels = GivenLabels(
        task_of(record.task),
        record.labels,
        options.filled_in,
        known_values=[each for each in targets if isinstance(each, float)],
        known_of="the run's rows" if whole else PARTS_KEPT,
    )
    labels.look_at(one for each in given for one in each.answers if not one.skipped)
    kept, left = _labelled(given, labels, seen, scored_on)
    left += Counter({"blank": blank}) if blank else Counter()
    new = labels.refuse_unknown(accepted=options.new_labels)
    if not kept:
        why = "; ".join(f"{count:,} {reason}" for reason, count in left.items())
        raise DataError(
            f"no row has a label that can be used: {why}",
            where=options.filled_in,
            hint=f"fill in the column {LABEL!r}, or submit tasks in Label Studio and export them",
        )
    said = [list(target) if isinstance(target, tuple) else target for _, target in kept]
    cells = [each.cells for each, _ in kept]
    with claim_file(out):
        if old is None:
            _write(out, [{**each, LABEL: label} for each, label in zip(cells, said, strict=True)])
        else:
            with atomic_folder(out) as fresh:
                for name, lines in old.with_new(cells, said).items():
                    _write(fresh / f"{name}.jsonl", lines)
    return ImportRecord(
        source=options.filled_in,
        run=options.run,
        path=str(out),
        rows=len(kept),
        labels=_counted(target for _, target in kept),
        left_out=dict(left),
        new_labels=new,
        old_rows=0 if old is None else len(old.parts["train"]),
        cross_validated=record.folds is not None,
        next_command=command(folder.spec(), old.data, str(out), f"{options.run}-more") if old else _start(out, options),
        notes=(*read_from, *_notes(given, labels)),
    )


def _start(out: Path, options: ImportOptions) -> str:
    """The command that goes on from the run with the new rows."""
    return f"liftune tune {pasted(out)} --start {pasted(options.run)} --out {pasted(f'{options.run}-more')}"


def _write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with atomic_write(path) as file:
        file.writelines((json.dumps(line, ensure_ascii=False, default=str) + "\n").encode() for line in lines)


def _out(options: ImportOptions) -> Path:
    path = Path(options.out or "labelled.jsonl")
    refuse_as_output(str(path))
    if path.suffix and path.suffix != ".jsonl" and not path.is_dir():
        raise SpecError(
            f"cannot write {path.name}",
            where="--out",
            hint="name a file that ends in .jsonl for the new rows alone, or a folder for the run's rows with them",
        )
    if path.is_dir() and path.suffix != ".jsonl" and not any(path.iterdir()):
        return path
    if path.is_dir():
        raise ArtifactError(f"{path} is a folder that holds files", where="--out", hint="name a new folder")
    if same_file(Path(options.filled_in), path):
        raise SpecError(f"{path} is what is read", where="--out", hint="name another file")
    if path.exists() and not options.overwrite:
        raise SpecError(
            f"{path} exists",
            where="--out",
            hint=f"name another file, or replace it with --overwrite: --out {pasted(path)} --overwrite",
        )
    check_writable(path.absolute().parent)
    return path


def _columns_of(folder: RunFolder) -> TextColumns | None:
    """The columns that the run was tuned on; None where nobody kept them."""
    with suppress(LiftuneError):
        return read_record(folder.adapter / ADAPTER_CARD, AdapterCard, "adapter").columns
    return None


def _read(options: ImportOptions, pairs: bool, known: TextColumns | None) -> tuple[list[_Given], int, tuple[str, ...]]:
    """The rows of the file, with all answers to each; how many have neither text nor label; what was guessed."""
    source = addressed(options.filled_in)
    answers, columns = _exported(source, options) or _tabled(source, options)
    columns = tuple(name for name in columns if name.casefold() not in OWN and name.casefold() not in ADDED)
    stream = stream_of_rows(source, columns, [each.cells for each in answers])
    texts, notes = _texts(stream, options, pairs=pairs, known=known)
    names = [name for name, _ in texts.joined] or [texts.text, *filter(None, (texts.text_pair,))]
    names += [texts.text_pair] if texts.joined and texts.text_pair else []
    found: dict[bytes, _Given] = {}
    blank = 0
    for each in answers:
        cells = {name: each.cells.get(name) for name in names}
        row, fault = texts.row(Line(cells, None, each.place))
        if fault and not each.skipped and not is_missing(each.label):
            raise DataError(fault, where=each.place, hint="give the row its text again, or take it out of the file")
        if fault:
            blank += 1
            continue
        before = found.get(hash_of(row))
        held = (*(before.answers if before else ()), each)
        found[hash_of(row)] = replace(before, answers=held) if before else _Given(row, cells, each.place, held)
    usual = known_name((*(known.texts if known else ()), *TEXTS), (texts.text,))
    if not (options.text or usual or pairs):
        notes = (f"texts are read from the column {texts.text!r}, the only one left; --text names another",)
    return list(found.values()), blank, notes


def _texts(
    stream: Stream, options: ImportOptions, *, pairs: bool, known: TextColumns | None
) -> tuple[Texts, tuple[str, ...]]:
    """Which columns hold the texts; --text may name those of the pool alone, where there is one, and that is said.

    Raises:
        DataError: they are unclear, or a named one is in neither.
    """
    named = options.text, options.text_pair
    try:
        return Texts.of(stream, pairs=pairs, text=named[0], text_pair=named[1], known=known), ()
    except DataError:
        if not options.pool or not any(named):
            raise
        texts = Texts.of(stream, pairs=pairs, known=known)
    lacking = " and ".join(repr(name) for name in named if name)
    return texts, (f"{lacking} is read in the pool alone: {stream.where} has its texts in {texts.text!r}",)


def _exported(source: str, options: ImportOptions) -> tuple[list[Answered], tuple[str, ...]] | None:
    """Of Label Studio's whole export; None of any other file."""
    if isinstance(source, Address) or not expanded(source).is_file() or expanded(source).suffix.lower() != ".json":
        return None
    try:
        value = parse_json(expanded(source).read_bytes())
    except JsonError:
        return None  # the ordinary reader says what is wrong
    if not is_export(value):
        return None
    answers = answers_in(value, source, options.label)
    return answers, tuple(dict.fromkeys(name for each in answers for name in each.cells))


def _tabled(source: str, options: ImportOptions) -> tuple[list[Answered], tuple[str, ...]]:
    """Of a file of rows with a column of labels."""
    parts = find_parts(source, options.reading.checked())
    answers: list[Answered] = []
    columns: dict[str, None] = {}
    for read in parts.values():
        table = read()
        if table.faults:
            fault = table.faults[0]
            raise DataError(fault.reason, where=table.place(fault.position), hint=fault.hint)
        named = (options.label,) if options.label else (LABEL, *LABELS)
        label = known_name([*named, *(f"{name}.{kind}" for name in named for kind in HELD)], table.columns)
        if label is None:
            raise DataError(
                f"no column holds the labels; the file has: {', '.join(table.columns)}",
                where=table.where,
                hint="name it with --label",
            )
        as_written = unescaped if _is_safe_csv(source, table.columns) else _as_it_is
        cells = {name: [as_written(cell) for cell in table.read(name)] for name in table.columns}
        columns |= dict.fromkeys(as_written(name) for name in table.columns if name != label)
        answers += [
            Answered(table.place(i), {as_written(name): each[i] for name, each in cells.items()}, cells[label][i])
            for i in range(table.rows)
        ]
    return answers, tuple(columns)


def _is_safe_csv(source: str, columns: Sequence[str]) -> bool:
    """Whether it is CSV that liftune wrote, or a spreadsheet made of it: with apostrophes before formulas."""
    own = _OWN & {name.strip().casefold() for name in columns}
    forms = (each for each in FORMATS if each.name in _OF_SPREADSHEETS)
    return len(own) > 1 and any(extension(source) in each.openers for each in forms)


def _as_it_is(cell: Any) -> Any:
    return cell


def _labelled(
    given: Sequence[_Given], labels: GivenLabels, seen: TunedOn, scored_on: frozenset[bytes]
) -> tuple[list[tuple[_Given, Target]], Counter[str]]:
    """The rows with a label, and why others have none."""
    kept: list[tuple[_Given, Target]] = []
    left: Counter[str] = Counter()
    for each in given:
        said = [labels.target(one.label, one.place) for one in each.answers if not one.skipped]
        told = [one for one in said if one is not None]
        hashed = hash_of(each.row)
        if not told:
            left[_why_none(each.answers)] += 1
        elif hashed in scored_on:
            left["in the run's validation or test rows, which must stay unseen"] += 1
        elif hashed in seen.train:
            left["in the run's train rows already"] += 1
        elif (target := agreed(labels.task, told)) is None:
            left["on which people disagree evenly"] += 1
        else:
            kept.append((each, target))
    return kept, left


def _why_none(answers: Sequence[Answered]) -> str:
    """Why a row has no label."""
    if any(one.skipped for one in answers):
        return "skipped by everybody"
    return "without a label" if any(one.seen for one in answers) else "that nobody has annotated"


def _refuse_unknown_rows(
    given: Sequence[_Given], options: ImportOptions, pairs: bool, known: TextColumns | None
) -> None:
    """Refuse rows that the pool does not have.

    Raises:
        DataError: naming the first of them.
    """
    pool = read_pool(
        addressed(options.pool or ""),
        None,
        pairs=pairs,
        text=options.text,
        text_pair=options.text_pair,
        options=options.reading,
        known=known,
        most=None,
    )
    texts = frozenset(hash_of(each.row) for each in pool.rows)
    unknown = [each for each in given if hash_of(each.row) not in texts]
    if unknown:
        places = first_of([each.place for each in unknown], _NAMED)
        raise DataError(
            f"{amount(len(unknown), 'row is', 'rows are')} not in the pool {options.pool}, or "
            f"{'its' if len(unknown) == 1 else 'their'} text was changed: "
            f"{places}",
            where=options.filled_in,
            hint="give the pool that the rows were chosen from; or leave POOL out, and they are taken as they are",
        )


def _counted(targets: Iterable[Target]) -> dict[str, int]:
    """Label -> rows, the most frequent first; none of values."""
    counts: Counter[str] = Counter()
    for each in targets:
        if not isinstance(each, float):
            counts.update(each if isinstance(each, tuple) else (each,))
    return dict(counts.most_common())


def _notes(given: Sequence[_Given], labels: GivenLabels) -> tuple[str, ...]:
    notes = []
    several = [each for each in given if sum(not one.skipped for one in each.answers) > 1]
    if several:
        rule = "the median counts" if labels.task.shape == "value" else "what most said counts"
        notes.append(f"{amount(len(several), 'row was', 'rows were')} labelled several times: {rule}")
    notes += labels.notes()
    texts = [one for each in given for one in ([each.row] if isinstance(each.row, str) else each.row)]
    addresses = sum(is_address(text.strip()) for text in texts)
    if addresses:
        which = amount(addresses, "text is an address", "texts are addresses")
        notes.append(f"{which}: read as any text, and nothing was fetched")
    return tuple(notes)
