"""Which rows of a data set a model was tuned on: held against hashes of its run's train rows, as texts are not kept.

In: rows.  Out: 8 bytes of each text; an Audit that says which test rows are among them.
Not here: where the hashes are kept (run_folder.py), leaks within one data set (audit.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from liftune.data.clusters import same_text
from liftune.data.splits import Splits
from liftune.types import Row

#: Bytes of a row's hash. Among R test rows and N train rows one is wrongly taken for another with a probability of
#: R * N / 2**64: below 1e-7 for a million of each.
_BYTES = 8


def hash_of(row: Row) -> bytes:
    """The same for rows of equal text (see `same_text`), a pair as a pair.

    >>> hash_of("a  meal") == hash_of("a meal"), len(hash_of(("a", "b")))
    (True, 8)
    """
    return hashlib.sha256(json.dumps(same_text(row)).encode()).digest()[:_BYTES]


def hashes_of(rows: Iterable[Row], before: frozenset[bytes] = frozenset()) -> bytes:
    """Those of all rows, each once and sorted, so that they do not tell the order of the rows.

    Args:
        before: of rows that the same model was tuned on earlier.
    """
    return b"".join(sorted({*map(hash_of, rows), *before}))


@dataclass(frozen=True)
class TunedOn:
    """What a model has seen."""

    train: frozenset[bytes] = frozenset()
    validation: frozenset[bytes] = frozenset()
    """By which its epoch and other choices were made."""
    unknown: str = ""
    """Why that is not known; else empty."""

    @classmethod
    def of(cls, train: bytes, validation: Iterable[Row]) -> TunedOn:
        """As a run keeps them.

        Raises:
            ValueError: the hashes are cut off.
        """
        if len(train) % _BYTES:
            raise ValueError(f"{len(train):,} bytes are no whole number of hashes")
        each = (train[i : i + _BYTES] for i in range(0, len(train), _BYTES))
        return cls(frozenset(each), frozenset(map(hash_of, validation)))

    def audited(self, splits: Splits) -> Splits:
        """The test rows, with those among them that the model has seen in the audit."""
        if self.unknown:
            note = f"whether the model was tuned on any of these rows is not known: {self.unknown}"
            audit = splits.audit.model_copy(update={"notes": (*splits.audit.notes, note)})
            return replace(splits, audit=audit)
        hashes = list(map(hash_of, splits.test.rows))
        trained = tuple(id_ for id_, each in zip(splits.test.ids, hashes, strict=True) if each in self.train)
        chosen = self.validation - self.train
        chosen_by = tuple(id_ for id_, each in zip(splits.test.ids, hashes, strict=True) if each in chosen)
        found = {
            "leaked_test_rows": len(trained),
            "leaked_ids": trained,
            "validation_leaked_ids": chosen_by,
            "leaks_known": True,
        }
        return replace(splits, audit=splits.audit.model_copy(update=found))


def seen_sentence(splits: Splits) -> str | None:
    """That the model has seen test rows, and what their scores are worth; None where it has seen none."""
    trained, chosen, every = len(splits.audit.leaked_ids), len(splits.audit.validation_leaked_ids), len(splits.test)
    if not trained + chosen:
        return None
    what = [
        *((f"tuned on the texts of {trained:,}",) if trained else ()),
        *((f"chosen by those of {chosen:,}{' others' if trained else ''} (its validation rows)",) if chosen else ()),
    ]
    left = every - trained - chosen
    rest = "no row is left that it has not seen" if not left else f"the other {left:,} are scored by themselves as well"
    return (
        f"of the {every:,} test rows, the model was {', and '.join(what)}: scores on these say nothing about new "
        f"texts; {rest}"
    )
