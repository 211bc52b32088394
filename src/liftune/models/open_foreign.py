"""An adapter that others saved, put on its base by PEFT itself, and held against it weight by weight.

In: the base, loaded; the adapter's folder.  Out: the PEFT model; or why it cannot answer as it did.
Not here: the classifier around it (adapter_io.py), what describes it (foreign/card.py).

PEFT only warns of what a file lacks, and leaves a head that was never saved as it was drawn (peft#577).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

from liftune.errors import ArtifactError, LiftuneError, ModelError, lacks_memory
from liftune.files import damaged, read_json_object
from liftune.models import families
from liftune.models.backbone import Backbone
from liftune.models.finite import check_finite
from liftune.models.foreign.folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS, RESTORE
from liftune.models.foreign.heads import no_head, plain, shapes_of
from liftune.models.pretrained import quiet
from liftune.seals import unreadable_in

_OTHER_BASE = "give the base that it was tuned on: --base PATH"


def check_saved_rank(folder: Path, shapes: Iterable[Sequence[int]]) -> None:
    """Refuse a rank in adapter_config.json that no matrix beside it has: it would be built first, and fill the memory.

    Args:
        shapes: of what is saved in the folder.

    Raises:
        ArtifactError: naming the rank.
    """
    config = read_json_object(folder / ADAPTER_CONFIG, hint=RESTORE)
    pattern = config.get("rank_pattern")
    ranks = {"r": config.get("r"), **(pattern if isinstance(pattern, dict) else {})}
    if config.get("peft_type") != "LORA":  # others, such as LoKr, may have a rank above all sizes
        return
    most = max((size for shape in shapes for size in shape), default=0)
    for name, rank in ranks.items():
        if isinstance(rank, int) and rank > most:
            reason = f"its rank ({name}) is {rank:,}, and no matrix saved beside it is larger than {most:,}"
            raise damaged(folder / ADAPTER_CONFIG, reason, hint=RESTORE)


def load_foreign(backbone: Backbone, folder: Path) -> nn.Module:
    """The PEFT model; the backbone's is changed in place.

    Raises:
        ArtifactError: the file is damaged, or the head was not saved with the adapter.
        ModelError: the base is another one than the adapter was made for.
    """
    from peft import PeftModel, get_peft_model_state_dict

    saved = shapes_of(folder / ADAPTER_WEIGHTS)
    check_finite(folder)
    check_saved_rank(folder, saved.values())
    try:
        with quiet():
            model: Any = PeftModel.from_pretrained(backbone.model, folder, torch_device="cpu")
            wanted = {plain(name) for name in get_peft_model_state_dict(model, save_embedding_layers=False)}
    except KeyError as error:  # PEFT looks for what its config says is saved
        name = plain(str(error.args[0]) if error.args else "")
        refuse_random(backbone, [name] if name in backbone.fresh else [], folder)
        raise _incomplete([name], folder) from None
    except Exception as error:  # PEFT takes a config's values as they are: any error may come of one of another type
        if isinstance(error, LiftuneError) or lacks_memory(error):
            raise
        raise _fault(error, backbone, folder) from None
    refuse_random(backbone, [name for name in backbone.fresh if name not in saved], folder)
    lacking = sorted(wanted - set(saved))
    if lacking:
        raise _incomplete(lacking, folder)
    strange = sorted(name for name in set(saved) - wanted if "embed" not in name)
    if strange:
        raise ModelError(
            f"{len(strange):,} weights of the adapter are for modules that the base does not have: "
            f"the first is {strange[0]}",
            where=backbone.name,
            hint=_OTHER_BASE,
        )
    assert isinstance(model, nn.Module)
    return model


def refuse_random(backbone: Backbone, random: Sequence[str], folder: Path) -> None:
    """Refuse a model of which some parameters are in no file: they were drawn when it was loaded.

    Raises:
        ArtifactError: naming the first.
    """
    if not random:
        return
    raise no_head(f"{random[0]} is in no file", backbone.head_modules, folder)


def _incomplete(lacking: Sequence[str], folder: Path) -> ArtifactError:
    return ArtifactError(
        f"the adapter's weights are incomplete: {len(lacking):,} are missing, the first is {lacking[0]}",
        where=str(folder),
        hint="restore the file, or save the adapter again",
    )


def length_with(backbone: Backbone, virtual_tokens: int) -> int:
    """Tokens that can be read of each text: a prompt takes positions of its own."""
    limit = families.position_limit(backbone.model)
    return backbone.max_length if limit is None else min(backbone.max_length, limit - virtual_tokens)


def _fault(error: Exception, backbone: Backbone, folder: Path) -> LiftuneError:
    lines = [each.strip() for each in str(error).strip().splitlines()] or [type(error).__name__]
    sizes = next((each for each in lines if each.startswith("size mismatch")), None)
    if sizes is not None:
        return ModelError(
            "the base model has other shapes than the adapter was made for: "
            f"{sizes.removeprefix('size mismatch for ')}",
            where=backbone.name,
            hint=_OTHER_BASE,
        )
    if "not found in the base model" in lines[0] or "No modules were targeted" in lines[0]:
        return ModelError(
            f"the base model lacks the modules that the adapter changes: {lines[0].partition('. ')[0]}",
            where=backbone.name,
            hint=_OTHER_BASE,
        )
    return unreadable_in(folder) or ArtifactError(
        f"PEFT {version('peft')} cannot read the adapter: {lines[0]}",
        where=str(folder),
        hint="restore the folder, or save the adapter again; where a newer PEFT saved it: pip install --upgrade peft",
    )
