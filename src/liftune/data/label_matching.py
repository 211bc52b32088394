"""The labels of data that a model is scored on, as the model spells them.

In: rows to score, the model's labels, what the user says of them.  Out: the rows with the model's labels, and notes.
Not here: whether a pretrained head fits the data of a run (models/labels.py), spellings within data (spellings.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from liftune.data.audit import fingerprint, labels_of
from liftune.data.spellings import relabelled, spelt_alike
from liftune.data.splits import Splits
from liftune.errors import DataError, SpecError, first_of, nearest, pasted
from liftune.option_values import MERGES, typed
from liftune.tasks import task_of

#: What transformers calls an output that nobody named.
_NO_NAME = re.compile(r"LABEL_\d+")
#: Labels that a message names; more are counted.
_MOST_NAMED = 8


def in_their_order(outputs: int) -> str:
    """What to do about outputs that nobody named: their order is in no data, and a wrong one would swap the labels.

    >>> in_their_order(2).partition(";")[0]
    'name its 2 outputs, the first one first: --label-names NAME_0,NAME_1'
    """
    names = ",".join(f"NAME_{i}" for i in range(outputs))
    return (
        f"name its {outputs:,} output{'s' * (outputs != 1)}, the first one first: --label-names {pasted(names)}; "
        "which is which is known where the model was trained: id2label in its config.json, the names of a ClassLabel, "
        "classes_ of a LabelEncoder, or the list of labels in the code; a wrong order swaps the labels"
    )


def match_labels(splits: Splits, labels: Sequence[str], label_map: Mapping[str, str], *, model: str) -> Splits:
    """The test rows with the model's spelling of each label, where it is clear which one is meant.

    A label is, in this order: what the label map says, the model's label of the same name, the only one that differs
    from it in spelling alone (case, blanks, Unicode form; True for 1 where all labels are words of truth). Others stay
    as they are, and count as wrong; a note names them.

    Args:
        splits: their test rows are scored.
        labels: of the model; without any (regression), nothing is changed.
        label_map: label of the data -> label of the model.
        model: what to call the model in messages.

    Raises:
        SpecError: the label map names a label that data or model do not have.
        DataError: no label of the data is one of the model's: every row would count as wrong.
    """
    if not task_of(splits.task).outputs_labels:
        return splits
    own = sorted(labels_of(splits.test))
    _check_map(label_map, own, labels, model)
    partner = {**same_but_for_spelling(own, labels, label_map), **label_map}
    known = {label for label in own if partner.get(label, label) in labels}
    unknown = [label for label in own if label not in known]
    if own and not known:
        hint = (
            f"say which is which, such as {typed('--label-map', _suggested(own, labels))}, or give data with its labels"
        )
        if all(map(_NO_NAME.fullmatch, labels)):
            hint = in_their_order(len(labels))
        raise DataError(
            f"no label of the data is one of {model}'s: the data have {_listed(own)}; the model has {_listed(labels)}",
            hint=hint,
        )
    changed = {label: to for label, to in partner.items() if label != to}
    notes = []
    if changed:
        said = ", ".join(f"{label!r} as {to!r}" for label, to in sorted(changed.items()))
        notes.append(f"labels of the data read as the model's: {said}")
    if unknown:
        notes.append(
            f"labels that the model does not have count as wrong: {_listed(unknown)}; where one is a label of the "
            "model by another name, say so with --label-map DATA_LABEL=MODEL_LABEL"
        )
    if not notes:
        return splits
    test = relabelled(splits.test, changed)
    return replace(
        splits,
        test=test,
        labels=tuple(sorted(labels_of(test))),
        audit=splits.audit.model_copy(update={"notes": (*splits.audit.notes, *notes)}),
        fingerprint=fingerprint(test),
    )


def same_but_for_spelling(own: Sequence[str], labels: Sequence[str], label_map: Mapping[str, str]) -> dict[str, str]:
    """Label of the data -> the label of the model that it spells otherwise, where each has one partner only."""
    left = [label for label in own if label not in labels and label not in label_map]
    taken = {label for label in own if label in labels} | set(label_map.values())
    found: dict[str, str] = {}
    merges = [each for each in MERGES if each != "notes"]  # which may say that a label is another one
    for group in spelt_alike(dict.fromkeys((*left, *labels), 1), merges):
        ours, theirs = [each for each in group if each in left], [each for each in group if each in labels]
        if len(ours) == len(theirs) == 1 and theirs[0] not in taken:
            found[ours[0]] = theirs[0]
    return found


def _check_map(label_map: Mapping[str, str], own: Sequence[str], labels: Sequence[str], model: str) -> None:
    faults = [f"the data have no label {label!r}{nearest(label, own)}" for label in label_map if label not in own]
    faults += [
        f"{model} has no label {label!r}{nearest(label, labels)}" for label in label_map.values() if label not in labels
    ]
    if faults:
        raise SpecError(
            "; ".join(faults),
            where="--label-map",
            hint=f"give DATA_LABEL=MODEL_LABEL; the data have {_listed(own)}; the model has {_listed(labels)}",
        )


def _suggested(own: Sequence[str], labels: Sequence[str]) -> str:
    return ",".join(f"{label}={other}" for label, other in zip(own[:2], labels[:2], strict=False))


def _listed(labels: Sequence[str]) -> str:
    return first_of([repr(each) for each in labels], _MOST_NAMED)
