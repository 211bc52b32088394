"""`--start`: the adapter that a run goes on from, and the options that follow from it.

In: a RunSpec that names a run.  Out: a Started; the spec with base, method and task of that run.
Not here: its rows (starting_rows.py), loading it (models/started.py), what is recorded of it (start_record.py).

All that is read here is small files of JSON: what contradicts is refused before torch is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liftune.errors import ArtifactError, MethodError, SpecError, pasted
from liftune.files import read_json_object
from liftune.inference.locate import locate_model
from liftune.models.foreign.folders import ADAPTER_CONFIG
from liftune.models.methods.options import PEFT_NAMES
from liftune.models.methods.registry import METHODS, find_method, parse_options
from liftune.option_values import AUTO_FOLDS
from liftune.records.reading import ADAPTER_CARD, RUN_RECORD, read_record
from liftune.records.training import AdapterCard
from liftune.run_folder import RunFolder, run_around
from liftune.spec import RunSpec
from liftune.wrong_path import is_file_in

WHERE = "--start"
_RESTORE = "restore the folder, or tune again"


@dataclass(frozen=True)
class Started:
    """The adapter that a run goes on from."""

    asked: str
    folder: Path
    card: AdapterCard
    run: RunFolder | None
    """Around it; None for an adapter by itself."""


def find_start(asked: str) -> Started:
    """The adapter that a path leads to.

    Raises:
        ArtifactError, SpecError: it leads to none, or to one that cannot be tuned further.
    """
    model = locate_model(asked, use="tuned" if is_file_in(asked, RUN_RECORD) else None, where=WHERE)
    if model.card is not None or model.kind != "adapter":
        what = {"bundle": "an export", "contender": f"the contender {model.contender}"}.get(model.kind, "")
        raise ArtifactError(
            f"{asked} is {what or 'a model that liftune did not save'}: only an adapter of liftune's is tuned further",
            where=WHERE,
            hint="give a run of liftune tune, or its folder adapter; a whole model is a base: give it as --model",
        )
    card = read_record(model.folder / ADAPTER_CARD, AdapterCard, "adapter")
    if card.method not in METHODS:
        raise ArtifactError(f"{asked} was tuned with {card.method!r}, which is not installed here", where=WHERE)
    if METHODS[card.method].kind == "full":
        raise ArtifactError(
            f"{asked} is a whole model (--method {card.method}), not an adapter",
            where=WHERE,
            hint=f"a whole model is a base: give it as --model {pasted(model.folder)} instead",
        )
    if not METHODS[card.method].goes_on:
        others = ", ".join(each.name for each in METHODS.entries() if each.goes_on)
        raise ArtifactError(
            f"{asked} was tuned with {card.method}, whose adapters PEFT reads for predicting alone",
            where=WHERE,
            hint=f"tune anew without --start; what can be tuned further: {others}",
        )
    around = RunFolder(run_around(model.folder))
    is_of_run = around.has_record and model.folder == around.adapter
    return Started(asked, model.folder, card, around if is_of_run else None)


def with_start(spec: RunSpec) -> RunSpec:
    """The spec with what follows from --start; as it is without one.

    Raises:
        SpecError: options contradict the run that is started from, or do not go with --start.
        ArtifactError: as `find_start`.
    """
    if spec.method.start is None:
        if spec.method.replay is not None:
            raise SpecError(
                "--replay names the old rows of a model that is tuned further, and there is no --start",
                where="--replay",
                hint="add --start RUN, or leave --replay out",
            )
        return spec
    if "source" not in spec.data.model_fields_set:
        raise SpecError(
            "the new rows are missing: a model is tuned further on rows that you give",
            where="DATA",
            hint=f"name them: liftune tune more.csv --start {pasted(spec.method.start)}",
        )
    _refuse_what_begins_anew(spec)
    started = find_start(spec.method.start)
    card, before = started.card, options_of_start(started)
    faults = _contradictions(spec, card, before)
    if faults:
        raise SpecError(
            "\n".join((f"{spec.method.start} was tuned otherwise, and is tuned further as it is", *faults)),
            where=WHERE,
            hint="leave these options out; or leave --start out, to tune anew",
        )
    pinned = card.base_revision is not None and "@" not in card.base
    base = f"{card.base}@{card.base_revision}" if pinned else card.base
    model = {"max_length": card.max_length, "base_precision": card.base_precision, **card.long_options}
    if "name" not in spec.model.model_fields_set:
        model["name"] = base
    train: dict[str, Any] = {"few": "off"}
    if "teacher_share" not in spec.train.model_fields_set:
        train["teacher_share"] = 0.0  # a baseline's predictions would hold back what is better than it from the start
    return spec.model_copy(
        update={
            # Unless --task was given: then numbers are meant as labels, say (starting_targets.py).
            "data": spec.data if spec.data.task is card.task else spec.data.completed(task=card.task),
            "model": spec.model.model_copy(update=model),
            "train": spec.train.model_copy(update=train),
            "method": spec.method.model_copy(update={"name": card.method, "options": before}),
            "evaluation": spec.evaluation.model_copy(update={"folds": None}),
        }
    )


def _refuse_what_begins_anew(spec: RunSpec) -> None:
    """Options that tune more than one model from the beginning."""
    evaluation = spec.evaluation
    asked = {
        "--folds": evaluation.folds not in (AUTO_FOLDS, None),
        "--curve": evaluation.curve,
        "--few": spec.train.few == "on",
        "--label-map": bool(spec.model.label_map),
    }
    why = {
        "--folds": "cross-validation tunes anew on each fold, and the model to start from has seen rows of all of them",
        "--curve": "the learning curve tunes anew on parts of train",
        "--few": "the contrastive start is for a base that was not tuned",
        "--label-map": "the head is that of the model to start from, whose labels are its own",
    }
    for option, given in asked.items():
        if given:
            raise SpecError(why[option], where=f"{option} with --start", hint="leave one of them out")


def _contradictions(spec: RunSpec, card: AdapterCard, before: Mapping[str, Any]) -> list[str]:
    """One line an option that was given and is another than the started model's."""
    given, lines = spec.model.model_fields_set, []

    def differing(option: str, there: object, asked: object) -> None:
        if asked != there:
            lines.append(f"  {option}: {'not given' if there is None else there} there, {asked} asked")

    if "max_length" in given and spec.model.max_length is not None:
        differing("--max-length", card.max_length, spec.model.max_length)
    if "base_precision" in given and spec.model.base_precision is not None:
        differing("--base-precision", card.base_precision, spec.model.base_precision)
    for name, there in card.long_options.items():
        said = getattr(spec.model, name)
        if said not in (None, "auto"):
            differing(f"--{name.replace('_', '-')}", there, said)
    if "task" in spec.data.model_fields_set and spec.data.task is not None:
        differing("--task", card.task.value, spec.data.task.value)
    if "name" in spec.method.model_fields_set:
        differing("--method", card.method, find_method(spec.method.name).name)
    if not lines and spec.method.options:
        method = METHODS[card.method]
        asked, there = (parse_options(method, each) for each in ({**before, **spec.method.options}, before))
        for name in type(there).model_fields:
            if getattr(asked, name) != getattr(there, name):
                lines.append(f"  --set {name}: {getattr(there, name)} there, {getattr(asked, name)} asked")
    return lines


def options_of_start(started: Started) -> dict[str, Any]:
    """The options of its method: as its run was asked, else as far as the adapter's own file names them."""
    method = METHODS[started.card.method]
    if started.run is not None:
        spec = started.run.spec()
        if find_method(spec.method.name) is method:
            return dict(spec.method.options)
    path = started.folder / ADAPTER_CONFIG
    config = read_json_object(path, hint=_RESTORE) if path.is_file() else {}
    known = {PEFT_NAMES.get(name, name): value for name, value in config.items()}
    found = {name: known[name] for name in method.options.model_fields if known.get(name) is not None}
    found.pop("target_modules", None)  # by PEFT's own names there, which are those of the adapter in any case
    try:
        parse_options(method, found)
    except MethodError:
        return {}
    return found
