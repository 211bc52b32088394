"""Whether the targets of new rows are what the model that a run goes on from predicts: labels, or numbers.

In: the Started, the new rows.  Out: notes on what they are taken for; or a refusal, where they can hardly be that.
Not here: reading them (data/recognise.py), which rows stay (data/continued.py).

The task is the started model's. So a column of numbers is read as labels where the model has labels, and the other way
round: what the column would be by itself is held against that here. `--task` says that it is meant.
"""

from __future__ import annotations

from collections.abc import Sequence

from liftune.data.audit import labels_of
from liftune.data.examples import read_labels
from liftune.data.label_matching import same_but_for_spelling
from liftune.data.load import LoadedData
from liftune.data.numbers import number
from liftune.data.recognise import recognise
from liftune.data.separators import sets_of_known
from liftune.data.splits import Split, Splits
from liftune.errors import DataError, amount, first_of, pasted
from liftune.option_texts import options_in, possible_ways
from liftune.spec import DataSpec
from liftune.tasks import TaskKind, task_of
from liftune.types import Target
from liftune.workflows.starting import WHERE, Started

_NAMED = 3
_ANEW = "numbers to predict are tuned anew, without --start"


def refuse_other_kind(started: Started, new: Splits) -> None:
    """Refuse rows of another task, or pairs for a model of single texts.

    Raises:
        DataError: they are.
    """
    card = started.card
    if new.task is card.task and new.pairs == card.pairs:
        return
    raise DataError(
        f"{started.asked} is a {card.task.value} model{' of pairs' * card.pairs}, and the new rows are {_kind(new)}",
        where=WHERE,
        hint="name the columns with --text, --text-pair and --label; a model of another task is tuned anew, "
        "without --start",
    )


def of_another_task(error: DataError, started: Started) -> None:
    """Add to an error of reading the new rows that they are read as the started model's."""
    error.add_note(f"targets are read as those of {started.asked}, a {started.card.task.value} model (--start)")
    # Another --task would be refused. Without all rows of several labels, what is left would be another task's data.
    hint = possible_ways(error.hint or "", lambda way: "task" not in options_in(way)) if error.hint else ""
    if "--skip-bad-rows" in hint:
        hint = f"{hint}, where few rows are wrong; a model of another task is tuned anew, without --start"
    error.hint = hint or error.hint


def targets_said(
    started: Started, spec: DataSpec, loaded: LoadedData | None, new: Splits, old: Sequence[Split]
) -> tuple[str, ...]:
    """What the targets are taken for, where that can be another thing than was meant.

    Args:
        spec: as `with_start` gives it.
        loaded: the new rows as they were read; None where they were cut in memory.
        old: parts of the run that is started from, as far as they are at hand.

    Raises:
        DataError: they are numbers, and the model's labels are none.
    """
    if not task_of(started.card.task).outputs_labels:
        return _numbers_said(started, spec, loaded, new, old)
    _refuse_numbers(started, spec, loaded, new)
    return (*_sets_said(started, new), *_number_labels_said(started, new))


def _kind(new: Splits) -> str:
    """What rows are, where they were read as another task's: numbers that stand as labels are numbers."""
    every = [target for split in (new.train, new.validation, new.test) for target in split.targets]
    numbers = all(isinstance(each, float) or (isinstance(each, str) and number(each) is not None) for each in every)
    labels = len({target for target in every if isinstance(target, str)})
    what = f"{'numbers' if numbers else new.task.value}"
    several = f", each read as one of {labels:,} labels" if numbers and labels else ""
    return f"{'pairs of texts' if new.pairs else 'single texts'} with {what}{several}"


# A model of labels ----------------------------------------------------------------------------------------------------


def _labels(new: Splits) -> list[str]:
    return sorted(labels_of(new.train) | labels_of(new.validation) | labels_of(new.test))


def _numbers_among(labels: Sequence[str]) -> list[str]:
    found = [(value, label) for label in labels if (value := number(label)) is not None]
    return [label for _, label in sorted(found)]


def _added(started: Started, labels: Sequence[str]) -> list[str]:
    """Those that the model does not have, in another spelling either."""
    known = started.card.labels
    respelt = same_but_for_spelling(labels, known, {})
    return [label for label in labels if label not in known and label not in respelt]


def _by_itself(loaded: LoadedData, spec: DataSpec) -> TaskKind | None:
    """The task that the label column would have without a model to go on from; None where that is unclear."""
    plain = spec.model_copy(update={"task": None})
    try:
        return read_labels(loaded.tables["train"], loaded.columns, plain).task
    except DataError:
        return None


def _refuse_numbers(started: Started, spec: DataSpec, loaded: LoadedData | None, new: Splits) -> None:
    """Refuse numbers as new labels, unless --task says that they are: where the model has only words, or where the
    column by itself would be numbers to predict, and the model's labels would not."""
    labels, asked = _labels(new), started.asked
    added = _numbers_among(_added(started, labels))
    if loaded is None or not added or "task" in spec.model_fields_set:
        return
    known, where = started.card.labels, f"{loaded.sources['train']}, column {loaded.columns.label!r}"
    meant = f"if each number is a label, --task {started.card.task.value}"
    shown = first_of([repr(each) for each in added], _NAMED)
    if len(_numbers_among(labels)) == len(labels) and not _numbers_among(known):
        raise DataError(
            f"the labels of the new rows are numbers: {shown}; those of {asked} are words: {_listed(known)}",
            where=where,
            hint=f"name the column of the labels with --label{_names_for(added, known)}; {meant}; {_ANEW}",
        )
    if _by_itself(loaded, spec) is TaskKind.REGRESSION and recognise(known).task is not TaskKind.REGRESSION:
        raise DataError(
            f"the new rows hold numbers, of which {amount(len(added), 'would be a new label', 'would be new labels')}: "
            f"{shown}; {asked} predicts labels: {_listed(known)}",
            where=where,
            hint=f"name the column of the labels with --label; {meant}; {_ANEW}",
        )


def _names_for(numbers: Sequence[str], known: Sequence[str]) -> str:
    """How to say that numbers stand for the model's labels, where they can: 0, 1 for two labels."""
    if any(number(each) not in range(len(known)) for each in numbers):
        return ""
    first = [f"{i} is {label!r}" for i, label in enumerate(known[:2])]
    return f"; if {' and '.join(first)}{' and so on' * (len(known) > 2)}, --label-names {pasted(','.join(known))}"


def _number_labels_said(started: Started, new: Splits) -> tuple[str, ...]:
    """That numbers become labels of the model."""
    added = _numbers_among(_added(started, _labels(new)))
    if not added:
        return ()
    taken = "is a number and is taken as a label" if len(added) == 1 else "are numbers and are taken as labels"
    return (f"of the new labels {_listed(added)} {taken}; {_ANEW}",)


def _sets_said(started: Started, new: Splits) -> tuple[str, ...]:
    """Where new labels are the model's own, several in one cell: by themselves these rows would be multi-label."""
    if not task_of(new.task).has_confidence:
        return ()
    every = [str(target) for split in (new.train, new.validation, new.test) for target in split.targets]
    found, separator = sets_of_known(every, started.card.labels)
    if not found:
        return ()
    return (
        f"{amount(len(found), 'new label is', 'new labels are')} labels of {started.asked} with {separator!r} between "
        f"them, such as {found[0]!r}: each is taken as one label more, as that model gives every text one label; where "
        "a text has several, tune anew without --start",
    )


# A model of numbers ---------------------------------------------------------------------------------------------------


def _numbers_said(
    started: Started, spec: DataSpec, loaded: LoadedData | None, new: Splits, old: Sequence[Split]
) -> tuple[str, ...]:
    """Where numbers would be classes by themselves, as those of the old rows would not; and where they have another
    range than those."""
    values = _values(new.train.targets)
    known = [value for part in old for value in _values(part.targets)]
    notes: list[str] = []
    if loaded is not None and "task" not in spec.model_fields_set:
        same = bool(known) and recognise(known).task is not TaskKind.REGRESSION
        if not same and _by_itself(loaded, spec) is TaskKind.SINGLE_LABEL:
            kinds = amount(len(set(values)), "value")
            notes.append(
                f"targets of {kinds} are read as numbers, as {started.asked} predicts numbers; for a model that takes "
                "them for classes tune anew without --start"
            )
    if known and values:
        low, high = min(known), max(known)
        outside = sum(not low <= value <= high for value in values)
        if 2 * outside > len(values):
            notes.append(
                f"{outside:,} of {len(values):,} new targets lie outside {low:g} to {high:g}, the range of the "
                f"validation and test rows of {started.asked}: the model learns them as they are; if they are in "
                "another unit, convert them first"
            )
    return tuple(notes)


def _values(targets: Sequence[Target]) -> list[float]:
    return [each for each in targets if isinstance(each, float)]


def _listed(labels: Sequence[str]) -> str:
    return first_of([repr(each) for each in labels], _NAMED)
