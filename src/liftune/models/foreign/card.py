"""A model that others saved, described as liftune's own card describes one: a card made in memory.

In: a Foreign, what the user says.  Out: a ForeignCard, by which every command opens the model as it opens liftune's
own.
Not here: finding the folder (folders.py), loading (open_foreign.py). Only JSON and the names and shapes of weights
are read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from liftune.errors import MethodError, ModelError, first_of
from liftune.files import damaged, read_json_object
from liftune.models.checkpoint import ALIASES, Checkpoint, locate
from liftune.models.foreign.bases import base_of, json_of
from liftune.models.foreign.folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS, CONFIG, RESTORE, Foreign, classifies
from liftune.models.foreign.heads import no_head, outputs_in, shapes_of
from liftune.models.foreign.outputs import Outputs, names_in, outputs_of
from liftune.models.foreign.said import Said
from liftune.records.training import AdapterCard
from liftune.wrong_path import merge_hint

_TOKENIZER = "tokenizer_config.json"
#: Tokens of a text that are read where nothing says less.
_USUAL_LENGTH = 512
#: What PEFT makes for other ends, whose head means something else.
_OTHER_TASKS = ("TOKEN_CLS", "QUESTION_ANS", "CAUSAL_LM", "SEQ_2_SEQ_LM")
#: Fields by which PEFT imports a module that the file names, or reads more than the text: never followed.
_REFUSED = ("megatron_config", "alora_invocation_tokens", "arrow_config")
_LABELS_SHOWN = 6


class ForeignCard(AdapterCard):
    """What would stand in liftune.json, and what would not: that is never written."""

    base_sha256: str = ""
    """Not known: nobody kept which weights the adapter was tuned on."""
    tokenizer_folder: str | None = Field(default=None, exclude=True)
    """Where a tokenizer was saved with the model; None takes the base's."""
    virtual_tokens: int = Field(default=0, exclude=True)
    """Positions that its prompt takes."""
    note: str = Field(default="", exclude=True)
    """What was taken for what, to be said each time."""


def card_of(foreign: Foreign, said: Said) -> ForeignCard:
    """The card.

    Raises:
        ArtifactError: a file is damaged.
        ModelError: the base is not at hand, or the model is made for another end.
        MethodError: PEFT made it by a method that liftune has not, or that reads more than texts.
        SpecError: what the user says does not fit the model.
    """
    own = _json_in(foreign.folder, CONFIG)
    if foreign.whole:
        checkpoint, method, config = locate(str(foreign.folder)), "full", own
        configs, number = {CONFIG: own}, len(names_in(own))
    else:
        method = _method_of(foreign)
        checkpoint = base_of(foreign, said)
        config = json_of(checkpoint, CONFIG)
        configs = {CONFIG: own, f"base's {CONFIG}": config}
        number = _number_of(foreign, configs, said)
    outputs = outputs_of(
        number, {what: each for what, each in configs.items() if each}, said, where=str(foreign.folder)
    )
    has_tokenizer = (foreign.folder / _TOKENIZER).is_file()
    tokens = _json_in(foreign.folder, _TOKENIZER) if has_tokenizer else json_of(checkpoint, _TOKENIZER)
    return ForeignCard(
        liftune=version("liftune"),
        task=outputs.task,
        labels=outputs.labels,
        method=method,
        base=checkpoint.name if checkpoint.name in ALIASES else checkpoint.base,
        base_revision=checkpoint.revision,
        family=str(config.get("model_type", "")),
        head="trained" if classifies(config) and len(names_in(config)) == number else "fresh",
        max_length=said.max_length or _length_in(tokens),
        **said.long,
        pad_token_id=0,
        truncation_side=_side_in(tokens),
        pairs=said.pairs,
        trust_remote_code=said.trust_remote_code,
        tokenizer_folder=str(foreign.folder) if has_tokenizer and not foreign.whole else None,
        virtual_tokens=_virtual_tokens(foreign),
        note=_note(foreign, checkpoint, outputs),
    )


def _method_of(foreign: Foreign) -> str:
    from liftune.models.methods.registry import find_method  # it imports torch, which a bundle does without

    config, where = foreign.config, str(foreign.folder / ADAPTER_CONFIG)
    task, kind = config.get("task_type"), config.get("peft_type")
    if not isinstance(kind, str):
        raise damaged(Path(where), "it does not say its peft_type", hint=RESTORE)
    hint = merge_hint(foreign.config.get("base_model_name_or_path"), "give DIR")
    if task in _OTHER_TASKS:
        raise ModelError(
            f"the adapter was made for {task}: it has no head that classifies texts",
            where=where,
            hint="give an adapter made for SEQ_CLS; or tune one: liftune tune DATA",
        )
    fields = [name for name in _REFUSED if config.get(name)]
    if fields:
        raise MethodError(
            f"the adapter needs {', '.join(fields)}, which liftune does not follow: a file must not say what is run",
            where=where,
            hint=hint,
        )
    try:
        method = find_method(kind)
    except MethodError:
        raise MethodError(f"liftune does not open PEFT adapters of type {kind}", where=where, hint=hint) from None
    variants = {"use_dora": "dora", "use_rslora": "rslora"}
    return next((name for field, name in variants.items() if method.name == "lora" and config.get(field)), method.name)


def _number_of(foreign: Foreign, configs: Mapping[str, Mapping[str, Any]], said: Said) -> int:
    """The outputs of the adapter's head; where its file holds none, those of the base's."""
    base = list(configs.values())[-1]
    found = outputs_in(shapes_of(foreign.folder / ADAPTER_WEIGHTS), foreign.config, base)
    if len(found) == 1:
        return next(iter(found))
    if not found and base.get("architectures") and not classifies(base):
        raise no_head("no file holds one", (), foreign.folder)
    named = [len(said.label_names), *(len(names_in(each)) for each in configs.values() if each)]
    fitting = [each for each in named if each and (not found or each in found)]
    if not fitting:
        counts = " or ".join(f"{each:,}" for each in sorted(found))
        raise ModelError(
            f"which of its layers gives the answers is not clear: they are {counts} numbers",
            where=str(foreign.folder),
            hint="name the labels, whose number tells it: --label-names A,B,...",
        )
    return fitting[0] if found else (fitting[1] if said.label_names and len(fitting) > 1 else fitting[0])


def _json_in(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    return read_json_object(path, hint=RESTORE) if path.is_file() else {}


def _length_in(tokenizer: Mapping[str, Any]) -> int:
    most = tokenizer.get("model_max_length")
    return min(_USUAL_LENGTH, int(most)) if isinstance(most, int | float) and most >= 1 else _USUAL_LENGTH


def _virtual_tokens(foreign: Foreign) -> int:
    number = foreign.config.get("num_virtual_tokens")
    return number if isinstance(number, int) and not foreign.whole else 0


def _side_in(tokenizer: Mapping[str, Any]) -> Literal["left", "right"]:
    return "left" if tokenizer.get("truncation_side") == "left" else "right"


def _unknown_fields(foreign: Foreign) -> str:
    """What the adapter's config switches on that the PEFT that is installed does not know, and leaves out."""
    if foreign.whole:
        return ""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    kinds: Mapping[str, Any] = {str(kind.value): each for kind, each in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    kind = kinds.get(str(foreign.config["peft_type"]))
    if kind is None:
        return ""
    known = {each.name for each in dataclasses.fields(kind)}
    unknown = sorted(name for name, value in foreign.config.items() if name not in known and value)
    if not unknown:
        return ""
    wrote = foreign.config.get("peft_version")
    by = f", written by PEFT {wrote}" if isinstance(wrote, str) else ""
    return (
        f"{ADAPTER_CONFIG}{by} says {first_of(unknown, _LABELS_SHOWN)}, which PEFT {version('peft')} does not know and "
        "leaves out: its answers may be others (a newer PEFT may know it: pip install --upgrade peft)"
    )


def _note(foreign: Foreign, base: Checkpoint, outputs: Outputs) -> str:
    """What is said of the model each time, as much of it is not in its files."""
    kind = str(foreign.config.get("peft_type"))
    what = "a model that others tuned in full" if foreign.whole else f"a plain PEFT adapter ({kind}) on {base.name}"
    parts = [foreign.note, f"{what}: {outputs.task}, {outputs.why_task}"]
    if outputs.labels and outputs.why_labels.startswith("nothing"):
        parts.append(outputs.why_labels)
    elif outputs.labels:
        parts.append(f"labels {first_of(outputs.labels, _LABELS_SHOWN)} {outputs.why_labels}")
    parts.append(_unknown_fields(foreign))
    parts.append("unsealed: liftune did not write it, and damage to it may go unseen")
    return "; ".join(filter(None, parts))
