"""bundle.json: what an exported bundle says of itself, and the rules by which its rows become tokens.

In: a bundle's folder.  Out: its BundleCard, or what is damaged.
Not here: predicting (onnx_bundle.py), making a bundle (exports/). Neither torch nor onnxruntime is imported.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from liftune.data.token_rules import TokenRules
from liftune.errors import ArtifactError
from liftune.files import damaged
from liftune.records.base import SealedRecord, TextColumns
from liftune.records.calibration import Cutoff, Thresholds, check_thresholds
from liftune.records.reading import BUNDLE_CARD, read_record
from liftune.tasks import TaskKind
from liftune.wrong_path import is_file_in

CARD, MODEL, TOKENIZER = BUNDLE_CARD, "model.onnx", "tokenizer.json"
_RULES = TypeAdapter(TokenRules)
_NO_ID = 1 << 31
#: Fields of TokenRules that say what is read of rows that are too long.
_OF_LONG_ROWS = ("long", "overlap", "pooling", "most_windows")
#: What to do about a damaged bundle.
RESTORE = "restore the file, or export the run again"


class BundleCard(SealedRecord):
    """bundle.json: all that is needed to predict with the model beside it."""

    liftune: str
    format: str
    task: TaskKind
    labels: tuple[str, ...]
    pairs: bool
    columns: TextColumns | None = None
    """As in the adapter's card."""
    method: str
    base: str
    base_sha256: str
    family: str
    inputs: tuple[str, ...]
    """Names of the model's inputs, (B, L) int64 each: input_ids, attention_mask, token_type_ids."""
    tokens: dict[str, Any]
    """The fields of TokenRules; max_length and pad are among them."""
    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0
    """By which logits were divided after training; the head has it folded in."""
    thresholds: Thresholds | None = None
    """Multi-label: the probability from which on each label is predicted; null is one half."""
    cutoffs: tuple[Cutoff, ...] = ()
    """By which it abstains, as in the adapter's card."""
    scheme: str | None = None
    """int8: which weights are 8 bits wide."""
    files: dict[str, str]
    """sha256 of each file, by its name: in every schema."""

    @model_validator(mode="after")
    def _one_threshold_a_label(self) -> Self:
        check_thresholds(self.labels, self.thresholds)
        return self


def is_bundle(path: str | Path) -> bool:
    """Whether a path names a bundle's folder."""
    return is_file_in(path, CARD)


def read_bundle_card(folder: Path) -> BundleCard:
    """The description of a bundle.

    Raises:
        ArtifactError: there is none, it is damaged, or of a newer liftune.
    """
    card = read_record(folder / CARD, BundleCard, "bundle")
    try:
        TokenRules(**card.tokens)  # names that are none
        rules = _RULES.validate_json(json.dumps(card.tokens), strict=True)
    except TypeError as error:
        raise damaged_bundle(folder / CARD, str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("tokens", *first["loc"])))
        raise damaged_bundle(folder / CARD, f"{place}: {first['msg']}") from None
    if not 1 <= rules.max_length < _NO_ID:
        raise damaged_bundle(folder / CARD, f"its max_length is {rules.max_length!r}, not a number of tokens")
    if rules.most_windows < 1 or not 0 <= rules.overlap < _NO_ID:
        raise damaged_bundle(folder / CARD, f"its windows: {rules.most_windows} at most, {rules.overlap} tokens shared")
    for name, number in (("pad", rules.pad), ("unknown", rules.unknown)):
        if not 0 <= number < _NO_ID:
            raise damaged_bundle(folder / CARD, f"its {name} is {number!r}, no token's id")
    if "input_ids" not in card.inputs:
        raise damaged_bundle(
            folder / CARD, f"the model's inputs are {', '.join(card.inputs) or 'none'}, without input_ids"
        )
    return card


def card_tokens(rules: TokenRules) -> dict[str, Any]:
    """Rules as bundle.json holds them: of long rows nothing where they are cut, so that older liftunes open it."""
    fields = asdict(rules)
    return {name: fields[name] for name in fields if rules.long != "cut" or name not in _OF_LONG_ROWS}


def damaged_bundle(path: Path, reason: str) -> ArtifactError:
    """What is wrong with a file of a bundle, and what to do."""
    return damaged(path, reason, hint=RESTORE)
