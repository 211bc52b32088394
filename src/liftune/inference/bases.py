"""`--base`: base models that have moved, taken only where a model that is opened was tuned on them.

In: the bases that the user names, the models to be opened.  Out: nothing; adapters find their base there, or a refusal.
Not here: where a base is looked for (models/moved_bases.py), loading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from liftune.errors import SpecError
from liftune.inference.contenders import read_contender_card
from liftune.inference.locate import SavedModel, find_model, locate_model
from liftune.models.checkpoint import locate
from liftune.models.foreign.card import ForeignCard
from liftune.models.foreign.said import NOTHING, Said
from liftune.models.methods.registry import METHODS
from liftune.models.moved_bases import look_in
from liftune.records.reading import ADAPTER_CARD, read_record
from liftune.records.training import AdapterCard

_LEAVE = "leave --base out"


def use_base(
    base: str | None, path: str, *, use: str | None = None, with_base: bool = False, said: Said = NOTHING
) -> Said:
    """Let the model that a path leads to find its base model in another place.

    Args:
        base: a folder or hub id; None leaves everything as it is.
        use: which contender of a run.
        with_base: whether the base model predicts too, so that a whole model needs it as well.
        said: what else the user says of a model that others saved.

    Returns:
        the same, with the base.

    Raises:
        SpecError: the model needs no base model, or was tuned on other weights.
        LiftuneError: there is no such base, or no such model.
    """
    if base is None:
        return said
    said = replace(said, bases=(base,))
    use_bases([base], [locate_model(path, use=use, said=said)], with_base=with_base)
    return said


def use_base_of_scored(base: str | None, name: str, use: str | None = None, *, said: Said = NOTHING) -> Said:
    """The same of what is to be scored, which may be a pretrained model.

    Raises:
        SpecError: as `use_base`, or it is a pretrained model.
    """
    if base is None:
        return said
    said = replace(said, bases=(base,))
    model = find_model(name, use, said=said)
    if model is None:
        raise SpecError(f"{name} is a pretrained model itself: it has no base model", where="--base", hint=_LEAVE)
    use_bases([base], [model])
    return said


def use_bases(bases: Sequence[str], models: Sequence[SavedModel], *, with_base: bool = False) -> None:
    """Let models find their base models in other places.

    Args:
        with_base: as of `use_base`.

    Raises:
        SpecError: a base is that of none of the models.
    """
    if not bases:
        return
    needed = {model.folder: _base_of(model, with_base=with_base) for model in models}
    cards = [each for each in needed.values() if isinstance(each, AdapterCard)]
    if not cards:
        reasons = (f"{folder} {why}" for folder, why in needed.items())
        raise SpecError(f"{'; '.join(reasons)}: it has no base model to look for", where="--base", hint=_LEAVE)
    named = {each.base for each in cards if isinstance(each, ForeignCard)}
    for base in bases:
        sha256 = look_in(base)
        found = locate(base)
        if {found.base, found.name} & named:  # nobody kept which weights it had
            continue
        if sha256 not in {each.base_sha256 for each in cards}:
            tuned_on = " or ".join(dict.fromkeys(each.base for each in cards))
            raise SpecError(
                f"{base} has other weights than {tuned_on}, which the adapter was tuned on",
                where="--base",
                hint=f"give a copy of {tuned_on} as it was then; if it is still in its place, {_LEAVE}",
            )


def _base_of(model: SavedModel, *, with_base: bool) -> AdapterCard | str:
    """What describes the base model that a model needs, or why it needs none."""
    if model.kind == "bundle":
        return "is a bundle, which holds all of its model"
    if model.kind == "contender":
        return read_contender_card(model.folder).base or "reads words alone"
    card = model.card or read_record(model.folder / ADAPTER_CARD, AdapterCard, "adapter")
    whole = card.method in METHODS and METHODS[card.method].kind == "full"
    return "is a whole model" if whole and not with_base else card
