"""Contenders of a run as predictors: majority, tf-idf, the base as it is, the probe, contrastive.

In: the folder of a saved contender.  Out: a Scorer of it, with its card.
Not here: tuned and full, which are adapters (adapter_predictor.py); which contender a run's commands use (chosen.py);
saving them (workflows/contenders.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from liftune.baselines.saved import read_majority, read_probe, read_tfidf
from liftune.errors import EXTRAS, ArtifactError, LiftuneError, SpecError, lacks_memory, need
from liftune.records.contender import ContenderCard
from liftune.records.reading import read_record
from liftune.run_folder import CONTENDER_CARD
from liftune.seals import checked, unreadable_in
from liftune.tasks import TaskKind
from liftune.types import Row, Scorer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from liftune.hardware.memory import Attempts
    from liftune.hardware.plan import Plan
    from liftune.models.classifier import Classifier


#: What to do about a damaged contender.
_RESTORE = "restore the folder, or tune again; or give --use tuned"


@dataclass(frozen=True, eq=False)
class SavedContender:
    """A contender that was read from disk: a Scorer that knows its labels."""

    card: ContenderCard
    scorer: Scorer
    base: Classifier | None
    """The pretrained model that it reads texts with, with the adapter of a start from pairs where it has one; None
    where it reads words alone."""

    @property
    def task(self) -> TaskKind:
        """What it predicts."""
        return self.card.task

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `logits`."""
        return self.card.labels

    def note_passes(self, note: Attempts) -> None:
        """Of its pretrained model; what reads words alone has none."""
        if self.base is not None:
            self.base.note_passes(note)

    def logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """(N, C) float32, in input order."""
        return self.scorer.logits(rows)


def read_contender_card(folder: Path) -> ContenderCard:
    """The card of a saved contender.

    Raises:
        ArtifactError: there is none, it is damaged, or of a newer liftune.
    """
    return read_record(folder / CONTENDER_CARD, ContenderCard, "contender")


def open_contender(
    folder: Path,
    *,
    plan: Plan | None = None,
    seed: int = 0,
    base: Classifier | None = None,
    trust_remote_code: bool = False,
) -> SavedContender:
    """Read a saved contender.

    Args:
        plan: of the pretrained model, where there is one.
        seed: of the parameters that loading it makes up; it cannot matter.
        base: the pretrained model, where it is loaded already.
        trust_remote_code: whether Python code of the pretrained model's own may run.

    Raises:
        ArtifactError: a file is missing or damaged, or the pretrained model has changed.
        ModelError: the pretrained model cannot be loaded.
        MissingExtra: what it needs is not installed.
    """
    card = read_contender_card(folder)
    if card.base is None:
        with _sound(card, folder):
            words = read_majority(card.settings) if card.name == "majority" else read_tfidf(card.settings, folder)
        return SavedContender(card, words, None)
    need(*EXTRAS["tune"])
    from liftune.hardware.plan import Plan
    from liftune.models.adapter_io import open_adapter
    from liftune.models.frozen import OnFeatures, open_frozen
    from liftune.models.trust import check_code

    check_code(card.base, allowed=trust_remote_code or base is not None, asked_by=folder / CONTENDER_CARD)
    with _sound(card, folder):
        head = folder if card.name == "base" else None
        if base is None and card.has_adapter:  # its files are sealed by the contender's card
            base = open_adapter(folder, card=card.base, plan=plan, seed=seed, trust_remote_code=trust_remote_code)
        base = base or open_frozen(card.base, head, plan=plan or Plan(), seed=seed, trust_remote_code=trust_remote_code)
        if card.name == "base":
            return SavedContender(card, base, base)
        probe = read_probe(card.settings, folder)
        return SavedContender(card, OnFeatures(base, probe.logits_of), base)


def refuse_torch_options(name: str, why: str = "", **options: object) -> None:
    """Refuse what only a pretrained model can follow.

    Args:
        why: why that contender is used, where nobody named it.

    Raises:
        SpecError: naming the options that were given.
    """
    given = [f"--{option.replace('_', '-')}" for option, value in options.items() if value]
    if given:
        raise SpecError(
            f"{f'{why}. ' if why else ''}{name} reads words, not a pretrained model: it has no base model, device or "
            "precision to choose",
            where=", ".join(given),
            hint="leave the option out, or give --use tuned",
        )


@contextmanager
def _sound(card: ContenderCard, folder: Path) -> Iterator[None]:
    """The files are those that were saved, or the block's work is for nothing."""
    with checked(folder, card.files, card=CONTENDER_CARD, hint=_RESTORE), _damage(card, folder):
        yield


@contextmanager
def _damage(card: ContenderCard, folder: Path) -> Iterator[None]:
    """Turn what the file readers raise over a bad folder into an ArtifactError."""
    try:
        yield
    except LiftuneError:
        raise
    except Exception as error:  # whatever comes of a value of another type
        if lacks_memory(error):
            raise
        message = str(error).strip() or type(error).__name__
        raise unreadable_in(folder) or ArtifactError(
            f"the saved contender {card.name} is damaged: {message.splitlines()[0]}", where=str(folder), hint=_RESTORE
        ) from None
