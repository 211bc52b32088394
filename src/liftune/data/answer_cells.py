"""What the cells of an answers file mean: each row's answer in the labels of the data, and its probabilities.

In: the file's Table, which columns hold ids and texts, the labels of the data.  Out: targets; probabilities by row.
Not here: which row of the data an answer is for (answer_rows.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from liftune.data.answer_shares import ShareColumns, likeliest
from liftune.data.blank_words import BLANKS
from liftune.data.column_names import LABELS, known_name
from liftune.data.label_lists import items
from liftune.data.readers.table import Table
from liftune.data.recognise import Wanted, recognise
from liftune.data.separators import Divided, known_pieces
from liftune.data.spellings import partner_of
from liftune.data.splits import Splits
from liftune.data.targets import NO, TICKS, CellError, Reading, is_missing
from liftune.errors import LIKELY, DataError, amount, first_of, nearest
from liftune.spec import DataSpec
from liftune.tasks import task_of
from liftune.types import Target

#: How a column of answers may be named, before those that labels have.
_ANSWERS = (
    *("answer", "answers", "prediction", "predictions", "predicted", "predicted_label", "predicted_labels", "pred"),
    *("preds", "response", "output", "completion", "value"),
)
#: How a column, or columns by label, of probabilities may be named.
_SHARES = (
    "probabilities",
    "probability",
    "probs",
    "prob",
    "proba",
    "scores",
    "score",
    "p",
    "confidence",
    "confidences",
)
_OF_LABEL = re.compile(
    rf"(?i)({'|'.join(sorted(_SHARES, key=len, reverse=True))})(?:[_ .:/\-]+of)?[_ .:/\-(\[]+(.+?)[)\]]?"
)
#: One number a row, of the answer that is given.
_CONFIDENCE = ("confidence", "probability", "prob", "proba", "certainty", "p", "score")
_NAMED = 5


@dataclass(frozen=True)
class AnswerColumns:
    """The columns of answers and of probabilities.

    Args:
        answer: None where probabilities alone are given.
        named: whether its name says that it holds answers, and not labels.
        marks: label -> a column that says whether a row has it.
        shares: those of probabilities.
    """

    answer: str | None
    named: bool = False
    marks: Mapping[str, str] = field(default_factory=dict)
    shares: ShareColumns = field(default_factory=ShareColumns)
    notes: tuple[str, ...] = field(default=(), compare=False)


def answer_columns(table: Table, splits: Splits, used: Collection[str], name: str) -> AnswerColumns:
    """Find them.

    Args:
        used: columns of ids and texts.

    Raises:
        DataError: no column can hold the answers, or several could.
    """
    left = [each for each in table.columns if each not in used]
    task = task_of(splits.task)
    by_label = _columns_of_labels(left, splits.labels, name) if task.outputs_labels else {}
    marked = bool(by_label) and task.shape == "labels" and _all_marks(table, by_label.values())
    rest = [each for each in left if each not in by_label.values()]
    answer = known_name((name, *_ANSWERS, *LABELS), [each for each in rest if each.casefold() not in ("score", "p")])
    mapping = known_name(_SHARES, [each for each in rest if each != answer]) if task.has_probabilities else None
    if mapping is not None and not any(isinstance(items(cell), dict) for cell in table.read(mapping)[:50]):
        mapping = None
    names = [each for each in rest if each not in (answer, mapping)]
    confidence = known_name(_CONFIDENCE, names) if task.has_confidence and not (mapping or by_label) else None
    others = [each for each in names if each != confidence]
    notes: tuple[str, ...] = ()
    if answer is None and len(others) == 1 and not (mapping or by_label):
        answer = others[0]
        notes = (f"answers are read from column {answer!r}, the only one left; name it answer to be sure",)
    elif answer is None and not task.outputs_labels and confidence is None:
        answer = known_name(("score", "y"), rest)
    if answer is None and not (mapping or by_label):
        could = f"it could be {first_of(others, 8)}" if others else "none is left"
        raise DataError(
            f"no column holds the answers of {name}: {could}",
            where=table.where,
            hint=f"{_lacking_columns(left, splits)}name the column answer, or {name}; its columns are: "
            f"{', '.join(table.columns)}",
        )
    found = known_name((name, *_ANSWERS), rest)
    if answer is not None and found == answer and (label := known_name(LABELS, [e for e in rest if e != answer])):
        notes += (f"answers are read from column {answer!r}, not {label!r}: rename it to say otherwise",)
    if marked:
        return AnswerColumns(answer, found is not None, {} if answer else by_label, notes=notes)
    notes += _unused_shares([each for each in left if each != answer], splits.labels, by_label)
    return AnswerColumns(answer, found is not None, {}, ShareColumns(by_label, mapping, confidence), notes)


def _unused_shares(columns: Sequence[str], labels: Sequence[str], by_label: Mapping[str, str]) -> tuple[str, ...]:
    """A note on columns named for labels that are not used: some label has none, or they are for no label."""
    named = {each: match[2] for each in columns if (match := _OF_LABEL.fullmatch(each.strip()))}
    if by_label:
        strangers = [each for each in named if each not in by_label.values()]
        some_named = any(each in by_label.values() for each in named)
        said = f"columns of probabilities of no label here are not used: {first_of(strangers, _NAMED)}"
        return (said,) if strangers and some_named else ()
    of = {label: known_name((label,), columns) or known_name((label,), named.values()) for label in labels}
    lacking = [label for label, column in of.items() if column is None]
    if not lacking or len(lacking) == len(labels):
        return ()
    found = [f"{label!r}" for label, column in of.items() if column]
    return (
        f"probabilities are not used: {amount(len(found), 'label has', 'labels have')} a column of its own "
        f"({first_of(found, _NAMED)}), and {first_of([repr(each) for each in lacking], _NAMED)} "
        f"{'has' if len(lacking) == 1 else 'have'} none",
    )


def _columns_of_labels(columns: Sequence[str], labels: Sequence[str], name: str) -> dict[str, str]:
    """Label -> the column of that name after one word for all, or of that name; nothing unless all have one.

    Of several words that of the answers comes first, then one for probabilities; of others there must be one only.
    """
    by_word: dict[str, dict[str, str]] = {}
    for label in labels:
        behind = re.compile(rf"(?i)(.+?)(?:[_ .:/\-]+of)?[_ .:/\-(\[]+{re.escape(label)}[)\]]?")
        for column in columns:
            if match := behind.fullmatch(column.strip()):
                by_word.setdefault(match[1].casefold(), {}).setdefault(label, column)
    whole = {word: found for word, found in by_word.items() if _one_each(found, labels)}
    word = known_name((name, *_ANSWERS, *_SHARES), whole) or (next(iter(whole)) if len(whole) == 1 else None)
    if word is not None:
        return whole[word]
    plain = {label: own for label in labels if (own := known_name((label,), columns))}
    return plain if _one_each(plain, labels) else {}


def _one_each(found: Mapping[str, str], labels: Sequence[str]) -> bool:
    return len(found) == len(set(found.values())) == len(labels) > 0


def _lacking_columns(columns: Sequence[str], splits: Splits) -> str:
    """What to do where some labels have a column of their own, before what else can be done."""
    if task_of(splits.task).shape != "labels":
        return ""
    lacking = [label for label in splits.labels if known_name((label,), columns) is None]
    if not lacking or len(lacking) == len(splits.labels):
        return "write lists of labels in one column, or give every label a column of 0 and 1; "
    named = first_of([repr(each) for each in lacking], _NAMED)
    return f"give every label a column, as {named} {'has' if len(lacking) == 1 else 'have'} none; or "


def _all_marks(table: Table, columns: Collection[str]) -> bool:
    """Whether columns say yes or no, and hold no share."""
    known = NO | TICKS
    return all(
        is_missing(cell) or str(cell).strip().casefold() in known for each in columns for cell in table.read(each)
    )


def targets_of(
    table: Table, columns: AnswerColumns, splits: Splits, spec: DataSpec, positions: Sequence[int], name: str
) -> tuple[dict[int, Target], tuple[str, ...]]:
    """Position in the file -> the answer, in the data's labels; blank cells are no answers. And what to say.

    Args:
        positions: of rows that are in the data.

    Raises:
        DataError: an answer is no label of the data, not even in another spelling, or cannot be read.
    """
    task = task_of(splits.task)
    if columns.marks:
        read = {label: table.read(column) for label, column in columns.marks.items()}
        marks = {i: tuple(sorted(each for each in read if _says_yes(read[each][i]))) for i in positions}
        return dict(marks), ()
    if columns.answer is None:
        return likeliest(table, columns.shares, splits, positions), ()
    cells: Sequence[Any] = table.read(columns.answer)
    known = (*splits.labels, *splits.unseen)
    blanks = Counter(str(cells[i]).strip() for i in positions if _is_blank(cells[i], known))
    given = [i for i in positions if not is_missing(cells[i]) and not _is_blank(cells[i], known)]
    notes = tuple(
        f"{amount(rows, 'answer is', 'answers are')} {cell!r}: no answer" for cell, rows in blanks.items() if cell
    )
    cells, divided = _divided(cells, given, splits)
    notes += divided
    wanted = Wanted(splits.task, spec.label_separator, None, spec.label_names, spec.decimal)
    where = f"{table.where}, column {columns.answer}"
    numbered = bool(spec.label_names) and not any(str(cells[i]).strip() in known for i in given)
    wanted = wanted if numbered else Wanted(splits.task, spec.label_separator, None, (), spec.decimal)
    try:
        reading = recognise([cells[i] for i in given], (), wanted=wanted, typed=table.typed, where=where)
    except DataError as error:
        raise DataError(error.message, where=error.where, hint=_hint(error.hint, splits)) from None
    targets = {i: _target(cells[i], reading, table, i, name, splits) for i in given}
    if not task.outputs_labels:
        return targets, notes
    return _in_own_labels(targets, splits, table, name, notes)


def _divided(cells: Sequence[Any], given: Sequence[int], splits: Splits) -> tuple[Sequence[Any], tuple[str, ...]]:
    """Cells with known labels beside each other as lists, where a row can have several; and what was taken."""
    if task_of(splits.task).shape != "labels":
        return cells, ()
    known, divided = (*splits.labels, *splits.unseen), Divided()
    lists = list(cells)
    for i in given:
        cell = cells[i]
        if not isinstance(cell, str) or items(cell) is not None:
            continue
        found = known_pieces(cell, lambda piece: piece in known or bool(partner_of(piece, known)), some=True)
        if found is not None:
            lists[i] = found[0]
            divided.count(cell, found[1])
    if not (notes := divided.notes("answer")):
        return cells, ()
    for i in given:  # one form for all
        if isinstance(lists[i], str):
            lists[i] = held if isinstance(held := items(lists[i]), list) else [lists[i].strip()]
    return lists, notes


def _is_blank(cell: Any, known: Sequence[str]) -> bool:
    """Whether a cell says that there is no answer, in a word that is no label."""
    text = str(cell).strip()
    return isinstance(cell, str) and text not in known and text.casefold() in BLANKS


def _says_yes(cell: Any) -> bool:
    return not is_missing(cell) and str(cell).strip().casefold() in TICKS


def _hint(given: str | None, splits: Splits) -> str:
    """How to correct an answer: options that say how the data are read would change the run, and are not named."""
    if given and "--" not in given:
        return given
    shape = task_of(splits.task).shape
    return {"value": "write it as a number", "labels": "write labels of the data"}.get(
        shape, "write one label of the data"
    )


def _or_none(splits: Splits) -> str:
    """That a row may have no answer; a missing value is scored as the mean of train, where there is one."""
    needed = task_of(splits.task).shape == "value" and not len(splits.train)
    return "" if needed else ", or leave the cell empty: the row then has no answer"


def _target(cell: Any, reading: Reading, table: Table, position: int, name: str, splits: Splits) -> Target:
    try:
        return reading.target(cell)
    except CellError as error:
        raise DataError(
            f"an answer of {name} cannot be read: {error}",
            where=table.place(position),
            hint=f"{_hint(error.hint, splits)}{_or_none(splits)}",
        ) from None


def _in_own_labels(
    targets: Mapping[int, Target], splits: Splits, table: Table, name: str, notes: tuple[str, ...]
) -> tuple[dict[int, Target], tuple[str, ...]]:
    """Every label as the data spell it.

    Raises:
        DataError: one is no label of the data.
    """
    known = (*splits.labels, *splits.unseen)
    counts = Counter(label for target in targets.values() for label in _labels(target))
    partner = {label: partner_of(label, known) for label in counts if label not in known}
    unknown = [label for label, own in partner.items() if own is None]
    if unknown:
        first = next(i for i, target in targets.items() if set(_labels(target)) & set(unknown))
        named = first_of([f"{each!r} ({counts[each]:,})" for each in unknown], _NAMED)
        near = nearest(unknown[0], known, least=LIKELY) if len(unknown) == 1 else ""
        raise DataError(
            f"{name} answers what is no label here: {named}{near}; the labels are "
            f"{first_of([repr(each) for each in known], 8)}",
            where=table.place(first),
            hint="write one of these, or leave the cell empty: a row without an answer counts as wrong",
        )
    if partner:
        said = first_of([f"{label!r} as {own!r}" for label, own in partner.items()], _NAMED)
        notes = (*notes, f"answers read as labels that are spelt otherwise: {said}")
    own = {label: partner.get(label) or label for label in counts}
    return {i: _renamed(target, own) for i, target in targets.items()}, notes


def _labels(target: Target) -> tuple[str, ...]:
    return target if isinstance(target, tuple) else (str(target),)


def _renamed(target: Target, own: Mapping[str, str]) -> Target:
    if isinstance(target, tuple):
        return tuple(sorted({own[each] for each in target}))
    return own[str(target)]
