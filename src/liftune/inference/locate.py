"""What a path leads to: a run, the folder of one of its models, a merged model, a bundle; or why it is none of these.

In: a path, and which contender of a run is wanted.  Out: a SavedModel.
Not here: which contender a run's commands use (chosen.py), loading (opening.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from liftune.errors import ArtifactError, SpecError
from liftune.inference.bundle_card import is_bundle
from liftune.inference.chosen import choose_contender
from liftune.inference.contenders import read_contender_card
from liftune.models.checkpoint import ALIASES
from liftune.models.foreign.card import ForeignCard
from liftune.models.foreign.card import card_of as card_of_foreign
from liftune.models.foreign.folders import Foreign, find_foreign
from liftune.models.foreign.said import NOTHING, Said
from liftune.models.hub import at_hand, find_on_hub
from liftune.records.reading import ADAPTER_CARD, BUNDLE_CARD, CONTENDER_CARD, RUN_RECORD
from liftune.run_folder import RunFolder, adapter_folder, card_of, run_around
from liftune.seals import is_sealed, unsealed_note
from liftune.wrong_path import is_file_in, refusal


@dataclass(frozen=True)
class SavedModel:
    """A tuned model on disk."""

    kind: Literal["adapter", "contender", "bundle"]
    """`adapter` is also a fully tuned or merged model: whatever liftune.json describes."""
    folder: Path
    """The folder of liftune.json, contender.json or bundle.json."""
    contender: str = "tuned"
    """Which one of its run."""
    note: str = ""
    """What to say of it each time: why it is not the tuned model, or that it has no seal; else empty."""
    card: ForeignCard | None = None
    """Of a model that others saved: what liftune.json would say; None where a card is in the folder."""

    @property
    def is_whole_of_others(self) -> bool:
        """Whether it is a fully tuned model that liftune did not write: a pretrained model with a head, too."""
        return self.card is not None and self.card.method == "full"

    @property
    def files(self) -> list[list[str | int]]:
        """Name, size and time of each file: what tells this model from a later one in its place."""
        stats = ((each.name, each.stat()) for each in sorted(self.folder.iterdir()) if each.is_file())
        return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]


def find_model(path: str | Path, use: str | None = None, *, said: Said = NOTHING) -> SavedModel | None:
    """What a path leads to: a run, its adapter folder or that of another contender, a folder that `liftune export`
    wrote, an adapter of plain PEFT or a fully tuned model of others, also as a Trainer's checkpoint, or one of
    liftune or PEFT on the hub; None where it is none.

    Args:
        path: a folder, or `ORG/NAME[@REVISION]` on the hub, which is downloaded.
        use: which contender of a run; see `choose_contender`.
        said: what the user says of a model that others saved.

    Raises:
        SpecError: the run has no such contender, or the path is that of one model; what was said does not fit it.
        ArtifactError: the run's record or a file of the model is damaged.
        ModelError: the base of another's adapter is not at hand.
    """
    path = Path(at_hand(path))
    folder = adapter_folder(path)
    if folder is not None or is_file_in(path, CONTENDER_CARD):
        _refuse_unfinished(path if folder not in (None, path) else run_around(path), path)
    if folder is not None and folder != path:
        chosen = choose_contender(path, use)
        return SavedModel(_kind(chosen.folder), chosen.folder, chosen.name, chosen.note)
    found = None
    if is_bundle(path):
        found = SavedModel("bundle", path)
    elif is_file_in(path, CONTENDER_CARD):
        found = SavedModel("contender", path, read_contender_card(path).name)
    elif folder is not None:
        found = SavedModel("adapter", folder, path.name if path.parent.name == "contenders" else "tuned")
    else:
        found = _of_others(path, said)
    if found is not None and use not in (None, found.contender):
        raise SpecError(
            f"{path} is one model by itself, not a run with several", where="--use", hint="give the run's own folder"
        )
    return found


def find_of_others(path: Path) -> Foreign | None:
    """A model that liftune did not write; one within a run has lost its card, and is damaged.

    Raises:
        ArtifactError: a file of it is damaged.
    """
    if any(is_file_in(each, name) for each in (path, run_around(path)) for name in (RUN_RECORD, "spec.json")):
        return None
    return find_foreign(path)


def _of_others(path: Path, said: Said) -> SavedModel | None:
    foreign = find_of_others(path)
    if foreign is None:
        return None
    card = card_of_foreign(foreign, said)
    return SavedModel("adapter", foreign.folder, note=card.note, card=card)


def _refuse_unfinished(run: Path, path: Path) -> None:
    """Refuse a model of a run whose record is not written yet: that of a better seed may still replace it."""
    if is_file_in(run, "spec.json") and not is_file_in(run, RUN_RECORD):
        message, hint = refusal(run, "tuned")
        raise ArtifactError(message, where=str(path), hint=hint)


def _kind(folder: Path) -> Literal["adapter", "contender"]:
    return "contender" if (folder / CONTENDER_CARD).is_file() else "adapter"


def held_to_its_run(model: SavedModel) -> SavedModel:
    """The model, if it is the one that the run around it wrote; with a note where it has no seal.

    Raises:
        ArtifactError: it is another run's, or the record is damaged.
    """
    if model.card is not None:
        return model
    run = run_around(model.folder)
    names = {"bundle": BUNDLE_CARD, "contender": CONTENDER_CARD}
    card = model.folder / names.get(model.kind, ADAPTER_CARD)
    if model.kind != "bundle" and card == run / card_of(model.contender):
        RunFolder(run).check_card(model.contender)
    if is_sealed(card):
        return model
    return replace(model, note="; ".join(filter(None, (model.note, unsealed_note(model.folder)))))


def locate_model(path: str | Path, *, use: str | None = None, said: Said = NOTHING, where: str = "RUN") -> SavedModel:
    """The same, or why the path leads to no tuned model.

    Args:
        said: as of `find_model`.
        where: the name of the argument, for the message.

    Raises:
        ArtifactError: there is none.
        ModelError, SpecError: as `find_model`.
    """
    model = find_model(path, use, said=said)
    if model is None:
        raise find_on_hub(path).fault or _no_model(str(path), where)
    return held_to_its_run(model)


def _no_model(path: str, where: str) -> ArtifactError:
    """Why a path leads to no tuned model, as far as can be seen."""
    message, hint = refusal(path, "tuned", pretrained=path in ALIASES)
    return ArtifactError(message, where=where, hint=hint)
