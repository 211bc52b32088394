"""`liftune report` of a model that lies by itself, here or on the hub: what its cards say, as there is no record.

In: a path or hub id.  Out: a SavedModelRecord.
Not here: runs (report.py), finding models (inference/locate.py), wording (reports/saved_model.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from liftune.errors import MethodError, ModelError, SpecError, lacks_memory
from liftune.inference.bundle_card import read_bundle_card
from liftune.inference.contenders import read_contender_card
from liftune.inference.locate import SavedModel, find_model, find_of_others, held_to_its_run
from liftune.models.foreign.folders import Foreign
from liftune.models.hub import at_hand, readme_of
from liftune.records.base import Interval
from liftune.records.reading import ADAPTER_CARD, read_record
from liftune.records.saved_model import CardScore, SavedModelRecord
from liftune.records.training import AdapterCard
from liftune.run_folder import RunFolder, run_around
from liftune.seals import files_in


def saved_record(path: str, *, where: str = "RUN") -> SavedModelRecord:
    """What a model by itself says.

    Raises:
        ArtifactError: the path leads to no tuned model, or to a part of a run, whose own report says more; or a card is
            damaged.
    """
    try:
        saved = None if RunFolder(run_around(Path(path))).has_record else find_model(path)
    except (ModelError, MethodError, SpecError) as error:
        foreign = find_of_others(Path(at_hand(path)))
        if foreign is None:
            raise
        note = f"it cannot be opened as it is: {error.message}"
        record = _unopened(path, foreign).model_copy(update={"notes": (note,)})
        return _with_readme(record, path, foreign.folder)
    if saved is None:
        RunFolder.open(path, where=where)
        raise AssertionError(path)  # as it holds no record
    saved = held_to_its_run(saved)
    record = _described(path, saved)
    return _with_readme(record, path, saved.folder)


def _unopened(path: str, foreign: Foreign) -> SavedModelRecord:
    """As much as the config of a model of others says."""
    named = foreign.config.get("base_model_name_or_path")
    return SavedModelRecord(
        path=path,
        kind="whole model" if foreign.whole else "adapter",
        by="others",
        method="" if foreign.whole else str(foreign.config.get("peft_type", "")),
        base=named if isinstance(named, str) else "",
    )


def _described(path: str, saved: SavedModel) -> SavedModelRecord:
    values: dict[str, Any] = {"path": path, "by": "others" if saved.card else "liftune"}
    values["notes"] = (f"{saved.note}.",) if saved.note else ()
    if saved.kind == "bundle":
        bundle = read_bundle_card(saved.folder)
        return SavedModelRecord(
            kind="bundle",
            max_length=int(bundle.tokens["max_length"]),
            long=bundle.tokens.get("long", "cut"),
            **values,
            **_of(bundle, method=bundle.method, base=bundle.base),
        )
    if saved.kind == "contender":
        contender = read_contender_card(saved.folder)
        base = contender.base
        return SavedModelRecord(
            kind="contender",
            max_length=base.max_length if base else None,
            long=base.long if base else "cut",
            **values,
            **_of(contender, method=contender.name, base=base.base if base else ""),
        )
    card = saved.card or read_record(saved.folder / ADAPTER_CARD, AdapterCard, "adapter")
    return SavedModelRecord(
        kind="whole model" if card.method == "full" else "adapter",
        max_length=card.max_length,
        long=card.long,
        **values,
        **_of(card, method=card.method, base="" if saved.is_whole_of_others else card.base),
    )


def _of(card: Any, *, method: str, base: str) -> dict[str, Any]:
    return {"task": card.task, "labels": card.labels, "pairs": card.pairs, "method": method, "base": base}


def _with_readme(record: SavedModelRecord, path: str, folder: Path) -> SavedModelRecord:
    """With what lies in the folder, and the scores of its README.md."""
    text = readme_of(path, folder)
    files = [name for name in files_in(folder) if "/" not in name]
    files += ["README.md"] if text is not None and "README.md" not in files else []
    scores = () if text is None else tuple(scores_in(text))
    return record.model_copy(update={"files": tuple(sorted(files)), "has_card": text is not None, "scores": scores})


def scores_in(readme: str) -> Iterator[CardScore]:
    """The scores in a card's metadata, in the form of `model-index`; what is not of that form is passed over."""
    from huggingface_hub import ModelCard

    try:
        results: Any = getattr(ModelCard(readme, ignore_metadata_errors=True).data, "eval_results", None) or ()
    except Exception as error:  # a card is anybody's text: YAML's errors, and those of values of another type
        if lacks_memory(error):
            raise
        return
    for each in results:
        value = _number(each.metric_value)
        if value is None:
            continue
        given = each.metric_args if isinstance(each.metric_args, dict) else {}
        name = str(each.metric_name or each.metric_type).partition(" (95% interval")[0]
        low, high = _number(given.get("low")), _number(given.get("high"))
        score = Interval(value=value, low=low, high=high) if None not in (low, high) else Interval(value=value)
        yield CardScore(metric=name, score=score, data=str(each.dataset_name or ""))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
