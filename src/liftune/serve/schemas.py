"""What goes over the wire: requests and responses, as OpenAPI tells them.

In: JSON.  Out: checked models.  Not here: what a request may hold at most (rows.py), errors (refusals.py).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from liftune.records.base import Head
from liftune.tasks.base import TaskKind


class Wire(BaseModel):
    """Base of all: a field that is not known is a slip, and said to be one."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class ClassifyRequest(Wire):
    """Texts for one model."""

    model: str | None = None
    """Its name; may be left out where one model is served."""
    texts: Annotated[list[str], Field(min_length=1)]
    pairs: list[str] | None = None
    """The second text of each, for a model that was tuned on pairs."""
    with_base: bool = False
    """Add the untuned model's answer to each."""
    min_precision: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The share of answers that must be right, as far as validation can vouch; a row of which the model is too unsure
    gets no label, and `abstained`."""


class ClassifiedText(BaseModel):
    """What `liftune predict --json` prints of a row."""

    text: str
    text_pair: str | None = None
    label: str | None = None
    labels: list[str] | None = None
    value: float | None = None
    abstained: bool | None = None
    probabilities: dict[str, float] | None = None
    base: dict[str, Any] | None = None


class ClassifyResponse(BaseModel):
    """One answer a text, in order."""

    model: str
    results: list[ClassifiedText]


class ModelFacts(BaseModel):
    """A model that is served."""

    name: str
    task: TaskKind
    labels: list[str]
    base: str
    method: str
    pairs: bool
    max_length: int
    """Tokens that are read of each row."""
    kind: str
    """`run` or `bundle`."""
    base_head: Head | None
    """`fresh` where the untuned model's answers are chance by construction; null where there is no untuned model."""
    shared: bool
    """Whether its rows share batches with those of other models of the same base."""


class Models(BaseModel):
    """All models that are served."""

    models: list[ModelFacts]


class RunInfo(BaseModel):
    """What the run found that a model came from."""

    name: str
    verdict: list[str]
    """In sentences; empty where there is no record beside the model."""
    report: str | None
    """Where the run's report is, if it was written."""


class Load(Wire):
    """A model to be served."""

    path: str
    """A run folder, an adapter folder or a bundle, on the server."""
    name: str | None = None
    """The folder's own if not given."""
    replace: bool = False
    """Whether it takes the place of a model of the same name."""


class Health(BaseModel):
    """That the server is there."""

    status: str


class Refusal(BaseModel):
    """Why there is no answer."""

    what: str
    where: str | None = None
    hint: str | None = None
