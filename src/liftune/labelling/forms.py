"""Files in which rows are handed out to be labelled: CSV, TSV, JSON lines, tasks of Label Studio.

In: rows with suggestions.  Out: files, whole or not at all.
Not here: choosing the rows (choose.py), reading them back (filled_in.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from liftune.addresses import refuse_as_output
from liftune.data.readers.formats import extension
from liftune.errors import ArtifactError, SpecError, choose, pasted
from liftune.files import atomic_write, check_writable, same_file
from liftune.inference.writers import writer_for
from liftune.labelling.pool import PoolRow
from liftune.records.labelling import Pick
from liftune.tasks import Task

#: Form -> the ending of its files.
FORMS = {"csv": ".csv", "tsv": ".tsv", "jsonl": ".jsonl", "label-studio": ".json"}
#: Columns that are added to those of the texts.
ROW, ID, SUGGESTION, PROBABILITY, LABEL = "row", "id", "suggestion", "probability", "label"
ADDED = (ROW, ID, SUGGESTION, PROBABILITY, LABEL)
#: Names that a labeling configuration can speak of.
_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_UNFIT = "no control characters can be in XML"


@dataclass(frozen=True)
class Handout:
    """Where rows are handed out, and in which form."""

    path: Path
    form: str

    @property
    def config(self) -> Path:
        """The labeling configuration beside tasks of Label Studio."""
        return self.path.with_suffix(".xml")

    @property
    def files(self) -> tuple[Path, ...]:
        """What is written."""
        return (self.config, self.path) if self.form == "label-studio" else (self.path,)


def target_of(out: str | None, form: str | None, *, source: str, overwrite: bool) -> Handout:
    """Where to write, and how.

    Args:
        out: None names `to-label` with the form's ending, here.
        form: one of FORMS; None takes that of the ending, CSV where there is none.
        source: what is read, which is never replaced.

    Raises:
        SpecError: the form is unknown or not that of the ending; or a file is there already.
        ArtifactError: it is a folder, or the disk cannot be written.
    """
    if form is not None:
        choose(form, FORMS, "form of rows to label", "--format")
    path = Path(out) if out else Path(f"to-label{FORMS[form or 'csv']}")
    refuse_as_output(str(path))
    of_ending = next((name for name, ending in FORMS.items() if ending == extension(path.name)), None)
    if of_ending is None or (form and form != of_ending):
        what = f"{path} does not end as {form} does" if form and of_ending else f"cannot write {path.name}"
        endings = ", ".join(f"{ending} ({name})" for name, ending in FORMS.items())
        raise SpecError(what, where="--out", hint=f"end its name in one of: {endings}")
    if path.is_dir():
        raise ArtifactError(f"{path} is a folder", where="--out", hint="name a file in it")
    target = Handout(path, of_ending)
    for each in target.files:
        if same_file(Path(source), each):
            raise SpecError(f"{each} is what is read", where="--out", hint="name another file")
        if each.exists() and not overwrite:
            raise SpecError(
                f"{each} exists, and may hold labels",
                where="--out",
                hint=f"name another file, or replace it with --overwrite: --out {pasted(path)} --overwrite",
            )
    check_writable(path.absolute().parent)
    return target


def write_rows(
    target: Handout, picks: Sequence[Pick], rows: Sequence[PoolRow], *, task: Task, labels: Sequence[str], run: str
) -> tuple[str, ...]:
    """Write the files.

    Args:
        picks, rows: in the same order.
        labels: the model's; none for a regression.

    Returns:
        their paths.
    """
    names = _text_names(rows, studio=target.form == "label-studio")
    records = [_record(pick, row, names) for pick, row in zip(picks, rows, strict=True)]
    if target.form == "label-studio":
        shown = list(names.values())
        tasks = [_task(pick, each, shown, task, run) for pick, each in zip(picks, records, strict=True)]
        files = {
            target.config: config_of(shown, labels, task).encode(),
            target.path: (json.dumps(tasks, ensure_ascii=False, indent=1, default=str) + "\n").encode(),
        }
    else:
        whole = [{**each, **_suggested(pick, target.form)} for pick, each in zip(picks, records, strict=True)]
        writer = writer_for(str(target.path), lambda: list(whole[0]), lambda: None, csv_safe=True)
        files = {target.path: writer.start() + writer.block(whole)}
    with ExitStack() as stack:
        opened = [(stack.enter_context(atomic_write(path)), data) for path, data in files.items()]
        for file, data in opened:
            file.write(data)
    return tuple(str(path) for path in files)


def _text_names(rows: Sequence[PoolRow], *, studio: bool) -> dict[str, str]:
    """Text column -> its name in the file, another one where it would be taken for what is added."""
    names: dict[str, str] = {}
    for i, name in enumerate(rows[0].cells if rows else ()):
        fit = name.strip().casefold() not in ADDED and (not studio or _PLAIN.fullmatch(name))
        fresh = name if fit else ("text", "text_pair")[i] if i < 2 else f"text_{i + 1}"
        while fresh in names.values():
            fresh = f"{fresh}_"
        names[name] = fresh
    return names


def _record(pick: Pick, row: PoolRow, names: dict[str, str]) -> dict[str, Any]:
    own = {} if pick.id is None else {ID: pick.id}
    return {ROW: pick.row, **own, **{names[name]: cell for name, cell in row.cells.items()}}


def _suggested(pick: Pick, form: str) -> dict[str, Any]:
    """What the model says, and the place of the label."""
    said: Any = list(pick.suggestion) if isinstance(pick.suggestion, tuple) else pick.suggestion
    if isinstance(said, list) and form != "jsonl":
        said = json.dumps(said, ensure_ascii=False)
    probability = None if pick.probability is None else round(pick.probability, 4)
    return {SUGGESTION: said, PROBABILITY: probability, LABEL: None if form == "jsonl" else ""}


# Label Studio: https://labelstud.io/guide/tasks and /guide/predictions -----------------------------------------------


def _task(pick: Pick, record: dict[str, Any], texts: Sequence[str], task: Task, run: str) -> dict[str, Any]:
    data = {name: str(cell) if name in texts else cell for name, cell in record.items()}
    prediction: dict[str, Any] = {"model_version": f"liftune {Path(run).name}", "result": []}
    if pick.suggestion is not None:
        kind, value = ("number", {"number": pick.suggestion}) if task.shape == "value" else ("choices", _choices(pick))
        prediction["result"] = [
            {"id": "suggestion", "from_name": LABEL, "to_name": texts[0], "type": kind, "value": value}
        ]
    if pick.probability is not None:
        prediction["score"] = round(pick.probability, 4)
    return {"data": data, "predictions": [prediction]}


def _choices(pick: Pick) -> dict[str, Any]:
    said = pick.suggestion
    return {"choices": list(said) if isinstance(said, tuple) else [said]}


def config_of(texts: Sequence[str], labels: Sequence[str], task: Task) -> str:
    """The labeling configuration of Label Studio, as XML.

    >>> from liftune.tasks import TaskKind, task_of
    >>> print(config_of(["text"], ["a", 'b "<'], task_of(TaskKind.SINGLE_LABEL)))
    <View>
      <Text name="text" value="$text" />
      <Choices name="label" toName="text" choice="single" showInLine="true">
        <Choice value="a" />
        <Choice value="b &quot;&lt;" />
      </Choices>
    </View>
    <BLANKLINE>
    """
    view = ElementTree.Element("View")
    for name in texts:
        ElementTree.SubElement(view, "Text", name=name, value=f"${name}")
    if task.shape == "value":
        ElementTree.SubElement(view, "Number", name=LABEL, toName=texts[0])
    else:
        many = "multiple" if task.shape == "labels" else "single"
        choices = ElementTree.SubElement(view, "Choices", name=LABEL, toName=texts[0], choice=many, showInLine="true")
        for label in labels:
            ElementTree.SubElement(choices, "Choice", value=_printable(label))
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _printable(label: str) -> str:
    """A label as XML can hold it.

    Raises:
        SpecError: it holds control characters.
    """
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", label):
        raise SpecError(f"the label {label!r} cannot be in a labeling configuration: {_UNFIT}", where="--format")
    return label
