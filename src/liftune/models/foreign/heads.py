"""The head that an adapter's file holds: how many outputs it has, read from the names and shapes of its weights.

In: adapter_model.safetensors, adapter_config.json.  Out: a number of outputs.
Not here: whether the head fits the base (open_foreign.py holds every weight against the model).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from liftune.errors import ArtifactError
from liftune.files import damaged
from liftune.models.foreign.folders import CONFIG, RESTORE, WEIGHTS

#: PEFT saves modules of these names with every adapter that classifies rows.
_USUAL = ("classifier", "score")
#: How wide the layers of a body are, in the config.json of one family or another.
_WIDTHS = ("hidden_size", "intermediate_size", "dim", "hidden_dim", "d_model", "d_inner", "ffn_dim", "n_embd")


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the weights in a file, by their names in the plain model; the weights themselves are not read.

    Raises:
        ArtifactError: the file is damaged, or cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            names = list(file.keys())
            return {plain(name): tuple(file.get_slice(name).get_shape()) for name in names}
    except (OSError, SafetensorError) as error:
        raise damaged(path, str(error), hint=RESTORE) from None


def plain(name: str) -> str:
    """A weight's name in the plain model, without what PEFT puts before it.

    >>> plain("base_model.model.classifier.weight"), plain("base_model.score.weight")
    ('classifier.weight', 'score.weight')
    """
    return name.removeprefix("base_model.model.").removeprefix("base_model.")


def outputs_in(
    shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any], base: Mapping[str, Any] | None = None
) -> set[int]:
    """How many outputs the head in an adapter's file may have: no number where it holds none, one where that is clear.

    The layer that gives the logits is the one whose output no other layer of the head reads. Modules of the body, such
    as a pooler, may be saved without the head: their outputs are as wide as the base's layers.

    Args:
        base: the base's config.json.
    """
    saved = config.get("modules_to_save")
    modules = {*_USUAL, *(str(each) for each in (saved if isinstance(saved, list) else ()))}
    own = (f"{str(config.get('peft_type')).lower()}_", "lora_", "hada_")
    layers = [
        shape
        for name, shape in shapes.items()
        if len(shape) == 2
        and name.endswith(".weight")
        and "embed" not in name
        and any(f"{module}." in name for module in modules)  # by its end, as PEFT does
        and not any(part.startswith(own) for part in name.split("."))
    ]
    last = {
        out for at, (out, _) in enumerate(layers) if all(out != each for i, (_, each) in enumerate(layers) if i != at)
    }
    found = last or {out for out, _ in layers}
    if any(f"{module}." in name for name in shapes for module in _USUAL):
        return found
    widths = ((base or {}).get(width) for width in _WIDTHS)
    return found - {width for width in widths if isinstance(width, int)}


def unfit_weights(fresh: Sequence[str], folder: Path, config: Mapping[str, Any]) -> ArtifactError:
    """The refusal of a whole model of which some parameters are not in its weights, or of another shape.

    Args:
        fresh: their names.
        config: its config.json.
    """
    shapes = shapes_of(folder / WEIGHTS[0]) if (folder / WEIGHTS[0]).is_file() else {}
    name = next((each for each in fresh if each in shapes), None)
    if name is None:
        reason = f"its weights are incomplete: {len(fresh):,} are missing, the first is {fresh[0]}"
    else:
        size = " x ".join(f"{each:,}" for each in shapes[name])
        labels = config.get("id2label")
        named = f" (it names {len(labels):,} labels)" if isinstance(labels, dict) else ""
        reason = f"its weights have other shapes than its {CONFIG} says{named}: {name} is {size}"
    return ArtifactError(
        reason, where=str(folder), hint=f"restore {CONFIG} and the weights of one model, or correct it"
    )


def no_head(why: str, modules: Sequence[str], folder: Path) -> ArtifactError:
    """The refusal of a model whose head is in no file.

    Args:
        modules: of the head; none where they are not known.
    """
    named = f"[{', '.join(repr(each) for each in modules)}]" if modules else "[...] naming the modules of its head,"
    return ArtifactError(
        f"the head was not saved with the adapter: its answers would be random ({why})",
        where=str(folder),
        hint=f"save it where it was trained, with modules_to_save={named} in its PEFT config; or name a base that has "
        "the trained head: --base PATH",
    )
