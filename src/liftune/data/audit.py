"""What can be seen in the rows before any model: duplicates, conflicts, leaks, labels that train lacks.

In: the parts of a run.  Out: an Audit.
Not here: rows that cannot be read (examples.py), how similar two texts are (near_duplicates.py), likely label errors
(diagnostics/label_errors.py).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from liftune.data.clusters import same_text
from liftune.data.coverage import coverage
from liftune.data.splits import Split
from liftune.records.data import Audit, Resemblance
from liftune.types import Row, Target

if TYPE_CHECKING:
    from liftune.data.near_duplicates import Near

_EXAMPLES = 10


def audit(
    train: Split,
    validation: Split,
    test: Split,
    *,
    validation_from_train: bool,
    skipped_rows: int = 0,
    notes: Iterable[str] = (),
    near_duplicates: float = 0.0,
    group: str | None = None,
) -> Audit:
    """The audit of the rows that a run uses: equal texts (see `same_text`), pairs as pairs; then near duplicates.

    Args:
        validation_from_train: validation was split off from train, so that a test row in it leaks as one in train does.
        near_duplicates: least similarity of a near duplicate (see near_duplicates.py); 0 looks for none.
        group: the column that the rows' groups are from.
    """
    of_train, of_validation, of_test = ([same_text(row) for row in each.rows] for each in (train, validation, test))
    seen, chosen_by = set(of_train), set(of_validation)
    known = seen | chosen_by if validation_from_train else seen
    leaked = tuple(id_ for id_, row in zip(test.ids, of_test, strict=True) if row in known)
    chosen_by -= known
    by_validation = tuple(id_ for id_, row in zip(test.ids, of_test, strict=True) if row in chosen_by)
    more: dict[str, Any] = {"near_duplicates": near_duplicates}
    if near_duplicates:
        more |= _near(train, validation, test, near_duplicates, validation_from_train=validation_from_train)
    if group:
        more |= _groups(train, validation, test, group, validation_from_train=validation_from_train)
    return Audit(
        leaked_test_rows=len(leaked),
        leaked_validation_rows=sum(row in seen for row in of_validation),
        duplicate_train_rows=len(train) - len(seen),
        conflicting_rows=sum(conflicting(train)),
        skipped_rows=skipped_rows,
        unseen_labels=_unseen(train, validation, test),
        leaked_ids=leaked,
        validation_leaked_ids=by_validation,
        notes=tuple(notes),
        coverage=coverage(train, validation, test),
        **repeats(test),
        **more,
    )


def repeats(test: Split) -> dict[str, Any]:
    """The audit's fields on test rows of equal text."""
    conflicts = conflicting(test)
    return {
        "duplicate_test_rows": len(test) - len(set(map(same_text, test.rows))),
        "conflicting_test_rows": sum(conflicts),
        "conflicting_test_ids": tuple(id_ for id_, each in zip(test.ids, conflicts, strict=True) if each),
    }


def labels_of(split: Split) -> set[str]:
    """Every label that occurs in a part; none for a regression."""
    return {label for target in split.targets for label in _labels(target)}


def fingerprint(test: Split) -> str:
    """sha256 over the test rows' ids, texts and targets: two runs with one fingerprint were tested on the same rows."""
    digest = hashlib.sha256()
    for each in zip(test.ids, test.rows, test.targets, strict=True):
        digest.update(json.dumps(each).encode() + b"\n")
    return digest.hexdigest()


def _labels(target: Target) -> tuple[str, ...]:
    if isinstance(target, str):
        return (target,)
    return target if isinstance(target, tuple) else ()


def conflicting(split: Split) -> list[bool]:
    """(N,) whether a row's text occurs with another target."""
    texts = [same_text(row) for row in split.rows]
    targets: dict[Row, set[Target]] = defaultdict(set)
    for row, target in zip(texts, split.targets, strict=True):
        targets[row].add(target)
    return [len(targets[row]) > 1 for row in texts]


def _unseen(train: Split, validation: Split, test: Split) -> dict[str, int]:
    seen = labels_of(train)
    counts = Counter(
        label
        for split in (validation, test)
        for target in split.targets
        for label in _labels(target)
        if label not in seen
    )
    return dict(sorted(counts.items()))


# Near duplicates ------------------------------------------------------------------------------------------------------


def _near(
    train: Split, validation: Split, test: Split, threshold: float, *, validation_from_train: bool
) -> dict[str, Any]:
    """The audit's fields on near duplicates; exact duplicates are not counted again."""
    from liftune.data.near_duplicates import find_near  # numpy, which listing the sources does not need

    near = find_near((*train.rows, *validation.rows, *test.rows), threshold)
    ends = (len(train), len(train) + len(validation))
    keys = near.keys.tolist()
    of_train, of_validation, of_test = keys[: ends[0]], keys[ends[0] : ends[1]], keys[ends[1] :]
    sources = dict(zip(of_train, train.ids, strict=True))
    exact = {same_text(row) for row in train.rows}
    wider, known = sources, exact
    if validation_from_train:
        wider = dict(zip(of_validation, validation.ids, strict=True)) | sources
        known = exact | {same_text(row) for row in validation.rows}
    leaks = _resembling(near, test, of_test, wider, known)
    return {
        "near_leaked_test_rows": len(leaks),
        "near_leaked_ids": tuple(each.row for each in leaks),
        "near_leaked_validation_rows": len(_resembling(near, validation, of_validation, sources, exact)),
        "near_duplicate_train_rows": sum(near_repeats(near, train.rows, of_train)),
        "near_duplicate_test_rows": sum(near_repeats(near, test.rows, of_test)),
        "near_conflicting_rows": _near_conflicting(near, train, of_train),
        "near_examples": tuple(sorted(leaks, key=lambda each: -each.similarity)[:_EXAMPLES]),
    }


def _resembling(
    near: Near, split: Split, keys: Sequence[int], sources: dict[int, str], exact: set[Row]
) -> list[Resemblance]:
    """Rows of a part that resemble a source row and equal none, each with the most similar source row."""
    resemblances = []
    for id_, row, key in zip(split.ids, split.rows, keys, strict=True):
        if same_text(row) not in exact:
            partner = next((each for each in near.around(key) if each[0] in sources), None)
            if partner:
                resemblances.append(Resemblance(row=id_, other=sources[partner[0]], similarity=round(partner[1], 4)))
    return resemblances


def near_repeats(near: Near, rows: Sequence[Row], keys: Sequence[int]) -> list[bool]:
    """(N,) whether a row resembles an earlier one and equals none."""
    texts: set[Row] = set()
    seen: set[int] = set()
    repeats = []
    for row, key in zip(map(same_text, rows), keys, strict=True):
        repeats.append(row not in texts and any(each in seen for each, _ in near.around(key)))
        texts.add(row)
        seen.add(key)
    return repeats


def _near_conflicting(near: Near, train: Split, keys: Sequence[int]) -> int:
    """Train rows that resemble one with another target. Numbers are not compared: two annotators' may differ."""
    if any(isinstance(target, float) for target in train.targets):
        return 0
    targets: dict[int, set[Target]] = defaultdict(set)
    for key, target in zip(keys, train.targets, strict=True):
        targets[key].add(target)
    return sum(
        not exact and any(targets[each] - {target} for each, _ in near.around(key) if each in targets)
        for key, target, exact in zip(keys, train.targets, conflicting(train), strict=True)
    )


# By group -------------------------------------------------------------------------------------------------------------


def _groups(train: Split, validation: Split, test: Split, group: str, *, validation_from_train: bool) -> dict[str, Any]:
    """The audit's fields on groups."""
    of = {
        name: set(split.groups or ()) for name, split in (("train", train), ("validation", validation), ("test", test))
    }
    shared = of["test"] & (of["train"] | of["validation"] if validation_from_train else of["train"])
    return {
        "group": group,
        "groups": {name: len(each) for name, each in of.items()},
        "shared_groups": len(shared),
        "group_leaked_ids": tuple(id_ for id_, each in zip(test.ids, test.groups or (), strict=True) if each in shared),
    }
