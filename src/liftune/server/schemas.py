"""Bodies of requests and responses, as the OpenAPI description shows them.

In: JSON.  Out: validated models.  Not here: limits of a request (validation.py), errors (errors.py).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationInfo

from liftune.inference.rows import plain_text
from liftune.records.base import Head
from liftune.server.errors import RequestError
from liftune.server.limits import MOST_TEXTS
from liftune.tasks import TaskKind


class RequestBody(BaseModel):
    """Base of requests: an unknown field is an error, as it may be a typing mistake."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


def _texts(given: Any, info: ValidationInfo) -> Any:
    """Every element by the rule of all predictors; an object of columns is joined where the model is known.

    Raises:
        DataError: one is no text.
        RequestError: there are far too many.
    """
    if not isinstance(given, list):
        return given
    if len(given) > MOST_TEXTS:
        raise RequestError(
            413, f"the request has {len(given):,} texts", where=info.field_name, hint="send fewer at a time"
        )
    objects = dict if info.field_name == "texts" else ()
    return [
        each if isinstance(each, objects) else plain_text(each, f"{info.field_name}.{i}")
        for i, each in enumerate(given)
    ]


Texts = Annotated[list[str], BeforeValidator(_texts)]


class ClassifyRequest(RequestBody):
    """Texts to classify with one model."""

    model: str | None = None
    """Its name; may be left out where only one model is served."""
    texts: Annotated[list[str | dict[str, Any]], BeforeValidator(_texts), Field(min_length=1)]
    """Each a text; or an object of the columns that the model was tuned on, which are joined as they were then."""
    pairs: Texts | None = None
    """The second text of each, for a model of text pairs; left out where the objects in texts hold it."""
    with_base: StrictBool = False
    """Add the base model's prediction to each."""
    min_precision: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The share of predictions that must be right, as far as validation data can support it; a text of which the model
    is too unsure gets no label, and `abstained`."""
    explain: StrictBool = False
    """Add to each how much leaving out each word changes the answer. Every word of a text counts as one more text of
    the request, for its limits of texts and of time."""
    explain_label: str | None = None
    """With `explain`: the label that is explained; left out, it is the predicted one, of several each of them."""


class ClassifiedText(BaseModel):
    """What `liftune predict --json` prints for a text."""

    text: str
    text_pair: str | None = None
    label: str | None = None
    labels: list[str] | None = None
    value: float | None = None
    abstained: bool | None = None
    probabilities: dict[str, float] | None = None
    base: dict[str, Any] | None = None
    explanation: dict[str, Any] | None = None
    """With `explain`: `unit` (what was left out, one at a time: word, sentence or passage), `notes`, and `answers`:
    each with its `label` and `probability`, or its `value`, and `parts` in the order of the text: `text`, `start` and
    `end` in characters, `of` where it is of the second text, `change` (of the probability or value: with the part less
    without it), `log_odds` (the same of the label's log odds), `becomes` (what is predicted without it, if another)."""


class ClassifyResponse(BaseModel):
    """One prediction per text, in order."""

    model: str
    contender: str = "tuned"
    """Which one of its run answered."""
    results: list[ClassifiedText]


class ColumnsRequest(RequestBody):
    """The head of a file, whose texts are to be found."""

    model: str | None = None
    """Which is to read them; may be left out where only one model is served."""
    columns: Annotated[list[str], Field(min_length=1)]
    rows: Annotated[list[list[str]], Field(min_length=1, max_length=MOST_TEXTS)]
    """Cells of the first rows, in the order of the columns; some hundred rows are enough."""


class TextsFound(BaseModel):
    """Where the texts are."""

    columns: list[str]
    """The column of the text, or those that are joined; empty where it is unclear."""
    text_pair: str | None
    """That of the second text, for a model of pairs."""
    said: str
    """Why these, or why it is unclear; empty where their names say it."""


class ModelSummary(BaseModel):
    """A model that is served."""

    name: str
    task: TaskKind
    labels: list[str]
    base: str
    method: str
    pairs: bool
    columns: list[str]
    """The columns that its texts were read from; several are joined."""
    max_length: int
    """Tokens read of each text; 0 where all of it is read."""
    kind: str
    """`run` or `bundle`."""
    contender: str = "tuned"
    """Which one of its run: tuned, or another that was asked for, or that the verdict prefers."""
    note: str = ""
    """Why it is another than the tuned one."""
    base_head: Head | None
    """`fresh` where the base model's head is randomly initialised, so that it only guesses; null where there is no base
    model."""
    shared: bool
    """Whether its texts share batches with those of other models of the same base."""


class ModelList(BaseModel):
    """All models that are served."""

    models: list[ModelSummary]


class RunInfo(BaseModel):
    """The result of the run that a model came from."""

    name: str
    verdict: list[str]
    """In sentences; empty where the run's record is not beside the model."""
    report: str | None
    """Path of the run's report, if it was written."""


class LoadRequest(RequestBody):
    """A model to load."""

    path: str
    """A run folder, an adapter folder or a bundle, on the server."""
    name: str | None = None
    """The folder's name if not given."""
    use: str | None = None
    """Which contender of a run; the tuned one if not given, unless the verdict says that it is worse than the
    recommended one."""
    replace: bool = False
    """Whether to replace a model of the same name."""


class Health(BaseModel):
    """State of the server."""

    status: str
    workers: int = 1
    """Processes that answer requests, as asked for by --workers."""
    workers_ready: int = 1
    """How many of them do."""
